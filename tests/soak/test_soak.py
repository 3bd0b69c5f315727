"""A short form of the long run; `python -m tests.soak` is as long as one likes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_run_that_is_disturbed_again_and_again_ends_as_one_that_is_not():
    """In a process of its own: a fork of this one lacks the threads that other tests started."""
    words = ["-m", "tests.soak", "--iterations", "120", "--disturbances", "7", "--workers", "0"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    rows = dict(re.findall(r"^\| ([^|]+) \| ([\d| ]+) \|$", done.stdout, re.MULTILINE))
    struck = [name for name in rows if name.startswith(("kill", "SIGTERM", "full", "slow"))]
    assert len(struck) >= 3, done.stdout
    assert rows["differences at the end, and other problems"] == "0"
    for name, most in (("memory (MiB)", 16), ("files", 0), ("threads", 0)):
        early, late = map(int, rows[name].split("|"))
        assert late - early <= most, done.stdout

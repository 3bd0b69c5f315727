"""A fixed share of every kind of fault; `python -m tests.faults` looks at thousands."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.campaign import KINDS, SHARES

ROOT = Path(__file__).parents[2]
INPUTS, DISTURBED = 30, 12  # cases, with `SHARES`; a minute of one core in all


@pytest.mark.parametrize(
    "kinds, count", [(sorted(KINDS.keys() - SHARES.keys()), INPUTS), (list(SHARES), DISTURBED)]
)
def test_no_fault_is_found(kinds, count):
    """In a process of its own: a fork of this one lacks the threads that other tests started."""
    words = [sys.executable, "-m", "tests.faults", "--cases", str(count), "--kinds", *kinds]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "| all | " in done.stdout

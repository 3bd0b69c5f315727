"""`test_kernels.py` in a process of its own whose triton interprets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="pip install aligndetr[kernels]")


def test_the_kernels_agree_with_the_reference_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        [*command, str(Path(__file__).with_name("test_kernels.py"))],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout

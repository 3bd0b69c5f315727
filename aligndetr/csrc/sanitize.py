"""Build the library with address and undefined-behaviour checks and run the operator's tests on it.

python aligndetr/csrc/sanitize.py [pytest arguments]
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
ROOT = SOURCES.parents[1]
FLAGS = [
    *("-std=c++17", "-O1", "-g", "-fPIC", "-shared", "-fopenmp", "-fno-omit-frame-pointer"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-DMSDA_NO_CLONES"),
    *("-Wall", "-Wextra", "-Werror"),
]


def main(arguments: list[str]) -> int:
    """Compile into a temporary folder, then run pytest with that library and the sanitizers."""
    compiler = os.environ.get("CXX", "g++")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "libmsda.so")
        source = str(SOURCES / "ms_deform_attn.cpp")
        subprocess.run([compiler, *FLAGS, source, "-o", str(library)], check=True)
        runtime = subprocess.run(
            [compiler, "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
        )
        environment = os.environ | {
            "ALIGNDETR_MSDA_FOLDER": folder,
            "LD_PRELOAD": runtime.stdout.strip(),
            # Python never returns all its memory at exit: that is no leak of ours.
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        # The sanitizers write to file descriptor 2: pytest must not swallow that.
        tests = ["--capture=sys", "tests/layers/test_ms_deform_attn.py", *arguments]
        command = [sys.executable, "-m", "pytest", *tests]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

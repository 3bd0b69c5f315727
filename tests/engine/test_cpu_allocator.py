"""What malloc does with freed memory, seen from a process of its own."""

import platform
import subprocess
import sys

import pytest

from aligndetr.engine import process
from aligndetr.engine.run import train

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

ROUNDS = """
import ctypes, resource, sys
from aligndetr.engine.cpu_allocator import tune_allocator

PIECE, COUNT = 4 * 2**20, 48
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def allocate():
    pieces = [libc.malloc(PIECE) for _ in range(COUNT)]
    for piece in pieces:
        ctypes.memset(piece, 1, PIECE)
    return pieces

def resident_mib():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024

assert tune_allocator(frugal=sys.argv[1] == "frugal")
before = resident_mib()
for _ in range(2):
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = allocate()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    for piece in pieces[:-1]:
        libc.free(piece)
    kept = resident_mib() - before
    libc.free(pieces[-1])
print(faults, kept)
"""


def run(policy, **environment):
    """Page faults and the MiB that stay while the last of 48 pieces of 4 MiB is in use."""
    command = [sys.executable, "-c", ROUNDS, policy]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return map(int, done.stdout.split())


@glibc
def test_frugal_gives_back_at_once_what_is_kept_otherwise():
    pages = 48 * 4 * 2**20 // 4096  # 49152: each is filled with zeros when it is first touched
    faults, kept = run("frugal")
    assert kept < 16  # the last piece, 4 MiB, and little else
    assert faults > pages * 0.9
    faults, kept = run("generous")
    assert kept > 150  # of 192 MiB
    assert faults < pages * 0.1


def test_the_users_own_settings_count():
    code = (
        "from aligndetr.engine.cpu_allocator import tune_allocator as f; print(f(True), f(False))"
    )
    for name in ("MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={name: "1"}
        )
        assert done.stdout.split() == ["False", "False"], done.stderr


@pytest.mark.parametrize("recomputed, frugal", [("", False), ("encoder", True)])
def test_training_keeps_memory_unless_activations_are_computed_again(
    tiny_config, monkeypatch, recomputed, frugal
):
    seen = []
    monkeypatch.setattr(process, "tune_allocator", seen.append)
    config = tiny_config("train.max_iter=1", f"train.activation_checkpointing=[{recomputed}]")
    config.dataloader.pop("evaluator")
    train(config)
    assert seen == [frugal]

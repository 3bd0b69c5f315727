"""From one command to all processes of a training."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing

from aligndetr.distributed import backend_for, rank
from aligndetr.engine.hang_watch import hang_watch
from aligndetr.engine.meeting import store_of_torchrun
from aligndetr.engine.watch import LOST_CONTACT, Watch
from aligndetr.errors import ConfigError, UserError

Main = Callable[..., int | None]
TIMEOUT_S = 600.0
_TORCHRUN = "env://"
_LIBRARY_S = 60.0  # more, until the library that processes talk through gives up by itself


def launch(
    main: Main,
    num_gpus: int = 1,
    num_machines: int = 1,
    machine_rank: int = 0,
    dist_url: str = "auto",
    device: str = "auto",
    args: Sequence[Any] = (),
    timeout: float = TIMEOUT_S,
) -> int:
    """Run `main(*args)` in every process.

    Under torchrun this process is already one of several and joins them. Otherwise `num_gpus`
    processes are started on this machine; on the CPU that is just their number.

    Args:
        main: a function of a module; returns an exit code, None means 0.
        num_gpus: processes on each machine.
        num_machines: how many machines take part.
        machine_rank: index of this one.
        dist_url: where processes meet, such as tcp://10.0.0.1:29500; "auto" works on one machine.
        device: `train.device` of the config; says how processes talk to each other.
        args: picklable when processes are started.
        timeout: seconds that processes wait for one of them; then all end, and it is named.

    Returns:
        The exit code: of the process that failed first on its own, or 128 + the number of a signal
        that ended this process and with it the others, else 0.

    Raises:
        ConfigError: there are not so many GPUs, or no address for several machines.
    """
    if _under_torchrun():
        return _joined(main, args, _TORCHRUN, device, timeout)
    world_size = num_gpus * num_machines
    if num_gpus < 1 or num_machines < 1 or not 0 <= machine_rank < num_machines:
        raise ConfigError("--num-gpus and --num-machines count from 1, --machine-rank from 0")
    if world_size == 1:
        return main(*args) or 0
    if resolve_device(device).type == "cuda" and num_gpus > torch.cuda.device_count():
        raise ConfigError(f"--num-gpus {num_gpus}, but torch sees {torch.cuda.device_count()}")
    if dist_url == "auto":
        if num_machines > 1:
            raise ConfigError(
                "several machines need --dist-url tcp://<address of the first>:<port>"
            )
        dist_url = f"tcp://127.0.0.1:{_free_port()}"
    first_rank = machine_rank * num_gpus
    settings = (num_gpus, world_size, first_rank, main, tuple(args), dist_url, device, timeout)
    return Watch(first_rank).run(
        lambda: multiprocessing.spawn(_process, settings, nprocs=num_gpus, join=False)
    )


def resolve_device(name: str) -> torch.device:
    """The device of this process; "auto" is a GPU if there is one.

    Raises:
        ConfigError: a GPU is asked for and there is none, or the name means nothing.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"train.device={name!r}: {error}") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ConfigError(
                f"train.device={name}, but torch {torch.__version__} sees no GPU; use "
                "train.device=cpu, or install a build of torch for your GPU and driver"
            )
        if device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    return device


def _under_torchrun() -> bool:
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_lost_contact(error: RuntimeError) -> bool:
    """Whether what processes talk through gave up; gloo has no class for that."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def _process(
    local_rank: int, num_local: int, world_size: int, first_rank: int, *joining: Any
) -> None:
    """What a started process does."""
    *_, device, _ = joining
    os.environ.update(
        RANK=str(first_rank + local_rank), WORLD_SIZE=str(world_size), LOCAL_RANK=str(local_rank)
    )
    if resolve_device(device).type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // num_local))
    try:
        sys.exit(_joined(*joining))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _joined(main: Main, args: Sequence[Any], url: str, device: str, timeout: float) -> int:
    """Meet the other processes, run, part."""
    patience = timedelta(seconds=timeout + _LIBRARY_S)
    try:
        store = store_of_torchrun(patience) if url == _TORCHRUN else None
        dist.init_process_group(
            backend_for(resolve_device(device)),
            init_method=url if store is None else None,
            store=store,
            rank=int(os.environ["RANK"]),
            world_size=int(os.environ["WORLD_SIZE"]),
            timeout=patience,
        )
        with hang_watch(url, timeout):
            code = main(*args) or 0
    except UserError as error:
        where = f"[process {rank()}] " if rank() else ""
        if not (where and error.of_all):
            print(f"{where}error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if not _is_lost_contact(error):
            raise
        reason = str(error).splitlines()[0][:200]
        print(f"[process {rank()}] error: another process is lost: {reason}", file=sys.stderr)
        return LOST_CONTACT
    dist.destroy_process_group()
    return code

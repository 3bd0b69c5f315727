import faulthandler
import multiprocessing
import os
import pickle
import signal
import socket
import threading
import time
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

from aligndetr.distributed import (
    all_gather_object,
    all_reduce_sum,
    backend_for,
    broadcast_object,
    rank,
    world_size,
)
from aligndetr.engine import launch as module
from aligndetr.engine import watch
from aligndetr.engine.launch import launch, resolve_device
from aligndetr.errors import ConfigError, DataError

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


def test_alone_there_is_nothing_to_exchange():
    assert (rank(), world_size()) == (0, 1)
    tensor = torch.ones(2)
    assert all_reduce_sum(tensor) is tensor
    assert all_gather_object("x") == ["x"]
    assert broadcast_object("x") == "x"


def test_one_process_runs_here_and_returns_its_code():
    assert launch(lambda code: code, args=(7,)) == 7
    assert launch(lambda: None) == 0


def test_errors_of_one_process_are_raised():
    def main():
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        launch(main)


@pytest.fixture
def torchrun(monkeypatch):
    """The environment that torchrun makes for a single process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    values = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_PORT": port}
    for name, value in {**values, "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, str(value))
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def test_under_torchrun_the_process_joins_the_others(torchrun):
    def main():
        assert dist.is_initialized()
        assert dist.get_backend() == "gloo"
        return 5

    assert launch(main, num_gpus=4, device="cpu") == 5
    assert not dist.is_initialized()


def test_under_torchrun_an_error_is_printed_once(torchrun, capsys):
    def main():
        raise DataError("broken")

    assert launch(main, device="cpu") == 2
    assert capsys.readouterr().err == "error: broken\n"


def test_gpus_talk_by_nccl():
    assert backend_for(torch.device("cuda", 1)) == "nccl"
    assert backend_for(torch.device("cpu")) == "gloo"


@without_gpu
def test_devices(monkeypatch):
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match=r"train\.device=cuda:1.*sees no GPU"):
        resolve_device("cuda:1")
    with pytest.raises(ConfigError, match=r"train\.device='gpu'"):
        resolve_device("gpu")


def test_more_gpus_than_there_are(monkeypatch):
    monkeypatch.setattr(module, "resolve_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="--num-gpus 4, but torch sees 2"):
        launch(print, num_gpus=4)


def test_several_machines_need_an_address():
    with pytest.raises(ConfigError, match="--dist-url tcp://"):
        launch(print, num_machines=2)


@pytest.mark.parametrize("numbers", [{"num_gpus": 0}, {"num_machines": 2, "machine_rank": 2}])
def test_numbers_of_processes_make_sense(numbers):
    with pytest.raises(ConfigError, match="count from"):
        launch(print, **numbers)


def end(action):
    """What a process does that is to end in one of several ways."""
    faulthandler.disable()  # pytest's would report SIGABRT
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if action == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    elif action == "obey":
        time.sleep(60)
    elif action < 0:
        os.kill(os.getpid(), -action)
    os._exit(action)


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """The exit code for processes that do something each; those that end do so in this order."""
    monkeypatch.setattr(watch, "FAILURE_S", 0.3)
    monkeypatch.setattr(watch, "STOP_S", 0.5)
    processes = []

    def run(*actions, traceback_of=(), then=lambda: None):
        for action in actions:
            process = multiprocessing.get_context("fork").Process(target=end, args=(action,))
            process.start()
            processes.append(process)
            if action not in ("hang", "obey"):
                process.join()
        files = [tmp_path / f"{index}.pickle" for index in range(len(actions))]
        for index in traceback_of:
            files[index].write_bytes(pickle.dumps("ZeroDivisionError"))
        then()
        context = SimpleNamespace(processes=processes, error_files=files)
        code = watch.Watch(first_rank=4).run(lambda: context)
        assert all(process.exitcode is not None for process in processes)
        return code

    return run


@pytest.mark.parametrize(
    "actions, expected",
    [
        ([0, 0], 0),
        ([2, -6], 2),
        ([-6, 2], 2),  # SIGABRT is 6: NCCL gave up on a process that was ending with 2
        ([75, 2], 2),  # the same, of gloo
        ([-6, "obey"], 134),  # 128 + 6: nobody says why
        ([0, "hang", 3], 3),
    ],
)
def test_the_exit_code_is_that_of_the_process_that_failed_on_its_own(watched, actions, expected):
    assert watched(*actions) == expected


def test_a_process_that_was_killed_is_named(watched, capsys):
    assert watched(75, -9, "hang") == 137
    message = "process 5 was ended by SIGKILL, perhaps for want of memory; so were all others"
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_traceback_is_shown_unless_another_process_is_to_blame(watched):
    assert watched(1, 2, traceback_of=[0]) == 2


def test_a_bug_keeps_its_traceback(watched):
    with pytest.raises(RuntimeError, match="process 5 failed:\nZeroDivisionError"):
        watched(75, 1, traceback_of=[1])


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_those_that_do_not_listen_too(watched, capsys, number, code):
    before = signal.getsignal(number)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), number))
    assert watched("obey", "hang", then=timer.start) == code
    said = f"s after {signal.Signals(number).name}, as it had not ended: process 5; what no"
    assert said in capsys.readouterr().err
    assert signal.getsignal(number) is before


def test_a_signal_that_is_obeyed_has_its_code(watched, capsys):
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
    assert watched("obey", "obey", then=timer.start) == 143
    assert capsys.readouterr().err == ""

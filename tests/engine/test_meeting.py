"""Processes that torchrun starts again meet each other, not what those before them left."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from aligndetr.engine.launch import launch
from aligndetr.engine.meeting import own_part, store_of_torchrun
from aligndetr.engine.watch import LOST_CONTACT

PATIENCE = timedelta(seconds=30)


@pytest.fixture
def agent():
    """A store as torchrun's, which is there as long as all starts of its processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return dist.TCPStore("127.0.0.1", port, None, True, timeout=PATIENCE, wait_for_workers=False)


def environment(agent, index, count=2):
    return {
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": agent.host,
        "MASTER_PORT": str(agent.port),
        "RANK": str(index),
        "LOCAL_RANK": str(index),
        "WORLD_SIZE": str(count),
    }


def add_up(found):
    """What every process runs: the sum of 1 and 2."""
    total = torch.tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(total)
    found.put(total.item())


def join(index, environment, late, found):
    time.sleep(late)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        raise SystemExit(launch(add_up, device="cpu", args=(found,), timeout=20))


def start(agent, late):
    """Both processes, of which each begins so many seconds late; the sums that they find."""
    context = multiprocessing.get_context("spawn")
    found = context.SimpleQueue()
    processes = [
        context.Process(target=join, args=(index, environment(agent, index), wait, found))
        for index, wait in enumerate(late)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes], found


@pytest.mark.parametrize("late", [(0, 3), (3, 0)])
def test_what_an_earlier_start_left_is_not_met(agent, late):
    """One that comes first would connect to where the other listened before."""
    for waits in ((0, 0), late):
        codes, found = start(agent, waits)
        assert codes == [0, 0]
        assert [found.get(), found.get()] == [3.0, 3.0]


def test_all_that_come_get_one_part_of_the_store_and_every_start_another(agent):
    """In the second start, the ticket of an earlier process is there before any of them comes."""
    parts = [meet(agent, (0, 0, 0)), meet(agent, (0, 0.3, 0.6))]
    for number, stores in enumerate(parts):
        stores[0].set("key", f"of start {number}")
        assert {store.get("key") for store in stores} == {f"of start {number}".encode()}
    assert parts[0][1].get("key") == b"of start 0"


def meet(agent, late):
    """The parts that three processes get, which are threads here."""

    def come(index):
        time.sleep(late[index])
        store = dist.TCPStore(agent.host, agent.port, None, False, timeout=PATIENCE)
        return own_part(store, index, len(late), PATIENCE)

    with ThreadPoolExecutor(len(late)) as pool:
        return list(pool.map(come, range(len(late))))


def test_who_does_not_come_is_named(agent, monkeypatch, capsys):
    for name, value in environment(agent, 0, count=4).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("aligndetr.engine.launch._LIBRARY_S", 0.0)
    assert launch(print, device="cpu", timeout=0.2) == LOST_CONTACT
    assert "process 1, 2, 3 did not come" in capsys.readouterr().err


def test_other_launchers_keep_their_own_way(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    assert store_of_torchrun(PATIENCE) is None

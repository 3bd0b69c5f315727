"""Processes come and go, and the training ends as one that nothing disturbed."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from aligndetr.engine.earlier_runs import with_restarts
from aligndetr.engine.launch import launch
from aligndetr.engine.launcher import LAUNCH, launch_id
from aligndetr.engine.run import train
from aligndetr.engine.run_folder import held, launcher_of
from tests.engine import elastic_workers as workers  # by this name started processes find it, too

ROOT = Path(__file__).parents[2]
TORCHRUN = "-m torch.distributed.run --nnodes 1:4 --nproc-per-node 2 --max-restarts 3 "
TORCHRUN += "--rdzv-backend c10d --rdzv-endpoint localhost:0 --rdzv-conf last_call_timeout=1"


def run_torchrun(config, folder):
    """Its output, as `torchrun -m aligndetr train CONFIG`."""
    command = [sys.executable, *TORCHRUN.split(), "-m", "aligndetr", "train", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500
    )
    assert run.returncode == 0, run.stderr
    return run.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`run`: trained by one process, two, and one again; `undisturbed`: by two to the end."""
    folder = tmp_path_factory.mktemp("elastic")
    workers.train_a_part(folder, last=5)
    assert launch(workers.two_processes, 2, device="cpu", args=(folder,)) == 0
    workers.train_a_part(folder, last=99)
    return folder


def test_a_killed_worker_does_not_change_the_end(folder):
    kill = workers.hook(workers.KillOnce, before=7, mark=str(folder / "killed"))
    config = workers.config_of(folder, f"train.output_dir={folder}/disturbed", hooks=[kill])
    config.train.max_iter = workers.UNDISTURBED
    said = run_torchrun(workers.write_config(folder / "config.py", config), folder)
    assert (folder / "killed").exists()
    assert "resuming from" in said
    assert "model_0000005.pth at iteration 6" in said
    assert not (folder / "disturbed-2").exists()
    first, second = (
        torch.load(folder / name / "model_final.pth") for name in ("disturbed", "undisturbed")
    )
    for part in ("model", "optimizer", "loader", "ema"):
        torch.testing.assert_close(first[part], second[part], rtol=0, atol=0)
    states = (content["random_state"]["ranks"] for content in (first, second))
    for own, expected in zip(*states, strict=True):
        assert torch.equal(own["torch"], expected["torch"])
        assert (own["numpy"], own["python"]) == (expected["numpy"], expected["python"])


def test_one_process_then_two_then_one_train_as_one(folder):
    """18 steps of 4 images are 7.2 epochs of 10; the sum of gradients is that of one process."""
    lines = [
        json.loads(line)
        for path in folder.glob("diary.*")
        for line in path.read_text().splitlines()
    ]
    assert Counter(line["of"] for line in lines) == {1: 6 + 7, 2: 2 * 5}
    seen = Counter(tuple(sample) for line in lines for sample in line["samples"])
    assert {(epoch, index) for epoch in range(7) for index in range(10)} <= seen.keys()
    assert sum(seen.values()) == len(seen) == 18 * 4
    whole = f"train.output_dir={folder}/whole"
    train(workers.config_of(folder, whole, f"train.max_iter={workers.PARTS}"))
    final, expected = (torch.load(folder / name / "model_final.pth") for name in ("run", "whole"))
    torch.testing.assert_close(final["model"], expected["model"], rtol=1e-5, atol=1e-6)
    assert final["scheduler"] == expected["scheduler"] == {"iteration": 18}
    rates = [content["optimizer"]["param_groups"][0]["initial_lr"] for content in (final, expected)]
    assert rates[0] == rates[1]


@pytest.fixture
def environment(monkeypatch):
    for name in (LAUNCH, "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)

    def change(**values):
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return change


def begin(folder, final=False):
    """What a training leaves that was killed, or one that ended."""
    folder.mkdir(exist_ok=True)
    with held(folder):
        (folder / "metrics.json").write_text("")
        if final:
            (folder / "model_final.pth").write_text("")


def decided(folder, resume=False, overwrite=False):
    config = workers.config_of(folder, f"train.output_dir={folder}/run")
    asked = with_restarts(config, resume, overwrite)
    return Path(config.train.output_dir).name, *asked


def test_without_a_launcher_nothing_goes_on_by_itself(tmp_path, environment):
    assert launch_id() is None
    begin(tmp_path / "run")
    assert launcher_of(tmp_path / "run") is None
    assert decided(tmp_path) == ("run", False, False)
    assert decided(tmp_path, overwrite=True) == ("run", False, True)


def test_a_launcher_goes_on_with_the_run_that_it_began(tmp_path, environment):
    begin(tmp_path / "run")
    environment(ALIGNDETR_LAUNCH="slurm 17")
    assert decided(tmp_path, overwrite=True) == ("run", False, True)  # its first start
    begin(tmp_path / "run-2")
    assert launcher_of(tmp_path / "run-2") == "slurm 17"
    assert decided(tmp_path) == ("run-2", True, False)
    assert decided(tmp_path, overwrite=True) == ("run-2", True, False)
    assert decided(tmp_path, resume=True) == ("run", True, False)
    environment(ALIGNDETR_LAUNCH="slurm 18")
    assert decided(tmp_path) == ("run", False, False)


def test_torchrun_without_a_name_is_known_by_its_process(environment):
    environment(TORCHELASTIC_RESTART_COUNT="0", TORCHELASTIC_RUN_ID="none")
    unnamed = launch_id()
    assert unnamed.startswith(f"torchrun process {os.getppid()} on ")
    environment(TORCHELASTIC_RESTART_COUNT="2")
    assert launch_id() == unnamed
    environment(TORCHELASTIC_RUN_ID="night")
    assert launch_id() == "torchrun night"


def test_a_name_that_is_used_again_begins_anew_after_the_end(tmp_path, environment):
    environment(TORCHELASTIC_RESTART_COUNT="0", TORCHELASTIC_RUN_ID="100")
    begin(tmp_path / "run")
    assert decided(tmp_path) == ("run", True, False)
    begin(tmp_path / "run", final=True)
    assert decided(tmp_path) == ("run", False, False)
    environment(TORCHELASTIC_RESTART_COUNT="1")  # what failed came after the last checkpoint
    assert decided(tmp_path) == ("run", True, False)

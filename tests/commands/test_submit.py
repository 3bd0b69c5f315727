"""What Slurm would get, and a job of two processes that is preempted, run here."""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from aligndetr import cli
from aligndetr.commands import submit as command
from aligndetr.engine.slurm import JobRequest, minutes_of
from aligndetr.errors import UserError
from tests.engine import elastic_workers as workers

ROOT = Path(__file__).parents[2]
# found, not imported: that would set up logging anew and close the handlers of others
needs_submitit = pytest.mark.skipif(find_spec("submitit") is None, reason="submitit is missing")


@pytest.mark.parametrize(
    "time, minutes",
    [
        ("90", 90),
        ("90:00", 90),
        ("90:01", 91),
        ("24:00:00", 1440),
        ("2-12", 3600),  # (2 * 24 + 12) * 60
        ("2-12:30", 3630),
        ("1-00:00:30", 1441),
    ],
)
def test_times_are_read_as_slurm_reads_them(time, minutes):
    assert minutes_of(time) == minutes


@pytest.mark.parametrize("time", ["", "soon", "1:2:3:4", "0", "0-0", "-5", "1h"])
def test_other_times_are_refused(time):
    with pytest.raises(UserError, match="--time"):
        minutes_of(time)


def request(*words, on_gpus=True):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.request_of(parser.parse_args(words), on_gpus)


def test_what_the_flags_ask_for():
    words = "--nodes 2 --gpus-per-node 4 --partition a100 --time 12:00:00 --sbatch account=vision"
    assert request(*words.split(), "--sbatch", "exclusive") == JobRequest(
        nodes=2,
        processes_per_node=4,
        gpus_per_node=4,
        minutes=720,
        signal_seconds=180,
        options={"account": "vision", "exclusive": True, "partition": "a100"},
    )
    assert request(on_gpus=False).gpus_per_node == 0
    for words in (["--sbatch", "=x"], ["--sbatch", "mem="], ["--nodes", "0"]):
        with pytest.raises(UserError, match=r"--sbatch takes|--nodes, "):
            request(*words)


def test_without_submitit_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert cli.main(["submit", "aligndetr_tiny", "--dry-run"]) == 2
    assert "pip install aligndetr[slurm]" in capsys.readouterr().err


@needs_submitit
def test_a_dry_run_prints_the_job_and_leaves_nothing(tmp_path, capsys):
    words = "--nodes 2 --gpus-per-node 8 --partition gpu --time 24:00:00 --dry-run"
    output = f"train.output_dir={tmp_path}/run"
    assert cli.main(["submit", "aligndetr_tiny", output, *words.split()]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "#!/bin/bash"
    asked = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    assert asked == {
        "job-name=aligndetr",
        "nodes=2",
        "ntasks-per-node=8",
        "gpus-per-node=8",
        "partition=gpu",
        "time=1440",
        "signal=USR2@180",
        "requeue",
        "open-mode=append",
        f"output={tmp_path}/run/slurm/%j/%j_0_log.out",
        f"error={tmp_path}/run/slurm/%j/%j_0_log.err",
    }
    srun = next(line for line in lines if line.startswith("srun "))
    assert f"{sys.executable} -u -m submitit.core._submit {tmp_path}/run/slurm/%j" in srun
    assert not list(tmp_path.iterdir())


@needs_submitit
def test_without_slurm_a_job_is_not_submitted(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["submit", "aligndetr_tiny", f"train.output_dir={tmp_path}/run"]) == 2
    assert "there is no srun here" in capsys.readouterr().err


@needs_submitit
def test_a_preempted_job_saves_is_queued_again_and_ends(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    preempt = workers.hook(workers.Preempt, before=4, mark=str(tmp_path / "preempted"))
    config = workers.config_of(tmp_path, f"train.output_dir={tmp_path}/run", hooks=[preempt])
    config.train.max_iter = 7
    path = workers.write_config(tmp_path / "config.py", config)
    assert cli.main(["submit", str(path), "--gpus-per-node", "2", "--here"]) == 0
    logs = "\n".join(file.read_text() for file in tmp_path.glob("run/slurm/*/*.err"))
    assert (tmp_path / "preempted").exists()
    assert "SIGUSR2: finishing this step, then writing a checkpoint" in logs
    # the step that was going on is finished: iterations 0 to 4, and goes on with 5
    assert "model_0000004.pth at iteration 5" in logs
    assert not (tmp_path / "run-2").exists()
    final = torch.load(tmp_path / "run" / "model_final.pth")
    assert final["iteration"] == 6
    assert final["loader"]["world_size"] == 2

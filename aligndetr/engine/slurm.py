"""A training as a job of a Slurm cluster, which goes on by itself after each time limit."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aligndetr.engine.launcher import LAUNCH
from aligndetr.errors import UserError

MOST_REQUEUES = 1000
_LOG_LEVEL = "SUBMITIT_LOG_LEVEL"
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})")


@dataclass(frozen=True)
class JobRequest:
    """What a job asks of the cluster.

    Attributes:
        nodes: machines.
        processes_per_node: on each of them; one a GPU.
        gpus_per_node: that Slurm is to give; 0: none.
        minutes: after which the job is queued again.
        signal_seconds: before that, in which the present step ends and a checkpoint is written.
        options: of sbatch, by name, such as partition and cpus-per-task; True: without a value.
    """

    nodes: int
    processes_per_node: int
    gpus_per_node: int
    minutes: int
    signal_seconds: int
    options: Mapping[str, str | bool] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """For submitit's executor of Slurm."""
        return {
            "job_name": "aligndetr",
            "nodes": self.nodes,
            "ntasks_per_node": self.processes_per_node,
            **({"gpus_per_node": self.gpus_per_node} if self.gpus_per_node else {}),
            "time": self.minutes,
            "signal_delay_s": self.signal_seconds,
            "wckey": None,  # submitit's own; some clusters refuse names that they do not know
            "additional_parameters": {"requeue": True, **self.options},
        }


class TrainingJob:
    """What each process of a job does.

    Slurm sends SIGUSR2 when the time is nearly over, or the job is preempted; the training then
    stops and saves, after which the job is queued again and goes on.

    Args:
        run: called with `args`; returns an exit code. A function of a module.
        args: picklable.
    """

    def __init__(self, run: Callable[[Any], int], args: Any) -> None:
        self.run, self.args = run, args

    def __call__(self) -> int:
        """Run it; called by submitit."""
        from submitit import JobEnvironment
        from submitit.helpers import TorchDistributedEnvironment

        job = JobEnvironment()
        TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        os.environ[LAUNCH] = f"{job.cluster} job {job.job_id}"
        code = self.run(self.args)
        if code == 128 + signal.SIGUSR2:
            signal.raise_signal(signal.SIGUSR2)  # submitit's turn: its first process queues again
            sys.exit(0)  # the others
        if code:
            sys.exit(code)
        return code

    def checkpoint(self) -> Any:
        """The job that is queued again: the same, which finds its run; called by submitit."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def submit(job: TrainingJob, request: JobRequest, folder: Path, here: bool = False) -> Any:
    """Hand a job in.

    Args:
        job: what to run.
        request: on what.
        folder: of the job's logs; all machines must see it.
        here: run it on this machine, without Slurm, to see that it works.

    Returns:
        submitit's job.

    Raises:
        UserError: submitit is not installed, there is no Slurm, or it refuses the job.
    """
    executor = _local(request, folder) if here else _slurm(request, folder)
    from submitit.core.utils import FailedJobError

    try:
        return executor.submit(job)
    except FailedJobError as error:
        raise UserError(f"the job was refused: {error}") from error


def sbatch_text(request: JobRequest, folder: Path) -> str:
    """What sbatch would be given; needs no Slurm."""
    executor = _slurm(request, folder, elsewhere=True)
    return executor._make_submission_file_text(executor._submitit_command_str, "")


def minutes_of(time: str) -> int:
    """Minutes of a time as Slurm writes it: 90, 90:00, 24:00:00, 2-12 or 2-12:30:00.

    Raises:
        UserError: it is none.
    """
    found = _TIME.fullmatch(time)
    if not found:
        raise UserError(f"--time {time!r}: write hours:minutes:seconds, or days-hours")
    parts = [int(part) for part in found["parts"].split(":")]
    if found["days"]:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    else:
        hours, minutes, seconds = ([0, *parts, 0] if len(parts) < 3 else parts)[:3]
    total = (int(found["days"] or 0) * 24 + hours) * 60 + minutes + (seconds > 0)
    if not total:
        raise UserError(f"--time {time!r} is no time")
    return total


def _slurm(request: JobRequest, folder: Path, elsewhere: bool = False) -> Any:
    SlurmExecutor = _submitit().SlurmExecutor

    class Elsewhere(SlurmExecutor):
        """Believes that there is Slurm."""

        @classmethod
        def affinity(cls) -> int:
            return 2

    try:
        kind = Elsewhere if elsewhere else SlurmExecutor
        executor = kind(folder, max_num_timeout=MOST_REQUEUES)
    except RuntimeError as error:
        raise UserError(
            "there is no srun here: submit on a machine of the cluster, or use --dry-run to see "
            "the job, --here to run it on this machine"
        ) from error
    executor.update_parameters(**request.parameters())
    return executor


def _local(request: JobRequest, folder: Path) -> Any:
    if request.nodes > 1:
        raise UserError("--here is one machine; use --nodes 1")
    executor = _submitit().LocalExecutor(folder, max_num_timeout=MOST_REQUEUES)
    executor.update_parameters(
        tasks_per_node=request.processes_per_node,
        gpus_per_node=request.gpus_per_node,
        timeout_min=request.minutes,
        signal_delay_s=request.signal_seconds,
    )
    return executor


def _submitit() -> Any:
    try:
        with _logging_left_alone():
            import submitit
    except ImportError as error:
        raise UserError(
            "jobs are submitted by submitit, which is not installed: pip install aligndetr[slurm]"
        ) from error
    return submitit


@contextmanager
def _logging_left_alone() -> Generator[None]:
    """submitit, imported here, does not set up logging: that would close everyone's handlers."""
    before = os.environ.get(_LOG_LEVEL)
    os.environ[_LOG_LEVEL] = "NOCONFIG"
    try:
        yield
    finally:
        os.environ.pop(_LOG_LEVEL)
        if before is not None:
            os.environ[_LOG_LEVEL] = before

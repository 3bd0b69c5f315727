"""Train on a Slurm cluster: hand a training in as a job.

One process a GPU on each node. Shortly before --time is over, or when it is
preempted, the job saves a checkpoint, is queued again, and goes on with its
run. Logs are in train.output_dir/slurm, which all nodes must see, as they must
see the data. docs/training.md says more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from aligndetr.commands import train
from aligndetr.commands.arguments import add_config_arguments, add_trust_argument, load_config
from aligndetr.errors import UserError

LOGS = "slurm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config_arguments(parser)
    add_trust_argument(parser)
    add = parser.add_argument
    add("--resume", action="store_true", help="go on from the last checkpoint")
    add("--nodes", type=int, default=1, help="machines (default: %(default)s)")
    add(
        "--gpus-per-node",
        type=int,
        default=8,
        metavar="N",
        help="and processes; on the CPU just their number (default: %(default)s)",
    )
    add("--partition", help="where the job is queued (default: the cluster's)")
    add("--time", default="24:00:00", help="of one job, as Slurm writes it (default: %(default)s)")
    add(
        "--signal-seconds",
        type=int,
        default=180,
        metavar="S",
        help="for the last step and the checkpoint before that (default: %(default)s)",
    )
    add(
        "--sbatch",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="another option of sbatch, such as account=vision; may be repeated",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--dry-run", action="store_true", help="only print what sbatch would get")
    where.add_argument("--here", action="store_true", help="run the job on this machine")
    parser.set_defaults(
        overwrite=False,
        eval_only=False,
        checkpoint=None,
        weights=None,
        num_gpus=1,
        num_machines=1,
        machine_rank=0,
        dist_url="auto",
    )


def run(args: argparse.Namespace) -> int:
    """Submit, or print the job."""
    from aligndetr.engine.sections import check_sections
    from aligndetr.engine.slurm import TrainingJob, sbatch_text, submit

    config = load_config(args)
    check_sections(config, ["train"])
    request = request_of(args, on_gpus=config.train.get("device") != "cpu")
    folder = Path(config.train.output_dir).absolute() / LOGS
    if args.dry_run:
        print(sbatch_text(request, folder / "%j"))
        return 0
    job = submit(TrainingJob(train.run, args), request, folder / "%j", args.here)
    print(f"job {job.job_id}; its log: {job.paths.stderr}")
    if args.here:
        job.wait()
        return 0 if job.exception() is None else 1
    return 0


def request_of(args: argparse.Namespace, on_gpus: bool):
    """What the job asks for.

    Raises:
        UserError: numbers below 1, or an option without a name.
    """
    from aligndetr.engine.slurm import JobRequest, minutes_of

    if min(args.nodes, args.gpus_per_node, args.signal_seconds) < 1:
        raise UserError("--nodes, --gpus-per-node and --signal-seconds count from 1")
    given = [*args.sbatch, *([f"partition={args.partition}"] if args.partition else [])]
    pairs = [text.partition("=") for text in given]
    if not all(name and bool(equals) == bool(value) for name, equals, value in pairs):
        raise UserError("--sbatch takes NAME=VALUE, such as account=vision, or NAME alone")
    return JobRequest(
        nodes=args.nodes,
        processes_per_node=args.gpus_per_node,
        gpus_per_node=args.gpus_per_node if on_gpus else 0,
        minutes=minutes_of(args.time),
        signal_seconds=args.signal_seconds,
        options={name: value or True for name, _, value in pairs},
    )

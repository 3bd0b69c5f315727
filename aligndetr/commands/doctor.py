"""`aligndetr doctor`: examine datasets, or the installation, before training."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from aligndetr.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "datasets",
        nargs="*",
        metavar="DATASET",
        help="registered names; with --config-file also overrides, key=value",
    )
    parser.add_argument(
        "--env", action="store_true", help="examine the installation instead: what runs where"
    )
    parser.add_argument("--json", metavar="FILE", help="COCO annotation file of own data")
    parser.add_argument("--images", metavar="DIR", help="its image folder")
    parser.add_argument(
        "--config-file", metavar="CONFIG", help="examine what this config trains and evaluates on"
    )
    parser.add_argument("--num-queries", type=int, help="compare with the boxes of an image")
    parser.add_argument(
        "--quick", action="store_true", help="do not decode images (misses truncation, duplicates)"
    )
    parser.add_argument(
        "--examples", type=int, default=5, metavar="N", help="files to name per finding (default 5)"
    )


def run(args: argparse.Namespace) -> int:
    """Print a report for every dataset, or about the installation.

    Returns:
        1 when a dataset has errors or a self-test fails, 0 with warnings or nothing found.

    Raises:
        UserError: no dataset is given, or a name is unknown.
    """
    if args.env:
        from aligndetr.commands.environment import report_environment

        text, ok = report_environment()
        print(text)
        return 0 if ok else 1

    from aligndetr.data import doctor

    plan = _plan(args)
    reports = []
    for subject in plan.subjects:
        report = doctor.examine(*subject, plan.num_queries, decode_images=not args.quick)
        print(doctor.format_report(report, args.examples), end="\n\n", flush=True)
        reports.append(report)
    common = doctor.find_leaks(reports) + doctor.compare_classes(reports, plan.num_classes)
    for finding in common:
        print("\n".join(doctor.format_finding(finding, args.examples)))
    bad = sum(report.count("error") for report in reports)
    bad += sum(finding.level == "error" for finding in common)
    print("found errors: correct them before training" if bad else "ready for training")
    return 1 if bad else 0


class _Subject(NamedTuple):
    """What one report is about."""

    name: str
    json_file: Any
    image_root: Any


class _Plan(NamedTuple):
    """Everything to examine, and the model's numbers to compare with."""

    subjects: list[_Subject]
    num_queries: int | None
    num_classes: int | None


def _plan(args: argparse.Namespace) -> _Plan:
    overrides = [text for text in args.datasets if "=" in text]
    names = [text for text in args.datasets if "=" not in text]
    subjects = [subject for name in names for subject in _subjects(name)]
    if (args.json is None) != (args.images is None):
        raise UserError("--json and --images belong together: give both")
    if args.json is not None:
        subjects.append(_Subject(args.json, args.json, args.images))
    num_queries, num_classes = args.num_queries, None
    if args.config_file is not None:
        from aligndetr.config import LazyConfig
        from aligndetr.config.resolve import resolve_config

        config = LazyConfig.load(resolve_config(args.config_file))
        LazyConfig.apply_overrides(config, overrides)
        subjects += _subjects_of_config(config)
        num_queries = num_queries or _leaf(config, "model.num_queries")
        num_classes = _leaf(config, "model.num_classes")
    elif overrides:
        raise UserError(f"{overrides[0]} changes a config: give --config-file, too")
    if not subjects:
        raise UserError(
            "nothing to examine: give dataset names, --json with --images, or --config-file"
        )
    return _Plan(subjects, num_queries, num_classes)


def _subjects(
    names: Any, json_file: str | None = None, image_root: str | None = None
) -> list[_Subject]:
    from aligndetr.data.catalog import get_source

    if json_file is not None:
        return [_Subject(str(json_file), json_file, image_root)]
    sources = [(name, get_source(name)) for name in ([names] if isinstance(names, str) else names)]
    return [_Subject(name, source.json_file, source.image_root) for name, source in sources]


def _subjects_of_config(config: Any) -> list[_Subject]:
    subjects: list[_Subject] = []
    for part in ("train", "test"):
        node = _leaf(config, f"dataloader.{part}.dataset")
        if node is None or "names" not in node:
            raise UserError(f"dataloader.{part}.dataset of the config is not a load_dataset node")
        found = _subjects(node.names, node.get("json_file"), node.get("image_root"))
        subjects += [subject for subject in found if subject not in subjects]
    return subjects


def _leaf(config: Any, path: str) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.select(config, path)

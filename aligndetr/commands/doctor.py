"""`aligndetr doctor`: examine datasets, or the installation, before training."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from aligndetr.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from aligndetr.data.formats import Source
    from aligndetr.doctor import View


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "datasets",
        nargs="*",
        metavar="DATASET",
        help="paths of own data, or registered names; with --config-file also overrides, key=value",
    )
    parser.add_argument(
        "--env", action="store_true", help="examine the installation instead: what runs where"
    )
    parser.add_argument("--json-file", metavar="JSON", help="COCO annotations of own data")
    parser.add_argument("--image-root", metavar="DIR", help="its image folder")
    parser.add_argument(
        "--config-file",
        metavar="CONFIG",
        help="examine what this config trains and evaluates on; or, if there are DATASETs, those "
        "in its data's place",
    )
    parser.add_argument("--num-queries", type=int, help="compare with the boxes of an image")
    parser.add_argument(
        "--quick", action="store_true", help="do not decode images (misses truncation, duplicates)"
    )
    parser.add_argument(
        "--pictures", metavar="DIR", help="draw classes, sizes and sixteen images of each dataset"
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

    from omegaconf import OmegaConf

    from aligndetr import doctor

    config = _load_config(args)
    num_queries = args.num_queries or OmegaConf.select(config, "model.num_queries")
    match_num = OmegaConf.select(config, "model.criterion.match_num")
    view = _view(config)
    reports = []
    for (name, source), is_trained_on in _find_datasets(args, config).items():
        report = doctor.examine(
            name, source, num_queries, match_num, not args.quick, view, is_trained_on
        )
        print(doctor.format_report(report, args.examples), end="\n\n", flush=True)
        reports.append(report)
        if args.pictures and report.reading is not None:
            for path in doctor.draw_pictures(report.reading, name, args.pictures):
                print(f"-> {path}")
    num_classes = OmegaConf.select(config, "model.num_classes")
    common = doctor.find_leaks(reports) + doctor.compare_classes(reports, num_classes)
    for finding in common:
        print("\n".join(doctor.format_finding(finding, args.examples)))
    bad = sum(report.count("error") for report in reports)
    bad += sum(finding.level == "error" for finding in common)
    print("found errors: correct them before training" if bad else "ready for training")
    return 1 if bad else 0


def _load_config(args: argparse.Namespace) -> DictConfig:
    """The config with its overrides; empty when none is given."""
    from omegaconf import OmegaConf

    overrides = [text for text in args.datasets if "=" in text]
    if args.config_file is None:
        if overrides:
            raise UserError(f"{overrides[0]} changes a config: give --config-file, too")
        return OmegaConf.create()
    from aligndetr.config import LazyConfig
    from aligndetr.config.find_file import resolve_config

    config = LazyConfig.read(resolve_config(args.config_file))  # nothing of it is built
    return LazyConfig.apply_overrides(config, overrides)


def _view(config: DictConfig) -> View | None:
    """How the config's model sees images; None without a config, or a model that has no levels."""
    import torch
    from omegaconf import OmegaConf

    from aligndetr.config import instantiate
    from aligndetr.doctor import View

    backbone = OmegaConf.select(config, "model.backbone")
    steps = OmegaConf.select(config, "dataloader.test.mapper.augmentation")
    if backbone is None or steps is None:
        return None
    with torch.device("meta"):
        strides = getattr(instantiate(backbone), "strides", {})
    used = OmegaConf.select(config, "model.neck.in_features") or strides
    found = [strides[name] for name in used if name in strides]
    return View(instantiate(steps), min(found)) if found else None


def _find_datasets(args: argparse.Namespace, config: DictConfig) -> dict[tuple[str, Source], bool]:
    """Labels and sources of all that is named, each once, and whether it is trained on.

    A config's own datasets count only where none is named.
    """
    from aligndetr.data.catalog import find_sources
    from aligndetr.data.shards import is_url

    if (args.json_file is None) != (args.image_root is None):
        raise UserError("--json-file and --image-root belong together: give both")
    found: dict[tuple[str, Source], bool] = {}
    for text in (text for text in args.datasets if "=" not in text):
        if os.path.exists(text) or is_url(text):
            found |= _at_path(text)
        else:
            found |= dict.fromkeys(find_sources(text), _is_trained_on(text))
    if args.json_file is not None:
        named = find_sources(args.json_file, args.json_file, args.image_root)
        found |= dict.fromkeys(named, _is_trained_on(Path(args.json_file).stem))
    for part in ("train", "test") if args.config_file is not None and not found else ():
        for key in _of_config(config, part):
            found.setdefault(key, part == "train")
    if not found:
        raise UserError(
            "nothing to examine: give paths or names of datasets, or --json-file and --image-root, "
            "or --config-file"
        )
    return found


def _is_trained_on(name: str | None) -> bool:
    """Whether a split's name, or its file's, is none of those of splits to judge by."""
    from aligndetr.data.formats.text_files import split_of

    return split_of(name or "") not in ("val", "test")


def _at_path(text: str) -> dict[tuple[str, Source], bool]:
    """The splits of a path; what unites others is left out, and that is said."""
    from aligndetr.data.catalog import label_of
    from aligndetr.data.formats import sources_at
    from aligndetr.doctor import find_unions

    sources = sources_at(text)
    unions = find_unions(sources)
    for union, parts in unions.items():
        names = " and ".join(label_of(part) for part in parts)
        print(f"{label_of(union)} is left out: it is {names} together", end="\n\n")
    kept = [source for source in sources if source not in unions]
    return {(label_of(source), source): _is_trained_on(source.split) for source in kept}


def _of_config(config: DictConfig, part: str) -> list[tuple[str, Source]]:
    from omegaconf import OmegaConf

    from aligndetr.data.catalog import find_sources

    node = OmegaConf.select(config, f"dataloader.{part}.dataset")
    if node is None or "names" not in node:
        raise UserError(f"dataloader.{part}.dataset of the config is not a load_dataset node")
    json_file, path = node.get("json_file"), node.get("path")
    names = json_file or node.names
    return find_sources(names, json_file, node.get("image_root"), path, node.get("split"))

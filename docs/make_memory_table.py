"""How to train a config in several sizes of memory, as a table of docs/training.md.

python docs/make_memory_table.py aligndetr_k2_r50_4scale_12ep dataloader.train.dataset.path=BCCD
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence

from omegaconf import DictConfig

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.memory import free_memory
from aligndetr.engine.planning import plan_training
from aligndetr.engine.proposals import best, propose
from aligndetr.engine.trial import try_apart

SIZES = (8, 16, 24, 80)  # GB


def read(name: str, overrides: Sequence[str]) -> DictConfig:
    """The config."""
    return LazyConfig.apply_overrides(LazyConfig.load(resolve_config(name)), list(overrides))


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_args()
    planning = plan_training(functools.partial(read, args.config, args.overrides))
    attempt = functools.cache(functools.partial(try_apart, planning.read))
    total, wanted = planning.plan.total_batch_size, planning.plan.loader_batch_size
    free = free_memory(planning.device)
    print("| memory | images x parts | peak | | to type |\n|---:|---:|---:|---|---|", flush=True)
    for size in SIZES:
        memory = int(size * 1e9)
        proposals = [
            proposal
            for setting in planning.settings
            for proposal in propose(setting, total, wanted, memory, free, attempt)
        ]
        chosen = best(proposals)
        if chosen is None:
            print(f"| {size} GB | nothing fits | | | |", flush=True)
            continue
        parts, peak = f"{chosen.batch_size} x {chosen.parts}", f"{chosen.peak / 1e9:.1f} GB"
        source = "measured" if chosen.is_measured else "predicted"
        typed = "<br>".join(
            f"`{word}`" for word in chosen.overrides(planning.plan.accumulation_steps)
        )
        print(f"| {size} GB | {parts} | {peak} | {source} | {typed} |", flush=True)


if __name__ == "__main__":
    main()

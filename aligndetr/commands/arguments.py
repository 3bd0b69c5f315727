"""What commands take: a config as `CONFIG [key=value ...]` or `--config-file`, and shared flags."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aligndetr.errors import ConfigError, UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig

_OVERRIDE = re.compile(r"\+{0,2}[A-Za-z_][\w.\-]*=|[+~][A-Za-z_]", re.ASCII)


@dataclass
class ConfigChoice:
    """What the command line says: the config's name or path, overrides, and everything else."""

    config: str | None
    overrides: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def add_config_arguments(parser: argparse.ArgumentParser, others: str | None = None) -> None:
    """Add the config, its overrides, and what else the command takes without a dash.

    Args:
        parser: the command's parser.
        others: for commands with inputs of their own: what they are, such as "images or folders".
            Then every word that is no override is one; otherwise it is an error.
    """
    tail = f"{others}, and key=value" if others else "key=value"
    parser.add_argument(
        "words",
        nargs="*",
        metavar="CONFIG",
        help="config file, or name from `aligndetr configs` (unless --config-file names it); then "
        f"{tail}: key=value changes, +key=value adds and ~key deletes a config key",
    )
    parser.add_argument("--config-file", metavar="CONFIG", help="the config, by name or path")
    parser.set_defaults(takes_others=others is not None, trust_config=False)


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--trust-config`, for commands that build what a config describes."""
    parser.add_argument(
        "--trust-config",
        action="store_true",
        help="let a .yaml config call whatever it names; only for those whose author you trust",
    )


def add_checkpoint_arguments(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add `--checkpoint` and `--weights`, as `engine.model.load_model` takes them.

    Args:
        parser: the command's parser.
        default: what happens without a checkpoint, for the help; None: it must be given.
    """
    note = f" (default: {default})" if default else ""
    parser.add_argument(
        "--checkpoint",
        required=default is None,
        metavar="FILE",
        help=f"weights: of a training here, of another toolbox, a URL, zoo:NAME, or "
        f"huggingface://ORG/NAME{note}; without CONFIG, the config that is in it counts",
    )
    add_weights_argument(parser, "train.best.weights, and that: ema if there is one")


def add_weights_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--weights`: which of the two that a checkpoint may hold; `default` is for the help."""
    parser.add_argument(
        "--weights",
        choices=("model", "ema"),
        help=f"those of the last step, or their moving average (default: {default})",
    )


def add_output_argument(parser: argparse.ArgumentParser, default: str, *aliases: str) -> None:
    """Add `--output`: the folder of everything that the command writes."""
    parser.add_argument(
        "--output", *aliases, default=default, metavar="DIR", help="folder (default: %(default)s)"
    )


def add_threshold_argument(
    parser: argparse.ArgumentParser, default: float, *aliases: str, only: str = ""
) -> None:
    """Add `--threshold`, the lowest score of what is shown; `only` says when it counts."""
    parser.add_argument(
        "--threshold",
        *aliases,
        type=float,
        default=default,
        metavar="S",
        help=f"{only}leave out objects with a lower score (default: %(default)s)",
    )


def add_rounds_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--rounds`: how often images are drawn again for an interval; see `check_rounds`."""
    told = "draws for the intervals (default: %(default)s)"
    parser.add_argument("--rounds", type=int, default=200, help=told)


def check_rounds(rounds: int) -> None:
    """Refuse too few of them.

    Raises:
        UserError: there are fewer than two.
    """
    if rounds < 2:
        raise UserError(f"--rounds {rounds}: an interval takes two draws or more")


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says how many processes there are."""
    add = parser.add_argument
    add("--num-gpus", type=int, default=1, help="processes on this machine (on the CPU too)")
    add("--num-machines", type=int, default=1, help="how many machines take part")
    add("--machine-rank", type=int, default=0, help="index of this machine")
    add("--dist-url", default="auto", help="where processes meet: tcp://<first machine>:<port>")


def is_override(word: str) -> bool:
    """Whether a word looks like key=value, +key=value or ~key, and is no existing file."""
    return bool(_OVERRIDE.match(word)) and not os.path.exists(word)


def split_words(args: argparse.Namespace) -> ConfigChoice:
    """Tell config, overrides and other words apart.

    Args:
        args: parsed arguments of a parser with `add_config_arguments`; if that was told of other
            words, whatever is no override is one.
    """
    words = list(args.words)
    config = args.config_file
    if config is None and words and _names_config(words[0], args):
        config = words.pop(0)
    choice = ConfigChoice(config)
    for word in words:
        other = args.takes_others and not is_override(word)
        (choice.others if other else choice.overrides).append(word)
    return choice


def _names_config(word: str, args: argparse.Namespace) -> bool:
    """Whether the first word is the config: not if it is an input, and a checkpoint has one."""
    if args.takes_others and getattr(args, "checkpoint", None):
        if os.path.exists(word):
            return _resolves_to_config(word)
        from aligndetr.runtime.prediction.sources import is_source

        if is_source(word):
            return False
    return not is_override(word) or os.path.isfile(f"{word}.py")  # file names may hold a "="


def _resolves_to_config(word: str) -> bool:
    from aligndetr.config.find_file import resolve_config

    try:
        return resolve_config(word).suffix in (".py", ".yaml", ".yml")
    except ConfigError:
        return False


def load_config(args: argparse.Namespace) -> DictConfig:
    """Find, load and override the config that the command line names, or its checkpoint holds.

    Raises:
        ConfigError: no config is given or found, it is broken, or an override does not apply.
        CheckpointError: no config is given, and the checkpoint cannot be read or holds none.
    """
    from aligndetr.config import LazyConfig

    choice = split_words(args)
    checkpoint = getattr(args, "checkpoint", None)
    if choice.config is None and checkpoint:
        from aligndetr.engine.stored_config import stored_config

        config = stored_config(checkpoint, args.trust_config)
    else:
        config = LazyConfig.load(config_path(choice), trust_config=args.trust_config)
    return LazyConfig.apply_overrides(config, choice.overrides)


def overrides_key(args: argparse.Namespace, key: str) -> bool:
    """Whether an override of the command line gives a key a value, alone or with its section's."""
    from aligndetr.config.overrides import parse_override

    section, _, name = key.rpartition(".")
    for override in map(parse_override, split_words(args).overrides):
        value = override.value
        if override.path == key:
            return True
        if override.path == section and isinstance(value, dict) and name in value:
            return True
    return False


def config_path(choice: ConfigChoice) -> Path:
    """The file of the chosen config; configs of other toolboxes become readable.

    Raises:
        ConfigError: none is given, or it does not exist.
    """
    from aligndetr.config.find_file import resolve_config
    from aligndetr.interop import enable_foreign_configs

    if choice.config is None:
        raise ConfigError("no config given; name one that `aligndetr configs` lists, or a file")
    path = resolve_config(choice.config)
    enable_foreign_configs()
    return path

"""The `transformers` library, which is optional: configurations and weights of its backbones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from aligndetr.checkpoint_file.hub_cache import remove_damaged
from aligndetr.errors import ConfigError

HINT = (
    "give a model type such as swin, convnext, focalnet, dinov2 or vitdet, a name on the Hugging "
    "Face hub (fetched once, needs a connection) or a local folder with config.json"
)


def library():
    """Import `transformers`.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(
            "this backbone needs the transformers library: pip install 'aligndetr[transformers]'"
        ) from error
    return transformers


def resolve_config(name: str, out_features: list[str], overrides: dict[str, Any]):
    """The configuration of a model type, hub name or folder, with some entries replaced.

    Raises:
        ConfigError: `transformers` is absent, the name cannot be resolved or is no backbone, or it
            has no such entries or outputs.
    """
    where = f"backbone {name!r}"
    try:
        plain = _read(name, {})
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where} cannot be resolved: {HINT}. {_first_line(error)}") from error
    if type(plain) not in library().AutoBackbone._model_mapping:
        raise ConfigError(
            f"{where}: transformers has no backbone of type {plain.model_type}; {HINT}"
        )
    _check_entries(where, plain, overrides)
    try:
        return _read(name, {**overrides, "out_features": out_features})
    except Exception as error:  # the library's own kinds, which differ between its versions
        raise ConfigError(f"{where}, out_features {out_features}: {error}") from error


def plain(value: Any) -> Any:
    """Dicts and lists in place of what only acts like them, such as omegaconf's, at any depth."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | tuple):
        return [plain(item) for item in value]
    return value


def _read(name: str, entries: dict[str, Any]):
    transformers = library()
    if name in transformers.CONFIG_MAPPING:
        return transformers.AutoConfig.for_model(name, **entries)
    if "/" not in name and not Path(name).is_dir():  # do not ask the hub for every misprint
        close = difflib.get_close_matches(name, transformers.CONFIG_MAPPING, n=1)
        raise ValueError(f"Did you mean {close[0]}?" if close else "There is no such folder.")
    # a configuration may name code that comes with it: never run, whatever the entries say
    return transformers.AutoConfig.from_pretrained(name, trust_remote_code=False, **entries)


def fetch(name: str, model_class: type[nn.Module], config) -> tuple[nn.Module, list[str]]:
    """Build a backbone with the weights of a hub name or local folder.

    Returns:
        The backbone, and the names of its parameters that had no weights there, such as the norms
        of outputs that a classifier does not have.

    Raises:
        ConfigError: there are none, they do not fit the configuration, or they are not what the
            hub has.
    """
    if name in library().CONFIG_MAPPING:
        raise ConfigError(
            f"backbone {name!r}: a model type has no weights; give a hub name or a folder"
        )
    try:
        stored = _read(name, {}).model_type
        if stored != config.model_type:
            raise ValueError(f"it is a {stored}, the model has a {config.model_type}")
        load: Any = getattr(model_class, "from_pretrained")  # noqa: B009
        model, found = load(name, config=config, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"no weights for backbone {name!r}: {error}. {HINT}") from error
    if not Path(name).is_dir():
        _check_hashes(name)
    return model.float(), sorted(found["missing_keys"])  # some are stored in half precision


def _check_hashes(name: str) -> None:
    """Compare fetched files with their SHA-256, by which the hub calls large ones in its cache."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json")
    for path in Path(config).parent.iterdir() if isinstance(config, str) else ():
        if remove_damaged(path):
            raise ConfigError(
                f"backbone {name!r}: {path.name} is damaged: it has not the SHA-256 of the hub. "
                "It was removed; try again to fetch it anew"
            )


def _check_entries(where: str, config, overrides: dict[str, Any]) -> None:
    known = {*config.to_dict(), *config.attribute_map}
    for entry in overrides:
        if entry not in known:
            close = difflib.get_close_matches(entry, known, n=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"{where}: {config.model_type} has no entry {entry!r}{meant}")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]

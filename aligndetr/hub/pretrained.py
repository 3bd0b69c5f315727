"""Detectors written as folders, sent to the hub, and taken from either."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from aligndetr import __version__
from aligndetr.checkpoint_file.pretrained_folder import (
    ABOUT,
    CARD,
    CONFIG,
    LIBRARY,
    SCHEMA,
    WEIGHTS,
    read_pretrained,
)
from aligndetr.checkpoint_file.safetensors_file import library as safetensors
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.config.nodes import leaves
from aligndetr.config.trust import needs_trust
from aligndetr.engine.initial_weights import read_stored
from aligndetr.engine.model import load_model
from aligndetr.engine.operating_point import VERSION, hash_weights
from aligndetr.engine.stored_config import stored_config
from aligndetr.errors import CheckpointError, UserError, some
from aligndetr.files import UNFINISHED, sha256_of, writing
from aligndetr.hub.model_card import CardFacts, model_card, results_of
from aligndetr.interop.huggingface import PREFIX, hub_errors, is_hub_name
from aligndetr.interop.huggingface import library as huggingface_hub
from aligndetr.predictor import Predictor

logger = logging.getLogger(__name__)


def from_pretrained(
    name: str | os.PathLike, revision: str | None = None, **options: Any
) -> Predictor:
    """A detector from a folder or from the hub, ready for use.

    Nothing that comes is run: weights are read from safetensors, the config is data, which calls
    parts of models and what an allow-list names (docs/configs.md), and hashes are compared.

    Args:
        name: a folder of `save_pretrained`, or `org/name` on the hub; a folder comes first.
        revision: on the hub, a branch, tag or commit; only a commit stays what it is.
        options: see `Predictor`.

    Raises:
        CheckpointError: there is no such model, it cannot be fetched, or is damaged.
        ConfigError: its config does more than data may.
    """
    path = os.fspath(name)
    if Path(path).is_dir():
        if revision is not None:
            raise UserError(f"{path} is a folder, which has no revision {revision!r}")
        return Predictor(None, path, **options)
    path = path if is_hub_name(path) else f"{PREFIX}{path}"
    return Predictor(None, path if revision is None else f"{path}@{revision}", **options)


def save_pretrained(
    checkpoint: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    config: str | os.PathLike | None = None,
    weights: str | None = None,
    results: str | os.PathLike | None = None,
    license: str | None = None,
    data: str | None = None,
    trust_config: bool = False,
    repository: str | None = None,
) -> Path:
    """Write a detector as a folder that `from_pretrained` reads, with a model card.

    Operating point and class names of the checkpoint go along. What was written is read back and
    compared before the folder gets its name.

    Args:
        checkpoint: of a training here, or of another toolbox with `config`.
        folder: a new one; written whole or not at all.
        config: a name of a packaged config or a path; None: the one that the checkpoint holds.
        weights: "ema" or "model", see `Predictor`.
        results: `results.json` of an evaluation of these weights, for the card; None: that of the
            run, if `checkpoint` is its `model_final.pth`.
        license: of the weights, as the hub writes it, such as "apache-2.0", for the card.
        data: what they were trained on, in words, for the card; None: the datasets' names.
        trust_config: let a config that comes as data call whatever it names.
        repository: `org/name`, if it will be on the hub, for the card.

    Returns:
        The folder.

    Raises:
        CheckpointError: the checkpoint cannot be read, or does not fit the config.
        UserError: the folder is in use or cannot be written, or a library is missing.
    """
    destination = Path(folder)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise UserError(f"{destination} is in use: name a new folder")
    used = _config(config, checkpoint, trust_config)
    model = load_model(used, checkpoint, weights=weights, device="cpu")
    _tell(used)
    facts = CardFacts(results_of(checkpoint, results), license, data, repository)
    card = model_card(model, used, facts, destination.name)
    with writing(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(UNFINISHED, ".", destination.parent))
        try:
            _write(temporary, model, used, _about(model, checkpoint))
            (temporary / CARD).write_text(card, encoding="utf-8")
            _check(temporary, model)
            temporary.chmod(0o755)
            temporary.replace(destination)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return destination


def push_to_hub(
    checkpoint: str | os.PathLike,
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    message: str | None = None,
    **options: Any,
) -> str:
    """Send a detector to the hub, as one commit; the hub's library knows who you are.

    Args:
        checkpoint: see `save_pretrained`.
        repository: `org/name`, made when missing.
        private: of a repository that is made: for whom; None: as the organisation has it.
        revision: a branch that is there; None: the main one.
        message: of the commit.
        options: see `save_pretrained`.

    Returns:
        The name that stands for exactly what was sent, `huggingface://org/name@commit`.

    Raises:
        CheckpointError: see `save_pretrained`; or the hub refuses.
    """
    hub = huggingface_hub()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / repository.rpartition("/")[2]
        save_pretrained(checkpoint, folder, repository=repository, **options)
        with hub_errors(repository, revision=revision):
            api = hub.HfApi(library_name=LIBRARY, library_version=__version__)
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                revision=revision,
                commit_message=message or f"A detector of {LIBRARY} {__version__}",
            )
    return f"{PREFIX}{repository}@{commit.oid}"


def _config(
    config: str | os.PathLike | None, checkpoint: str | os.PathLike, trust_config: bool
) -> DictConfig:
    if config is None:
        return stored_config(checkpoint, trust_config)
    return LazyConfig.load(resolve_config(os.fspath(config)), trust_config=trust_config)


def _tell(config: DictConfig) -> None:
    """What the config gives away, and what it asks of those who will use it."""
    paths = [f"{key}={value}" for key, value in leaves(config) if _is_absolute(value)]
    if paths:
        logger.warning("the config goes along, with the paths in it: %s", some(paths, 3))
    if needs_trust(config):
        logger.warning("its config does more than data may: who loads it needs trust_config=True")


def _is_absolute(value: object) -> bool:
    return isinstance(value, str) and os.path.isabs(value)


def _about(model: Any, checkpoint: str | os.PathLike) -> dict[str, Any]:
    """What a checkpoint says besides weights and config."""
    state, point = model.state_dict(), model.operating_point
    entry = point and {
        "version": VERSION,
        "weights": "model",
        "weights_hash": hash_weights(state),
        **asdict(point),
    }
    return {
        "library_name": LIBRARY,
        "schema": SCHEMA,
        "version": __version__,
        "class_names": model.class_names,
        "iteration": read_stored(checkpoint).get("iteration"),
        "operating_point": entry,
    }


def _write(folder: Path, model: nn.Module, config: DictConfig, about: dict[str, Any]) -> None:
    # heads that share their weights are written once each: the format has no references
    tensors = {name: value.detach().clone().contiguous() for name, value in _state(model).items()}
    (folder / WEIGHTS).write_bytes(safetensors().save(tensors, {"format": "pt"}))
    LazyConfig.save(_with_one_kind_of_weights(config), folder / CONFIG)
    about = {**about, "sha256": {name: sha256_of(folder / name) for name in (CONFIG, WEIGHTS)}}
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / ABOUT).write_text(text, encoding="utf-8")


def _with_one_kind_of_weights(config: DictConfig) -> DictConfig:
    """The config without a preference for one of two kinds of weights: the folder has one."""
    if OmegaConf.select(config, "train.best.weights") is None:
        return config
    config = config.copy()
    config.train.best.weights = None
    return config


def _state(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.state_dict())


def _check(folder: Path, model: nn.Module) -> None:
    found, expected = read_pretrained(folder)["model"], _state(model)
    same = found.keys() == expected.keys()
    if not same or not all(torch.equal(found[name], expected[name]) for name in found):
        raise CheckpointError(f"what was written to {folder} is not what was read: try again")

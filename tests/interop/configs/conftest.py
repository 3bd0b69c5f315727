"""Foreign configs, understood for the duration of a test."""

from __future__ import annotations

import logging
import shutil
from functools import reduce
from pathlib import Path

import pytest

from aligndetr.config import LazyConfig, register_dialect
from aligndetr.interop.configs import DetrexDialect

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def dialect(monkeypatch: pytest.MonkeyPatch) -> DetrexDialect:
    """The only one for the duration of a test, whatever commands have registered before."""
    monkeypatch.setattr("aligndetr.config.foreign._dialects", [])
    instance = DetrexDialect()
    register_dialect(instance)
    return instance


@pytest.fixture
def dump():
    """Load dump.yaml, or a text given instead of it."""

    def load(path: Path = HERE / "dump.yaml"):
        with pytest.warns(UserWarning, match="lr_factor_func was not saved"):
            return LazyConfig.load(path)

    return load


@pytest.fixture
def published():
    """Load one of the .py configs."""
    return lambda name: LazyConfig.load(HERE / "published" / name)


@pytest.fixture
def report(caplog: pytest.LogCaptureFixture):
    """What was said about keys that are not taken over."""
    caplog.set_level(logging.INFO, logger="aligndetr.interop")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


@pytest.fixture
def variant_of(tmp_path: Path):
    """Write an experiment over a published file's model, as detrex writes its own."""

    def write(file: str, name: str, *changes: str) -> Path:
        shutil.copy(HERE / "published" / f"{file}.py", tmp_path)
        path = tmp_path / "experiment.py"
        path.write_text("\n".join([f"from .{file} import {name} as model", *changes]))
        return path

    return write


@pytest.fixture
def value_at():
    """What a config has at a dotted path."""
    return lambda config, path: reduce(lambda node, part: node[part], path.split("."), config)

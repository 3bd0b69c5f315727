"""Small detectors on ten small images, and what they were exported to."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.export import exporting, onnx_file
from aligndetr.export.exporting import Proof, Source, Wish, export
from aligndetr.export.graph import DetectionGraph
from aligndetr.export.program import Canvas, trace
from tests.drawn_heads import draw_heads
from tests.engine.toy import write_coco

FIXED = Canvas(72, 96, batch=2, fixed=True)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tensors here are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_coco(folder)
    return folder


@pytest.fixture(scope="session")
def small_config(pictures):
    """A tiny config on those images, with few layers; further overrides as arguments."""

    def make(name, *overrides):
        config = LazyConfig.load(resolve_config(name))
        data = f"json_file={pictures}/boxes.json", f"image_root={pictures}"
        common = [f"dataloader.{split}.dataset.{x}" for split in ("train", "test") for x in data]
        common += ["model.num_classes=3", "model.decoder.num_layers=2", "train.device=cpu"]
        if OmegaConf.select(config, "model.criterion.match_num") is not None:
            common += ["model.criterion.match_num=[2,1,1]"]
        return LazyConfig.apply_overrides(config, [*common, *overrides])

    return make


@pytest.fixture(scope="session")
def make_source(small_config):
    """A detector with heads that tell queries apart."""

    def make(name="aligndetr_tiny", *overrides):
        torch.manual_seed(0)
        source = Source(small_config(name, *overrides), None)
        draw_heads(source.model)
        return source

    return make


TWO_LEVELS = (
    "model.backbone.out_features=[res3,res4]",
    "~model.neck.in_channels.res5",
    "model.neck.num_outs=2",
)


@pytest.fixture(scope="session")
def source(make_source):
    """AlignDETR with two levels: with each, what is known of sizes takes longer to reason with."""
    return make_source("aligndetr_tiny", *TWO_LEVELS)


@pytest.fixture(scope="session")
def few():
    """Judge by three images."""
    return Proof(count=3)


@pytest.fixture(scope="session")
def free_file(source, few, tmp_path_factory):
    """An ONNX file of any size, and its judgement."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    return export(source, Wish("onnx"), tmp_path_factory.mktemp("free"), few)


@pytest.fixture(scope="session")
def recorded(source):
    """The program of a fixed size, and the ONNX model made of it."""
    pytest.importorskip("onnxscript")
    program = trace(DetectionGraph(source.model).eval(), FIXED)
    return program, onnx_file.convert(program, True)


@pytest.fixture
def converted_once(recorded, monkeypatch):
    """Exports of `source` as ONNX in `FIXED` take what was converted before."""
    program, message = recorded
    monkeypatch.setattr(exporting, "trace", lambda *arguments: program)
    monkeypatch.setattr(onnx_file, "convert", lambda *arguments: copy.deepcopy(message))


@pytest.fixture(scope="session")
def fixed_wish():
    return lambda kind, **other: dataclasses.replace(Wish(kind, canvas=FIXED), **other)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)

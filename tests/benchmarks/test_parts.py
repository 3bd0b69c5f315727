"""Operators belong to the part that their name says, and parts add up to the whole."""

import time

import numpy as np
import pytest

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.export.exporting import Source, Wish, export
from aligndetr.export.program import Canvas
from aligndetr.modeling import Encoder
from benchmarks import sections
from benchmarks.parts import PARTS, measure, part_of, pytorch, sum_parts


def test_operators_by_part():
    assert part_of("detector.backbone.res2.0.conv1/conv2d") == "backbone"
    assert part_of("fused detector.decoder/MatMul_3") == "decoder"
    assert part_of("detector.postprocess/TopK") == "rest"
    assert part_of("Reorder_17") == "rest"
    found = sum_parts({"detector.neck/a": 1.5, "detector.neck.norms.0/b": 2.0, "b": 4.0})
    assert found == {part: 3.5 if part == "neck" else 0.0 for part in PARTS} | {"rest": 4.0}


def test_a_slow_part_is_found(monkeypatch):
    images = np.zeros((1, 3, 64, 64), dtype=np.uint8)
    forward = Encoder.forward

    def slow(self, *args, **options):
        time.sleep(0.5)
        return forward(self, *args, **options)

    monkeypatch.setattr(Encoder, "forward", slow)
    times = measure(["aligndetr_tiny"], images, 1)["aligndetr_tiny"]
    assert max(times, key=times.get) == "encoder"
    assert times["encoder"] >= 500
    start = time.perf_counter()
    whole = sum(pytorch("aligndetr_tiny", images)().values())
    assert whole <= 1e3 * (time.perf_counter() - start)


@pytest.mark.parametrize(
    ("form", "suffix", "package"),
    [("onnx", ".onnx", "onnxruntime"), ("openvino", ".xml", "openvino")],
)
def test_a_runtime_names_the_parts(form, suffix, package, tmp_path, monkeypatch):
    """Every node counts as a millisecond here: what counts is whose it is."""
    pytest.importorskip(package)
    monkeypatch.setattr(
        "benchmarks.parts.sum_parts", lambda times: sum_parts(dict.fromkeys(times, 1.0))
    )
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    config = LazyConfig.apply_overrides(config, ["model.num_classes=6", "train.device=cpu"])
    canvas = Canvas(96, 96, batch=1, fixed=True)
    export(Source(config, None), Wish(form, canvas=canvas), tmp_path, None)
    path = str(tmp_path / f"model{suffix}")
    times = measure([path], np.zeros((1, 3, 96, 96), dtype=np.uint8), 1)[path]
    assert all(times[part] > 0 for part in PARTS)
    assert times["rest"] < 0.5 * sum(times.values())


def test_what_int8_and_the_operator_can_gain_by_hand():
    rest = {"query_source": 0.0, "rest": 10.0}
    parts = {
        "RT-DETR-R18, OpenVINO": {"backbone": 90, "neck": 6, "encoder": 50, "decoder": 44} | rest,
        "RT-DETR-R18, OpenVINO, int8": {"backbone": 30, "neck": 4, "encoder": 20, "decoder": 44},
    }
    [gains] = sections.quantised_lines(parts)
    assert "3.0x in the backbone, 1.5x in the neck, 2.5x in the encoder" in gains
    [bound] = sections.bound_lines(parts)
    assert "1.28x faster" in bound  # 200 / (200 - 44)
    assert sections.bound_lines({"another": {}}) == []

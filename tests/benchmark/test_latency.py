"""Turns, percentiles by hand, files of every runtime, and what cannot be measured."""

import json
import time

import numpy as np
import pytest
import torch

from aligndetr import cli
from aligndetr.benchmark.latency import latency_table, measure, percentile
from aligndetr.benchmark.subjects import Subject, open_subject
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import UserError
from aligndetr.runtime.exported.metadata import INPUTS

TINY = ["model.num_classes=3", "train.device=cpu", "model.num_queries=20"]


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def subject(name, log, canvas=(None, None, None)):
    def run(images):
        time.sleep(0.001)
        log.append((name, images.shape))

    return Subject(name, "onnxruntime 1.0", "file", run, canvas)


def test_subjects_are_run_in_turns_after_a_warm_up():
    log = []
    a, b = subject("a", log), subject("b", log)
    found = measure([a, b], batch=2, size=8, repeats=3, warm_up=2, memory=lambda run: 5.0)
    assert [name for name, _ in log] == ["a", "b"] * 5
    assert {shape for _, shape in log} == {(2, 3, 8, 8)}
    assert [each.name for each in found] == ["a", "b"]
    assert all(len(each.runs_ms) == 3 for each in found)
    assert [each.memory_mib for each in found] == [5.0, 5.0]
    for each in found:
        assert each.images_per_s == pytest.approx(2000 / sorted(each.runs_ms)[1])


def test_a_fixed_canvas_is_left_out_where_it_does_not_fit():
    log = []
    fixed = subject("fixed", log, canvas=(1, 8, 8))
    both = [fixed, subject("free", log)]
    assert [r.name for r in measure(both, 1, 8, 1, 0, lambda run: 0.0)] == ["fixed", "free"]
    assert [r.name for r in measure(both, 2, 8, 1, 0, lambda run: 0.0)] == ["free"]
    assert [r.name for r in measure(both, 1, 16, 1, 0, lambda run: 0.0)] == ["free"]


def test_percentiles_by_hand():
    # of 20 runs 1..20 ms, 19 did not exceed 19 ms: 19 / 20 = 0.95
    assert percentile(range(20, 0, -1), 0.95) == 19
    assert percentile([3.0, 1.0, 2.0], 0.95) == 3.0  # two of three are only 0.67
    assert percentile([7.0], 0.95) == 7.0


def test_a_table_of_80_columns():
    log = []
    long = subject("output/a_long_folder/and_another_one/model_fp32.onnx", log)
    lines = latency_table(measure([long], 8, 8, 2, 0, lambda run: 1234.0))
    assert max(map(len, lines)) <= 80
    assert "model_fp32.onnx" in lines[-1]
    assert lines[-1].split()[-1] == "1234"


def test_a_config_is_timed_on_what_its_model_detects():
    tested = open_subject("aligndetr_tiny", 1, overrides=TINY)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)
    found = tested.run(images)
    config = LazyConfig.apply_overrides(LazyConfig.load(resolve_config("aligndetr_tiny")), TINY)
    torch.manual_seed(0)
    model = instantiate(config.model).eval()
    with torch.inference_mode():
        items = [{"image": torch.from_numpy(i), "height": 64, "width": 64} for i in images]
        expected = model(items)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one["instances"].scores, other["instances"].scores)
    half = open_subject("aligndetr_tiny", 1, "bf16", TINY).run(images)
    assert not torch.equal(half[0]["instances"].scores, found[0]["instances"].scores)


@pytest.fixture
def onnx_file(tmp_path):
    """A graph with the inputs of an export, that counts the images' bright pixels."""
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    pixels = helper.make_tensor_value_info("images", kinds.UINT8, ["b", 3, 16, "w"])
    pairs = [helper.make_tensor_value_info(name, kinds.INT64, ["b", 2]) for name in INPUTS[1:]]
    nodes = [
        helper.make_node("Cast", ["images"], ["real"], to=kinds.FLOAT),
        helper.make_node("ReduceSum", ["real"], ["total"]),
        helper.make_node("Add", ["sizes", "original_sizes"], ["both"]),
    ]
    outputs = [
        helper.make_tensor_value_info("total", kinds.FLOAT, None),
        helper.make_tensor_value_info("both", kinds.INT64, None),
    ]
    graph = helper.make_graph(nodes, "g", [pixels, *pairs], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_an_onnx_file(onnx_file):
    pytest.importorskip("onnxruntime")
    tested = open_subject(str(onnx_file), 1)
    assert tested.runtime.startswith("onnxruntime ")
    assert tested.canvas == (None, 16, None)
    images = np.full((2, 3, 16, 8), 5, np.uint8)
    total, both = tested.run(images)
    assert total.item() == 2 * 3 * 16 * 8 * 5
    assert both.tolist() == [[32, 16], [32, 16]]


def test_an_openvino_file(onnx_file, tmp_path):
    openvino = pytest.importorskip("openvino")
    model = openvino.convert_model(str(onnx_file))
    model.input("sizes").get_tensor().add_names({"/slice_1"})  # as conversions of exports have it
    openvino.save_model(model, tmp_path / "model.xml")
    tested = open_subject(str(tmp_path / "model.xml"), 1)
    assert tested.canvas == (None, 16, None)
    found = tested.run(np.full((2, 3, 16, 8), 5, np.uint8))
    assert found["total"].item() == 2 * 3 * 16 * 8 * 5


def test_the_command(onnx_file, tmp_path, capsys):
    words = ["benchmark", "aligndetr_tiny", str(onnx_file), *TINY, "--size", "16", "--threads", "1"]
    words += ["--repeats", "2", "--warm-up", "0", "--batch-sizes", "1,2"]
    assert cli.main([*words, "--json", str(tmp_path / "found.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:-1])) <= 80  # the last names the file
    assert sum("aligndetr_tiny" in line for line in lines) == 2
    assert any("16 x 16 pixels, 1 threads, 2 runs in turns after 0" in line for line in lines)
    content = json.loads((tmp_path / "found.json").read_text())
    assert [(r["batch"], len(r["runs_ms"])) for r in content["results"]] == [(1, 2)] * 2 + [
        (2, 2)
    ] * 2
    assert content["machine"]["threads"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no.onnx"], "there is no file no.onnx"),
        (["aligndetr_tinny"], "no config 'aligndetr_tinny'; did you mean aligndetr_tiny"),
        (["model.num_classes=3"], "nothing to measure: name a config"),
        (["aligndetr_tiny", "--batch-sizes", "1,x"], "--batch-sizes 1,x: give numbers, as 1,8"),
        (["aligndetr_tiny", "--repeats", "0"], "--repeats: give at least 1"),
        (["aligndetr_tiny", "--precision", "fp8"], "no precision 'fp8'; there are fp32, bf16"),
    ],
)
def test_what_cannot_be_measured(words, message, capsys):
    assert cli.main(["benchmark", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_none(tmp_path, onnx_file):
    pytest.importorskip("onnxruntime")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(UserError, match=r"onnxruntime cannot open .*text\.onnx: "):
        open_subject(str(tmp_path / "text.onnx"), 1)
    with pytest.raises(UserError, match="ONNX Runtime computes as the file has it"):
        open_subject(str(onnx_file), 1, "bf16")

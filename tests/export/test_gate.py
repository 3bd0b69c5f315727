"""The gate lets nothing wrong pass, and nothing pass unseen."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from aligndetr.cli import main
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.errors import ExportError, UserError
from aligndetr.export import onnx_file
from aligndetr.export.exporting import Proof, export, verify
from aligndetr.export.report import as_table, write_report
from aligndetr.export.runtimes import open_file

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


CLASSES = ["red", "green", "blue"]  # of the pictures


def edited(path, target, change):
    """A copy of a file in which one number of one weight is another."""
    model = onnx.load(path)
    [tensor] = [t for t in model.graph.initializer if t.name.endswith(target)]
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[3] = change(values.flat[3])
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(model, path.with_name("edited.onnx"))
    return path.with_name("edited.onnx")


@pytest.mark.parametrize(
    "weight", ["backbone.stem.conv1.weight", "encoder.layers.0.norm1.weight", "decoder.norm.weight"]
)
def test_one_edited_weight_is_rejected(weight, free_file, source, few):
    path = edited(free_file.path, weight, lambda value: value + 0.3)
    assert not verify(source, path, few).passed


def test_the_same_file_passes_again(free_file, source, few):
    before = free_file.path.read_bytes()
    assert verify(source, free_file.path, few).passed
    assert free_file.path.read_bytes() == before


def test_what_is_rejected_is_named_so(
    source, fixed_wish, few, tmp_path, monkeypatch, converted_once
):
    """A model whose file was made of other weights than it is judged by."""
    (tmp_path / "model.onnx").write_text("of an earlier export")
    convert = onnx_file.convert

    def spoilt(*arguments):
        message = convert(*arguments)
        [tensor] = [t for t in message.graph.initializer if t.name.endswith("stem.conv1.weight")]
        values = onnx.numpy_helper.to_array(tensor).copy()
        values.flat[3] += 0.3
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return message

    with monkeypatch.context() as patch:
        patch.setattr(onnx_file, "convert", spoilt)
        outcome = export(source, fixed_wish("onnx"), tmp_path, few)
    assert outcome.path == tmp_path / "model.onnx.rejected"
    assert outcome.judgement.start.startswith("model.backbone.stem")
    assert open_file(outcome.path).metadata["verification"]["status"] == "rejected"
    assert (tmp_path / "model.onnx").read_text() == "of an earlier export"
    assert "REJECTED" in as_table(outcome.judgement)
    assert "NOT OK" in as_table(outcome.judgement)
    outcome = export(source, fixed_wish("onnx"), tmp_path, few)
    assert outcome.path == tmp_path / "model.onnx"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_report(free_file, tmp_path):
    paths = write_report(free_file.judgement, tmp_path / "model.onnx")
    content = json.loads(paths[0].read_text())
    assert content["status"] == "verified"
    assert content["limits"]["queries alike"] == {"least": 98.0, "most": None, "passed": True}
    text = paths[1].read_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "CPUExecutionProvider" in text


def test_without_verification_the_file_says_so(source, fixed_wish, tmp_path, converted_once):
    outcome = export(source, fixed_wish("onnx"), tmp_path, None)
    assert outcome.judgement is None
    assert open_file(outcome.path).metadata["verification"] == {"status": "unverified"}


def test_judged_by_given_images(free_file, source, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no image")
    judgement = verify(source, free_file.path, Proof([str(tmp_path)], 5))
    assert judgement.images == "1 given images"
    assert judgement.passed
    assert "AP lost" not in {figure.name for figure in judgement.figures}
    with pytest.raises(ExportError, match="no images in"):
        verify(source, free_file.path, Proof([str(tmp_path / "notes.txt")]))
    with pytest.raises(ExportError, match="does not exist"):
        verify(source, free_file.path, Proof([str(tmp_path / "b.png")]))


def test_another_provider_than_there_is(free_file, source, few):
    proof = dataclasses.replace(few, provider="CUDAExecutionProvider")
    with pytest.raises(ExportError, match="no CUDAExecutionProvider; it has"):
        verify(source, free_file.path, proof)


def test_damaged_and_foreign_files(free_file, tmp_path):
    (tmp_path / "cut.onnx").write_bytes(free_file.path.read_bytes()[:5000])
    with pytest.raises(ExportError, match=r"cannot open .*cut\.onnx"):
        open_file(tmp_path / "cut.onnx")
    model = onnx.load(free_file.path)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(ExportError, match="not written by `aligndetr export`"):
        open_file(tmp_path / "bare.onnx")
    with pytest.raises(ExportError, match="does not exist"):
        open_file(tmp_path / "none.onnx")
    (tmp_path / "model.pth").write_bytes(b"1")
    with pytest.raises(ExportError, match="no exported file"):
        open_file(tmp_path / "model.pth")


def test_an_image_of_another_type_is_a_sentence(free_file):
    with pytest.raises(ExportError, match="cannot run the file"):
        open_file(free_file.path).run({"images": np.zeros((1, 3, 64, 64), np.float64)})


def test_nothing_half_written(source, fixed_wish, tmp_path, monkeypatch, converted_once):
    def broken(*arguments):
        (arguments[-1]).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx_file, "write", broken)
    with pytest.raises(UserError, match=r"cannot write .*free some space"):
        export(source, fixed_wish("onnx"), tmp_path / "out", None)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_package_names_its_extra(free_file, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ExportError, match=r"pip install 'aligndetr\[onnx\]'"):
        open_file(free_file.path)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--fixed-size", "640"], "640x640"),
        (["--num-images", "0"], "at least 1"),
        (["--no-verify", "--verify", "x.onnx"], "contradict"),
    ],
)
def test_wrong_arguments(words, message, capsys):
    assert main(["export", "--checkpoint", "none.pth", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def checkpoint(make_source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    model = make_source().model
    Checkpointer(model, folder, extra={"class_names": CLASSES}).save("model_final", iteration=0)
    return folder / "model_final.pth"


def test_the_command(checkpoint, pictures, tmp_path, capsys):
    data = f"dataloader.test.dataset.json_file={pictures}/boxes.json"
    root = f"dataloader.test.dataset.image_root={pictures}"
    common = ["export", "aligndetr_tiny", "--checkpoint", str(checkpoint), data, root]
    common += ["train.device=cpu", "--num-images", "2", "model.decoder.num_layers=2"]
    words = [*common, "--output", str(tmp_path), "--fixed-size", "48x64"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "verified" in out
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.onnx",
        "model.onnx.report.json",
        "model.onnx.report.txt",
    }
    metadata = open_file(tmp_path / "model.onnx").metadata
    assert metadata["classes"] == CLASSES
    assert metadata["canvas"] == {"height": 48, "width": 64, "batch": 1}
    path = edited(tmp_path / "model.onnx", "stem.conv1.weight", lambda value: value + 0.5)
    assert main([*common, "--verify", str(path)]) == 1
    assert "REJECTED" in capsys.readouterr().out

"""A detector as a folder: what travels, what is refused."""

import json
import shutil

import pytest
import torch
import yaml

from aligndetr import cli
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.checkpoint import load_model_file
from aligndetr.errors import CheckpointError, DataError, UntrustedConfigError, UserError
from aligndetr.files import sha256_of
from aligndetr.hub import from_pretrained, pretrained, save_pretrained
from aligndetr.predictor import Predictor
from tests.hub.conftest import CALIBRATOR, THRESHOLDS

pytest.importorskip("safetensors")
pytest.importorskip("huggingface_hub")


def changed(folder, tmp_path, name, content):
    """A copy of the folder with one file replaced."""
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    (copy / name).write_bytes(content)
    return copy


def sealed(folder):
    """Write the hashes of the files as they are now: what whoever forges a folder does, too."""
    about = json.loads((folder / "config.json").read_text())
    about["sha256"] = {name: sha256_of(folder / name) for name in about["sha256"]}
    (folder / "config.json").write_text(json.dumps(about))
    return folder


def test_a_folder_detects_what_the_checkpoint_detects(trained, folder, photo):
    expected = Predictor("aligndetr_tiny", trained, device="cpu")(photo)
    predictor = from_pretrained(folder, device="cpu")
    found = predictor(photo)
    assert torch.equal(found.scores, expected.scores)
    assert torch.equal(found.pred_boxes.tensor, expected.pred_boxes.tensor)
    assert predictor.class_names == ["disk", "square", "star"]
    assert predictor.operating_point.thresholds == THRESHOLDS
    assert predictor.operating_point.data == {"dataset": "shapes_val"}
    kept = predictor.confident(found)
    lowest = torch.tensor(THRESHOLDS)[kept.pred_classes]
    assert len(kept) > 0
    assert (kept.scores >= lowest).all()


def test_the_calibrator_goes_along(folder, photo):
    plain, calibrated = (from_pretrained(folder, device="cpu", calibrated=c) for c in (False, True))
    scores = plain.confident(plain(photo)).scores
    # its knots are (0, 0) and (1, 0.5): half of each score
    halves = calibrated.confident(calibrated(photo)).scores
    torch.testing.assert_close(halves, scores / 2)
    assert plain.operating_point.calibrator == CALIBRATOR


def test_a_folder_stands_wherever_a_checkpoint_does(folder, photo, tmp_path, capsys):
    from PIL import Image

    Image.fromarray(photo).save(tmp_path / "photo.png")
    words = [str(tmp_path / "photo.png"), "--output", str(tmp_path / "out")]
    status = cli.main(["predict", "--checkpoint", str(folder), *words, "train.device=cpu"])
    assert status == 0, capsys.readouterr().err
    assert "thresholds: disk 0.25" in capsys.readouterr().out
    assert (tmp_path / "out" / "predictions.json").is_file()


def test_the_files(folder, trained):
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "config.json", "config.yaml", "model.safetensors"}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing unfinished
    from safetensors.torch import load_file

    expected = load_model_file(trained)["model"]
    tensors = load_file(folder / "model.safetensors")
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in tensors)


def test_the_card(folder):
    _, header, body = (folder / "README.md").read_text().split("---\n", 2)
    header = yaml.safe_load(header)
    assert header["license"] == "apache-2.0"
    assert header["library_name"] == "aligndetr"
    assert header["pipeline_tag"] == "object-detection"
    [model] = header["model-index"]
    figures = {m["type"]: m["value"] for m in model["results"][0]["metrics"]}
    assert figures == {"AP": 41.25, "AP50": 60.5}
    assert "| bbox | 41.2 | 60.5 | - |" in body
    assert "disk, square, star" in body
    assert "Fitted on shapes_val: disk 0.25, square 0.50, star 0.12. A calibrator goes" in body
    assert 'from_pretrained("FOLDER")' in body


def test_a_card_claims_nothing_that_nobody_said(tiny_checkpoint, tmp_path):
    path = save_pretrained(tiny_checkpoint, tmp_path / "a", config="aligndetr_tiny")
    _, header, body = (path / "README.md").read_text().split("---\n", 2)
    assert {"license", "model-index"}.isdisjoint(yaml.safe_load(header))
    assert "## Figures\n\nNot stated." in body
    assert "## Licence\n\nNot stated." in body
    with pytest.raises(DataError, match=r"README\.md holds no results of an evaluation"):
        save_pretrained(
            tiny_checkpoint, tmp_path / "b", config="aligndetr_tiny", results=path / "README.md"
        )
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml"])
def test_a_damaged_file_is_named(folder, tmp_path, name):
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    copy = changed(folder, tmp_path, name, bytes(content))
    with pytest.raises(CheckpointError, match=rf"its {name} is damaged: .* SHA-256 that config"):
        from_pretrained(copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"its config\.json is damaged"),
        (b"[" * 100_000, r"its config\.json is damaged"),
        (b"[1]", r"its config\.json is damaged: it is a list"),
        (b'{"model_type": "swin"}', r"its config\.json is not ours"),
        (b'{"library_name": "aligndetr", "schema": 2, "version": "9.1"}', r"aligndetr \(9\.1, sch"),
        (b'{"library_name": "aligndetr", "schema": 1}', r"its config\.yaml is damaged"),
        (b" " * 10_000_001, r"has 10000001 bytes, far too many"),
    ],
)
def test_a_description_that_is_none(folder, tmp_path, content, message):
    copy = changed(folder, tmp_path, "config.json", content)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)


def test_a_folder_that_is_none(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"a folder without config\.json"):
        from_pretrained(tmp_path / "empty")
    with pytest.raises(UserError, match="is a folder, which has no revision 'v1'"):
        from_pretrained(folder, revision="v1")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"it holds no model\.safetensors"):
        from_pretrained(copy)


@pytest.mark.parametrize(
    "evil",
    [
        "{_target_: os.system, command: touch struck}",
        "{_target_: torch.hub.load, repo_or_dir: a/b, model: c}",
        "{_target_: torch.load, f: model.safetensors, weights_only: false}",
        "{_target_: builtins.eval, source: 1}",
    ],
)
def test_a_config_calls_nothing_that_data_may_not(folder, tmp_path, monkeypatch, evil):
    monkeypatch.chdir(tmp_path)
    text = (folder / "config.yaml").read_text() + f"extra: {evil}\n"
    copy = sealed(changed(folder, tmp_path, "config.yaml", text.encode()))
    with pytest.raises(UntrustedConfigError, match="which is not on the list of known parts"):
        from_pretrained(copy)
    assert not (tmp_path / "struck").exists()


def test_a_pickle_in_place_of_the_weights_is_not_read(folder, tmp_path, trained):
    copy = sealed(changed(folder, tmp_path, "model.safetensors", trained.read_bytes()))
    with pytest.raises(CheckpointError, match="is truncated or not a checkpoint"):
        from_pretrained(copy)


def test_a_folder_in_use_is_left_alone(trained, folder, tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(UserError, match="is in use: name a new folder"):
        save_pretrained(trained, folder, config="aligndetr_tiny")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_what_cannot_be_written_leaves_nothing(trained, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pretrained, "sha256_of", refuse)  # the weights are written by then
    with pytest.raises(UserError, match=r"cannot write .*new: No space left on device; free some"):
        save_pretrained(trained, tmp_path / "new", config="aligndetr_tiny")
    assert list(tmp_path.iterdir()) == []


def test_the_weights_are_those_that_were_asked_for(tiny_checkpoint, tmp_path):
    content = load_model_file(tiny_checkpoint)
    ema = {
        name: value * 2 if value.is_floating_point() else value
        for name, value in content["model"].items()
    }
    torch.save({**content, "ema": ema}, tmp_path / "two.pth")
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    config.train.best.weights = "ema"
    LazyConfig.save(config, tmp_path / "config.yaml")
    path = save_pretrained(tmp_path / "two.pth", tmp_path / "new", config=tmp_path / "config.yaml")
    state = from_pretrained(path, device="cpu").model.state_dict()
    assert all(torch.equal(state[name], ema[name]) for name in ema)


def test_paths_and_trust_are_told(tiny_checkpoint, tmp_path, caplog):
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    config.dataloader.train.dataset.json_file = "/home/somebody/secret.json"
    LazyConfig.save(config, tmp_path / "config.yaml")
    save_pretrained(tiny_checkpoint, tmp_path / "new", config=tmp_path / "config.yaml")
    assert "dataloader.train.dataset.json_file=/home/somebody/secret.json" in caplog.text
    assert "trust_config" not in caplog.text

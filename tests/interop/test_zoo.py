"""Published weights by name: the table is sound, and a name leads to a file of a known layout."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from aligndetr import cli
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.stored_config import stored_config
from aligndetr.errors import CheckpointError
from aligndetr.interop import download, load_checkpoint, zoo
from aligndetr.interop.renaming import export_state
from aligndetr.interop.sources import lyuwenyu_rtdetr
from aligndetr.predictor import Predictor
from tests.interop.file_server import Server, sha256

HOSTS = (
    "https://github.com/IDEA-Research/detrex-storage/releases/download/v",
    "https://github.com/lyuwenyu/storage/releases/download/v0.1/",
    "https://download.openmmlab.com/mmdetection/",
    "https://dl.fbaipublicfiles.com/detr/",
    "https://huggingface.co/",
    "https://drive.google.com/",
)


@pytest.mark.parametrize("model", zoo.MODELS.values(), ids=zoo.MODELS)
def test_an_entry_is_sound(model):
    assert model.url.startswith(HOSTS)
    assert re.fullmatch("|[0-9a-f]{8}|[0-9a-f]{64}", model.sha256)
    assert model.by_hand == ("drive.google" in model.url)
    assert 40 < model.ap < 60
    assert not model.seen  # nothing can be fetched where this was written
    if len(model.sha256) == 8:  # it stands in the file's name, where `fetch` finds it
        assert download._expected_hash(model.url, "") == model.sha256
    config = stored_config(f"zoo:{model.name}")
    plain = LazyConfig.load(resolve_config(model.config))
    assert (config != plain) == bool(model.overrides)
    assert config.model.num_classes in (None, 80)


def test_names_and_hashes():
    assert zoo.url_of("zoo:rtdetr_r18").endswith("/rtdetr_r18vd_dec3_6x_coco_from_paddle.pth")
    assert zoo.url_of("zoo:rtdetr_r18#sha256=1").endswith("_from_paddle.pth#sha256=1")
    pinned = zoo.url_of("zoo:huggingface_rtdetr_r18")
    assert pinned.endswith(
        "/model.safetensors#sha256=" + zoo.MODELS["huggingface_rtdetr_r18"].sha256
    )
    with pytest.raises(CheckpointError, match=r"no 'rtdetr_r81'; did you mean rtdetr_r18"):
        zoo.url_of("zoo:rtdetr_r81")
    with pytest.raises(CheckpointError, match=r"open https://drive.* with the config aligndetr_k2"):
        zoo.url_of("zoo:aligndetr_r50_12ep")


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A small RT-DETR under its authors' names, as their training saves it: in ema.module."""
    config = LazyConfig.load(resolve_config("rtdetr_tiny"))
    config.model.num_classes = 80
    torch.manual_seed(3)
    model = instantiate(config.model)
    state = export_state(model.state_dict(), lyuwenyu_rtdetr.SOURCE)
    torch.save({"ema": {"module": state}}, tmp_path / "rtdetr.pth")
    return model, (tmp_path / "rtdetr.pth").read_bytes()


@pytest.fixture
def server(theirs, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(download, "PAUSES_S", (0.0, 0.0))
    server = Server()
    server.content = theirs[1]
    entry = dataclasses.replace(
        zoo.MODELS["rtdetr_r18"],
        url=f"{server.url}/v0.1/rtdetr.pth",
        config="rtdetr_tiny",
        overrides=("model.num_classes=80", "train.device=cpu"),
        sha256=sha256(server.content),
    )
    monkeypatch.setitem(zoo.MODELS, "rtdetr_r18", entry)
    yield server
    server.close()


def test_a_name_stands_for_a_checkpoint(theirs, server):
    """`zoo:` in Python: the config comes from the table, the weights from the server, cut once."""
    server.cuts = [1000]
    predictor = Predictor(None, "zoo:rtdetr_r18", weights="ema")
    assert [start for _, start in server.asked] == [0, 1000]
    expected = theirs[0].state_dict()
    for name, tensor in predictor.model.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert len(predictor(image)) > 0
    assert len(server.asked) == 2  # it is kept


def test_a_name_stands_for_initial_weights(theirs, server):
    config = stored_config("zoo:rtdetr_r18")
    report = load_checkpoint(instantiate(config.model), "zoo:rtdetr_r18", weights="ema")
    assert report.source == "lyuwenyu/RT-DETR"
    assert not report.missing


def test_another_file_than_the_table_says(server, tmp_path):
    server.content = server.content[:-1] + b"?"
    with pytest.raises(CheckpointError, match="is not the file that was meant"):
        Predictor(None, "zoo:rtdetr_r18")
    assert not [path for path in (tmp_path / "hub").rglob("*") if path.is_file()]


def test_the_command(server, capsys, monkeypatch):
    assert cli.main(["zoo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    [line] = (line for line in lines if " rtdetr_r50 " in line)
    assert line.split() == ["rtdetr_r50", "53.1", "-", "-", "no"]
    assert cli.main(["zoo", "idea_dino_r50_12ep"]) == 0
    shown = capsys.readouterr().out
    assert "temperature=20 model.pyramid.position_embedding.offset=0.0 --checkpoint FILE" in shown
    assert cli.main(["zoo", "rtdetr_r18", "--fetch"]) == 0
    path = capsys.readouterr().out.strip()
    assert path.endswith("rtdetr.pth")
    assert cli.main(["zoo", "--fetch"]) == 2
    assert "error: --fetch: say which one" in capsys.readouterr().err

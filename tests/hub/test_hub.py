"""From and to a hub: pinned commits, hashes, and every way in which it can be refused."""

import logging
import shutil
from pathlib import Path

import pytest
import torch

from aligndetr.config import instantiate
from aligndetr.engine.stored_config import stored_config
from aligndetr.errors import CheckpointError, UserError
from aligndetr.hub import from_pretrained, push_to_hub
from aligndetr.interop import huggingface, load_checkpoint
from aligndetr.modeling.backbone import ResNet

pytest.importorskip("huggingface_hub")


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def published(hub, folder):
    """The folder as somebody/shapes; its commit."""
    return hub.commit("somebody/shapes", files_of(folder))


def anew():
    """As another process would begin."""
    huggingface.snapshot.cache_clear()


def test_a_detector_from_the_hub(hub, published, folder, photo, caplog):
    caplog.set_level(logging.INFO)
    found = from_pretrained("somebody/shapes", device="cpu")(photo)
    expected = from_pretrained(folder, device="cpu")(photo)
    assert torch.equal(found.scores, expected.scores)
    assert f"huggingface://somebody/shapes@{published}" in caplog.text
    fetched = [path for method, path in hub.asked if method == "GET" and "/resolve/" in path]
    names = sorted(path.rpartition("/")[2] for path in fetched)
    assert names == ["config.json", "config.yaml", "model.safetensors"]
    # what follows the description is asked for by its commit, whatever the branch is by then
    assert all(published in path for path in fetched if not path.endswith("config.json"))


def test_a_revision_stays_what_it_is(hub, published, folder):
    other = files_of(folder) | {"config.json": b"{}"}
    hub.commit("somebody/shapes", other)
    assert from_pretrained("somebody/shapes", revision=published, device="cpu").num_classes == 3
    config = stored_config(f"huggingface://somebody/shapes@{published}")
    config.model.num_classes = 3
    report = load_checkpoint(
        instantiate(config.model), f"huggingface://somebody/shapes@{published}"
    )
    assert report.is_complete


def test_a_branch_that_moves_does_not_mix_two_commits(hub, published, folder):
    path = huggingface.snapshot("somebody/shapes")
    hub.commit("somebody/shapes", {"config.yaml": b"{}"})
    assert huggingface.snapshot("somebody/shapes") == path
    assert path.name == published


def test_without_a_connection_what_was_fetched_is_taken(hub, published, monkeypatch):
    import huggingface_hub

    from_pretrained("somebody/shapes", device="cpu")
    nobody = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", nobody)
    anew()
    assert from_pretrained("somebody/shapes", device="cpu").num_classes == 3
    with pytest.raises(CheckpointError, match="cannot reach the hub, and somebody/other has not"):
        from_pretrained("somebody/other")


def test_a_file_that_is_damaged_in_the_cache(hub, published, tmp_path):
    path = huggingface.snapshot("somebody/shapes") / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.resolve().write_bytes(content)
    anew()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged: it has not"):
        from_pretrained("somebody/shapes")
    assert from_pretrained("somebody/shapes", device="cpu").num_classes == 3


def test_weights_that_do_not_belong_to_the_description(hub, published, folder):
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1  # the hub has them like this: its own hash fits
    hub.commit("somebody/shapes", {"model.safetensors": bytes(weights)})
    with pytest.raises(CheckpointError, match=r"does not have the SHA-256 that config\.json state"):
        from_pretrained("somebody/shapes")


def test_names_that_lead_nowhere(hub, published):
    with pytest.raises(CheckpointError, match="the hub has no model some/thing, or it is private"):
        from_pretrained("some/thing")
    with pytest.raises(CheckpointError, match="somebody/shapes on the hub has no revision 'v9'"):
        from_pretrained("somebody/shapes", revision="v9")
    with pytest.raises(CheckpointError, match="'shapes' is no folder, and no name such"):
        from_pretrained("shapes")
    hub.gated.add("somebody/shapes")
    with pytest.raises(CheckpointError, match="accept the terms on the page of somebody/shapes"):
        from_pretrained("somebody/shapes")


def test_a_model_of_another_library(hub, tmp_path):
    hub.commit("somebody/swin", {"config.json": b'{"model_type": "swin"}'})
    with pytest.raises(CheckpointError, match="holds no config: name the one that describes"):
        from_pretrained("somebody/swin")
    with pytest.raises(CheckpointError, match="for a backbone of transformers"):
        load_checkpoint(ResNet(18), "huggingface://somebody/swin")
    hub.commit("somebody/empty", {"a.txt": b""})
    with pytest.raises(CheckpointError, match=r"somebody/empty on the hub holds no config\.json"):
        from_pretrained("somebody/empty")


def test_a_cache_that_cannot_be_written(hub, published, monkeypatch):
    import huggingface_hub

    def refuse(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(UserError, match="cannot write somebody/shapes: No space left on device; f"):
        from_pretrained("somebody/shapes")


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library's own
def test_there_and_back(hub, trained, photo, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_test")
    name = push_to_hub(trained, "me/shapes", config="aligndetr_tiny", license="mit", private=True)
    oid = hub.branches["me/shapes", "main"]
    assert name == f"huggingface://me/shapes@{oid}"
    card = hub.commits["me/shapes", oid]["README.md"].decode()
    assert 'from_pretrained("me/shapes")' in card
    assert "license: mit" in card
    assert [path for method, path in hub.asked if path.startswith("/api/models/")].count(
        "/api/models/me/shapes/commit/main"
    ) == 1
    predictor = from_pretrained(name, device="cpu")
    assert predictor.operating_point.thresholds == (0.25, 0.5, 0.125)
    assert len(predictor(photo)) > 0


def test_a_hub_that_refuses_what_is_sent(hub, trained, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_test")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    hub._commit = lambda *_: (_ for _ in ()).throw(ConnectionAbortedError)
    with pytest.raises(CheckpointError, match="me/shapes on the hub: "):
        push_to_hub(trained, "me/shapes", config="aligndetr_tiny")
    assert not hub.commits
    assert not list(Path(tmp_path).glob("tmp*"))


def test_the_library_is_optional(monkeypatch, trained, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"needs its library: pip install 'aligndetr\[hub\]'"):
        push_to_hub(trained, "me/shapes")
    anew()
    with pytest.raises(UserError, match=r"pip install 'aligndetr\[hub\]'"):
        from_pretrained("me/shapes")
    shutil.rmtree(tmp_path, ignore_errors=True)

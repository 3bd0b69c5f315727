"""Weights of transformers' classifiers for the backbone of a detector, from a local folder."""

import hashlib
import os

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.activation_checkpointing import recompute_activations
from aligndetr.errors import CheckpointError, ConfigError
from aligndetr.interop import load_checkpoint
from aligndetr.interop.renaming import export_state
from aligndetr.interop.sources import DETREX
from aligndetr.modeling.backbone import ResNet, TransformersBackbone
from aligndetr.structures import Boxes, Instances

transformers = pytest.importorskip("transformers")

SIZES = {"embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 4, "image_size": 32}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A Swin classifier with random weights, and the folder that holds it."""
    torch.manual_seed(1)
    model = transformers.SwinForImageClassification(transformers.SwinConfig(**SIZES)).eval()
    folder = tmp_path_factory.mktemp("swin")
    model.save_pretrained(folder)
    return model, folder


def test_a_backbone_takes_a_classifiers_weights(classifier):
    model, folder = classifier
    backbone = TransformersBackbone("swin", ["stage1", "stage2"], config=SIZES, freeze_at=1)
    detector = torch.nn.ModuleDict({"backbone": backbone, "head": torch.nn.Linear(2, 2)})
    kept = torch.nn.init.constant_(backbone.model.hidden_states_norms["stage1"].weight, 0.5)
    report = load_checkpoint(detector, f"huggingface://{folder}")
    assert (kept == 0.5).all()
    assert not set(report.loaded) & set(report.missing)
    assert report.missing == [
        f"backbone.model.hidden_states_norms.stage{stage}.{kind}"
        for stage in (1, 2)
        for kind in ("weight", "bias")
    ]
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        # The classifier normalises once more, and its norm is new: both are 1 and 0 here.
        theirs = model.swin(images, always_partition=True).last_hidden_state
        ours = backbone.eval()(images)["stage2"].flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, theirs)
    trained = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert not any("embeddings" in name for name in trained)
    with pytest.raises(CheckpointError, match="does not fit the model exactly"):
        load_checkpoint(detector, f"huggingface://{folder}", strict=True)


@pytest.fixture
def cached(classifier, tmp_path, monkeypatch):
    """The same model as the hub's library keeps it once it is fetched: files by their hashes."""
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    _, folder = classifier
    commit = "c" * 40
    model = tmp_path / "models--someone--swin"
    snapshot = model / "snapshots" / commit
    for path in (model / "refs", model / "blobs", snapshot):
        path.mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    for name, kind in {"config.json": "sha1", "model.safetensors": "sha256"}.items():
        content = (folder / name).read_bytes()
        blob = model / "blobs" / hashlib.new(kind, content).hexdigest()
        blob.write_bytes(content)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot / "model.safetensors"


def test_what_the_hub_gave_is_compared_with_its_hash(classifier, cached):
    backbone = TransformersBackbone("swin", ["stage2"], config=SIZES)
    report = load_checkpoint(backbone, "huggingface://someone/swin")
    assert len(report.missing) == 2  # the norm of the output, as from a folder
    weights = bytearray(cached.read_bytes())
    weights[-1] ^= 1  # a bit of the last number
    cached.resolve().write_bytes(weights)
    stored = cached.resolve()
    with pytest.raises(ConfigError, match=r"'someone/swin': model\.safetensors is damaged"):
        load_checkpoint(backbone, "huggingface://someone/swin")
    assert not stored.exists()
    assert not cached.is_symlink()


def test_weights_that_do_not_fit_are_refused(classifier):
    _, folder = classifier
    name = f"huggingface://{folder}"
    with pytest.raises(CheckpointError, match="of which this model has 0"):
        load_checkpoint(ResNet(18), name)
    sizes = {"hidden_sizes": [4, 4], "depths": [1, 1], "num_stages": 2}
    other = TransformersBackbone("convnext", ["stage2"], config=sizes)
    with pytest.raises(ConfigError, match="it is a swin, the model has a convnext"):
        load_checkpoint(other, name)
    wider = TransformersBackbone("swin", ["stage2"], config=SIZES | {"embed_dim": 16})
    with pytest.raises(ConfigError, match="no weights for backbone"):
        load_checkpoint(wider, name)
    with pytest.raises(ConfigError, match="no weights for backbone '/no/such'"):
        load_checkpoint(wider, "huggingface:///no/such")


def shrunk(name):
    """The model of a shipped Swin config with the width and depth of a toy."""
    config = LazyConfig.load(resolve_config(name)).model
    config.backbone.config = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
    config.neck.in_channels = {"stage2": 16, "stage3": 32, "stage4": 64}
    config.neck.num_groups = 8
    config.embed_dim = 32
    config.num_queries = 20
    config.pyramid.position_embedding.num_features = 16
    config.encoder.num_layers = config.decoder.num_layers = 1
    for layer in (config.encoder.layer, config.decoder.layer):
        layer.ffn.feedforward_dim = 32
    torch.manual_seed(0)
    return instantiate(config)


@pytest.mark.parametrize("parts", [[], ["backbone"]])
def test_a_small_copy_of_the_swin_config_trains(parts):
    model = shrunk("dino_swin_large_384_4scale_12ep")
    recompute_activations(model, parts)
    batch = []
    for size in ((61, 97), (80, 64)):  # padded to 80 x 97
        boxes = torch.tensor([[8.0, 8.0, 40.0, 50.0]])
        instances = Instances(size, gt_boxes=Boxes(boxes), gt_classes=torch.tensor([3]))
        batch.append({"image": torch.rand(3, *size) * 255, "instances": instances})
    losses = model.train()(batch)
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    for name, parameter in model.backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    with torch.no_grad():
        assert len(model.eval()(batch)) == 2


def test_a_swin_detector_goes_to_detrex_and_back(tmp_path):
    model, other = (shrunk("dino_swin_tiny_224_4scale_12ep") for _ in range(2))
    theirs = export_state(model.state_dict(), DETREX)
    assert theirs["backbone.layers.2.blocks.0.attn.qkv.weight"].shape == (96, 32)
    assert {"backbone.norm1.weight", "backbone.norm2.bias", "backbone.norm3.weight"} <= set(theirs)
    assert not any("model.swin" in name or "hidden_states_norms" in name for name in theirs)
    torch.save({"model": theirs}, tmp_path / "detrex.pth")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.fill_(0.5)
    assert load_checkpoint(other, tmp_path / "detrex.pth", strict=True).is_complete
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name

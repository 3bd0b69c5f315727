"""Backbones of the transformers library, with random weights from a configuration."""

import copy
import json
import sys

import pytest
import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

from aligndetr.engine.activation_checkpointing import recompute_activations
from aligndetr.errors import ConfigError
from aligndetr.modeling.backbone import TransformersBackbone, build_backbone

pytest.importorskip("transformers")

TINY = {
    "swin": {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4},
    "convnext": {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1]},
    "focalnet": {"embed_dim": 8, "depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 32, 64]},
    "dinov2": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 16,
    },
    "vitdet": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
}


@pytest.mark.parametrize(
    "name, features, strides",
    [
        ("swin", ("stage2", "stage3", "stage4"), (8, 16, 32)),
        ("convnext", ("stage2", "stage3", "stage4"), (8, 16, 32)),
        ("focalnet", ("stage1", "stage2"), (8, 16)),  # its maps are those after downsampling
        ("dinov2", ("stage1", "stage2"), (16, 16)),
        ("vitdet", ("stage2",), (16,)),
    ],
)
def test_channels_and_strides_describe_the_outputs(name, features, strides):
    model = build_backbone("auto", name_or_config=name, out_features=features, config=TINY[name])
    assert tuple(model.strides.values()) == strides
    outputs = model(torch.randn(2, 3, 64, 96))
    assert tuple(outputs) == features
    for feature, stride in zip(features, strides, strict=True):
        shape = (2, model.channels[feature], 64 // stride, 96 // stride)
        assert outputs[feature].shape == shape


@pytest.mark.parametrize("name", ["swin", "convnext"])
def test_sequences_and_mappings_of_any_kind_are_taken(name):
    """As `instantiate` of hydra and of detectron2 hands them over: not converted."""
    arguments = {"out_features": ["stage2", "stage4"], "config": TINY[name], "freeze": [""]}
    torch.manual_seed(0)
    plain = TransformersBackbone(name, **arguments)
    torch.manual_seed(0)
    given = OmegaConf.create(arguments)
    assert isinstance(given.config, DictConfig)
    assert isinstance(given.out_features, ListConfig)
    model = TransformersBackbone(name, given.out_features, config=given.config, freeze=given.freeze)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.strides == plain.strides
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(model.eval()(images), plain.eval()(images), rtol=0, atol=0)
    saved = model.model.config.to_dict()  # of plain lists: it can be written down
    assert json.loads(json.dumps(saved["depths"])) == [1, 1, 1, 1]


OUTPUTS = {
    "swin": ("stage2", "stage4"),
    "convnext": ("stage2", "stage4"),
    "focalnet": ("stage1", "stage4"),
    "dinov2": ("stage1", "stage2"),
    "vitdet": ("stage2",),
}
each_model = pytest.mark.parametrize("name", OUTPUTS)


def make(name, **arguments):
    sizes = TINY[name] | arguments.pop("config", {})
    torch.manual_seed(0)
    return TransformersBackbone(name, OUTPUTS[name], config=sizes, **arguments)


def step(model, images):
    """Gradients by name of one training step; the same random numbers each time."""
    model.train().zero_grad()
    torch.manual_seed(1)
    sum(level.square().sum() for level in model(images).values()).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@each_model
@pytest.mark.parametrize("size", [(61, 97), (33, 50), (7, 9)])
def test_maps_cover_images_of_any_size(name, size):
    model = make(name)
    for images in (
        torch.randn(2, 3, *size),
        torch.randn(2, 3, *size).to(memory_format=torch.channels_last),
    ):
        for feature, level in model(images).items():
            stride = model.strides[feature]  # rounded up, as in a ResNet
            assert level.shape[2:] == (-(-size[0] // stride), -(-size[1] // stride))
            assert level.isfinite().all()


@each_model
def test_the_last_pixels_of_an_odd_image_are_seen(name):
    model = make(name).eval()
    images = torch.randn(1, 3, 61, 97)
    changed = images.clone()
    changed[..., 60:, 96:] += 10
    coarsest = [model(x)[OUTPUTS[name][-1]] for x in (images, changed)]
    assert not torch.equal(*coarsest)


@each_model
def test_images_of_a_batch_do_not_mix(name):
    model = make(name).eval()
    images = torch.randn(2, 3, 64, 96)
    images[1, :, 40:] = 0  # padded below, as the detector does
    together = model(images)
    for feature, level in model(images[1:]).items():
        torch.testing.assert_close(together[feature][1:], level, rtol=1e-4, atol=1e-5)


@each_model
def test_every_trained_parameter_gets_a_gradient(name):
    # Distributed training waits for the gradients of all; transformers' models have idle norms.
    model = make(name)
    for parameter, gradient in step(model, torch.randn(1, 3, 64, 96)).items():
        trained = model.get_parameter(parameter).requires_grad
        assert (gradient is not None) == trained, parameter
    idle = {parameter for parameter, p in model.named_parameters() if not p.requires_grad}
    assert idle == ({"model.embeddings.mask_token"} if name == "dinov2" else set())


def test_what_comes_after_the_last_output_is_not_trained():
    model = TransformersBackbone("convnext", ("stage2",), config=TINY["convnext"])
    trained = {
        n.split(".")[3] for n, p in model.named_parameters() if p.requires_grad and "stages" in n
    }
    assert trained == {"0", "1"}


@each_model
def test_recomputed_blocks_have_identical_gradients(name):
    drop = {"vitdet": "dropout_prob"}.get(name, "drop_path_rate")
    plain = make(name, config={drop: 0.3})
    frugal = torch.nn.Module()
    frugal.backbone = copy.deepcopy(plain)
    recompute_activations(frugal, ["backbone"])
    calls = count_forwards(frugal.backbone)
    assert len(calls) == {"dinov2": 2, "vitdet": 2}.get(name, 4)
    images = torch.randn(2, 3, 61, 97)
    expected, found = step(plain, images), step(frugal.backbone, images)
    assert calls == [2] * len(calls)  # forward, and again in backward
    assert found.keys() == expected.keys()
    for parameter, gradient in expected.items():
        if gradient is not None:
            assert torch.equal(found[parameter], gradient), parameter


def count_forwards(model):
    """How often each block's first linear or convolution layer has run, counted from now on."""
    calls = [0] * len(model.layers)
    for index, block in enumerate(model.layers):
        kinds = (torch.nn.Linear, torch.nn.Conv2d)
        first = next(module for module in block.modules() if isinstance(module, kinds))

        def count(module, inputs, output, index=index):
            calls[index] += 1

        first.register_forward_hook(count)
    return calls


FIRST_STAGE = {
    "swin": "swin.encoder.layers.0.",
    "convnext": "encoder.stages.0.",
    "focalnet": "focalnet.encoder.stages.0.",
    "dinov2": "encoder.layer.0.",
    "vitdet": "encoder.layer.0.",
}


@each_model
def test_the_first_parts_can_be_frozen(name):
    def frozen(freeze_at):
        before = {n for n, p in make(name).model.named_parameters() if not p.requires_grad}
        model = make(name, freeze_at=freeze_at).model
        return {n for n, p in model.named_parameters() if not p.requires_grad} - before

    names = [n for n, _ in make(name).model.named_parameters()]
    stem = {n for n in names if "embeddings" in n and "mask_token" not in n and "encoder" not in n}
    stage = {n for n in names if n.startswith(FIRST_STAGE[name])}
    assert stem
    assert stage
    assert frozen(1) == stem
    assert frozen(2) == stem | stage


def test_everything_frozen_is_in_evaluation_mode():
    model = make("convnext", freeze_at=2, config={"drop_path_rate": 0.9})
    model.train()
    stages = model.model.encoder.stages
    assert [stage.training for stage in stages] == [False, True, True, True]
    assert not stages[0].layers[0].drop_path.training
    assert not make("convnext", freeze=("",)).train().model.training


def test_frozen_batch_norms_are_constant():
    config = {
        "embedding_size": 4,
        "hidden_sizes": [4, 4, 8, 8],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
    }
    model = TransformersBackbone("resnet", ("stage4",), config=config, freeze_at=2).train()
    statistics = {n: b.clone() for n, b in model.named_buffers() if "running_mean" in n}
    model(torch.randn(2, 3, 64, 64))
    changed = {
        n for n, b in model.named_buffers() if n in statistics and not torch.equal(b, statistics[n])
    }
    kept = set(statistics) - changed
    assert kept
    assert changed
    assert all("embedder" in n or "stages.0." in n for n in kept)
    assert not any("embedder" in n or "stages.0." in n for n in changed)


@pytest.mark.parametrize("freeze_at", [-1, 6])
def test_there_are_only_so_many_parts(freeze_at):
    with pytest.raises(ConfigError, match=rf"freeze_at is {freeze_at}.* to 5 \(also all 4 stages"):
        make("swin", freeze_at=freeze_at)


def test_gradients_reach_all_but_the_frozen_part():
    model = TransformersBackbone(
        "convnext", ("stage2", "stage4"), config=TINY["convnext"], freeze=("embeddings",)
    )
    sum(m.square().sum() for m in model(torch.randn(1, 3, 64, 64)).values()).backward()
    for name, parameter in model.model.named_parameters():
        assert (parameter.grad is None) == name.startswith("embeddings"), name


def test_clear_errors(monkeypatch):
    with pytest.raises(ConfigError, match=r"stage9"):
        TransformersBackbone("convnext", ("stage9",), config=TINY["convnext"])
    with pytest.raises(ConfigError, match=r"freeze='stem'.*embeddings"):
        TransformersBackbone("convnext", ("stage2",), config=TINY["convnext"], freeze=("stem",))
    with pytest.raises(ConfigError, match=r"no entry 'hiden_sizes'; did you mean 'hidden_sizes'"):
        TransformersBackbone("convnext", ("stage2",), config={"hiden_sizes": [8]})
    with pytest.raises(ConfigError, match=r"no backbone of type bert; give a model type such as"):
        TransformersBackbone("bert", ("stage2",))
    with pytest.raises(ConfigError, match=r"'convnxt'.*local folder.*Did you mean convnext\?"):
        TransformersBackbone("convnxt", ("stage2",))
    with pytest.raises(ConfigError, match=r"a model type has no weights"):
        TransformersBackbone("convnext", ("stage2",), pretrained=True, config=TINY["convnext"])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'aligndetr\[transformers\]'"):
        TransformersBackbone("convnext", ("stage2",))


def test_a_local_folder_gives_its_weights(tmp_path):
    first = TransformersBackbone("convnext", ("stage2",), config=TINY["convnext"])
    first.model.save_pretrained(tmp_path)
    second = TransformersBackbone(str(tmp_path), ("stage2",), pretrained=True)
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(second.eval()(images), first.eval()(images))
    with pytest.raises(ConfigError, match=r"no_such_folder.*hub.*local folder"):
        TransformersBackbone(str(tmp_path / "no_such_folder" / "x"), ("stage2",))


def test_code_that_comes_with_a_configuration_is_never_run(tmp_path):
    TransformersBackbone("convnext", ("stage2",), config=TINY["convnext"]).model.save_pretrained(
        tmp_path
    )
    file = tmp_path / "config.json"
    stored = json.loads(file.read_text())
    stored |= {"auto_map": {"AutoConfig": "evil.Evil"}, "trust_remote_code": False}
    file.write_text(json.dumps(stored))
    (tmp_path / "evil.py").write_text(
        "from pathlib import Path\n"
        "from transformers import ConvNextConfig as Evil\n"
        f"Path({str(tmp_path / 'was_run')!r}).touch()\n"
    )
    with pytest.raises(ConfigError, match="trust_remote_code"):
        TransformersBackbone(str(tmp_path), ("stage2",), config={"trust_remote_code": True})
    assert TransformersBackbone(str(tmp_path), ("stage2",))
    assert not (tmp_path / "was_run").exists()

"""Activation checkpointing changes what is kept, not what is computed."""

import copy

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import PACKAGE_FOLDER
from aligndetr.engine.activation_checkpointing import recompute_activations
from aligndetr.errors import ConfigError
from aligndetr.structures import Boxes, Instances

CONFIG = PACKAGE_FOLDER / "projects/align_detr/configs/aligndetr_tiny.py"


def make_model(norm="FrozenBN", dropout=0.0):
    config = LazyConfig.load(str(CONFIG))
    config.model.num_classes = 3
    config.model.backbone.norm = norm
    for layer in (config.model.encoder.layer, config.model.decoder.layer):
        layer.dropout = layer.ffn.dropout = dropout
    torch.manual_seed(0)
    return instantiate(config.model)


def make_batch():
    generator = torch.Generator().manual_seed(1)
    boxes = torch.tensor([[8.0, 8.0, 40.0, 56.0], [30.0, 10.0, 60.0, 30.0]])
    instances = Instances((64, 64), gt_boxes=Boxes(boxes), gt_classes=torch.tensor([0, 2]))
    image = torch.rand(3, 64, 64, generator=generator) * 255
    return [{"image": image, "instances": instances}]


def train_step(model):
    """Losses, gradients, and the bytes that autograd kept between forward and backward."""
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train().zero_grad()
    torch.manual_seed(2)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        losses = model(make_batch())
    total = sum(kept.values())
    sum(losses.values()).backward()
    return losses, {name: p.grad for name, p in model.named_parameters()}, total


@pytest.mark.parametrize("parts", [["backbone"], ["encoder"], ["backbone", "encoder", "decoder"]])
def test_losses_and_gradients_are_identical_also_with_dropout(parts):
    plain = make_model(dropout=0.1)
    frugal = copy.deepcopy(plain)
    recompute_activations(frugal, parts)
    assert list(frugal.state_dict()) == list(plain.state_dict())
    (losses, gradients, kept), (own_losses, own_gradients, own_kept) = map(
        train_step, (plain, frugal)
    )
    assert losses.keys() == own_losses.keys()
    for name, loss in losses.items():
        assert torch.equal(loss, own_losses[name]), name
    for name, gradient in gradients.items():
        assert gradient is not None, name
        assert torch.equal(gradient, own_gradients[name]), name
    assert own_kept < kept


def test_a_copy_recomputes_itself_and_not_its_original():
    model = make_model()
    recompute_activations(model, ["encoder"])
    other = copy.deepcopy(model)
    with torch.no_grad():
        model.encoder.layers[0].norm2.bias.fill_(float("nan"))
    losses, gradients, _ = train_step(other)
    assert all(loss.isfinite() for loss in losses.values())
    assert gradients["encoder.layers.0.norm2.bias"].isfinite().all()


@pytest.mark.parametrize(
    "part, message", [("bakcbone", "no part 'bakcbone'"), ("neck", "neck is not made of layers")]
)
def test_wrong_parts_are_named(part, message):
    with pytest.raises(ConfigError, match=message):
        recompute_activations(make_model(), [part])


@pytest.mark.parametrize("parts", [3, "encoder", {"encoder": 1}, [["encoder"]], [None]])
def test_what_is_no_list_of_names_is_refused(parts):
    with pytest.raises(ConfigError, match=r"must be a list of parts|has no part (\['enc|None)"):
        recompute_activations(make_model(), parts)


def test_batch_norms_are_refused():
    with pytest.raises(ConfigError, match="backbone has batch norms"):
        recompute_activations(make_model(norm="BN"), ["backbone"])

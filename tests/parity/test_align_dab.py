"""Align-DAB-DETR: evaluation and training steps with gradients.

Published, the decoder attends padding; ours does not. Where images differ in size, the numbers are
therefore compared with the mask withheld from our decoder, too.
"""

from __future__ import annotations

import pytest
import torch

from tests.parity.align_dab import align_dab_detr, canonical, exported_shapes, gradient_norms
from tests.parity.detectors import inputs, losses_of
from tests.parity.golden import for_each, matching
from tests.parity.test_detectors import check_instances, check_layers
from tests.parity.weights import published_shapes

FILES = "align_dab_*.npz"


@pytest.fixture
def attend_padding(monkeypatch):
    """Withhold the padding mask from a model's decoder."""

    def withhold(model):
        for layer in model.decoder.layers:
            attention = layer.cross_attention
            unmasked = lambda *args, look=attention.forward: look(*args[:4])  # noqa: E731
            monkeypatch.setattr(attention, "forward", unmasked)

    return withhold


def different_sizes(case):
    """Cases with padding, given the prefixes of training cases."""
    sizes = lambda prefix: {  # noqa: E731
        tuple(case[name].shape) for name in case.names if name.startswith(f"{prefix}img")
    }
    return [p for p in matching(r"(t[a-z\d]*_)spec")(case) if len(sizes(p)) > 1]


@for_each(FILES, cases=matching(r"()state_keys"))
def test_key_list(case, compare):
    model = align_dab_detr(case)
    published = published_shapes(case, model)
    compare.equal("names and shapes of weights", exported_shapes(model), published)


@for_each(FILES, cases=matching(r"(e\d+_)spec"))
@torch.no_grad()
def test_evaluation(case, compare):
    model = align_dab_detr(case.whole).eval()
    images = inputs(case, training=False)
    output = model.detect(model.preprocess(images))
    predictions, proposals = output.predictions, output.proposals
    assert proposals is None
    check_layers(case, compare, predictions, ("pred_logits", "pred_boxes"))
    check_instances(case, compare, model(images))


@for_each(FILES, cases=matching(r"(t[a-z\d]*_)spec"))
def test_training_step(case, compare, attend_padding):
    model = align_dab_detr(case.whole).train()
    attend_padding(model)
    model.zero_grad()
    ours = model(inputs(case, training=True))
    sum(ours.values()).backward()

    expected = losses_of(case)
    compare.equal("names of losses", sorted(ours), sorted(expected))
    values = torch.stack([ours[name] for name in expected])
    compare("losses", values, list(expected.values()), atol=1e-9, rtol=1e-9)
    compare("total loss", values.sum(), case["total"], atol=1e-9, rtol=1e-9)
    norms = gradient_norms(model)
    published = {canonical(name): i for i, name in enumerate(case["grad_names"])}
    compare.equal("trained parameters", sorted(norms), sorted(published))
    index = torch.tensor([published[name] for name in norms])
    gradients = torch.stack(list(norms.values()))
    compare("gradient norms", gradients, case["grad_norms"][index], atol=1e-8, rtol=1e-8)


@for_each(FILES, cases=different_sizes)
@torch.no_grad()
def test_the_decoder_does_not_attend_padding(case, compare):
    """Fixed: what the memory holds where images are padded changes nothing; published, it does."""
    model = align_dab_detr(case.whole).train()
    batch = inputs(case, training=True)
    images = model.preprocess(batch)
    pyramid = model.pyramid(model.neck(model.backbone(images.pixels)), images.padding, True)
    ours = model(batch)
    gap = max(abs(float(ours[name]) - value) for name, value in losses_of(case).items())
    assert (gap > 1e-6) == bool(pyramid.padding.any())  # few padded pixels may be no token

    memory = model.encoder(pyramid)
    queries = model.query_source(memory, pyramid)
    clean = model.decoder(queries, memory, pyramid)
    noisy = model.decoder(queries, memory + 3.0 * pyramid.padding.unsqueeze(-1), pyramid)
    compare("logits with noise in the padding", noisy.logits, clean.logits, atol=0.0)
    compare("boxes with noise in the padding", noisy.boxes, clean.boxes, atol=0.0)

"""Contrastive denoising queries, without noise and with the published random draws."""

from __future__ import annotations

import torch

from aligndetr.modeling.denoising import ContrastiveDenoiser, NoiseDraws
from aligndetr.structures import Targets
from tests.parity.golden import Golden, filled, for_each, numbered


def denoiser(case: Golden, label_noise_ratio: float, box_noise_scale: float):
    """With the label embedding of the files."""
    whole = case.whole
    module = ContrastiveDenoiser(
        case["num_classes"],
        whole["embed"],
        case["dn_number"],
        label_noise_ratio,
        box_noise_scale,
    ).double()
    weight = filled("label_enc.weight", module.label_embedding.weight.shape)
    module.load_state_dict({"label_embedding.weight": weight})
    return module


def targets(case: Golden) -> Targets:
    sizes = case.ints("sizes")
    return Targets(
        list(case["labels"].split(sizes)), list(case["boxes"].reshape(-1, 4).split(sizes))
    )


def published_draws(case: Golden, count: int) -> NoiseDraws:
    """The published order: chances, new labels of the chosen only, signs, magnitudes."""
    whole = case.whole
    torch.manual_seed(whole["noisy_manual_seed"])
    chance = torch.rand(count)
    chosen = chance < 0.5 * whole["noisy_label_noise_ratio"]
    new_labels = torch.zeros(count, dtype=torch.int64)
    replacements = torch.randint_like(new_labels[chosen], 0, case["num_classes"])
    new_labels[chosen] = replacements
    signs = torch.randint_like(torch.zeros(count, 4), 0, 2)
    return NoiseDraws(chance, new_labels, signs, torch.rand(count, 4))


def check_groups(case: Golden, compare, queries, kind: str) -> None:
    compare.equal("number of groups", queries.num_groups, case[f"{kind}_dn_num"])
    compare.equal("slots a group", queries.slots_per_group, case[f"{kind}_single_padding"])
    blocked = queries.blocked(case["num_queries"])
    compare.equal("attention mask", blocked.tolist(), case[f"{kind}_attn_mask"].tolist())


@for_each("cdn*.npz", cases=numbered)
def test_without_noise(case, compare):
    queries = denoiser(case, 0.0, 0.0)(targets(case))
    check_groups(case, compare, queries, "clean")
    compare("content", queries.content, case["clean_query_label"], atol=1e-12)
    compare("anchors", queries.anchors, case["clean_query_bbox"], atol=1e-9)


@for_each("cdn*.npz", cases=numbered)
def test_with_the_published_draws(case, compare):
    whole = case.whole
    module = denoiser(case, whole["noisy_label_noise_ratio"], whole["noisy_box_noise_scale"])
    groups, sizes = case["noisy_dn_num"], case.ints("sizes")
    draws = published_draws(case, 2 * groups * sum(sizes))
    queries = module(targets(case), draws)
    check_groups(case, compare, queries, "noisy")
    # Published in float32: a logit of a coordinate near 0 or 1 amplifies its rounding.
    compare("content, noisy (float32)", queries.content, case["noisy_query_label"], atol=1e-6)
    compare("anchors, noisy (float32)", queries.anchors, case["noisy_query_bbox"], atol=2e-4)

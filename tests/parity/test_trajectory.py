"""Optimizer steps: losses, gradient norms, and how far every parameter went."""

from __future__ import annotations

import ast

import torch

from aligndetr.engine.optimizer import parameter_groups
from tests.parity.detectors import Config, build, double_precision, inputs
from tests.parity.golden import Golden, for_each
from tests.parity.weights import canonical, load_published, published_names


def optimizer_of(model: torch.nn.Module, cfg: Config) -> torch.optim.Optimizer:
    groups = parameter_groups(
        model,
        base_lr=cfg.lr,
        weight_decay_norm=cfg.wd_norm,
        lr_factor={"backbone": cfg.backbone_lr_mult},
    )
    return torch.optim.AdamW(groups, lr=cfg.lr, betas=tuple(cfg.betas), weight_decay=cfg.wd)


def by_published_name(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    names = published_names(model)
    return {names[name]: p.detach().clone() for name, p in model.named_parameters()}


@for_each("trajectory*.npz")
def test_steps(case: Golden, compare):
    cfg = Config(case)
    with double_precision():
        model = build(case).train()
    load_published(model, case)
    start = by_published_name(model)
    optimizer = optimizer_of(model, cfg)
    images = inputs(case, training=True)
    batches = [[images[index] for index in ast.literal_eval(text)] for text in case["batches"]]
    totals, norms, terms = [], [], []
    for step in range(len(case["total"])):
        losses = model(batches[step % len(batches)])
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            [p for p in model.parameters() if p.requires_grad],
            cfg.clip,
            norm_type=cfg.clip_norm_type,
        )
        optimizer.step()
        totals.append(total.detach())
        norms.append(norm)
        terms.append(torch.stack([losses[name].detach() for name in case["loss_keys"]]))

    compare("total loss of each step", torch.stack(totals), case["total"], atol=1e-7, rtol=1e-7)
    compare("losses of each step", torch.stack(terms), case["losses"], atol=1e-7, rtol=1e-7)
    clipped = case["grad_total_norm"]
    compare("gradient norm before clipping", torch.stack(norms), clipped, atol=1e-6, rtol=1e-6)
    end = by_published_name(model)
    names = [canonical(name) for name in case["param_names"]]
    compare.equal("names of parameters", sorted(end), sorted(names))
    sizes = torch.stack([end[name].norm() for name in names])
    compare("norms of parameters at the end", sizes, case["param_norms"], atol=1e-8, rtol=1e-8)
    moved = torch.stack([(end[name] - start[name]).norm() for name in names])
    expected = case["param_delta_norms"]
    compare("distances of parameters from the start", moved, expected, atol=1e-8, rtol=1e-6)

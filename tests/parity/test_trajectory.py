"""Optimizer steps: losses, gradient norms, and how far every parameter went."""

from __future__ import annotations

import ast
import itertools

import torch

from aligndetr.engine.hooks.base import Hook
from aligndetr.engine.optimizer import parameter_groups
from aligndetr.engine.trainer import Trainer
from studies.precision import double_precision
from tests.parity.detectors import Config, build, inputs
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


class Recorder(Hook):
    """Losses and gradient norm of each step in double precision."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.losses: list[dict[str, torch.Tensor]] = []
        self.norms: list[torch.Tensor] = []
        model.register_forward_hook(lambda module, inputs, losses: self.losses.append(losses))

    def after_backward(self) -> None:
        groups = self.trainer.optimizer.param_groups
        gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
        self.norms.append(torch.nn.utils.get_total_norm(gradients))


@for_each("trajectory*.npz")
def test_steps(case: Golden, compare):
    cfg = Config(case)
    with double_precision():
        model = build(case)
    load_published(model, case)
    start = by_published_name(model)
    images = inputs(case, training=True)
    batches = [[images[index] for index in ast.literal_eval(text)] for text in case["batches"]]
    clip = {"max_norm": cfg.clip, "norm_type": cfg.clip_norm_type}
    trainer = Trainer(model, itertools.cycle(batches), optimizer_of(model, cfg), clip_grad=clip)
    recorder = Recorder(model)
    trainer.register_hooks([recorder])
    trainer.train(0, len(case["total"]))

    names = case["loss_keys"]
    terms = torch.stack([torch.stack([losses[n] for n in names]) for losses in recorder.losses])
    compare("losses of each step", terms, case["losses"], atol=1e-7, rtol=1e-7)
    compare("total loss of each step", terms.sum(1), case["total"], atol=1e-7, rtol=1e-7)
    norms, expected = torch.stack(recorder.norms), case["grad_total_norm"]
    compare("gradient norm before clipping", norms, expected, atol=1e-6, rtol=1e-6)
    end = by_published_name(model)
    names = [canonical(name, case) for name in case["param_names"]]
    compare.equal("names of parameters", sorted(end), sorted(names))
    sizes = torch.stack([end[name].norm() for name in names])
    compare("norms of parameters at the end", sizes, case["param_norms"], atol=1e-8, rtol=1e-8)
    moved = torch.stack([(end[name] - start[name]).norm() for name in names])
    expected = case["param_delta_norms"]
    compare("distances of parameters from the start", moved, expected, atol=1e-8, rtol=1e-6)

"""The ways of the published code, to be measured against: same numbers, more work."""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.criterions import DenoisedPredictions, SetCriterion
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.boxes import cxcywh_to_xyxy, pairwise_giou
from aligndetr.layers.mlp import FeedForward
from aligndetr.layers.ms_deform_attn import use_implementation
from aligndetr.matchers import Assignment, MatchingCost, MixedMatcher
from aligndetr.matchers.hungarian import assign
from aligndetr.modeling.backbone.blocks import ConvNorm
from aligndetr.structures import Predictions, Targets


class NaiveMatcher(MixedMatcher):
    """Layer by layer: costs of all queries for the objects of all images, L1 by `cdist`."""

    @torch.no_grad()
    def __call__(
        self, predictions: Predictions, targets: Targets, match_num: Sequence[int] | None = None
    ) -> Assignment:
        """See `MixedMatcher.__call__`."""
        rows = []
        for layer, k in enumerate(match_num or [1] * len(predictions.logits)):
            logits, boxes = predictions.logits[layer], predictions.boxes[layer]
            cost = full_batch_cost(self.cost, logits, boxes, targets).cpu()
            first = 0
            for image, part in enumerate(cost.split(targets.sizes, -1)):
                copies = max(1, min(k, logits.shape[1] // (2 * max(part.shape[-1], 1))))
                query, target = assign(part[image], copies)
                rows.append((layer, image, 0, query, target + first))
                first += part.shape[-1]
        return Assignment.from_rows(rows, predictions.logits.device)


def full_batch_cost(cost: MatchingCost, logits: Tensor, boxes: Tensor, targets: Targets) -> Tensor:
    """(B, Q, sum G_i) costs, of which only the blocks of a query's own image are used."""
    queries = boxes.flatten(0, 1)
    giou = pairwise_giou(cxcywh_to_xyxy(queries), cxcywh_to_xyxy(targets.all_boxes))
    total = (
        cost.class_weight * cost.class_cost(logits.flatten(0, 1), targets.all_labels)
        + cost.bbox_weight * torch.cdist(queries, targets.all_boxes, p=1)
        - cost.giou_weight * giou
    )
    return total.view(*logits.shape[:2], -1)


class LayerwiseCriterion(nn.Module):
    """Matches and evaluates one decoder layer after the other."""

    def __init__(self, criterion: SetCriterion) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(
        self,
        matching: Predictions,
        targets: Targets,
        num_boxes: Tensor | float,
        proposals: Predictions | None = None,
        denoised: DenoisedPredictions | None = None,
    ) -> dict[str, Tensor]:
        """See `SetCriterion.forward`."""
        losses: dict[str, Tensor] = {}
        last = len(matching.logits) - 1
        for layer in range(last + 1):
            criterion = copy.copy(self.criterion)
            if self.criterion.match_num is not None:
                wanted = self.criterion.match_num
                criterion.match_num = [wanted[0], wanted[layer + 1]]
            own = criterion(
                _one_layer(matching, layer),
                targets,
                num_boxes,
                proposals if layer == last else None,
                denoised
                and DenoisedPredictions(
                    _one_layer(denoised.predictions, layer),
                    denoised.num_groups,
                    denoised.slots_per_group,
                ),
            )
            suffix = "" if layer == last else f"_{layer}"
            losses |= {n if n.endswith("_enc") else n + suffix: v for n, v in own.items()}
        return losses


def _one_layer(predictions: Predictions, layer: int) -> Predictions:
    return Predictions(predictions.logits[layer, None], predictions.boxes[layer, None])


def averaged_attention(
    self: SelfAttention, x: Tensor, position: Tensor, blocked: Tensor | None = None
) -> Tensor:
    """`SelfAttention.forward` that makes all weights and averages them over the heads."""
    query = (x + position).transpose(0, 1)
    out, _ = F.multi_head_attention_forward(
        query,
        query,
        x.transpose(0, 1),
        x.shape[-1],
        self.num_heads,
        self.in_proj_weight,
        self.in_proj_bias,
        None,
        None,
        False,
        self.dropout,
        self.out_proj.weight,
        self.out_proj.bias,
        training=self.training,
        need_weights=True,
        attn_mask=blocked,
        average_attn_weights=True,
    )
    return out.transpose(0, 1)


def unfolded_norm(self: ConvNorm, x: Tensor) -> Tensor:
    """`ConvNorm.forward` with the norm in a pass of its own."""
    return self.norm(self._conv_forward(x, self.weight, None))


def undivided_feed_forward(self: FeedForward, x: Tensor) -> Tensor:
    """`FeedForward.forward` of all rows at once, whose activation changes a view."""
    return self.dropout(self.linear2(self.dropout(self.activation(self.linear1(x)))))


FORWARDS = {
    SelfAttention: averaged_attention,
    ConvNorm: unfolded_norm,
    FeedForward: undivided_feed_forward,
}


def patch_forwards(model: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """Let all modules of a kind compute in the published way."""
    for module in model.modules():
        if type(module) is kind:
            module.forward = functools.partial(FORWARDS[kind], module)
    return model


def match_by_layers(model: nn.Module) -> nn.Module:
    """Let the criterion go through the layers one by one."""
    model.criterion.matcher = NaiveMatcher(model.criterion.matcher.cost)
    model.criterion = LayerwiseCriterion(model.criterion)
    return model


def sample_by_grid(model: nn.Module) -> nn.Module:
    """Let deformable attention call grid_sample."""
    forward = model.forward

    def with_grid_sample(*args, **kwargs):
        with use_implementation("reference"):
            return forward(*args, **kwargs)

    model.forward = with_grid_sample
    return model


def reference_model(model: nn.Module) -> nn.Module:
    """A copy of a detector that computes the same in the published ways."""
    model = copy.deepcopy(model)
    for kind in FORWARDS:
        patch_forwards(model, kind)
    return sample_by_grid(match_by_layers(model))

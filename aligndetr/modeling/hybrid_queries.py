"""Queries of two branches, matched one-to-one and one-to-many."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aligndetr.layers.position_embedding import sine_embedding
from aligndetr.modeling.pyramid import Pyramid
from aligndetr.modeling.queries import Queries
from aligndetr.modeling.query_source import TokenProposals


class HybridQueries(TokenProposals):
    """Learned content at proposed positions, with a second branch in training (H-DETR, 3.2).

    The best proposals form the first branch, which `HybridCriterion` matches one-to-one and which
    alone is there in evaluation; the next best form the second. The branches do not see each
    other. Position follows from the proposed boxes, content is learned (mixed selection).

    Args:
        class_head, box_head, embed_dim, base_size: see `TokenProposals`.
        num_queries: Q of the first branch.
        num_one_to_many: queries of the second branch.
    """

    def __init__(
        self,
        class_head: nn.Module,
        box_head: nn.Module,
        num_queries: int,
        num_one_to_many: int,
        embed_dim: int,
        base_size: float = 0.05,
    ) -> None:
        super().__init__(class_head, box_head, num_queries, embed_dim, base_size)
        self.content = nn.Embedding(num_queries + num_one_to_many, embed_dim)
        self.position_proj = nn.Linear(2 * embed_dim, 2 * embed_dim)
        self.position_norm = nn.LayerNorm(2 * embed_dim)
        nn.init.xavier_uniform_(self.position_proj.weight)

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C); all tokens are proposals."""
        wanted = self.content.num_embeddings if self.training else self.num_queries
        chosen, proposals = self.most_object_like(memory, pyramid, wanted)
        sines = sine_embedding(chosen.sigmoid(), memory.shape[-1] // 2)
        # The other half is what content would be without mixed selection.
        position, _ = self.position_norm(self.position_proj(sines)).chunk(2, dim=-1)
        content = self.content.weight[: chosen.shape[1]].expand(len(memory), -1, -1)
        blocked = between_branches(chosen, self.num_queries) if self.training else None
        return Queries(content, chosen, position, proposals, blocked)


def between_branches(queries: Tensor, first: int) -> Tensor:
    """Mask (Q, Q) for (B, Q, ...) queries, True between the first `first` ones and the others."""
    branch = torch.arange(queries.shape[1], device=queries.device) < first
    return branch[:, None] != branch

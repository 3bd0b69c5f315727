"""Queries that are tokens of the memory."""

from __future__ import annotations

from torch import Tensor, nn

from aligndetr.modeling.pyramid import Pyramid
from aligndetr.modeling.queries import Queries
from aligndetr.modeling.query_source import TokenProposals


class TokenQueries(TokenProposals):
    """Content and anchors of the tokens with the highest class score (RT-DETR, section 4.3).

    Both are taken without gradient: the encoder learns from its proposals and as memory.

    Args:
        num_queries: Q; an image with fewer tokens gets as many queries as it has tokens.
        class_head, box_head, embed_dim, base_size: see `TokenProposals`.
    """

    def __init__(
        self,
        class_head: nn.Module,
        box_head: nn.Module,
        num_queries: int,
        embed_dim: int,
        base_size: float = 0.05,
    ) -> None:
        super().__init__(class_head, box_head, embed_dim, base_size)
        self.num_queries = num_queries

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C); only the selected tokens are proposals."""
        best = self.best(memory, pyramid, self.num_queries)
        return Queries(best.features.detach(), best.anchors.detach(), proposals=best.proposals)

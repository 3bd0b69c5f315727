"""Queries that are tokens of the memory."""

from __future__ import annotations

from torch import Tensor

from aligndetr.modeling.pyramid import Pyramid
from aligndetr.modeling.queries import Queries
from aligndetr.modeling.query_source import TokenProposals


class TokenQueries(TokenProposals):
    """Content and anchors of the tokens with the highest class score (RT-DETR, section 4.3).

    Both are taken without gradient: the encoder learns from its proposals and as memory. Arguments
    are those of `TokenProposals`.
    """

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C); only the selected tokens are proposals."""
        best = self.best(memory, pyramid)
        return Queries(best.features.detach(), best.anchors.detach(), proposals=best.proposals)

"""Queries: what the decoder starts from, where they come from, and their positions."""

from aligndetr.modeling.queries.anchor_position import (
    AnchorPosition,
    BoxPosition,
    ModulatedAnchorPosition,
    ScaledAnchorPosition,
)
from aligndetr.modeling.queries.learned import (
    FixedCenterAnchors,
    LearnedAnchors,
    LearnedContentAnchors,
    LearnedPositions,
    LearnedQueries,
)
from aligndetr.modeling.queries.queries import Queries
from aligndetr.modeling.queries.token_selection import (
    HybridQueries,
    ProposedQueries,
    TokenProposals,
    TokenQueries,
    TwoStageQueries,
)

__all__ = [
    "AnchorPosition",
    "BoxPosition",
    "FixedCenterAnchors",
    "HybridQueries",
    "LearnedAnchors",
    "LearnedContentAnchors",
    "LearnedPositions",
    "LearnedQueries",
    "ModulatedAnchorPosition",
    "ProposedQueries",
    "Queries",
    "ScaledAnchorPosition",
    "TokenProposals",
    "TokenQueries",
    "TwoStageQueries",
]

"""Multi-scale deformable attention: one operator, several implementations behind it."""

from aligndetr.layers.ms_deform_attn.operator import fused_ms_deform_attn, ms_deform_attn
from aligndetr.layers.ms_deform_attn.selection import implementation, use_implementation

__all__ = ["fused_ms_deform_attn", "implementation", "ms_deform_attn", "use_implementation"]

"""Multi-scale deformable attention: one operator, several implementations behind it."""

from aligndetr.layers.ms_deform_attn.operator import fused_ms_deform_attn, ms_deform_attn

__all__ = ["fused_ms_deform_attn", "ms_deform_attn"]

"""The operators as PyTorch knows them: kernels, shapes, gradients and autocast.

`reference` decides the form: None for locations and weights, else offsets and logits around it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from aligndetr.layers.ms_deform_attn import cpp
from aligndetr.layers.ms_deform_attn.reference import accumulation_dtype


@torch.library.custom_op("aligndetr::deform_attn", mutates_args=(), device_types="cpu")
def deform_attn(
    value: Tensor,
    shapes: Sequence[int],
    points: Tensor,
    scores: Tensor,
    reference: Tensor | None,
) -> Tensor:
    """Attend with the implementation of the device; arguments as `cpp.forward`."""
    return cpp.forward(value, shapes, points, scores, reference)


@torch.library.custom_op("aligndetr::deform_attn_backward", mutates_args=(), device_types="cpu")
def deform_attn_backward(
    grad_out: Tensor,
    value: Tensor,
    shapes: Sequence[int],
    points: Tensor,
    scores: Tensor,
    reference: Tensor | None,
    needs_reference: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of value, points, scores and reference; arguments as `cpp.backward`."""
    return cpp.backward(grad_out, value, shapes, points, scores, reference, needs_reference)


@deform_attn.register_fake
def _(value, shapes, points, scores, reference):
    B, _, H, D = value.shape
    return value.new_empty((B, points.shape[1], H * D))


@deform_attn_backward.register_fake
def _(grad_out, value, shapes, points, scores, reference, needs_reference):
    grads = [tensor.new_empty(tensor.shape) for tensor in (value, points, scores)]
    if needs_reference and reference is not None:
        return (*grads, reference.new_empty(reference.shape))
    return (*grads, value.new_empty((0,), dtype=accumulation_dtype(value.dtype)))


def _save(ctx, inputs, output) -> None:
    value, ctx.shapes, points, scores, reference = inputs
    ctx.save_for_backward(value, points, scores, reference)


def _differentiate(ctx, grad_out):
    value, points, scores, reference = ctx.saved_tensors
    needs_reference = ctx.needs_input_grad[4]
    grad_value, grad_points, grad_scores, grad_reference = deform_attn_backward(
        grad_out, value, ctx.shapes, points, scores, reference, needs_reference
    )
    return grad_value, None, grad_points, grad_scores, grad_reference if needs_reference else None


deform_attn.register_autograd(_differentiate, setup_context=_save)


def match_dtypes(
    value: Tensor, points: Tensor, scores: Tensor, reference: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Bring points, scores and reference to the dtypes the kernels expect for `value`."""
    wide = accumulation_dtype(value.dtype)
    narrow = wide if reference is None else value.dtype
    return points.to(narrow), scores.to(narrow), None if reference is None else reference.to(wide)


def _autocast(device: str):
    def cast(value, shapes, points, scores, reference):
        with torch.autocast(device, enabled=False):
            points, scores, reference = match_dtypes(value, points, scores, reference)
            return deform_attn(value, shapes, points, scores, reference)

    return cast


_library = torch.library.Library("aligndetr", "FRAGMENT")
_library.impl("deform_attn", _autocast("cpu"), "AutocastCPU")
_library.impl("deform_attn", _autocast("cuda"), "AutocastCUDA")


def _triton():
    from aligndetr.layers.ms_deform_attn import triton_calls

    return triton_calls


@deform_attn.register_kernel("cuda")
def _(value, shapes, points, scores, reference):
    return _triton().forward(value, shapes, points, scores, reference)


@deform_attn_backward.register_kernel("cuda")
def _(grad_out, value, shapes, points, scores, reference, needs_reference):
    return _triton().backward(grad_out, value, shapes, points, scores, reference, needs_reference)

"""What an exported file says about itself: all that is needed to use it without PyTorch.

The metadata is one JSON object under the key `aligndetr`: in an ONNX file's `metadata_props`, in an
OpenVINO file's `rt_info`, among a .pt2 file's extra files. Its entries:

    schema            1; a reader refuses a later one
    version           of aligndetr that wrote it
    format            "onnx", "openvino" or "torch_export"
    precision         "fp32", "fp16" or "int8"
    classes           names by class index, or null
    num_classes       K
    thresholds        the lowest score that counts, for each class, or null: `default_threshold`
    default_threshold a number
    calibrator        null, or {"kind": "piecewise linear", "knots": K pairs of [scores, values]}:
                      the expected IoU is interpolated between the knots of the class, and cut to
                      [0, 1]; it replaces scores after thresholds
    fitted_on         what thresholds and calibrator were fitted on, plain values
    channel_order     "RGB" or "BGR", of `images`
    pixel_mean, pixel_std  three numbers each; applied inside of the graph
    resize            {"rule": "none"}
                      {"rule": "fixed", "height", "width"}, whatever the aspect ratio
                      {"rule": "shortest_edge", "length", "max_size" or null}: see `resized_size`
                      always with "interpolation": "bilinear", Pillow's, of 8-bit pixels
    padding           {"where": "bottom right", "value": 0}: how images share a canvas
    canvas            null: any batch, height and width; else {"height", "width", "batch"}, the
                      only one; an image that is larger after `resize` is made to fit, see
                      `resized_size`
    inputs            by name {"dtype", "shape"}: images (batch, 3, height, width), sizes (batch, 2)
                      height and width of each image on the canvas, original_sizes (batch, 2) height
                      and width of the upright original, which boxes refer to
    outputs           by name {"dtype", "shape"}: boxes xyxy in pixels of the original, cut to it;
                      scores, best first; classes; logits and query_boxes (cxcywh, normalised)
                      before post-processing. Rows whose box has no area are no detections
    config_hash       SHA-256 of the config as a run's config.yaml holds it
    weights_hash      see `aligndetr.engine.operating_point.hash_weights`
    verification      {"status": "unverified" | "verified" | "rejected", and of the last two:
                      "images", "source", "runtime", "provider", "figures" by name}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ExportError

KEY, SCHEMA = "aligndetr", 1
INPUTS = ("images", "sizes", "original_sizes")
OUTPUTS = ("boxes", "scores", "classes", "logits", "query_boxes")
REQUIRED = (
    "version",
    "format",
    "precision",
    "num_classes",
    "channel_order",
    "resize",
    "inputs",
    "outputs",
    "verification",
)
UNVERIFIED = {"status": "unverified"}


def to_text(metadata: Mapping[str, Any]) -> str:
    """As it is written into files."""
    return json.dumps(metadata, sort_keys=True)


def from_text(text: str | None, source: object) -> dict[str, Any]:
    """The metadata of a file.

    Args:
        text: what the file holds under `KEY`, or None.
        source: named in messages.

    Raises:
        ExportError: there is none, it is damaged, or of a later schema.
    """
    if not text:
        raise ExportError(f"{source} was not written by `aligndetr export`: it has no metadata")
    try:
        metadata = json.loads(text)
    except ValueError as error:
        raise ExportError(f"the metadata in {source} is damaged: {error}") from error
    schema = metadata.get("schema") if isinstance(metadata, dict) else None
    if type(schema) is not int:
        raise ExportError(f"the metadata in {source} is damaged: it has no schema")
    if schema > SCHEMA:
        raise ExportError(
            f"{source} was written by a later aligndetr ({metadata.get('version')}, schema "
            f"{schema}, here {SCHEMA}): update this one, or export again"
        )
    missing = [name for name in REQUIRED if name not in metadata]
    if missing:
        raise ExportError(f"the metadata in {source} is damaged: no {', '.join(missing)}")
    return metadata

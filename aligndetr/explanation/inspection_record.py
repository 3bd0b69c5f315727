"""Look into a model while it looks at an image of a dataset."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from aligndetr.data import read_image
from aligndetr.explanation.inspection import Inspection, inspect_image


def inspect_record(
    model: Any, mapper: Callable, record: Mapping[str, Any], threshold: float = 0.3
) -> Inspection:
    """An inspection of a record's image.

    Args:
        model: the detector, which knows its `class_names`.
        mapper: of the test data; a copy of it also gives the objects, where the record has
            `annotations`.
        record: of a dataset, or a dict with `file_name` alone.
        threshold: without objects, detections with a lower score are left out.
    """
    own: Any = copy.copy(mapper)
    own.is_train = "annotations" in record
    image = read_image(record["file_name"])
    return inspect_image(model, own(dict(record)), image, model.class_names, threshold)

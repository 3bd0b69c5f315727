"""The objects of a dataset in the form that COCO's metrics read."""

from __future__ import annotations

from collections.abc import Iterator

from aligndetr.data.formats import read
from aligndetr.errors import DataError

LISTS = ("neg_category_ids", "not_exhaustive_category_ids")


def load_ground_truth(dataset, image_ids: set[int]) -> dict[str, list[dict]]:
    """The dataset's objects as a COCO dict, reduced to what box metrics need.

    They come from the annotation file, restricted to the dataset's images and classes; from the
    records when the dataset joins several files. Annotations are numbered from 1, as COCO's
    matching reads 0 as "not matched".

    Raises:
        DataError: the file cannot be read, or joined files share image ids.
    """
    if len(image_ids) != len(dataset):
        raise DataError(
            f"{dataset.name}: {len(dataset) - len(image_ids)} image ids appear more than once; "
            "evaluate joined datasets one by one"
        )
    classes = dict(zip(dataset.category_ids, dataset.class_names, strict=True))
    annotations = []
    for annotation in _annotations(dataset):
        if annotation["image_id"] in image_ids and annotation["category_id"] in classes:
            width, height = annotation["bbox"][2:]
            kept = {key: annotation[key] for key in ("image_id", "category_id", "bbox")}
            kept["iscrowd"] = annotation.get("iscrowd", 0)
            kept["area"] = annotation.get("area", width * height)
            kept["id"] = len(annotations) + 1
            annotations.append(kept)
    return {
        "images": [{"id": image_id} for image_id in sorted(image_ids)],
        "annotations": annotations,
        "categories": [{"id": index, "name": name} for index, name in classes.items()],
    }


def load_federation(dataset) -> dict[str, list[dict]] | None:
    """What LVIS says besides boxes, or None for data that is annotated in full.

    Returns:
        dict(images, categories): `neg_category_ids` and `not_exhaustive_category_ids` of each
        image, `frequency` of each category.
    """
    content = read(dataset.source).content if dataset.source is not None else {"images": []}
    if not any("neg_category_ids" in image for image in content["images"]):
        return None
    return {
        "images": [{k: image.get(k, []) for k in ("id", *LISTS)} for image in content["images"]],
        "categories": [{k: c.get(k) for k in ("id", "frequency")} for c in content["categories"]],
    }


def check_annotated_in_full(dataset) -> None:
    """Refuse a dataset that is annotated in parts only, as LVIS is.

    Raises:
        DataError: it is.
    """
    if load_federation(dataset) is not None:
        raise DataError(
            f"{dataset.name} is annotated in parts only, as LVIS is: its analysis would count "
            "objects that nobody marked as mistakes; LVISEvaluator computes its AP"
        )


def _annotations(dataset) -> Iterator[dict]:
    """Annotations with `image_id` and the file's own category ids."""
    if dataset.source is not None:
        yield from read(dataset.source).content["annotations"]
        return
    for record in (dataset[index] for index in range(len(dataset))):
        for annotation in record["annotations"]:
            category_id = dataset.category_ids[annotation["category_id"]]
            yield {**annotation, "image_id": record["image_id"], "category_id": category_id}

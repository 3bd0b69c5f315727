"""Annotation files with bytes that are cut, garbled and swapped: refused by name, or of use."""

import math

import numpy as np
import pytest

from aligndetr.data.dataset import load_dataset
from aligndetr.errors import DataError

FILES = {
    "yolo": ("data.yaml", "labels/train/train_000002.txt"),
    "voc": ("ImageSets/Main/train.txt", "Annotations/train_000002.xml"),
    "csv": ("train.csv",),
    "jsonl": ("train/metadata.jsonl",),
}
ODD = (
    b"nan",
    b"-1e308",
    b"9" * 400,
    b"\xff\xfe",
    b"\x00",
    b"..",
    b"/",
    b"~",
    b"",
    b"\n",
    b'"',
    b"<",
    b"[",
)


def mutations(content, rng, count):
    for _ in range(count):
        start = int(rng.integers(len(content)))
        end = min(len(content), start + int(rng.integers(1, 9)))
        yield content[:start] + ODD[int(rng.integers(len(ODD)))] + content[end:]
        yield content[:start]


@pytest.mark.parametrize("form", FILES)
def test_nothing_but_a_sentence_comes_out(write_form, form):
    folder = write_form(form)
    rng = np.random.default_rng(0)
    messages = []
    for name in FILES[form]:
        content = (folder / name).read_bytes()
        for mutated in mutations(content, rng, 25):
            (folder / name).write_bytes(mutated)
            try:
                dataset = load_dataset(None, path=folder, split="train")
            except DataError as error:
                messages.append(str(error))
            else:
                for record in dataset:
                    for annotation in record["annotations"]:
                        assert all(map(math.isfinite, annotation["bbox"]))
                        assert min(annotation["bbox"][2:]) > 0
                        assert 0 <= annotation["category_id"] < dataset.num_classes
        (folder / name).write_bytes(content)
    assert messages
    assert all(0 < len(message) < 2000 for message in messages)

"""A size has its letter where it is certain, and is a number everywhere else."""

import pytest
import torch

from aligndetr.explanation import Letters, walk

SIZES = {"B": 2, "C": 64, "L": 3, "S": 630, "Q": 40, "D": 28, "D+Q": 68, "I": 6, "I+1": 7, "K": 11}
MAPS = {("H", "W"): (160, 192), ("H_1", "W_1"): (20, 24), ("H_3", "W_3"): (5, 6)}


@pytest.mark.parametrize(
    "shape, expected",
    [
        ((2, 630, 64), "B S C"),
        ((2, 68, 3, 4), "B D+Q L 4"),
        ((6, 2, 68, 11), "I B D+Q K"),
        ((7, 2, 40, 4), "I+1 B Q 4"),
        ((1, 2, 40, 11), "1 B Q K"),
        ((2, 64, 20, 24), "B C H_1 W_1"),
        ((2, 20, 24, 64), "B H_1 W_1 C"),
        ((2, 160, 192), "B H W"),
        ((2, 630), "B S"),
        ((2, 1, 1, 630), "B 1 1 S"),
        ((68, 68), "D+Q D+Q"),
        ((3, 64), "L C"),
        ((6,), "I"),
        # no letter, though one has that size:
        ((3, 160, 192), "3 H W"),  # colours are no levels
        ((2, 3, 160, 192), "B 3 H W"),
        ((2, 24, 20, 7), "B 24 20 7"),  # width before height
        ((64, 3, 7, 7), "64 3 7 7"),  # a kernel has no channels at its start
        ((2, 40, 2), "B Q 2"),  # points, not images
        ((2, 11, 64), "B 11 C"),  # classes are at the end
        ((630,), "630"),
        ((2,), "2"),
        ((40, 4), "40 4"),  # detections, of which as many as queries are kept
        ((40, 64), "40 C"),
    ],
)
def test_letters_depend_on_size_and_place(shape, expected):
    assert " ".join(Letters(SIZES, MAPS).name(shape)) == expected


def test_what_two_letters_could_mean_stays_a_number():
    letters = Letters(SIZES | {"S": 64}, MAPS)
    assert letters.name((2, 64, 64)) == ("B", "64", "64")
    assert Letters(SIZES | {"Q": 630}, MAPS).name((2, 630, 64)) == ("B", "630", "C")
    assert Letters(SIZES | {"B": 6}, MAPS).name((6, 6, 40, 11)) == ("6", "B", "Q", "K")


def test_objects_that_are_as_many_as_layers_have_no_letter():
    letters = Letters(SIZES | {"G_1": 6, "G_2": 9}, MAPS)
    assert letters.name((6,)) == ("6",)  # losses of layers, or labels
    assert letters.name((9,)) == ("G_2",)
    assert letters.name((6, 40, 9)) == ("I", "Q", "G_2")


def test_height_and_width_come_together_or_not_at_all():
    letters = Letters(SIZES | {"C": 24}, MAPS)
    assert letters.name((2, 20, 24)) == ("B", "20", "24")  # (B, ?, C) or (B, H_1, W_1)
    twice = Letters(SIZES, MAPS | {("H_2", "W_2"): (20, 24)})
    assert twice.name((2, 64, 20, 24)) == ("B", "C", "20", "24")


def test_one_image_has_no_letter():
    letters = Letters(SIZES | {"B": 1}, MAPS)
    assert letters.name((1, 630, 64)) == ("1", "S", "C")


def test_a_backbone_has_channels_of_its_own():
    letters = Letters(SIZES, MAPS, ("backbone",))
    assert letters.name((2, 64, 20, 24), "backbone.res3") == ("B", "64", "H_1", "W_1")
    assert letters.name((2, 64, 20, 24), "neck") == ("B", "C", "H_1", "W_1")
    assert letters.name((2, 64, 20, 24), "backbones") == ("B", "C", "H_1", "W_1")


def test_letters_of_the_callers_own_may_stand_anywhere():
    found = walk(torch.nn.Linear(5, 3), torch.ones(7, 5), letters={"N": 7, "in": 5, "out": 3})
    assert found.root.inputs[0].values[0].letters == ("N", "in")
    assert found.root.output.values[0].letters == ("N", "out")


def test_modules_without_any_of_the_attributes_have_numbers():
    found = walk(torch.nn.Linear(5, 3), torch.ones(7, 5))
    assert found.letters.sizes == {}
    assert found.root.output.values[0].letters == ("7", "3")


def test_letters_of_a_detector_are_those_of_its_parts(walks):
    _, model, (trained, evaluated) = walks
    for walked in (trained, evaluated):
        sizes, root = walked.letters.sizes, walked.root
        assert sizes["B"] == 2
        assert sizes["C"] == model.embed_dim == 56
        levels = [value.shape[-2:] for value in root.find("neck").output.values]
        assert sizes["L"] == len(levels)
        assert sizes["S"] == sum(height * width for height, width in levels)
        memory = root.find("encoder").output.values[0]
        assert memory.letters == ("B", "S", "C")
        _, boxes, *_ = root.find("decoder").output.values
        queries = "D+Q" if "D" in sizes else "Q"
        assert boxes.letters == ("I", "B", queries, "4")
    assert "D" not in evaluated.letters.sizes

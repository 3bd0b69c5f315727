"""Stability of matching: by hand, against a plain loop, and on models."""

import numpy as np
import pytest
import torch

from aligndetr.errors import UserError
from aligndetr.explanation.matching import Matching, changes, first_images, match_objects
from aligndetr.structures import Boxes, Instances


def pairs(**queries):
    """`pairs(_0=[4], _2=[1, 5])`: object 0 has query 4, object 2 has 1 and 5."""
    rows = [(int(name[1:]), query) for name, found in queries.items() for query in found]
    return np.array(rows, np.int64).reshape(-1, 2)


def test_changes_by_hand():
    first = pairs(_0=[4], _1=[7], _2=[1, 5], _3=[2, 3], _4=[6])
    second = pairs(_0=[4], _1=[4], _2=[5], _3=[3, 9], _5=[8])
    # kept; 7 became 4; 5 is one of two and the only one; one of two; lost; gained; never any
    expected = [0, 1, 0, 0.5, 1, 1, np.nan]
    np.testing.assert_array_equal(changes(first, second, 7), expected)
    np.testing.assert_array_equal(changes(second, first, 7), expected)


def test_figures_of_layers_and_checkpoints_by_hand():
    objects = np.array([[10, 0], [10, 1], [11, 0], [12, 0]])
    layers = [pairs(_0=[0], _1=[1], _2=[0], _3=[3]), pairs(_0=[0], _1=[2], _2=[5], _3=[3])]
    matching = Matching(objects, ["layer 1", "layer 2"], layers)
    assert matching.layer_changes() == {"layer 2": 50.0}  # objects 1 and 2 of 4
    earlier = Matching(objects, ["layer 1", "layer 2"], [layers[1], layers[0]])
    assert matching.changes_since(earlier) == 50.0
    assert matching.changes_since(matching) == 0.0
    others = Matching(objects + np.array([1, 0]), ["layer 1", "layer 2"], layers)
    assert np.isnan(matching.changes_since(others))
    assert np.isnan(Matching.cat([]).changes_since(matching))


def by_a_plain_loop(first, second, num_objects):
    found = []
    for index in range(num_objects):
        mine, theirs = ({q for o, q in rows.tolist() if o == index} for rows in (first, second))
        if mine or theirs:
            fewer = min(len(mine), len(theirs))
            found.append(1 - len(mine & theirs) / fewer if fewer else 1.0)
        else:
            found.append(float("nan"))
    return found


def test_changes_equal_a_plain_loop():
    rng = np.random.default_rng(0)
    for _ in range(20):
        sides = [np.argwhere(rng.random((12, 9)) < 0.2) for _ in range(2)]
        np.testing.assert_allclose(changes(*sides, 12), by_a_plain_loop(*sides, 12), rtol=1e-12)


def test_parts_join_in_the_order_of_their_objects():
    """As images come back from several processes."""
    one = Matching(np.array([[5, 0], [2, 0]]), ["layer 1"], [pairs(_0=[8], _1=[3])])
    two = Matching(np.array([[3, 0], [3, 1]]), ["layer 1"], [pairs(_0=[6], _1=[7])])
    joined = Matching.cat([one, Matching.cat([]), two])
    assert joined.objects.tolist() == [[2, 0], [3, 0], [3, 1], [5, 0]]
    assert sorted(joined.pairs[0].tolist()) == [[0, 3], [1, 6], [2, 7], [3, 8]]


@pytest.fixture
def batches(item, without_truth):
    """Two objects, none, and three."""
    boxes = torch.tensor([[4.0, 4, 90, 40], [8, 50, 60, 90], [70, 10, 99, 99]])
    more = Instances((96, 128), gt_boxes=Boxes(boxes), gt_classes=torch.tensor([2, 1, 0]))
    empty = more[torch.zeros(3, dtype=torch.bool)]
    truths = item["instances"], empty, more
    items = [{**without_truth, "image_id": i, "instances": t} for i, t in enumerate(truths)]
    return [items[:2], items[2:]]


@pytest.mark.parametrize(
    "name, layers",
    [
        ("aligndetr_tiny", ["proposals", "layer 1", "layer 2", "layer 3"]),
        ("detr_tiny", ["layer 1", "layer 2", "layer 3"]),
        ("h_deformable_detr_tiny", ["layer 1", "layer 2", "layer 3"]),
        ("rtdetr_tiny", ["proposals", "layer 1", "layer 2", "layer 3"]),
    ],
)
def test_models_are_matched_as_their_criterion_does(tiny_model, batches, name, layers):
    """Each layer by itself, with the matcher alone."""
    model = tiny_model(name).train()
    found = match_objects(model, batches)
    assert model.training
    assert model.decoder.training
    assert found.layers == layers
    assert found.objects.tolist() == [[0, 0], [0, 1], [2, 0], [2, 1], [2, 2]]
    model.eval()
    criterion = getattr(model.criterion, "one_to_one", model.criterion)
    numbers = criterion.match_num or [1] * 9
    expected, start = set(), 0
    for batch in batches:
        targets = model.targets(batch)
        with torch.no_grad():
            output = model.detect(model.preprocess(batch))
        last = type(output.predictions)(
            output.predictions.logits[-1:], output.predictions.boxes[-1:]
        )
        k = numbers[len(output.predictions.logits)]
        matched = criterion.matcher(last, targets, [k])
        rows = torch.stack([matched.target + start, matched.query], dim=1).tolist()
        expected |= set(map(tuple, rows))
        start += targets.num_boxes
    assert set(map(tuple, found.pairs[-1].tolist())) == expected


def test_what_does_not_match_is_refused(tiny_model, batches):
    model = tiny_model("aligndetr_tiny")
    model.criterion = torch.nn.Identity()
    with pytest.raises(UserError, match="Identity matches no queries with objects"):
        match_objects(model, batches)


def test_no_more_images_than_wanted(batches):
    assert [len(batch) for batch in first_images(iter(batches), 3)] == [2, 1]
    assert [len(batch) for batch in first_images(iter(batches), 2)] == [2]
    assert list(first_images(iter(batches), 0)) == []

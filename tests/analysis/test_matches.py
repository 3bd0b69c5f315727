"""Which detection found which object: by hand, and against a plain loop."""

import numpy as np
import pytest

from aligndetr.analysis.matches import match


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    sizes = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(sizes) - shared)


def corners(entry):
    x, y, w, h = entry["bbox"]
    return [x, y, x + w, y + h]


def found_by_a_plain_loop(truth, detections, threshold):
    """Pairs of (detection, object) indices into the lists; crowd regions are ignored here."""
    pairs, taken = set(), set()
    for index in sorted(range(len(detections)), key=lambda i: -detections[i]["score"]):
        one, best, chosen = detections[index], threshold, None
        for place, other in enumerate(truth["annotations"]):
            same = all(one[key] == other[key] for key in ("image_id", "category_id"))
            if same and place not in taken and iou(corners(one), corners(other)) >= best:
                best, chosen = iou(corners(one), corners(other)), place
        if chosen is not None:
            taken.add(chosen)
            pairs.add((index, chosen))
    return pairs


@pytest.mark.parametrize("threshold", [0.5, 0.75])
def test_equals_a_plain_loop(problem, threshold):
    truth, detections = problem
    for entry in truth["annotations"]:
        entry["iscrowd"] = 0
    rng = np.random.default_rng(0)
    for entry in detections:  # without equal scores there is one order
        entry["score"] = float(rng.uniform())
    matches = match(truth, detections, max_dets=1000)
    order = sorted(range(len(detections)), key=lambda i: -detections[i]["score"])
    row = matches.matched[matches.place(threshold)]
    pairs = {(order[i], int(found)) for i, found in enumerate(row) if found >= 0}
    assert pairs == found_by_a_plain_loop(truth, detections, threshold)
    assert len(pairs) > 10


def test_the_more_confident_one_takes_the_object(make_truth, make_object, make_detection):
    # IoU with the object 0,0,10,10: 0,0,10,8 has 0.8, 0,0,10,9 has 0.9. At 0.85 only the second.
    truth = make_truth([make_object(1, 1, [0, 0, 10, 10])], [1], {1: "a"})
    detections = [
        make_detection(1, 1, [0, 0, 10, 9], 0.6),
        make_detection(1, 1, [0, 0, 10, 8], 0.7),
    ]
    matches = match(truth, detections)
    assert matches.found.score.tolist() == [0.7, 0.6]
    assert matches.matched[matches.place(0.5)].tolist() == [0, -1]
    assert matches.matched[matches.place(0.85)].tolist() == [-1, 0]
    np.testing.assert_allclose(matches.overlap(0.5), [0.8, 0], rtol=1e-12)
    with pytest.raises(ValueError, match=r"no matches at IoU 0\.3"):
        matches.place(0.3)


def test_crowds_hold_any_number_and_come_last(make_truth, make_object, make_detection):
    # The crowd 0,0,20,20 holds all three; the first also overlaps the object with IoU
    # 10*10 / (10*10) = 1 and takes it. The others lie in the crowd with their whole area.
    objects = [make_object(1, 1, [0, 0, 20, 20], iscrowd=1), make_object(1, 1, [0, 0, 10, 10])]
    truth = make_truth(objects, [1], {1: "a"})
    boxes = [[0, 0, 10, 10], [5, 5, 9, 9], [10, 10, 20, 20]]
    detections = [
        make_detection(1, 1, box, s) for box, s in zip(boxes, (0.9, 0.8, 0.7), strict=True)
    ]
    matches = match(truth, detections)
    row = matches.place(0.5)
    assert matches.matched[row].tolist() == [1, 0, 0]
    assert matches.hit[row].tolist() == [True, False, False]
    assert matches.ignored[row].tolist() == [False, True, True]


def test_nothing_at_all(make_truth, make_object, make_detection):
    empty = match(make_truth([], [1], {1: "a"}), [])
    assert empty.matched.shape == (10, 0)
    alone = match(make_truth([], [1], {1: "a"}), [make_detection(1, 1, [0, 0, 1, 1], 0.5)])
    assert alone.matched.tolist() == [[-1]] * 10
    assert not alone.hit.any()
    missed = match(make_truth([make_object(1, 1, [0, 0, 1, 1])], [1], {1: "a"}), [])
    assert missed.hit.shape == (10, 0)

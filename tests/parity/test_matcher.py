"""Matching costs, one-to-one and one-to-many assignments."""

from __future__ import annotations

from aligndetr.matchers import (
    FocalCost,
    HungarianMatcher,
    MatchingCost,
    MixedMatcher,
    ProbabilityCost,
)
from aligndetr.structures import Predictions, Targets
from tests.parity.golden import Golden, for_each, numbered

CLASS_COSTS = {"focal_loss_cost": FocalCost, "ce_cost": lambda alpha, gamma: ProbabilityCost()}


def inputs(case: Golden) -> tuple[MatchingCost, Predictions, Targets]:
    """The cost, and predictions (one layer) and targets of a batch."""
    class_cost = CLASS_COSTS[case["cost_type"]](*case["alpha_gamma"].tolist())
    sizes = case.ints("sizes")
    targets = Targets(
        list(case["tgt_labels"].split(sizes)), list(case["tgt_boxes"].reshape(-1, 4).split(sizes))
    )
    predictions = Predictions(case["logits"][None], case["boxes"][None])
    return MatchingCost(class_cost, *case["weights"].tolist()), predictions, targets


def by_object(matcher, predictions: Predictions, targets: Targets, copies: int) -> list[dict]:
    """For each image: object -> the set of queries that answer for it."""
    found = matcher(predictions, targets, [copies])
    firsts = [sum(targets.sizes[:index]) for index in range(len(targets.sizes))]
    images: list[dict[int, set[int]]] = [{} for _ in firsts]
    triples = (found.image, found.query, found.target)
    for image, query, target in zip(*(t.tolist() for t in triples), strict=True):
        images[image].setdefault(target - firsts[image], set()).add(query)
    return images


def published(case: Golden, image: int, kind: str = "") -> dict[int, set[int]]:
    """The same from the file; the published order inside an object's bag means nothing."""
    pairs = zip(case.ints(f"img{image}_{kind}tgt"), case.ints(f"img{image}_{kind}src"), strict=True)
    bags: dict[int, set[int]] = {}
    for target, query in pairs:
        bags.setdefault(target, set()).add(query)
    return bags


@for_each("matcher*.npz", cases=numbered)
def test_cost_matrix(case, compare):
    cost, predictions, targets = inputs(case)
    for image, (labels, boxes) in enumerate(zip(targets.labels, targets.boxes, strict=True)):
        ours = cost(predictions.logits[0, image], predictions.boxes[0, image], labels, boxes)
        compare("cost matrix", ours, case[f"img{image}_cost"], atol=1e-9, rtol=1e-9)


@for_each("matcher.npz", cases=numbered)
def test_one_to_many_assignment(case, compare):
    cost, predictions, targets = inputs(case)
    ours = by_object(MixedMatcher(cost), predictions, targets, case["gt_copy"])
    for image, bags in enumerate(ours):
        compare.equal("queries of every object", bags, published(case, image))
        matrix = case[f"img{image}_cost"]
        total = sum(float(matrix[query, target]) for target in bags for query in bags[target])
        compare("cost of the assignment", total, case[f"img{image}_total"], atol=1e-9, rtol=1e-9)


@for_each("matcher.npz", cases=numbered)
def test_one_to_one_assignment_has_a_matcher_of_its_own(case, compare):
    if case["gt_copy"] != 1:
        assert not any("hung" in name for name in case.names)
        return
    cost, predictions, targets = inputs(case)
    for image, bags in enumerate(by_object(HungarianMatcher(cost), predictions, targets, 1)):
        expected = published(case, image, "hung_")
        compare.equal("queries of every object, one-to-one", bags, expected)


def allowed_copies(copies: int, queries: int, objects: int) -> int:
    """Half of the queries at most, and never none."""
    return max(1, min(copies, queries // (2 * objects)))


@for_each("matcher_known_reference_bug*.npz", cases=numbered)
def test_a_crowded_image_does_not_change_the_others(case, compare):
    """Published: the number of copies, once lowered, stays so for all later images, even at 0."""
    cost, predictions, targets = inputs(case)
    matcher, copies = MixedMatcher(cost), case["gt_copy"]
    num_queries = predictions.logits.shape[2]
    lowered = False
    for image, bags in enumerate(by_object(matcher, predictions, targets, copies)):
        alone = by_object(
            matcher,
            Predictions(predictions.logits[:, [image]], predictions.boxes[:, [image]]),
            Targets([targets.labels[image]], [targets.boxes[image]]),
            copies,
        )
        compare.equal("a batch equals its images", bags, alone[0])
        size = targets.sizes[image]
        if size == 0:
            assert bags == {}
            continue
        expected = allowed_copies(copies, num_queries, size)
        compare.equal("copies of every object", {len(bag) for bag in bags.values()}, {expected})
        compare.equal("matched objects", sorted(bags), list(range(size)))
        if not lowered and num_queries >= 2 * size:
            bags_published = published(case, image)
            compare.equal("queries where the defect is not hit", bags, bags_published)
        lowered = lowered or copies * size > num_queries // 2
    assert lowered, "the file is meant to hold a crowded image"

"""The benchmarks run, and what they compare computes the same."""

import json

import pytest
import torch

from benchmarks import (
    alternatives,
    analysis,
    evaluation,
    loader,
    report,
    scaling,
    sections,
    shards,
    step,
)
from benchmarks.measure import write_json
from benchmarks.reference import reference_model
from benchmarks.workload import make_batch, make_model, training


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_published_ways_give_the_same_losses_and_gradients():
    model = make_model("tiny").double()
    with torch.no_grad():  # fresh offsets point at pixel centres, where gradients have two sides
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    other = reference_model(model)
    gradients = []
    losses = []
    for candidate in (model, other):
        torch.manual_seed(0)
        found = candidate.train()(make_batch(2, 64))
        sum(found.values()).backward()
        losses.append(found)
        gradients.append({name: p.grad for name, p in candidate.named_parameters()})
    assert losses[0].keys() == losses[1].keys()
    for name, loss in losses[0].items():
        torch.testing.assert_close(losses[1][name], loss, rtol=1e-9, atol=1e-12)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-6, atol=1e-9)


def test_training_moves_the_weights():
    model = make_model("tiny")
    before = model.query_source.content.weight.clone()
    training(model, make_batch(1, 64))()
    assert not torch.equal(model.query_source.content.weight, before)


def test_our_evaluator_agrees_with_pycocotools():
    problem = evaluation.make_problem(num_images=4)
    assert evaluation.largest_difference(*problem) < 1e-9
    assert evaluation.largest_difference(problem[0], problem[1][:21]) < 1e-9


def test_every_benchmark_runs_and_the_report_shows_its_numbers(tmp_path, capsys):
    found = {
        "step": step.measure("tiny", 64, repeats=1, with_memory=False),
        "scaling": {
            "pixels": scaling.measure_pixels("tiny", [64, 96], 1),
            "batch": scaling.measure_batches("tiny", 64, [1, 2], 1),
        },
        "evaluation": evaluation.measure(2, 1),
        "analysis": analysis.measure(3),
        "loader": loader.measure([0], 1, "tiny", 1, 50),
        "alternatives": {
            "model": "tiny",
            "pixels": 64,
            "rows": alternatives.measure("tiny", 64, 1, ["assignment on threads", "AdamW, loop"]),
        },
    }
    found["evaluation"]["rows"][1]["speedup"] = 7.25
    found["analysis"]["processor_seconds"] = 12.25
    for name, results in found.items():
        write_json(tmp_path / f"{name}.json", results)
        assert json.loads((tmp_path / f"{name}.json").read_text())["machine"]["threads"] == 1
    report.write_report(tmp_path, tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert "| 7.2x |" in page
    # 7 objects an image, 3 near hits of each and 100 random boxes
    assert "on 3 images with 21 objects and 363 detections: 12 s of the processor" in page
    assert page.count("GFLOP as PyTorch counts") == 2  # of training and of evaluation
    assert [row["name"] for row in found["alternatives"]["rows"]] == [
        "assignment on threads",
        "AdamW, loop",
    ]
    assert (tmp_path / report.PICTURE).stat().st_size > 1000


def test_ratios_are_by_the_first_way_of_the_same_round(monkeypatch):
    """After a first round that is not timed: 2 / 1, 3 / 3 and 12 / 2, median 2."""
    ticks = iter([0, 0, 0, 1, 1, 3, 3, 6, 6, 9, 9, 11, 11, 23])
    monkeypatch.setattr(shards.time, "perf_counter", lambda: next(ticks))
    assert shards.ratios({"a": list, "b": list}, 3) == {"a": 1, "b": 2}


def test_shards_are_measured_against_files(tmp_path):
    found = shards.compare_sources(tmp_path, 2, 1)
    assert found["epoch, cold"].keys() == {"image files", "shards", "shards, shuffle_buffer=8"}
    assert all(ratio > 0 for group in found.values() for ratio in group.values())


def test_a_worker_measures_its_own_process():
    worker = step.Worker(["--model", "tiny", "--pixels", "64"], f"{step.BF16}, checkpointing")
    worker()
    found = worker.last
    worker()
    worker.close()
    assert found["peak_mib"] > 50
    assert found["user_s"] > 0
    assert worker.last != found


def test_threads_assign_alike():
    model = make_model("tiny").double()
    losses = []
    for change in (lambda model: model, alternatives.with_threads):
        torch.manual_seed(0)
        losses.append(change(model).train()(make_batch(2, 64)))
    assert losses[0] == losses[1]


def test_work_is_counted_by_hand(monkeypatch):
    class Line(torch.nn.Linear):
        def forward(self, batch):
            return {"loss": super().forward(torch.ones(3, 8)).sum()}

    monkeypatch.setattr(step, "make_model", lambda name: Line(8, 4))
    once = 2 * 3 * 8 * 4 / 1e9  # multiplications and additions
    assert step.work_gflop("tiny", 64, "eval") == pytest.approx(once)
    # the same again for the gradient of the weight; the input needs none
    assert step.work_gflop("tiny", 64, "train") == pytest.approx(2 * once)


def test_attention_is_counted_as_two_products_forward():
    x = torch.randn(1, 2, 5, 4)  # 2 heads, 5 queries and keys, 4 features
    with step.Counter() as counter:
        torch.nn.functional.scaled_dot_product_attention(x, x, x)
    assert counter.operations == 2 * (2 * 2 * 5 * 5 * 4)


def test_work_is_set_beside_the_rate_of_the_same_turns():
    # 300 GFLOP at 150 GFLOP/s take 2 s
    [line, _] = sections.work_lines(seconds=1.5, work_gflop=300.0, gflop_per_s=150.0)
    assert "would take 2.00 s" in line
    assert "0.75 times that" in line

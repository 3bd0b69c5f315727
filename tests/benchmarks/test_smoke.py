"""The benchmarks run, and what they compare computes the same."""

import json

import pytest
import torch

from benchmarks import alternatives, evaluation, loader, report, scaling, step
from benchmarks.goals import OPERATOR, goals
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
        "loader": loader.measure([0], 1, "tiny", 1, 50),
        "alternatives": {
            "model": "tiny",
            "pixels": 64,
            "rows": alternatives.measure("tiny", 64, 1, ["assignment on threads", "AdamW, loop"]),
        },
    }
    found["evaluation"]["rows"][1]["speedup"] = 7.25
    for name, results in found.items():
        write_json(tmp_path / f"{name}.json", results)
        assert json.loads((tmp_path / f"{name}.json").read_text())["machine"]["threads"] == 1
    report.write_report(tmp_path, tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert "| 7.2x |" in page
    assert "| COCO evaluation over pycocotools | at least 5x | 7.25x | yes |" in page
    assert [row["name"] for row in found["alternatives"]["rows"]] == [
        "assignment on threads",
        "AdamW, loop",
    ]
    assert (tmp_path / report.PICTURE).stat().st_size > 1000


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


def test_a_missed_goal_is_said():
    rows = [{"name": "640 px", "speedup": 1.0}, {"name": "1280 px", "speedup": 1 / 4.5}]
    found = {"scaling": {"results": {"pixels": rows, "batch": rows}}, "step": None}
    assert goals(found) == [
        ("evaluation, 640 px to 1280 px", "at most 4.2x", "4.50x", False),
        ("training step, 256 px, 640 px to 1280 px", "at most 8.4x", "4.50x", True),
    ]
    operator = {
        "operator, cpp": {"speedup": 20.0},
        "fused, cpp": {"median_ms": 10.0},
        "operator + softmax + locations, cpp": {"median_ms": 14.0},
        "module, cpp": {"median_ms": 40.0},
        "module without fusion, cpp": {"median_ms": 48.0},
    }
    table = [{"name": name, **row} for name, row in operator.items()]
    found = {"msda": {"results": {OPERATOR.format("forward"): table}}}
    assert [(goal[2], goal[3]) for goal in goals(found)] == [
        ("20.00x", True),
        ("1.40x", True),  # 14 / 10
        ("1.20x", False),  # 48 / 40
    ]

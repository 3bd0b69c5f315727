"""The page of several runs: methods, differences by hand, images won and lost."""

import json
import re

import numpy as np
import pytest

from aligndetr.analysis.matches import match
from aligndetr.analysis.stored import dataset_of_run
from aligndetr.cli import main
from aligndetr.errors import UserError
from aligndetr.report import recorded_run, runs_page
from aligndetr.report.methods import group_runs, name_runs
from aligndetr.report.won_and_lost import image_scores


def made(folders, find_dataset=dataset_of_run):
    runs = [recorded_run(folder) for folder in folders]
    return runs_page(runs, find_dataset), runs


def set_precision(folder, value):
    lines = [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]
    for line in lines:
        if "bbox/AP" in line:
            line["bbox/AP"] = value
    (folder / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def four_runs(write_run):
    """Two methods, "a" and "b", of seeds 1 and 2."""
    folders = []
    for method, extra in (("a", ""), ("b", "other: {key: 5}\n")):
        for seed in (1, 2):
            shift = 1 if method == "a" else 4
            folder = write_run(f"out/{method}_seed{seed}", shift=shift, seed=seed, extra=extra)
            folders.append(folder)
    for folder, value in zip(folders, (40.0, 42.0, 43.0, 47.0), strict=True):
        set_precision(folder, value)
    return folders


def test_runs_with_one_config_are_one_method(four_runs):
    runs = [recorded_run(folder) for folder in four_runs]
    name_runs(runs)
    assert [run.listed.name for run in runs] == ["a_seed1", "a_seed2", "b_seed1", "b_seed2"]
    groups = group_runs(runs)
    assert [(group.name, len(group.runs)) for group in groups] == [("a", 2), ("b", 2)]


def test_equal_seeds_are_no_repetition(write_run):
    runs = [recorded_run(write_run(name)) for name in ("x", "y")]
    name_runs(runs)
    assert [group.name for group in group_runs(runs)] == ["x", "y"]


def test_a_folder_counts_once(write_run):
    folder = write_run()
    with pytest.raises(UserError, match="a folder is named twice"):
        made([folder, f"{folder}/../run"])


def test_differences_at_equal_seeds(four_runs):
    page, _ = made(four_runs)
    # 43 - 40 = 3 and 47 - 42 = 5: mean 4, deviation sqrt(((3-4)^2 + (5-4)^2) / 1) = 1.41
    assert '<td>bbox/AP</td><td class="number" data-value="4">4.00 ± 1.41</td>' in page
    # t = 4 / (1.41 / sqrt 2) = 4 with one degree of freedom: p = 2 atan(1/4) / pi = 0.156
    assert f"{2 * np.arctan(1 / 4) / np.pi:.3f}" in page
    assert "2 above" in page


def test_configs_that_differ(four_runs):
    page, _ = made(four_runs)
    assert '<th scope="row">other.key</th>' in page
    assert '<span class="soft">absent</span></td><td>5</td>' in page
    assert "train.seed" not in page.partition('id="config"')[2].partition("</section>")[0]


def test_curves_of_all_runs_are_together(four_runs, read_data):
    data = read_data(made(four_runs)[0])
    [chart] = [chart for chart in data["charts"] if chart["id"] == "ap"]
    [view] = [view for view in chart["views"] if view["name"] == "bbox/AP"]
    assert [(curve["name"], curve["method"]) for curve in view["curves"]] == [
        ("a_seed1", 0), ("a_seed2", 0), ("b_seed1", 1), ("b_seed2", 1)
    ]  # fmt: skip
    assert view["curves"][0]["points"] == [[20, 40.0], [40, 40.0]]


def test_an_image_is_scored_by_hand(four_runs):
    folder = four_runs[0]
    dataset = dataset_of_run(folder)
    truth = json.loads((folder.parents[1] / "data" / "truth.json").read_text())
    found = [
        {"image_id": 0, "category_id": 7, "bbox": [5, 10, 20, 20], "score": 0.9},
        {"image_id": 0, "category_id": 9, "bbox": [5, 10, 20, 20], "score": 0.9},
        {"image_id": 1, "category_id": 9, "bbox": [45, 10, 20, 20], "score": 0.9},
    ]
    scores = image_scores(match(truth, found))
    # image 0: one of two objects, one false: 2 / (2 + 2); image 1: one of two: 2 / (1 + 2)
    assert scores.f1[:3].tolist() == [0.5, pytest.approx(2 / 3), 0]
    assert len(scores.f1) == len(dataset)


def test_images_won_and_lost(write_run, read_data):
    first, other = write_run("one", seed=1), write_run("two", seed=2)
    path = other / "coco_instances_results.json"
    entries = json.loads(path.read_text())
    entries = [entry for entry in entries if entry["image_id"] != 5]
    found = [(1, 7, [5, 10, 20, 20], 0.89), (1, 9, [45, 10, 20, 20], 0.89)]
    names = ("image_id", "category_id", "bbox", "score")
    entries += [dict(zip(names, each, strict=True)) for each in found]
    path.write_text(json.dumps(entries))
    (first / "config.yaml").write_text((first / "config.yaml").read_text() + "method: 1\n")
    page, runs = made([first, other])
    [pair] = read_data(page)["pairs"]
    assert (pair["won"], pair["lost"]) == (1, 1)
    assert pair["won"] + pair["lost"] + pair["equal"] == 10
    assert [each["image"] for each in pair["best"]] == [1]
    assert pair["best"][0]["scores"] == [0, 1]
    assert pair["best"][0]["rows"][0] == []
    assert [row[:2] for row in pair["best"][0]["rows"][1]] == [[0, 0.89], [1, 0.89]]
    assert [each["image"] for each in pair["worst"]] == [5]
    assert read_data(page)["pictures"]["5"]["file"] == "5.png"
    assert [note for run in runs for note in run.notes] == []


def test_what_cannot_be_compared_is_said(write_run):
    first, other = write_run("one"), write_run("two", data="other_data")
    truth = other.parent / "other_data" / "truth.json"
    content = json.loads(truth.read_text())
    content["images"].append({"id": 99, "file_name": "0.png", "width": 80, "height": 60})
    truth.write_text(json.dumps(content))
    (other / "metrics.json").unlink()
    page, _ = made([first, other])
    assert "judged by different images or classes" in page
    assert "two: No curves: metrics.json is missing" in page
    assert "No seed is common" in page or "differences" in page


def test_a_run_without_a_config_or_predictions(write_run):
    first, other = write_run("one"), write_run("two")
    (other / "config.yaml").unlink()
    (other / "coco_instances_results.json").unlink()
    page, _ = made([first, other])
    assert "two: No images won or lost:" in page
    assert "Fewer than two runs have a config." in page


def test_the_command_takes_several(four_runs, capsys, tmp_path):
    output = tmp_path / "compared.html"
    assert main(["report", *map(str, four_runs), "--output", str(output)]) == 0
    assert f"written: {output}" in capsys.readouterr().out
    text = output.read_text()
    assert len(re.findall(r"<tr>", text.partition('id="runs-table"')[2].partition("</table>")[0]))
    assert "<title>4 runs</title>" in text

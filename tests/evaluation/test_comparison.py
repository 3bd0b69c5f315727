"""Comparing runs, by hand."""

import argparse
import json
import math

import numpy as np
import pytest
from PIL import Image

from aligndetr.commands import compare
from aligndetr.errors import UserError
from aligndetr.evaluation.comparison import paired_difference, read_method, spread


def make_run(folder, seed, final, losses=(3.0, 2.0)):
    folder.mkdir(parents=True)
    entries = [{"iteration": i, "total_loss": loss} for i, loss in enumerate(losses)]
    entries += [{"iteration": 0, "bbox/AP": 1.0, "bbox/AP-cat": 5.0}]
    entries += [{"iteration": 1, "bbox/AP": final}]
    (folder / "metrics.json").write_text("\n".join(map(json.dumps, entries)))
    if seed is not None:
        (folder / "config.yaml").write_text(f"train:\n  seed: {seed}\n")


@pytest.fixture
def runs(tmp_path):
    # A: seeds 0, 1, 2 -> 50, 52, 57; B: seeds 1, 2, 3 -> 55, 58, 40
    for seed, final in zip((0, 1, 2), (50.0, 52.0, 57.0), strict=True):
        make_run(tmp_path / f"a_{seed}", seed, final)
    for seed, final in zip((1, 2, 3), (55.0, 58.0, 40.0), strict=True):
        make_run(tmp_path / "b" / f"seed{seed}", seed, final)
    return tmp_path


def test_pattern_folder_of_runs_and_single_run(runs):
    assert [run.seed for run in read_method(f"{runs}/a_*").runs] == [0, 1, 2]
    method = read_method(f"Best={runs}/b")
    assert method.name == "Best"
    assert [run.seed for run in method.runs] == [1, 2, 3]
    single = read_method(f"{runs}/a_1/")
    assert single.name == f"{runs}/a_1"
    assert [run.final("bbox/AP") for run in single.runs] == [52.0]


def test_paired_difference_uses_common_seeds(runs):
    difference = paired_difference(read_method(f"{runs}/a_*"), read_method(f"{runs}/b"), "bbox/AP")
    assert difference.seeds == [1, 2]
    assert difference.values.tolist() == [3.0, 1.0]  # 55 - 52, 58 - 57
    nothing = paired_difference(read_method(f"{runs}/a_0"), read_method(f"{runs}/b"), "bbox/AP")
    assert nothing.seeds == []


def test_spread_is_the_sample_deviation():
    # mean of 50, 52, 57 = 53; deviations -3, -1, 4: sqrt((9 + 1 + 16) / 2) = 3.6056
    assert spread(np.array([50.0, 52.0, 57.0])) == "53.00 ± 3.61"
    assert spread(np.array([50.0])) == "50.00"
    assert spread(np.array([])) == "-"


def test_command_prints_and_plots(runs, capsys):
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    output = runs / "plots"
    words = [f"A={runs}/a_*", f"B={runs}/b", "--output", str(output)]
    assert compare.run(parser.parse_args(words)) == 0
    text = capsys.readouterr().out
    # B: mean of 55, 58, 40 = 51; deviations 4, 7, -11: sqrt(186 / 2) = 9.644
    assert "53.00 ± 3.61" in text
    assert "51.00 ± 9.64" in text
    assert "B minus A, at equal seeds" in text
    assert "2.00 ± 1.41" in text  # 3 and 1: sqrt(2)
    assert "2 of 2 seeds above" in text
    # t = 2 / (1.4142 / sqrt 2) = 2 with 1 degree of freedom: p = 1 - 2 / pi * atan 2 = 0.295
    assert "0.295" in text
    # 0.5 is 0.354 deviations: a power table's 65 pairs
    assert "takes 65 seeds; there are 2." in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines()[:-1])
    assert "cat" not in text
    assert "note" not in text
    with Image.open(output / "comparison.png") as picture:
        assert picture.width > 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_wins_nothing(runs, value):
    make_run(runs / "c" / "seed1", 1, value)
    make_run(runs / "c" / "seed2", 2, 60.0)
    method = read_method(f"{runs}/c")
    assert method.finals("bbox/AP").tolist() == [60.0]
    difference = paired_difference(read_method(f"{runs}/a_*"), method, "bbox/AP")
    assert difference.seeds == [2]
    assert difference.values.tolist() == [3.0]  # 60 - 57


def test_runs_without_config_are_compared_without_pairs(tmp_path, capsys):
    make_run(tmp_path / "x", None, 30.0)
    make_run(tmp_path / "y", None, 40.0)
    methods = [read_method(f"{tmp_path}/{name}") for name in "xy"]
    assert methods[0].runs[0].seed is None
    assert math.isnan(methods[0].runs[0].final("bbox/AP75"))
    text = compare.format_comparison(methods, ["bbox/AP"])
    assert "no seeds in common" in text


def test_different_lengths_are_said(runs):
    """The first two have 2 iterations, 0 and 1; the other has five."""
    make_run(runs / "short", 1, 40.0)
    make_run(runs / "long", 1, 50.0, losses=(5.0, 4.0, 3.0, 2.0, 1.0))
    methods = [read_method(f"A={runs}/short"), read_method(f"B={runs}/long")]
    text = compare.format_comparison(methods, ["bbox/AP"])
    assert "differ in length (iterations: A 2; B 5)" in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())
    make_run(runs / "mixed" / "one", 1, 40.0)
    make_run(runs / "mixed" / "two", 2, 40.0, losses=(3.0, 2.0, 1.0))
    text = compare.format_comparison([read_method(f"M={runs}/mixed")], ["bbox/AP"])
    assert "(iterations: M 2 to 3)" in " ".join(text.split())


def test_errors_name_the_remedy(runs, tmp_path):
    with pytest.raises(UserError, match="no run there"):
        read_method(f"{tmp_path}/nothing*")
    make_run(tmp_path / "c" / "one", 4, 1.0)
    make_run(tmp_path / "c" / "two", 4, 2.0)
    with pytest.raises(UserError, match="same seed"):
        read_method(f"{tmp_path}/c")
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    with pytest.raises(UserError, match="no run has metrics of segm"):
        compare.run(parser.parse_args([f"{runs}/a_*", "--tasks", "segm"]))
    with pytest.raises(UserError, match=r"the metric bbox/APP; did you mean bbox/AP or"):
        compare.run(parser.parse_args([f"{runs}/a_*", "--plot", "bbox/APP"]))
    for difference in ("0", "-1", "nan", "inf"):
        with pytest.raises(UserError, match=f"--difference={difference} must be a positive"):
            compare.run(parser.parse_args([f"{runs}/a_*", f"--difference={difference}"]))


def test_intervals_with_seeds_and_images_drawn_again(tmp_path, capsys):
    """A finds every second object, B all of them: 100 - 100 * 51 / 101 = 49.50."""
    truth = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": 20, "width": 20} for i in range(12)
        ],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": 1, "bbox": [0, 0, 9, 9]} for i in range(12)
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    for name, step in (("a", 2), ("b", 1)):
        make_run(tmp_path / name, 0, 50.0)
        dataset = f"{{_target_: aligndetr.data.load_dataset, names: toy, json_file: {tmp_path}"
        dataset += f"/truth.json, image_root: {tmp_path}}}"
        config = f"train: {{seed: 0}}\ndataloader: {{test: {{dataset: {dataset}}}}}\n"
        (tmp_path / name / "config.yaml").write_text(config)
        found = [{**a, "score": 0.9} for a in truth["annotations"][::step]]
        (tmp_path / name / "coco_instances_results.json").write_text(json.dumps(found))
    words = [
        str(tmp_path / "a"),
        f"B={tmp_path}/b",
        "--bootstrap",
        "--output",
        str(tmp_path / "out"),
    ]
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    assert compare.run(parser.parse_args(words)) == 0
    assert "B  +49.50, +" in capsys.readouterr().out
    (tmp_path / "b" / "coco_instances_results.json").unlink()
    with pytest.raises(UserError, match="was it evaluated"):
        compare.run(parser.parse_args(words))

"""The page of one run: its figures, its data, and what it says of things that are missing."""

import json
import re
import shutil

import numpy as np
import pytest

from aligndetr.cli import main
from aligndetr.errors import UserError
from aligndetr.report import reported_run, run_page

ROUNDS = 5
DUMP = """
dataloader:
  evaluator: {_target_: detectron2.evaluation.COCOEvaluator, dataset_name: coco_2017_val}
  test:
    _target_: detectron2.data.build_detection_test_loader
    dataset: {_target_: detectron2.data.get_detection_dataset_dicts, names: coco_2017_val}
train: {seed: 7, max_iter: 40}
"""


def made(folder, **arguments):
    run = reported_run(folder, rounds=ROUNDS, **arguments)
    return run_page(run), run


def test_figures_are_those_of_the_results(write_run):
    folder = write_run()
    results = json.loads((folder / "results.json").read_text())["bbox"]
    page, run = made(folder)
    assert run.notes == []
    tiles = dict(re.findall(r'<strong data-figure="(\w+)">([\d.]+)</strong>', page))
    assert {name: float(text) for name, text in tiles.items()} == {
        name: pytest.approx(results[name], abs=0.051)
        for name in ("AP", "AP50", "AP75", "APs", "AR100")
    }
    assert results["AP"] > 10
    rows = re.findall(r'data-class="([^"]+)".*?</tr>', page)
    assert rows == ["cat", "dog &lt; 3"]
    for name in ("cat", "dog < 3"):
        assert f'data-value="{results[f"AP-{name}"]:.8g}"' in page


def test_the_slider_counts_by_hand(write_run, read_data):
    page, _ = made(write_run())
    thresholds = read_data(page)["thresholds"]
    together, (cat, dog) = thresholds["all"], thresholds["classes"]
    assert (cat["objects"], dog["objects"], together["objects"]) == (10, 10, 20)
    # 16 objects of images 2 to 9 are found with scores .90, .87, ... .45, cats and dogs in turn;
    # above .84: .90 and .84 of cats (the edge counts), .87 of dogs; false: .85 of a dog
    assert (cat["true"][84], cat["false"][84]) == (2, 0)
    assert (dog["true"][84], dog["false"][84]) == (1, 1)
    assert (together["true"][84], together["false"][84]) == (3, 1)
    # at 0 everything: 16 found, and four mistakes
    assert (together["true"][0], together["false"][0]) == (16, 4)
    assert (together["true"][100], together["false"][100]) == (0, 0)
    assert dog["pr"][0] == [0.1, 1.0]  # .87 is the best of ten dogs


def test_mistakes_are_shown_by_kind(write_run, read_data):
    page, _ = made(write_run())
    data = read_data(page)
    mistakes = data["mistakes"]
    assert [each["found"][1] for each in mistakes["Cls"]] == [0.85]
    assert mistakes["Cls"][0]["object"] == [0, 5, 10, 20, 20]  # a cat, taken for a dog
    assert [each["found"][1] for each in mistakes["Loc"]] == [0.8]
    assert [each["found"][1] for each in mistakes["Dupe"]] == [0.1]
    assert [each["image"] for each in mistakes["Bkg"]] == [3]
    assert mistakes["Bkg"][0]["object"] is None
    # both of image 1 are missed; those of image 0 are explained by the class and the place
    assert [each["image"] for each in mistakes["Miss"]] == [1, 1]
    picture = data["pictures"]["0"]
    assert picture["src"].startswith("data:image/jpeg;base64,/9j/")
    assert (picture["file"], picture["width"], picture["height"]) == ("0.png", 80, 60)
    assert picture["truth"] == [[0, 5, 10, 20, 20, False], [1, 45, 10, 20, 20, False]]


def test_cells_of_the_confusion_lead_to_their_images(write_run, read_data):
    page, run = made(write_run())
    cells = read_data(page)["confused"]
    counts = run.judged.analysis.confusion.counts
    shown = {f"{r},{c}" for r, c in np.argwhere(counts > 0).tolist() if r != c}
    assert set(cells) == shown
    assert [each["image"] for each in cells["0,1"]] == [0]
    assert 'data-cell="0,1" aria-label="cat taken for dog &lt; 3: 1"' in page


def test_losses_by_kind_and_by_layer_add_up(write_run, read_data):
    page, _ = made(write_run())
    [loss] = [chart for chart in read_data(page)["charts"] if chart["id"] == "loss"]
    views = {
        view["name"]: {curve["name"]: curve["points"] for curve in view["curves"]}
        for view in loss["views"]
    }
    # at iteration 10 (index 9): class 4 - 9/20 and 1.0 of the layer before, bbox 4 - 9/20
    assert views["by kind"]["class"][0] == [10, pytest.approx(3.55 + 1.0)]
    assert views["by layer"]["last layer"][0] == [10, pytest.approx(3.55 + 3.55)]
    assert views["by layer"]["0"][0] == [10, 1.0]
    assert list(views["every part"]) == ["loss_class", "loss_class_0", "loss_bbox"]


def test_metrics_of_ones_own_are_shown(write_run, read_data):
    folder = write_run()
    with open(folder / "metrics.json", "a") as file:
        file.write('{"iteration": 44, "norm/decoder": 5.5, "norm/encoder": 6, "eta_seconds": 1}\n')
    [other] = [c for c in read_data(made(folder)[0])["charts"] if c["id"] == "other"]
    views = {view["name"]: view["curves"] for view in other["views"]}
    assert list(views) == ["images_per_second", "norm"]
    assert views["norm"][0] == {"name": "norm/decoder", "points": [[45, 5.5]]}


def test_the_page_needs_no_other_file(write_run):
    page, _ = made(write_run())
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert 'id="chart-loss"' in markup
    assert not re.search(r"\ssrc=|<link|url\(|@import", markup)
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', markup))


def test_the_config_is_compared_with_its_base(write_run):
    folder = write_run()
    run = reported_run(folder, rounds=ROUNDS)
    assert "is not known; --base NAME" in run_page(run)
    page = run_page(run, base=str(folder / "config.yaml"))
    assert "Nothing differs." in page
    other = folder / "other.yaml"
    other.write_text((folder / "config.yaml").read_text().replace("seed: 3", "seed: 4"))
    page = run_page(run, base=str(other))
    assert '<th scope="row">train.seed</th><td>4</td><td>3</td>' in page
    environment = {"command": "aligndetr train aligndetr_tiny train.seed=3"}
    (folder / "environment.json").write_text(json.dumps(environment))
    assert "Compared with aligndetr_tiny" in run_page(reported_run(folder, rounds=ROUNDS))


def test_a_config_that_a_folder_brings_along_is_not_executed(write_run):
    folder = write_run()
    evil = folder / "evil.py"
    evil.write_text(f"open({str(folder / 'executed')!r}, 'w')\n")
    (folder / "environment.json").write_text(json.dumps({"command": f"aligndetr train {evil}"}))
    page, _ = made(folder)
    assert not (folder / "executed").exists()
    assert "is not known" in page


def test_images_that_are_missing_are_named(write_run, read_data, tmp_path):
    folder = write_run()
    (tmp_path / "data" / "images" / "0.png").unlink()
    data = read_data(made(folder)[0])
    assert data["pictures"]["0"]["src"] is None
    assert "0.png does not exist" in data["pictures"]["0"]["why"]
    assert data["pictures"]["1"]["src"] is not None


def test_predictions_of_another_dataset(write_run):
    folder = write_run()
    path = folder / "coco_instances_results.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([entry | {"image_id": 77} for entry in entries]))
    page, run = made(folder)
    assert run.judged is None
    assert "is about another dataset" in run.notes[0]
    assert "is about another dataset" in page
    assert '<strong data-figure="AP">' in page  # what there is: results and curves
    assert 'id="chart-loss"' in page
    assert 'id="thresholds"' not in page


def test_results_without_scores(write_run):
    folder = write_run()
    path = folder / "coco_instances_results.json"
    entries = json.loads(path.read_text())
    for entry in entries:
        del entry["score"]
    path.write_text(json.dumps(entries))
    _, run = made(folder)
    assert any("detection 0 has no score" in note for note in run.notes)


def test_data_that_are_annotated_in_parts_are_not_judged(write_run, tmp_path):
    folder = write_run()
    path = tmp_path / "data" / "truth.json"
    truth = json.loads(path.read_text())
    for image in truth["images"]:
        image |= {"neg_category_ids": [9], "not_exhaustive_category_ids": []}
    path.write_text(json.dumps(truth))
    page, run = made(folder)
    assert any("annotated in parts only, as LVIS is" in note for note in run.notes)
    assert 'id="thresholds"' not in page


def test_no_object_at_all(write_run, tmp_path, read_data):
    folder = write_run()
    path = tmp_path / "data" / "truth.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"annotations": []}))
    page, _ = made(folder)
    data = read_data(page)  # nothing in it is NaN, which JSON does not have
    assert data["thresholds"]["all"]["objects"] == 0
    assert data["alignment"] == []


def test_no_detection_at_all(write_run, read_data):
    folder = write_run()
    (folder / "coco_instances_results.json").write_text("[]")
    page, run = made(folder)
    assert any("says AP" in note for note in run.notes)  # results.json knows better
    assert read_data(page)["thresholds"]["all"]["true"] == [0] * 101


def test_numbers_that_are_not_finite(write_run):
    folder = write_run()
    with open(folder / "metrics.json", "a") as file:
        file.write('{"iteration": 49, "grad_norm": NaN, "loss_bbox": null, "bbox/AP-cat": null}\n')
    results = {"bbox": {"AP": float("nan"), "AP50": 3.0}}
    (folder / "results.json").write_text(json.dumps(results))
    page, run = made(folder)
    assert [note for note in run.notes if "not finite" in note] == [
        "grad_norm: 1 recorded value is not finite and left out of the curves.",
        "loss_bbox: 1 recorded value is not finite and left out of the curves.",
    ]
    assert '<strong data-figure="AP">–</strong>' in page


def test_a_run_that_has_just_begun(write_run, tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "config.yaml").write_text("train: {seed: 1}\n")
    page, run = made(folder)
    assert any("No curves" in note for note in run.notes)
    assert any("was it evaluated" in note for note in run.notes)
    assert "No figures: no evaluation yet." in page


def test_a_run_that_ended_early_or_goes_on(write_run, monkeypatch):
    folder = write_run()
    (folder / "log.txt").write_text("[10:00:00] iter 40/90  epoch 1.00  0:01:01 left\n")
    (folder / "results.json").unlink()
    _, run = made(folder)
    assert "The training ended early, after 40 of 90 iterations." in run.notes
    monkeypatch.setattr("aligndetr.evaluation.runs.is_held", lambda folder: True)
    _, run = made(folder)
    assert any("training is not over" in note for note in run.notes)


def test_a_folder_of_nothing_is_refused(tmp_path, capsys):
    with pytest.raises(UserError, match="no such folder"):
        reported_run(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no run there; a run's folder holds metrics\.json"):
        reported_run(tmp_path)
    assert main(["report", str(tmp_path)]) == 2
    assert "no run there" in capsys.readouterr().err


def test_files_that_are_damaged(write_run):
    folder = write_run()
    (folder / "results.json").write_text("{")
    (folder / "config.yaml").write_text("a: [")
    (folder / "environment.json").write_text("[1]")
    page, run = made(folder)
    told = " ".join(run.notes)
    assert "results.json cannot be read" in told
    assert "environment.json holds no JSON object" in told
    assert "config.yaml" in told
    assert "bbox/AP" in page


def test_the_command_writes_the_page(write_run, capsys):
    folder = write_run()
    assert main(["report", str(folder), "--rounds", str(ROUNDS)]) == 0
    out = capsys.readouterr().out
    assert f"written: {folder}/report.html" in out
    text = (folder / "report.html").read_text()
    assert text.endswith("</html>\n")
    assert len(text) < 1_500_000
    output = folder / "elsewhere.html"
    truth = [f"--json-file={folder.parent}/data/truth.json", f"--output={output}"]
    (folder / "config.yaml").unlink()
    assert main(["report", str(folder), "--rounds", str(ROUNDS), *truth]) == 0
    assert '"thresholds"' in output.read_text()
    assert "no picture" not in output.read_text().partition('id="data"')[2][:10]


def test_wrong_arguments(write_run, capsys):
    folder = str(write_run())
    assert main(["report", folder, "--image-root", "x"]) == 2
    assert "give both" in capsys.readouterr().err
    assert main(["report", folder, "--rounds", "1"]) == 2


def test_a_run_of_detectron2(write_run, tmp_path, read_data, capsys):
    ours = write_run()
    theirs = tmp_path / "theirs"
    (theirs / "inference").mkdir(parents=True)
    shutil.copy(ours / "coco_instances_results.json", theirs / "inference")
    lines = [
        {"data_time": 0.01, "eta_seconds": 5.0, "iteration": 19, "loss_class": 1.5, "lr": 1e-4,
         "loss_class_0": 1.25, "time": 0.5, "total_loss": 2.75},
        {"bbox/AP": 12.5, "bbox/AP50": 25.0, "bbox/AP-cat": float("nan"), "iteration": 39},
    ]  # fmt: skip
    (theirs / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (theirs / "config.yaml").write_text(DUMP)
    page, run = made(theirs)
    assert run.judged is None  # their config names data that are not here; the rest is shown
    assert '<strong data-figure="AP">12.5</strong>' in page
    truth = f"--json-file={tmp_path}/data/truth.json", f"--image-root={tmp_path}/data/images"
    assert main(["report", str(theirs), *truth, "--rounds", "5"]) == 0
    assert "No analysis" not in capsys.readouterr().out
    page = (theirs / "report.html").read_text()
    assert '<strong data-figure="AP">12.5</strong>' in page
    data = read_data(page)
    assert {chart["id"] for chart in data["charts"]} == {"loss", "ap", "lr", "speed"}
    assert data["pictures"]["0"]["src"]

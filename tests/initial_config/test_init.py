"""`aligndetr init` writes a config that trains, for any data, or says why there is none."""

import json
import re

import pytest
import torch

from aligndetr import cli
from aligndetr.config import LazyConfig, instantiate
from aligndetr.data import augmentation as T
from aligndetr.engine import planning
from aligndetr.engine.loaders_from_config import load_dataset
from aligndetr.engine.model import build_model
from aligndetr.engine.plan import settled_plan
from aligndetr.engine.run import train
from aligndetr.engine.trial import Trial

FAST = ["train.max_iter=2", "train.eval_period=0", "train.checkpointer.period=0"]
FAST += ["dataloader.train.num_workers=0", "dataloader.test.num_workers=0", "train.device=cpu"]


@pytest.fixture
def init(tmp_path, monkeypatch):
    """The command in an empty folder; the config that it wrote."""
    monkeypatch.chdir(tmp_path)

    def run(*words, output="my_data.py"):
        assert cli.main(["init", *map(str, words), "--output", output]) == 0
        return LazyConfig.load(output)

    return run


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """The sentence with which the command ends, which writes nothing."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        before = {path: path.read_bytes() for path in tmp_path.glob("*.py")}
        assert cli.main(["init", *map(str, words)]) == 2
        assert {path: path.read_bytes() for path in tmp_path.glob("*.py")} == before
        return capsys.readouterr().err

    return run


def test_values_follow_from_the_data(init, make_data):
    # objects are 40 of 240 pixels: 21 pixels need 21 / 40 * 240 = 126, the model's least is 160
    folder = make_data(train=12, val=4, boxes=[(10, 20, 40, 60, 0)] * 13, names=("ant", "bee"))
    config = init(folder, "--quick")
    assert config.dataloader.train.dataset.path == str(folder)
    assert config.dataloader.image_size == 160
    flip, resize = config.dataloader.train.mapper.augmentation
    assert flip.get("vertical") is None
    assert resize.short_edge_length == [128, 176]  # 0.81 * 160 = 129.6, 1.06 * 160 = 169.6
    (stage,) = config.dataloader.train.stages
    assert stage.mapper.augmentation[-1].short_edge_length == [
        96,
        112,
    ]  # 0.56 * 160 = 89.6 and 0.69 * 160 = 110.4
    assert (stage.start, stage.end) == (0, 0.5)
    assert config.model.pyramid.strides == [8, 16, 32]
    assert config.model.num_queries == 52  # 2 * k * 13
    assert config.train.epochs == 2000  # 3000 steps of 8 of 12 images
    assert config.model.num_classes is None
    assert "balancing" not in config.dataloader.train


def test_the_small_model_sees_distorted_images_up_to_the_last_tenth(init, make_data):
    folder = make_data(train=3, val=2, boxes=[(10, 20, 40, 60, 0)])
    config = init(folder, "--quick", "--model", "aligndetr_r18_small")
    steps = instantiate(config.dataloader.train.mapper.augmentation)
    assert [type(step) for step in steps] == [
        T.RandomPhotometricDistort,
        T.RandomIoUCrop,
        T.RandomFlip,
        T.ResizeShortestEdge,
    ]
    coarse, last = config.dataloader.train.stages
    assert (coarse.start, coarse.end, last.start, last.end) == (0, 0.5, 0.9, 1)
    assert len(coarse.mapper.augmentation) == 4
    # 0.56 and 0.69 of 240 pixels are 134 and 166, and 0.88 and 1.13 are 211 and 271
    assert coarse.mapper.augmentation[-1].short_edge_length == [128, 160]
    assert len(last.mapper.augmentation) == 2
    assert last.mapper.augmentation[-1].short_edge_length == [208, 272]
    assert config.model.criterion.match_num == [1, 1, 1, 1]


def crowd_of(count, of_the_first=None):
    """Boxes of each image; the first one may have others."""
    counts = {0: of_the_first or count}
    return lambda number: [(10, 20, 40, 60, 0)] * counts.get(number, count)


TRIAL = ", as in the trial (docs/first_detector.md)"


@pytest.mark.parametrize(
    ("model", "boxes", "line"),
    [
        ("aligndetr_tiny", crowd_of(13), "52  # 4 for each of up to 13 objects"),
        ("aligndetr_tiny", crowd_of(3), "40  # as in aligndetr_tiny"),
        ("aligndetr_r18_small", crowd_of(28), f"112  # 4 for each of up to 28 objects{TRIAL}"),
        ("dino_r18", crowd_of(28), "900  # as in dino_r18"),
        # 4 * 50 = 200 is more than twice 4 * 20
        ("aligndetr_tiny", crowd_of(20, 50), "80  # 4 for each of up to 20 objects (95 % of the"),
        # 4 * 5 = 20 is enough for most; 90 objects of one image need a query each
        ("aligndetr_tiny", crowd_of(5, 90), "90  # as many as an image has objects; most have no"),
        ("aligndetr_tiny", crowd_of(300), "900  # no more than a published model has; 4 for each"),
    ],
)
def test_the_reason_for_the_queries_is_the_true_one(init, make_data, tmp_path, model, boxes, line):
    init(make_data(train=20, val=1, boxes=boxes), "--quick", "--model", model)
    assert f"\nmodel.num_queries = {line}" in with_reasons_behind(tmp_path / "my_data.py")


def with_reasons_behind(path):
    """The file with comments that stand above a line moved behind it."""
    return re.sub(r"\n# (.*)\n(model\..*)", r"\n\2  # \1", path.read_text())


@pytest.mark.parametrize("bf16", [True, False])
def test_bf16_is_for_processors_that_compute_in_it(init, make_data, monkeypatch, bf16):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = init(make_data(train=3, val=2), "--quick", "--model", "aligndetr_r18_small")
    assert config.train.amp.enabled is bf16
    tiny = init(make_data("other", train=3, val=2), "--quick", output="tiny.py")
    assert tiny.train.amp.enabled is False


def test_small_objects_ask_for_larger_images(init, make_data, tmp_path):
    folder = make_data(train=3, val=2, boxes=[(10, 20, 28, 60, 0)])
    # 21 / (28 / 240) = 180, in steps of 16
    assert init(folder, "--quick").dataloader.image_size == 192
    small = make_data("small", train=3, val=2, boxes=[(10, 20, 5, 60, 0)])
    config = init(small, "--quick", output="other.py")
    assert config.dataloader.image_size == 240  # 21 / (5 / 240) = 1008 pixels are not there
    assert "1008 would be better" in (tmp_path / "other.py").read_text()


def test_wishes(init, make_data):
    folder = make_data(train=10, val=2)
    config = init(folder, "--quick", "--upside-down", "--epochs", 20, "--model", "dino_tiny")
    assert [step.get("vertical") for step in config.dataloader.train.mapper.augmentation] == [
        None,
        True,
        None,
    ]
    assert config.train.epochs == 20
    assert "match_num" not in config.model.criterion
    assert config.train.output_dir == "./output/my_data"


def test_it_trains_and_the_file_is_short(init, make_data, tmp_path):
    folder = make_data(train=6, val=2, names=("ant", "bee"), size=(96, 128))
    config = init(folder, "--quick")
    text = (tmp_path / "my_data.py").read_text()
    assert len(text.splitlines()) <= 60
    assert all(len(line) <= 100 or str(folder) in line for line in text.splitlines())
    results = train(LazyConfig.apply_overrides(config, FAST))
    assert results["bbox"]["AP"] >= 0
    assert (tmp_path / "output" / "my_data" / "model_final.pth").is_file()


def rare_bees(number):
    return [(10, 20, 40, 60, 0), *([(60, 20, 40, 60, 1)] if number == 0 else [])]


@pytest.mark.parametrize(
    "data",
    [
        {"train": 1},
        {"train": 1, "val": 1},
        {"train": 3, "valid": 2, "test": 2},
        {"train": 12, "test": 2},
        {"whole": 12},
        {"train": 3, "val": 2, "names": [f"kind {number}" for number in range(100)]},
        {"train": 3, "val": 2, "names": ['"""', "a\nb\x00\u2028c", "\\"]},
        {"train": 3, "val": 2, "boxes": [(1, 1, 2, 2, 0)] * 300},
        {"train": 9, "val": 2, "names": ["ant", "bee"], "boxes": rare_bees},
        {"train": 3, "val": 2, "size": (60, 640)},
        {"train": 3, "val": 2, "boxes": lambda n: [(10, 20, 40, 60, 0)] * (n % 2)},
        {"name": 'o\'neil "x" \\ 😀', "train": 3, "val": 2},
    ],
)
def test_any_dataset_gives_a_config_that_can_be_trained(init, make_data, data):
    pytest.importorskip("imagehash")
    config = init(make_data(**data), "--quick")
    dataset = load_dataset(config, "train")
    judged = load_dataset(config, "test")
    plan = settled_plan(config, dataset)
    assert plan.max_iter >= 1
    assert config.model.num_classes == len(data.get("names", ["ant"]))
    assert config.model.num_queries >= max(dataset.count_objects())
    ids = [{record["file_name"] for record in part} for part in (dataset, judged)]
    assert ids[0].isdisjoint(ids[1]) or len(dataset) == 1
    assert build_model(config, dataset.class_names).num_classes == config.model.num_classes


@pytest.mark.parametrize(
    "model", ["aligndetr_r18_small", "aligndetr_r18", "dino_tiny", "rtdetr_tiny"]
)
def test_other_models(init, make_data, tmp_path, model):
    data = make_data(train=3, val=2, boxes=[(10, 20, 40, 60, 0)] * 80)
    config = init(data, "--quick", "--upside-down", "--model", model)
    assert settled_plan(config, load_dataset(config, "train")).advice == ()
    assert config.model.num_queries >= 80
    mapper = config.dataloader.train.mapper
    for steps in (mapper.augmentation, mapper.augmentation_with_crop):
        assert sum(bool(step.get("vertical")) for step in steps or []) == (steps is not None)
    config = init(tmp_path / "data", "--quick", "--model", model, output="with_up_and_down.py")
    mapper = config.dataloader.train.mapper
    for steps in (mapper.augmentation, mapper.augmentation_with_crop):
        assert not any(step.get("vertical") for step in steps or [])


def test_few_images_judge_themselves(init, make_data, capsys):
    pytest.importorskip("imagehash")
    config = init(make_data(train=1), "--quick")
    assert "the same ones, as so few cannot be divided" in capsys.readouterr().out
    assert len(load_dataset(config, "test")) == 1


def test_a_copy_is_divided_once(init, refused, make_data, tmp_path):
    pytest.importorskip("imagehash")
    config = init(make_data(train=10, test=3), "--quick")
    copy = tmp_path / "my_data_divided"
    assert config.dataloader.train.dataset.path == str(copy)
    assert sorted(path.name for path in copy.glob("*.json")) == [
        "test.json",
        "train.json",
        "val.json",
    ]
    sizes = [
        len(json.loads((copy / f"{part}.json").read_text())["images"])
        for part in ("train", "val", "test")
    ]
    assert sizes == [8, 2, 3]
    before = (copy / "val.json").stat().st_mtime_ns
    init(tmp_path / "data", "--quick", "--overwrite")
    assert (copy / "val.json").stat().st_mtime_ns == before
    message = refused(make_data("other", train=7), "--quick", "--overwrite")
    assert "my_data_divided is there, but no copy of" in message


def test_rare_classes_come_more_often(init, make_data):
    folder = make_data(train=9, val=2, names=["ant", "bee"], boxes=lambda n: rare_bees(n) * 3)
    # 3 of 30 boxes are bees, under 20 and a quarter; in 1 of 9 images, ants in 9: middle 5 / 9
    config = init(folder, "--quick")
    assert config.dataloader.train.balancing.threshold == 0.56


@pytest.fixture
def law(monkeypatch):
    """Steps of 0.5 s an image; an image takes 4 GB beside 1 GB."""

    def attempt(read, overrides, batch_size, parts):
        read()
        return Trial(batch_size, batch_size * 1000, (1 + 4 * batch_size) * 10**9, 0.5 * batch_size)

    monkeypatch.setattr(planning, "try_apart", attempt)


def with_memory(monkeypatch, gigabytes):
    from aligndetr.initial_config import machine

    monkeypatch.setattr(machine, "free_memory", lambda device: gigabytes * 10**9)


def test_a_budget_of_minutes(init, make_data, law, monkeypatch):
    with_memory(monkeypatch, 80)
    folder = make_data(train=100, val=20)
    config = init(folder, "--minutes", 10)
    # an evaluation takes 0.5 * 0.5 * 20 = 5 s, ten of them 50 s of 600: 550 s hold 137 steps of 4 s
    assert config.train.epochs == 11  # 137 * 8 / 100 = 10.96
    assert config.train.eval_epochs == 1.1
    assert config.train.accumulation_steps == 1


def test_a_batch_that_does_not_fit_is_divided(init, make_data, law, monkeypatch, capsys):
    with_memory(monkeypatch, 12)  # 9 / 0.9 = 10 GB hold two images, 17 / 0.9 not
    config = init(make_data(train=100, val=20))
    assert config.train.accumulation_steps == 4
    assert "3000 steps of 8 images, about 3.3" in capsys.readouterr().out  # 12 000 s
    with_memory(monkeypatch, 3)
    assert cli.main(["init", "data", "--output", "b.py"]) == 2
    assert "not even one image at a time fits" in capsys.readouterr().err


def test_what_cannot_be_used_is_refused(refused, make_data, tmp_path):
    assert "dataset" in refused("nowhere")
    assert "nowhere does not exist" in refused("nowhere")
    (tmp_path / "empty").mkdir()
    assert "is no dataset that can be read" in refused("empty")
    assert "has no boxes to learn from" in refused(
        make_data("bare", train=2, val=1, boxes=()), "--quick"
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.json").write_text('{"images": [')
    assert "train.json" in refused("data", "--quick")
    folder = make_data("lost", train=3, val=2)
    (folder / "001.png").unlink()
    message = refused(folder, "--quick")
    assert "images are missing (1, such as 001.png)" in message
    assert f"aligndetr doctor {folder}" in message
    only = make_data("only", val=3, test=2)
    assert "has no train split, only test, val" in refused(only, "--quick")


def test_files_and_words_that_do_not_fit(refused, make_data, tmp_path):
    folder = make_data(train=3, val=2)
    (tmp_path / "my_data.py").write_text("mine = 1\n")
    assert "my_data.py is there: give another --output, or --overwrite" in refused(folder)
    for words, sentence in {
        ("--output", "my-data.py"): "give the name of a Python file",
        ("--output", "data.yaml"): "give the name of a Python file",
        ("--output", "a.py", "--minutes", "0"): "--minutes 0: give a positive number",
        ("--output", "a.py", "--minutes", "nan"): "--minutes nan: give a positive number",
        ("--output", "a.py", "--minutes", "5", "--quick"): "leave one out",
        ("--output", "a.py", "--quick", "--model", "aligndetr_tny"): "did you mean aligndetr_tiny",
        ("--output", "a.py", "--quick", "--model", "my_data.py"): "does not come with the package",
    }.items():
        assert sentence in refused(folder, *words)

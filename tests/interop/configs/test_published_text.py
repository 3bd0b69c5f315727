"""Loaded configs, and those that are shipped, have the numbers that published files state.

`published_numbers.json` is compared with our own configs of the same experiments. The published
files are no part of this repository: where ALIGNDETR_PUBLISHED_CONFIGS names checkouts (as
DETREX:ALIGNDETR), each one that loads is compared with its own text, value by value.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from tests.interop.configs.published_places import ITERATIONS, NOT_COMPARED, differences
from tests.interop.configs.published_text import TABLE, Text, resolved, stated, table

HERE = Path(__file__).parent
PACKAGE = HERE.parents[2] / "aligndetr"
NUMBERS = json.loads(TABLE.read_text())
EXPERIMENTS = [file for _, file in NUMBERS["experiments"]]
CHECKOUTS = [
    Path(folder)
    for folder in os.environ.get("ALIGNDETR_PUBLISHED_CONFIGS", "").split(os.pathsep)
    if folder
]
needs_checkouts = pytest.mark.skipif(
    not CHECKOUTS, reason="ALIGNDETR_PUBLISHED_CONFIGS names no checkouts of published configs"
)


@needs_checkouts
@pytest.mark.parametrize("file", EXPERIMENTS)
def test_a_loaded_file_has_what_its_text_states(file):
    values, computed = stated(CHECKOUTS, file)
    path = next(root / file for root in CHECKOUTS if (root / file).is_file())
    config = LazyConfig.load(path)
    assert differences(config, resolved(values)) == []
    assert set(computed) <= NOT_COMPARED.keys()
    factor = config.optimizer.params.lr_factor
    assert (factor("backbone.res2"), factor("decoder")) == (0.1, 1)


@needs_checkouts
def test_the_table_is_what_the_checkouts_state():
    files = {name: [] for name in NUMBERS["commits"]}
    for name, file in NUMBERS["experiments"]:
        files[name].append(file)
    assert table(dict(zip(files, CHECKOUTS, strict=True)), files) == NUMBERS


def test_a_stand_in_is_read_and_loaded_alike():
    """The comparison above, with a file of ours that is written as theirs, and odd numbers."""
    roots, file = [HERE / "published", PACKAGE / "interop"], "aligndetr_24ep.py"
    values, _ = stated(roots, file)
    values = resolved(values)
    assert values["model.criterion.match_num"] == [3, 3, 3, 1]  # not those of the imported model
    assert values["model.transformer.two_stage_num_proposals"] == 123  # "${..num_queries}"
    assert values["dataloader.evaluator.output_dir"] == "./output/published"  # train.output_dir
    assert values["train.log_period"] == 20  # only in the shared file
    # Made by a function of our shared file, which its text does not tell.
    values = {key: value for key, value in values.items() if "augmentation" not in key}
    assert differences(LazyConfig.load(roots[0] / file), values) == []


def test_what_a_text_does_not_tell_is_said(tmp_path):
    (tmp_path / "a.py").write_text(
        "n = 3\nmodel = L(A)(x=1, part=L(B)(y=n))\nmodel.x = lambda: 2\n"
        "if model.x:\n    more = {}\n    more.update(z=1)\n    model.part.y += 1\n"
    )
    text = Text(tmp_path / "a.py", tmp_path)
    assert text.values == {"n": 3, "model": "()", "model.x": 1, "model.part": "()"}
    assert text.computed == ["model.part.y", "model.x", "more", "more.update"]


def of_experiment(file: str) -> dict[str, object]:
    number = EXPERIMENTS.index(file)
    return {key: value for key, value, users in NUMBERS["numbers"] if number in users}


ALIGN = "projects/align{}/configs/aligndetr_k=2_r50_4scale_{}ep.py"
DEFORMABLE = "projects/deformable_detr/configs/deformable_detr_r50_{}50ep.py"
DAB_DEFORMABLE = "projects/dab_deformable_detr/configs/dab_deformable_detr_r50_{}50ep.py"
SHIPPED = {  # published file -> ours
    **{
        ALIGN.format(project, epochs): f"aligndetr_k2_r50_4scale_{epochs}ep"
        for project in ("_detr", "detr")
        for epochs in (12, 24, 36)
    },
    ALIGN.format("detr", "tau_3_12"): "aligndetr_k2_r50_4scale_tau3_12ep",
    ALIGN.format("detr", "tau_3_24"): "aligndetr_k2_r50_4scale_tau3_24ep",
    "projects/align_dab_detr/configs/align_dab_detr_r50_50ep.py": "align_dab_detr_r50_50ep",
    DAB_DEFORMABLE.format(""): "dab_deformable_detr_r50_50ep",
    DAB_DEFORMABLE.format("two_stage_"): "dab_deformable_detr_r50_two_stage_50ep",
    "projects/dab_detr/configs/dab_detr_r50_50ep.py": "dab_detr_r50_50ep",
    **{
        DEFORMABLE.format(kind): f"deformable_detr_r50_{kind}50ep"
        for kind in ("", "with_box_refinement_", "two_stage_")
    },
    "projects/detr/configs/detr_r50_300ep.py": "detr_r50_300ep",
    **{
        f"projects/dino/configs/{file}.py": file.partition("/")[2]
        for file in (
            "dino-resnet/dino_r50_4scale_12ep",
            "dino-resnet/dino_r50_4scale_24ep",
            "dino-swin/dino_swin_tiny_224_4scale_12ep",
            "dino-swin/dino_swin_large_384_4scale_12ep",
        )
    },
    "projects/h_deformable_detr/configs/h_deformable_detr_r50_two_stage_12ep.py": (
        "h_deformable_detr_r50_two_stage_12ep"
    ),
}
# What ours have otherwise, and why: all of them, and one of them.
OURS = {
    "dataloader.train.num_workers": "fewer processes; no number depends on them",
    "train.checkpointer.max_to_keep": "3 files of half a gigabyte",
    "train.checkpointer.period": "as most published files",
    "train.log_period": "as most published files",
    "train.seed": "runs are seeded",
}
OURS_OF_ONE = {
    "aligndetr_k2_r50_4scale_tau3_24ep": dict.fromkeys(
        ("lr_multiplier.argument0", "lr_multiplier.argument1", "train.max_iter"),
        "theirs has the schedule of 12 epochs, see docs/parity.md",
    ),
    "detr_r50_300ep": {
        "lr_multiplier.scheduler.milestones": "an epoch has 1848 iterations there, 1875 here",
        "train.max_iter": "an epoch has 1848 iterations there, 1875 here",
        "train.clip_grad.enabled": "gradients are clipped, as in the paper's appendix",
    },
}


def shipped(name: str):
    """A config of ours; its epochs as iterations, with 7500 of them for 16 images a step."""
    config = LazyConfig.load(resolve_config(name))
    iterations = ITERATIONS * 16 // config.dataloader.train.total_batch_size
    config.train.max_iter = config.train.epochs * iterations
    scheduler = config.lr_multiplier.scheduler
    scheduler.milestones = [epoch * iterations for epoch in scheduler.milestones]
    return config


@pytest.mark.parametrize("file", SHIPPED)
def test_a_shipped_config_has_the_published_numbers(file):
    values = of_experiment(file)
    assert len(values) > 80
    found = {line.split()[0] for line in differences(shipped(SHIPPED[file]), values)}
    assert found - OURS.keys() == OURS_OF_ONE.get(SHIPPED[file], {}).keys()


def test_each_reason_is_needed():
    lines = [differences(shipped(name), of_experiment(file)) for file, name in SHIPPED.items()]
    assert {line.split()[0] for found in lines for line in found} >= OURS.keys()


def another(value):
    if isinstance(value, list):
        return [*value, 7]
    return not value if isinstance(value, bool) else (value or 0) + 7


@pytest.mark.parametrize(
    "file", ["projects/dab_detr/configs/dab_detr_r50_50ep.py", *list(SHIPPED)[-2:]]
)
def test_every_number_is_looked_at(file):
    wrong = {key: another(value) for key, value in of_experiment(file).items()}
    found = {line.split()[0] for line in differences(shipped(SHIPPED[file]), wrong)}
    assert found == wrong.keys() - NOT_COMPARED.keys()


def test_the_page_counts_these():
    page = (PACKAGE.parent / "docs" / "detectron2.md").read_text()
    counts = re.findall(r"\| (\d+) of \d+ \|", page)
    assert sum(map(int, counts)) == len(EXPERIMENTS)

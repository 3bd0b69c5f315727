"""`aligndetr stability` from the command line, and its tables by hand."""

import numpy as np
import pytest

from aligndetr import cli
from aligndetr.commands.stability import format_matchings, format_padding
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.engine.run import train
from aligndetr.explanation.matching import Matching
from aligndetr.explanation.padding import PaddedResults
from tests.engine.toy import write_coco


def matching(*queries):
    objects = np.array([[7, 0], [7, 1], [9, 0], [9, 1]])
    layers = [np.stack([np.arange(4), row], axis=1) for row in queries]
    return Matching(objects, ["proposals", "layer 1", "layer 2"][: len(layers)], layers)


def test_the_table_by_hand():
    first = matching([0, 1, 2, 3], [0, 1, 2, 9], [0, 1, 2, 9])
    second = matching([5, 1, 2, 3], [0, 1, 8, 9], [0, 4, 6, 9])
    lines = format_matchings({"1 model_0000999": first, "2 " + "long" * 9: second}, "shapes")
    assert "in % of 4 in 2 images of shapes" in lines[0]
    assert max(map(len, lines)) <= 80
    # first: object 3, then none. second: all but 1, then 1 and 2; since the first 1 and 2
    assert [line.split() for line in lines[-2:]] == [
        ["1", "model_0000999", "25.0", "0.0", "-"],
        ["2", "long" * 5 + "l…", "75.0", "50.0", "50.0"],
    ]


def test_padding_by_hand():
    truth = {
        "images": [{"id": 3}],
        "annotations": [
            {
                "id": 1,
                "image_id": 3,
                "category_id": 9,
                "bbox": [0, 0, 10, 10],
                "area": 100,
                "iscrowd": 0,
            }
        ],
        "categories": [{"id": 9, "name": "cell"}],
    }
    alone = {3: np.array([[0, 0, 10, 10, 0.9, 0]], np.float32)}
    padded = {3: np.array([[0, 0, 10, 8, 0.8, 0]], np.float32)}  # IoU 0.8: counts up to 0.8
    lines = format_padding(PaddedResults(alone, padded), truth, [9], 1.5, 0.3)
    assert max(map(len, lines)) <= 80
    assert lines[0] == "1 images alone, and each beside one 1.5 times as wide and high"
    assert lines[3].split() == ["alone", "100.00", "100.00", "100.00", "100.00"]
    assert lines[4].split() == ["padded", "70.00", "100.00", "100.00", "70.00"]
    assert "1 detections with a score of 0.3" in lines[5]
    assert "mean 0.8000, 95 % above 0.8000, none below 0.8000" in lines[6]
    assert "by 0.1000 on average" in lines[7]
    assert (
        "nothing to compare" in format_padding(PaddedResults(alone, padded), truth, [9], 1, 1)[-1]
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two checkpoints of AlignDETR-tiny, after one step and after two."""
    folder = tmp_path_factory.mktemp("stability")
    write_coco(folder)
    data = f"json_file={folder}/boxes.json", f"image_root={folder}"
    overrides = [f"dataloader.{split}.dataset.{x}" for split in ("train", "test") for x in data]
    overrides += [f"dataloader.{split}.num_workers=0" for split in ("train", "test")]
    overrides += ["dataloader.train.total_batch_size=2", "train.device=cpu", "train.max_iter=2"]
    overrides += [f"train.output_dir={folder}/run", "train.checkpointer.period=1"]
    config = LazyConfig.load(resolve_config("aligndetr_tiny"))
    train(LazyConfig.apply_overrides(config, overrides))
    return folder / "run"


def test_checkpoints_of_a_run(trained, capsys):
    files = [str(trained / f"model_{name}.pth") for name in ("0000000", "final")]
    words = ["--padding", "1.25", "--threshold", "0.01", "--num-images", "6"]
    assert cli.main(["stability", *files, "dataloader.test.batch_size=2", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "in 4 images of boxes" in lines[0]  # of the first six images, two are empty
    rows = [line.split() for line in lines if " model_" in line]
    assert [row[:2] for row in rows] == [["1", "model_0000000"], ["2", "model_final"]]
    assert all(0 <= float(cell) <= 100 for row in rows for cell in row[2:5])
    assert rows[0][5] == "-"
    assert "6 images alone, and each beside one 1.25 times" in "\n".join(lines)


@pytest.mark.parametrize(
    "words, message",
    [
        (["missing.pth"], "missing.pth"),
        (["train.device=cpu"], "nothing to look at: name a checkpoint"),
        (["{}", "--num-images", "0"], "one image at least"),
        (["{}", "--padding", "0.5"], "a factor of 0.5 cannot be"),
        (["{}", "dataloader.test.mapper=null"], "dataloader.test.mapper with is_train"),
    ],
)
def test_what_cannot_be_looked_at(trained, capsys, words, message):
    file = str(trained / "model_final.pth")
    assert cli.main(["stability", *(word.format(file) for word in words)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error

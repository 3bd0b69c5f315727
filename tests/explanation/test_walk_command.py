"""`aligndetr walk` from the command line."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from aligndetr import cli
from aligndetr.commands.walk import walk_config
from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import UserError

SMALL = ["model.num_queries=31", "--size", "96"]


@pytest.fixture(autouse=True)
def outside(tmp_path, monkeypatch):
    """A folder without datasets; one thread."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DETECTRON2_DATASETS", raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)


def tiny(name):
    return LazyConfig.load(resolve_config(name))


def test_prints_the_tree_and_writes_nothing(outside, capsys):
    assert cli.main(["walk", "--config-file", "dino_tiny", *SMALL]) == 0
    text = capsys.readouterr().out
    assert text.startswith("dino_tiny, evaluation: ")
    assert re.search(r"^├ encoder Encoder .* 34\.5 k", text, flags=re.M)
    assert "> logits (I, B, Q, K)" in text
    assert "├ denoiser" not in text
    assert "\x1b" not in text  # no colours in a pipe
    assert list(outside.iterdir()) == []  # the demo set is not drawn for two of its images


def test_training_shows_denoising_matching_and_losses(capsys):
    assert cli.main(["walk", "aligndetr_tiny", "--train", "--depth", "2", *SMALL]) == 0
    text = capsys.readouterr().out
    for line in ("├ denoiser Contrastive", "├ matcher MixedMatcher", "├ classification Sigmoid"):
        assert line in text
    assert "loss_giou_dn_1 " in text


def test_page_and_data_are_written(outside, capsys):
    files = ["--html", "walk.html", "--json", "walk.json"]
    assert cli.main(["walk", "dino_tiny", *SMALL, *files, "--depth", "0"]) == 0
    assert (outside / "walk.html").read_text().startswith("<!DOCTYPE html>")
    root = json.loads((outside / "walk.json").read_text())["root"]
    assert [child["path"] for child in root["children"]] == [
        "preprocess",
        "backbone",
        "neck",
        "pyramid",
        "encoder",
        "query_source",
        "decoder",
        "postprocess",
    ]


@pytest.mark.parametrize("is_train", [False, True])
def test_an_image_of_ones_own(outside, is_train):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(outside / "mine.png")
    found = walk_config(tiny("dino_tiny"), outside / "mine.png", is_train, size=96)
    images = [v for v in found.root.inputs[0].values if v.name.endswith("image")]
    # 90 x 120 with a longer side of 96, and of 0.8 * 96 = 76.8
    assert [value.shape for value in images] == [(3, 72, 96), (3, 58, 77)]
    assert [found.letters.sizes.get(letter) for letter in ("B", "G_1", "G_2")] == [
        2,
        9 if is_train else None,
        5 if is_train else None,
    ]


def test_the_image_is_large_enough_for_the_queries():
    config = tiny("dino_tiny")
    config.model.num_queries = 1400  # more than the tokens of the usual size
    found = walk_config(config)
    assert found.letters.sizes["S"] > found.letters.sizes["Q"] == 1400
    assert found.root.find("encoder").output.values[0].letters == ("B", "S", "C")


def test_the_same_walk_twice():
    first, second = (walk_config(tiny("dino_tiny"), None, True, 96) for _ in range(2))
    for a, b in zip(first.root.steps(), second.root.steps(), strict=True):
        assert list(a.values()) == list(b.values())


def test_weights_are_loaded(outside):
    from aligndetr.config import instantiate

    config = tiny("dino_tiny")
    config.model.num_classes = 6
    torch.manual_seed(3)
    model = instantiate(config.model)
    torch.save({"model": model.state_dict()}, outside / "m.pth")
    with torch.no_grad():
        expected = float(model.query_source.content.weight.max())  # all of it: tokens abound
    root = walk_config(config, size=96, checkpoint=str(outside / "m.pth")).root
    assert [path.name for path in outside.iterdir()] == ["m.pth"]  # no data set was made
    content = next(v for v in root.find("query_source").output.values if v.name == "content")
    assert content.maximum == expected
    plain = walk_config(tiny("dino_tiny"), size=96).root.find("query_source").output
    assert plain.values[0].maximum != content.maximum


def test_a_checkpoint_says_how_many_classes_there_are(outside, tiny_checkpoint):
    found = walk_config(tiny("aligndetr_tiny"), None, True, 96, checkpoint=tiny_checkpoint)
    assert found.letters.sizes["K"] == 3  # the demo set has 6


@pytest.mark.parametrize(
    "words, message",
    [
        (["dino_tiny", "--image", "none.jpg"], "none.jpg"),
        (["dino_tiny", "--size", "8"], "at least 32"),
        (["dino_tiny", "--depth", "-1"], "--depth"),
        (["dino_tiny", "--checkpoint", "none.pth"], "none.pth"),
        (["no_such_config"], "no_such_config"),
        (["dino_tiny", "model.num_querys=3"], "num_querys"),
        ([], "no config given"),
    ],
)
def test_bad_input_is_named(words, message, capsys):
    assert cli.main(["walk", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_broken_image_is_named(outside, capsys):
    (outside / "broken.png").write_bytes(b"no image")
    assert cli.main(["walk", "dino_tiny", "--image", "broken.png"]) == 2
    assert "broken.png" in capsys.readouterr().err


def test_a_config_without_model_is_refused(outside):
    (outside / "bare.py").write_text("train = dict(seed=1)\n")
    assert cli.main(["walk", "bare.py"]) == 2


def test_a_model_that_fails_is_shown_as_far_as_it_came(capsys):
    config = ["dino_tiny", "model.encoder.layer.embed_dim=63", *SMALL]
    assert cli.main(["walk", *config]) == 1
    text, error = capsys.readouterr()
    assert "RuntimeError: Given normalized_shape=[63]" in error
    assert "stopped by an error" in text
    assert re.search(r"^├ pyramid .*", text, flags=re.M)
    assert "! RuntimeError" in text


def test_a_model_of_ones_own(outside, capsys):
    (outside / "mine.py").write_text(
        "import torch\n"
        "class Mean(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = torch.nn.Conv2d(3, 13, 3)\n"
        "    def forward(self, batched_inputs):\n"
        "        return [self.conv(i['image'].float()).mean() for i in batched_inputs]\n"
        "model = dict(_target_=Mean)\n"
    )
    assert cli.main(["walk", "mine.py", "--size", "96"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^(├|└) conv Conv2d", text, flags=re.M)
    assert "input (3, H, W)" in text


def test_user_error_is_what_the_command_raises():
    with pytest.raises(UserError):
        walk_config(tiny("dino_tiny"), "none.png")

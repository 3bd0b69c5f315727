"""`tools/analyze_model.py` from the command line."""

import re
import runpy
from pathlib import Path

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config

TOOL = Path(__file__).parents[2] / "tools" / "analyze_model.py"


def test_parameters_and_structure(capsys):
    main = runpy.run_path(str(TOOL))["main"]
    assert main(["dino_tiny", "--tasks", "parameter", "structure", "--depth", "1"]) == 0
    text = capsys.readouterr().out
    config = LazyConfig.load(resolve_config("dino_tiny"))
    config.model.num_classes = 80  # where the dataset would say it
    count = sum(parameter.numel() for parameter in instantiate(config.model).parameters())
    assert re.search(rf"^ *all +{count / 1e3:.3g} k +100\.0$", text, flags=re.M)
    assert text.startswith("Detector(")
    assert "multiply-adds" not in text


def test_multiply_adds_grow_with_the_image(capsys):
    main = runpy.run_path(str(TOOL))["main"]
    backbones = []
    for size in (["64", "64"], ["64", "128"]):
        words = ["detr_tiny", "--tasks", "flop", "--depth", "1", "--image-size", *size]
        assert main(words) == 0
        found = re.search(r"backbone +([\d.]+) M", capsys.readouterr().out)
        backbones.append(float(found[1]))
    assert abs(backbones[1] / backbones[0] - 2) < 0.02


def test_mistakes_end_in_a_sentence(capsys):
    main = runpy.run_path(str(TOOL))["main"]
    assert main(["dino_tiny", "model.num_querys=3"]) == 2
    assert "did you mean model.num_queries?" in capsys.readouterr().err

"""The convert command, in process."""

import argparse

import pytest
import torch

from aligndetr.commands import convert
from aligndetr.errors import CheckpointError
from aligndetr.interop import convert_checkpoint, load_checkpoint


def run(*words):
    parser = argparse.ArgumentParser()
    convert.add_arguments(parser)
    return convert.run(parser.parse_intermixed_args([str(word) for word in words]))


def load(path):
    return torch.load(path, weights_only=True)


def test_there_and_back(tiny, detrex_file, tmp_path, capsys):
    ours, back = tmp_path / "ours.pth", tmp_path / "back.pth"
    assert run(detrex_file, ours, "--to", "ours", "--strict") == 0
    assert "detrex" in capsys.readouterr().out
    assert run(ours, back, "--to", "detrex", "--strict") == 0
    assert "source      aligndetr" in capsys.readouterr().out
    torch.testing.assert_close(load(ours)["model"], tiny.state_dict(), rtol=0, atol=0)
    before, after = load(detrex_file)["model"], load(back)["model"]
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    # Stored once though named twice: the file has no second copy of the heads.
    first, alias = "class_embed.0.weight", "transformer.decoder.class_embed.0.weight"
    assert after[first].data_ptr() == after[alias].data_ptr()


def test_with_a_config_the_sizes_are_checked(tiny, tmp_path, capsys):
    path = tmp_path / "a.pth"
    torch.save({"model": tiny.state_dict()}, path)
    config = ["--config-file", "configs/models/dino_tiny.py"]
    with pytest.raises(CheckpointError, match=r"decoder layers: 2 in the checkpoint, 3 in"):
        run(path, tmp_path / "b.pth", *config)
    assert not (tmp_path / "b.pth").exists()
    widths = "model.neck.in_channels={res3: 16, res4: 32, res5: 64}"
    overrides = ["model.decoder.num_layers=2", "model.backbone.width=8", widths]
    run(path, tmp_path / "b.pth", *config, *overrides, "model.backbone.norm=FrozenBN")
    assert load(tmp_path / "b.pth")["model"].keys() == tiny.state_dict().keys()
    assert "total" in capsys.readouterr().out


def test_a_converted_file_keeps_its_hyper_parameters(tiny, detrex_file, make_tiny, tmp_path):
    convert_checkpoint(detrex_file, tmp_path / "ours.pth", "ours", model=make_tiny())
    load_checkpoint(make_tiny(), tmp_path / "ours.pth", strict=True)
    other = make_tiny(**{"model.pyramid.position_embedding.temperature": 20})
    with pytest.raises(CheckpointError, match="position_temperature"):
        load_checkpoint(other, tmp_path / "ours.pth")


def test_class_names_travel(tiny, tmp_path, make_tiny):
    names = ["ant", "bee", "cat", "dog", "elk", "fox"]
    torch.save({"model": tiny.state_dict(), "class_names": names}, tmp_path / "a.pth")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "ours")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "c.pth", "ours", model=make_tiny())
    assert load(tmp_path / "b.pth")["class_names"] == names
    assert load(tmp_path / "c.pth")["class_names"] == names
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "d.pth", "detrex")
    assert list(load(tmp_path / "d.pth")) == ["model"]


def test_a_bare_backbone(tiny, tmp_path, make_tiny):
    torch.save(tiny.backbone.state_dict(), tmp_path / "a.pth")
    for layout in ("ours", "detrex"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", layout, strict=True)
        assert load(tmp_path / "b.pth")["model"].keys() == tiny.backbone.state_dict().keys()
        model = make_tiny()
        load_checkpoint(model, tmp_path / "b.pth", strict=True)
        assert torch.equal(model.backbone.stem.conv1.weight, tiny.backbone.stem.conv1.weight)


def test_unknown_names_are_an_error_when_strict(tiny, tmp_path):
    state = {**tiny.state_dict(), "encoder.layers.0.self_attention.x": torch.ones(1)}
    torch.save({"model": state}, tmp_path / "a.pth")
    # Our own layout takes any name along; only the other one has none for it.
    with pytest.raises(CheckpointError, match="layout 'torch'"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "torch")
    state["fancy"] = torch.ones(1)
    torch.save({"model": state}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"1 parameters have no name in detrex.*fancy"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "detrex")
    assert not (tmp_path / "b.pth").exists()

"""Templates, tables, and complete published key lists through them in both directions."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import CheckpointError
from aligndetr.interop.names import count, fits, to_ours, to_theirs, translate
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.interop.renaming import export_state, identify, import_state
from aligndetr.interop.sources import DETREX, SOURCES


def test_holes():
    assert fits("layers.12.weight", "layers.{i}.weight")
    assert not fits("layers.x.weight", "layers.{i}.weight")
    assert not fits("my.layers.1.weight", "layers.{i}.weight")
    assert not fits("layersX1.weight", "layers.{i}.weight")  # a dot is a dot
    assert translate("a.3.b.c", "a.{i}.{rest}", "z{i}.{rest}") == "z3.b.c"
    assert count(["a.0.w", "a.10.w", "b.11.w"], "a.{i}.w") == 11
    assert count(["b.0.w"], "a.{i}.w") == 0


def test_the_first_pair_that_fits_decides():
    table = [("head.2.{rest}", "first.{rest}"), ("head.{i}.{rest}", "heads.{i}.{rest}")]
    assert to_ours("head.2.bias", table) == "first.bias"
    assert to_ours("head.1.bias", table) == "heads.1.bias"
    assert to_theirs("first.bias", table) == "head.2.bias"
    assert to_theirs("heads.1.bias", table) == "head.1.bias"
    assert to_ours("tail.1.bias", table) is None


@settings(deadline=None)
@given(layer=st.integers(0, 5), part=st.sampled_from(["norms.1.bias", "ffns.0.layers.0.0.weight"]))
def test_there_and_back(layer, part):
    names = [f"transformer.decoder.layers.{i}.norms.0.bias" for i in range(6)]
    table = DETREX.table(names)
    name = f"transformer.decoder.layers.{layer}.{part}"
    assert to_theirs(to_ours(name, table), table) == name


PUBLISHED = {  # key list -> our config
    "aligndetr_r50": "configs/models/aligndetr_r50.py",
    "dino_r50": "configs/models/dino_r50.py",
    "deformable_detr_r50": "deformable_detr_r50_50ep",
    "deformable_detr_r50_with_box_refinement": "deformable_detr_r50_with_box_refinement_50ep",
    "deformable_detr_r50_two_stage": "deformable_detr_r50_two_stage_50ep",
    "h_deformable_detr_r50_two_stage": "h_deformable_detr_r50_two_stage_12ep",
}


@pytest.mark.parametrize("published", PUBLISHED)
def test_published_key_lists_round_trip(published, key_lists):
    if published not in key_lists:
        pytest.skip("the published key lists are not here")
    keys = key_lists[published]
    values = {  # each its own number, without memory for each entry
        key: torch.tensor(float(number)).expand(shape)
        for number, (key, (shape, alias)) in enumerate(keys.items())
        if alias == "-"
    }
    state = {key: values[key if alias == "-" else alias] for key, (_, alias) in keys.items()}
    source = identify(RawCheckpoint("x", state))
    imported = import_state(state, source)
    assert (source, imported.unknown, imported.ignored) == (DETREX, [], [])
    assert len({float(value.flatten()[0]) for value in imported.tensors.values()}) == len(values)
    exported = export_state(imported.tensors, source)
    assert list(exported) == sorted(keys)
    assert all(exported[key] is state[key] for key in keys)  # the tensor itself at each place


@pytest.mark.parametrize(("published", "config"), PUBLISHED.items())
def test_our_r50_has_the_published_keys_and_shapes(published, config, key_lists):
    if published not in key_lists:
        pytest.skip("the published key lists are not here")
    model = LazyConfig.load(resolve_config(config)).model
    with torch.device("meta"):
        state = instantiate(model).state_dict(keep_vars=True)  # shared parameters stay one object
    exported = export_state(state, DETREX)
    shapes = {key: tuple(value.shape) for key, value in exported.items()}
    assert shapes == {key: shape for key, (shape, _) in key_lists[published].items()}


@pytest.mark.parametrize("layers", [1, 2, 11])
def test_heads_are_split_by_the_number_of_decoder_layers(layers):
    names = [f"decoder.layers.{i}.norm1.bias" for i in range(layers)]
    names += [f"decoder.class_heads.{i}.bias" for i in range(layers)]
    state = {name: name for name in [*names, "query_source.class_head.bias"]}
    exported = export_state(state, DETREX)
    assert exported[f"class_embed.{layers}.bias"] == "query_source.class_head.bias"
    assert exported[f"transformer.decoder.class_embed.{layers}.bias"] == (
        "query_source.class_head.bias"
    )
    assert exported["class_embed.0.bias"] == "decoder.class_heads.0.bias"


def test_a_parameter_without_counterpart_is_named():
    with pytest.raises(CheckpointError, match=r"1 parameters have no name in detrex.*fancy\.gate"):
        export_state({"neck.convs.0.conv.weight": 0, "fancy.gate": 1}, DETREX)


def test_damaged_aliases_are_an_error(tiny):
    state = export_state(tiny.state_dict(), DETREX)
    state["transformer.decoder.class_embed.1.bias"] = state["class_embed.1.bias"] + 1
    with pytest.raises(CheckpointError, match=r"decoder\.class_embed\.1\.bias differs"):
        import_state(state, DETREX)


def test_an_alias_alone_stands_for_its_tensor(tiny):
    state = export_state(tiny.state_dict(), DETREX)
    for name in [name for name in state if name.startswith("class_embed.")]:
        del state[name]
    imported = import_state(state, DETREX)
    assert set(imported.tensors) == set(tiny.state_dict())


def test_sources_do_not_overlap():
    """A source that accepted another's names would shadow it, unless it comes later."""
    examples = {
        "fundamentalvision/Deformable-DETR": [
            "transformer.encoder.layers.0.self_attn.sampling_offsets.weight",
            "input_proj.0.0.weight",
        ],
        "IDEA-Research/DINO": [
            "transformer.encoder.layers.0.self_attn.sampling_offsets.weight",
            "input_proj.0.0.weight",
            "label_enc.weight",
        ],
        "torchvision ResNet": ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight"],
        "detectron2 ResNet": ["stem.conv1.weight", "res2.0.conv1.weight"],
        "MSRA ResNet (Caffe2 names)": ["conv1_w", "res_conv1_bn_s", "res2_0_branch2a_w"],
    }
    for name, keys in examples.items():
        assert next(source.name for source in SOURCES if source.recognises(keys)) == name


def test_an_unknown_source_is_an_error():
    checkpoint = RawCheckpoint("x.pth", {"some.layer": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"x\.pth: names such as some\.layer.*detrex"):
        identify(checkpoint)

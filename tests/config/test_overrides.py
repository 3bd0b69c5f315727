import copy

import pytest
from omegaconf import OmegaConf

from aligndetr.config import LazyCall, LazyConfig, apply_overrides
from aligndetr.config.nodes import to_node
from aligndetr.errors import ConfigError

BASE = {
    "model": {"num_queries": 900, "name": "align", "betas": [0.9, 0.999], "tags": ["a"]},
    "train": {"max_iter": 90000, "lr": 1e-4, "amp": {"enabled": False}, "init_checkpoint": ""},
    "layers": [{"dim": 8}, {"dim": 16}],
    "sizes": [480, 512],
    "pairs": [[1, 2], [3]],
    "mixed": [1, "a", None],
    "none": None,
    "ref": {"queries": "${model.num_queries}", "model": "${model}", "sum": "${..train.lr}"},
    "table": {0: "zero", "x": 1},
}


def make(channels, kernel=3, bias=True):
    return channels, kernel, bias


def changed(*overrides):
    config = to_node(copy.deepcopy(BASE))
    assert apply_overrides(config, overrides) is config
    return config


@pytest.mark.parametrize(
    "override, path, value",
    [
        ("model.num_queries=300", "model.num_queries", 300),
        ("train.max_iter=1e5", "train.max_iter", 100000),
        ("train.lr=2", "train.lr", 2.0),
        ("train.lr=2e-5", "train.lr", 2e-5),
        ("train.amp.enabled=True", "train.amp.enabled", True),
        ("model.betas=[0.9,0.95]", "model.betas", [0.9, 0.95]),
        ("model.betas.1=0.5", "model.betas", [0.9, 0.5]),
        ("layers.1.dim=4", "layers.1.dim", 4),
        ("layers=[]", "layers", []),
        ("none=3", "none", 3),
        ("sizes=[1e3,null,${model.num_queries}]", "sizes", [1000, None, 900]),
        ("model.betas=[1,0.5]", "model.betas", [1.0, 0.5]),
        ("pairs=[[],[7]]", "pairs", [[], [7]]),
        ("mixed=[b,2.5]", "mixed", ["b", 2.5]),
        ("none={a: [1]}", "none", {"a": [1]}),
        ("model.name=None", "model.name", None),
        ("layers=null", "layers", None),
        ("train.init_checkpoint=out/k=2/model.pth", "train.init_checkpoint", "out/k=2/model.pth"),
        ("train.init_checkpoint=http://h/w?a=1&b=2", "train.init_checkpoint", "http://h/w?a=1&b=2"),
        ("train.init_checkpoint='a b: c'", "train.init_checkpoint", "a b: c"),
        ("model.name='5'", "model.name", "5"),
        ("table.0=one", "table.0", "one"),
        ("train.amp={enabled: true}", "train.amp.enabled", True),
    ],
)
def test_existing_keys_change(override, path, value):
    config = changed(override)
    found = config
    for part in path.split("."):
        found = found[int(part) if part.isdigit() else part]
    assert found == value
    assert type(found) is type(value) or isinstance(value, (list, dict))
    # nothing else changed
    before = to_node(copy.deepcopy(BASE))
    for key in set(BASE) - {path.split(".")[0], "ref"}:
        assert config[key] == before[key]


def test_only_a_number_of_epochs_may_have_a_fraction():
    base = {"train": {"epochs": 12, "eval_epochs": 1, "max_iter": 12}}
    config = apply_overrides(to_node(base), ["train.epochs=72.5", "train.eval_epochs=0.5"])
    assert (config.train.epochs, config.train.eval_epochs) == (72.5, 0.5)
    with pytest.raises(ConfigError, match="needs an integer like 12, got"):
        apply_overrides(to_node(base), ["train.max_iter=72.5"])
    for override in ("train.epochs=many", "train.epochs=true"):
        with pytest.raises(ConfigError, match=r"needs a number like 12 or 12\.5, got"):
            apply_overrides(to_node(base), [override])


def test_the_last_override_wins():
    assert changed("model.num_queries=5", "model.num_queries=7").ref.queries == 7


def test_a_dict_value_merges():
    config = changed("model={num_queries: 5}")
    assert config.model == {**BASE["model"], "num_queries": 5}
    assert changed("train={amp: {dtype: fp16}}").train.amp == {"enabled": False, "dtype": "fp16"}
    with pytest.raises(ConfigError, match=r"model\.num_querys: .*did you mean model\.num_queries"):
        changed("model={num_querys: 5}")


@pytest.mark.parametrize(
    "override, message",
    [
        ("train.max_itr=10", r"train\.max_itr: no such key; did you mean train\.max_iter\?"),
        ("trian.max_iter=10", r"trian\.max_iter: .* did you mean train\.max_iter\?"),
        ("max_iter=10", r"max_iter: no such key; did you mean train\.max_iter\?"),
        ("model.amp.enabled=true", r"did you mean train\.amp\.enabled"),
        ("zzz=1", r"there are: model, train, .*\+zzz=\.\.\. adds it"),
        ("model.zzz=1", r"model has: num_queries, name"),
        ("layers.2.dim=1", r"no such item; layers has 2: \+layers\.2="),
        ("layers.x=1", r"layers\.x: no such item"),
        ("train.max_iter.sub=1", r"train\.max_iter is 90000, not a section"),
        ("none.sub=1", r"none is None, not a section"),
        ("~train.max_itr", r"did you mean train\.max_iter\?"),
        ("~layers.5", r"no such item"),
    ],
)
def test_unknown_keys_are_errors_that_help(override, message):
    with pytest.raises(ConfigError, match=message):
        changed(override)


@pytest.mark.parametrize(
    "override, message",
    [
        ("train.max_iter=abc", "needs an integer like 90000, got 'abc'"),
        ("train.max_iter=0.5", "needs an integer"),
        ("train.max_iter=inf", "needs an integer"),
        ("train.max_iter=true", "needs an integer"),
        ("train.max_iter=", "needs an integer"),
        ("train.max_iter=5,6", "needs an integer"),
        ("train.lr=fast", "needs a number"),
        ("train.lr=true", "needs a number"),
        ("train.lr=[1]", "needs a number"),
        ("train.amp.enabled=1", "needs true or false.*write true or false"),
        ("train.amp.enabled=yes", "needs true or false"),
        ("model.name=5", "needs text.*quote it: model.name='\"5\"'"),
        ("model.betas=0.9", r"needs a list.*write \[a,b\]"),
        ("model.betas=[a,b]", r"model\.betas\.0: needs a number"),
        ("model.tags=[1]", r"model\.tags\.0: needs text"),
        ("model.betas.0=x", "needs a number"),
        ("sizes=[480.5]", r"sizes\.0: needs an integer"),
        ("sizes=[true]", r"sizes\.0: needs an integer"),
        ("layers=[1]", r"layers\.0: needs a section"),
        ("pairs=[[1],2]", r"pairs\.1: needs a list"),
        ("pairs=[[x]]", r"pairs\.0\.0: needs an integer"),
        ("train=5", "needs a section"),
        ("train.amp={enabled: 3}", r"train\.amp\.enabled: needs true or false"),
        ("train.init_checkpoint={a: 1}", "needs text"),
        ("+train.max_iter=abc", "needs an integer"),
        ("ref.queries=abc", "needs an integer"),
        ("model.name=${train.max_iter}", "needs text"),
    ],
)
def test_types_must_fit(override, message):
    with pytest.raises(ConfigError, match=message):
        changed(override)


@pytest.mark.parametrize(
    "override, message",
    [
        ("train", "is not an override; write key=value"),
        ("train.max_iter 5", "is not an override"),
        ("train.max_iter = 5", "without spaces"),
        ("=5", "'' is not a key"),
        ("a..b=5", "is not a key"),
        ("layers[0].dim=5", r"a list item is written layers\.0\.dim"),
        ("~train.amp=1", "a deletion has no value"),
        ("+++x=1", r"write one \+"),
        ("model.betas=[1,", r"model\.betas: "),
    ],
)
def test_malformed_overrides(override, message):
    with pytest.raises(ConfigError, match=message):
        changed(override)


def test_plus_adds_with_parents():
    assert changed("+a.b.c=1").a == {"b": {"c": 1}}
    assert changed("++model.extra={x: [1]}").model.extra == {"x": [1]}
    assert changed("+layers.2={dim: 1}").layers[2] == {"dim": 1}
    assert changed("+none.deep=1").none == {"deep": 1}
    assert changed("+model.num_queries=5").model.num_queries == 5
    with pytest.raises(ConfigError, match="not a section"):
        changed("+train.max_iter.sub=1")
    with pytest.raises(ConfigError, match=r"\+layers\.2=\.\.\. adds"):
        changed("+layers.7={dim: 1}")


def test_tilde_deletes():
    assert "amp" not in changed("~train.amp").train
    assert changed("~layers.0").layers == [{"dim": 16}]
    assert "none" not in changed("~none")
    assert changed("~train.lr", "+train.lr=fast", "~ref").train.lr == "fast"


def test_interpolated_leaves_are_replaced():
    config = changed("ref.queries=5")
    assert config.ref.queries == 5
    assert config.model.num_queries == 900
    assert changed("train.max_iter=${model.num_queries}").train.max_iter == 900


def test_no_way_through_an_interpolated_section():
    with pytest.raises(ConfigError, match=r"ref\.model is '\$\{model\}'; override model instead"):
        changed("ref.model.num_queries=5")
    with pytest.raises(ConfigError, match="override model instead"):
        changed("ref.model={num_queries: 5}")


def test_overrides_must_not_break_interpolations():
    with pytest.raises(ConfigError, match=r"ref\.queries: '\$\{model\.num_queries\}' does not res"):
        changed("model=null")
    with pytest.raises(ConfigError, match="does not resolve"):
        changed("~train.lr")
    # broken before: not the fault of the override
    config = to_node({"a": "${nowhere}", "b": 1})
    assert apply_overrides(config, ["b=2"]).b == 2


# ---------------------------------------------------------------- calls


def call():
    return to_node({"conv": LazyCall(make)(channels=8, act=len)})


def test_arguments_that_the_target_takes_need_a_plus():
    with pytest.raises(ConfigError, match=r"conv\.kernel: .*make takes it; write \+conv\.kernel="):
        apply_overrides(call(), ["conv.kernel=5"])
    assert apply_overrides(call(), ["+conv.kernel=5"]).conv.kernel == 5


def test_arguments_that_the_target_does_not_take():
    for override in ("+conv.kernl=5", "+conv={kernl: 5}"):
        with pytest.raises(ConfigError, match=r"no such argument; did you mean conv\.kernel\?"):
            apply_overrides(call(), [override])
    with pytest.raises(ConfigError, match=r"conv\.dilation: .*no such argument; it takes channels"):
        apply_overrides(call(), ["+conv.dilation=5"])
    with pytest.raises(ConfigError, match=r"conv\.kernel"):
        apply_overrides(call(), ["conv={kernel: 5}"])


def test_functions_are_overridden_by_import_path():
    assert apply_overrides(call(), ["conv.act=math.sqrt"]).conv.act is __import__("math").sqrt
    with pytest.raises(ConfigError, match=r"conv\.act: cannot import 'math\.squareroot'"):
        apply_overrides(call(), ["conv.act=math.squareroot"])
    with pytest.raises(ConfigError, match=r"conv\.act: needs an import path"):
        apply_overrides(call(), ["conv.act=3"])


def test_targets_change_by_import_path_or_as_a_whole():
    config = apply_overrides(call(), ["conv._target_=collections.Counter"])
    assert config.conv == {"_target_": "collections.Counter", "channels": 8, "act": len}
    with pytest.raises(ConfigError, match=r"conv\._target_: cannot import"):
        apply_overrides(call(), ["conv._target_=collections.Contour"])
    config = apply_overrides(call(), ["conv={_target_: builtins.dict, a: 1}"])
    assert config.conv == {"_target_": "builtins.dict", "a": 1}


def test_lazy_config_offers_it():
    config = LazyConfig.apply_overrides(to_node({"a": 1}), ["a=2"])
    assert OmegaConf.to_container(config) == {"a": 2}

"""The tree of steps of small modules, whose shapes, ranges and bytes are known beforehand."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from aligndetr.explanation import InterruptedWalk, walk


class Times(nn.Module):
    """Multiplies; keeps its factor as a parameter."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))

    def forward(self, x):
        return x * self.factor


@dataclass
class Pair:
    low: torch.Tensor
    high: torch.Tensor | None = None


class Scale:
    """A part that is no module, and holds another one."""

    def __init__(self, inner=None):
        self.inner = inner
        self.label = "scale"

    def __call__(self, x):
        return self.inner(x) if self.inner else x + 1


class Model(nn.Module):
    """A module that is called twice, one that gets keywords, one without result, and a part."""

    def __init__(self):
        super().__init__()
        self.twice = Times(2)
        self.keyed = Keyed()
        self.quiet = Quiet()
        self.part = Scale(Scale())

    def prepare(self, x):
        return x - 1

    def forward(self, x, *, flag=True):
        x = self.twice(self.twice(self.prepare(x)))
        self.quiet(x)
        return self.keyed(pair=Pair(x), others={"a": [self.part(x)]})


class Keyed(nn.Module):
    def forward(self, pair, others, missing=None):
        return {"sum": pair.low + others["a"][0], "pair": pair}


class Quiet(nn.Module):
    def forward(self, x):
        return None


def paths(step):
    return [(each.path, each.kind, each.call) for each in step.steps()]


def test_every_call_is_a_step_in_the_order_of_calls():
    found = walk(Model(), torch.ones(2, 3), also=["prepare"])
    assert paths(found.root) == [
        ("", "Model", 1),
        ("prepare", "", 1),
        ("twice", "Times", 1),
        ("twice", "Times", 2),
        ("quiet", "Quiet", 1),
        ("part", "Scale", 1),
        ("part.inner", "Scale", 1),
        ("keyed", "Keyed", 1),
    ]
    assert [step.name for step in found.root.find("part").children] == ["inner"]
    assert torch.equal(found.result["sum"], torch.full((2, 3), 1.0))  # ((1 - 1) * 4) + (0 + 1)


def test_tensors_inside_of_arguments_and_results_have_names_and_ranges():
    step = walk(Model(), torch.tensor([[1.0, 3.0]])).root.find("keyed")
    # 1, 3; `prepare` subtracts 1: 0, 2; doubled twice: 0, 8; the part adds 1: 1, 9; sum: 1, 17
    assert [(i.name, i.kind, [v.name for v in i.values]) for i in step.inputs] == [
        ("pair", "Pair", ["low"]),
        ("others", "dict", ["a[0]"]),
    ]
    assert [(v.name, v.shape, v.minimum, v.maximum) for v in step.output.values] == [
        ("sum", (1, 2), 1.0, 17.0),
        ("pair.low", (1, 2), 0.0, 8.0),
    ]
    assert [value.source for value in step.values()] == ["twice", "part.inner", "keyed", "twice"]


def test_parameters_are_counted_with_everything_inside_and_shared_ones_once():
    root = walk(Model(), torch.ones(1)).root
    assert root.num_parameters == 1
    assert root.find("twice", call=2).num_parameters == 1
    assert root.find("quiet").num_parameters == 0


class Writes(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Adds()

    def forward(self, x):
        y = x.view(4, 25)  # a view: nothing
        y = self.inner(y)
        y.mul_(2)  # in place: nothing
        return torch.cat([y, y]).double()


class Adds(nn.Module):
    def forward(self, x):
        return (x + 1) + 1


def test_bytes_are_those_of_new_tensors_temporary_ones_included():
    root = walk(Writes().eval(), torch.zeros(100)).root
    # 100 float32 are 400 bytes. Inside: two sums. Around: 200 float32, and the same as float64.
    assert root.find("inner").num_bytes == 2 * 400
    assert root.num_bytes == 2 * 400 + 800 + 1600


def test_times_are_inclusive_and_leave_out_what_the_walk_itself_does(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr("aligndetr.explanation.recorder._now", lambda: float(next(now)))
    monkeypatch.setattr("aligndetr.explanation.recorded_memory.time.perf_counter", lambda: 0.0)
    root = walk(nn.Sequential(Quiet()), torch.ones(1)).root
    # The clock ticks at every look. Begin: 0, 1; starts at 2. Child: begin 3, 4; from 5 to 6; end
    # 7, 8. Ends at 9: from 2 to 9, without the child's begin (1) and end (1): 5; the child: 1.
    assert (root.seconds, root.children[0].seconds, root.own_seconds) == (5.0, 1.0, 4.0)


def test_ranges_leave_out_what_is_not_finite_and_count_it():
    x = torch.tensor([float("nan"), 2.0, float("inf"), -1.0, float("-inf")])
    value = walk(nn.Identity(), x).root.output.values[0]
    assert (value.minimum, value.maximum, value.not_finite) == (-1.0, 2.0, 3)
    nothing = walk(nn.Identity(), x[:1]).root.output.values[0]
    assert (nothing.minimum, nothing.maximum, nothing.not_finite) == (None, None, 1)


@pytest.mark.parametrize(
    "x, expected",
    [
        (torch.tensor([True, False]), ("bool", 0, 1)),
        (torch.tensor([200], dtype=torch.uint8), ("uint8", 200, 200)),
        (torch.zeros(0, 4), ("float32", None, None)),
        (torch.tensor([1.5], dtype=torch.bfloat16), ("bfloat16", 1.5, 1.5)),
        (torch.zeros(3, dtype=torch.complex64), ("complex64", None, None)),
        (torch.ones(2, 2).to_sparse(), ("float32", None, None)),
        (torch.zeros(2, device="meta"), ("float32", None, None)),
    ],
)
def test_every_kind_of_tensor_can_pass(x, expected):
    value = walk(nn.Identity(), x).root.output.values[0]
    assert (value.dtype, value.minimum, value.maximum) == expected


def test_a_tensor_changed_in_place_is_looked_at_again():
    class Overwrites(nn.Module):
        def forward(self, x):
            return x.fill_(7.0)

    root = walk(Overwrites(), torch.zeros(2)).root
    assert root.inputs[0].values[0].maximum == 0.0
    assert root.output.values[0].maximum == 7.0


def test_an_object_that_holds_itself_is_cut_off():
    class Knot:
        def __init__(self, x):
            self.x, self.me = x, self

    class Ties(nn.Module):
        def forward(self, x):
            return Knot(x)

    assert [v.name for v in walk(Ties(), torch.ones(1)).root.output.values] == ["x"]


def test_the_model_is_left_as_it_was():
    model = Model()
    before = dict(model.__dict__), model.part, model.part.inner
    walk(model, torch.ones(1), also=["prepare"])
    with pytest.raises(InterruptedWalk):
        walk(model, "not a tensor", also=["prepare"])
    assert (dict(model.__dict__), model.part, model.part.inner) == before
    assert type(model.part) is Scale
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_failure_shows_how_far_the_model_came():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 6))
    with pytest.raises(InterruptedWalk, match=r"^1: RuntimeError") as stop:
        walk(model, torch.ones(2, 3))
    root = stop.value.walk.root
    assert isinstance(stop.value.__cause__, RuntimeError)
    assert [(step.path, bool(step.error)) for step in root.steps()] == [
        ("", True),
        ("0", False),
        ("1", True),
    ]
    assert root.find("0").output.values[0].shape == (2, 4)
    assert root.find("1").output is None


def test_a_failure_that_the_model_survives_does_not_shift_the_tree():
    class Tries(nn.Module):
        def __init__(self):
            super().__init__()
            self.bad, self.good = nn.Linear(7, 7), nn.Linear(2, 2)

        def forward(self, x):
            try:
                return self.bad(x)
            except RuntimeError:
                return self.good(x)

    root = walk(Tries(), torch.ones(1, 2)).root
    assert [(child.path, child.output is None) for child in root.children] == [
        ("bad", True),
        ("good", False),
    ]
    assert root.children[0].error.startswith("RuntimeError")
    assert root.output.values[0].shape == (1, 2)


def test_a_model_may_run_while_an_exception_is_handled():
    try:
        raise ValueError("of someone else")
    except ValueError:
        root = walk(nn.Sequential(nn.Identity()), torch.ones(2)).root
    assert [step.error for step in root.steps()] == ["", ""]


def test_kept_tensors_are_copies_without_gradient():
    model = Model().train()
    root = walk(model, torch.ones(3), keep=["keyed", "part.*"]).root
    kept = root.find("keyed")
    assert torch.equal(kept.result["sum"], torch.full((3,), 1.0))
    assert isinstance(kept.result["pair"], Pair)
    assert torch.equal(kept.result["pair"].low, kept.argument("others")["a"][0] - 1)
    assert not kept.result["sum"].requires_grad
    assert torch.equal(root.find("part.inner").result, torch.ones(3))
    with pytest.raises(KeyError, match="keep="):
        _ = root.find("twice").result
    with pytest.raises(KeyError, match="no 'missing'"):
        kept.argument("missing")
    with pytest.raises(KeyError, match="2 calls"):
        root.find("twice", call=3)


def test_what_is_kept_does_not_change_in_place():
    class Overwrites(nn.Module):
        def forward(self, x):
            return x.fill_(7.0)

    step = walk(Overwrites(), torch.zeros(2), keep=["*"]).root
    assert torch.equal(step.argument("x"), torch.zeros(2))


def test_a_part_that_two_modules_own_is_recorded_once_a_call():
    class Shares(nn.Module):
        def __init__(self, part):
            super().__init__()
            self.part = part

        def forward(self, x):
            return self.part(x)

    part = Scale()
    model = nn.Sequential(Shares(part), Shares(part))
    root = walk(model, torch.ones(1)).root
    assert paths(root)[1:] == [
        ("0", "Shares", 1), ("0.part", "Scale", 1), ("1", "Shares", 1), ("0.part", "Scale", 2),
    ]  # fmt: skip
    assert type(part) is Scale


def test_a_part_is_still_of_its_class_while_it_is_recorded():
    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Scale()

        def forward(self, x):
            assert isinstance(self.part, Scale)
            return self.part(x)

    assert walk(Asks(), torch.ones(1)).root.find("part").kind == "Scale"


def test_training_keeps_the_gradient_and_evaluation_none():
    assert walk(Model().train(), torch.ones(1)).result["sum"].requires_grad
    assert not walk(Model().eval(), torch.ones(1)).result["sum"].requires_grad


def test_positional_and_keyword_arguments_reach_the_model():
    class Takes(nn.Module):
        def forward(self, a, *more, scale=1, **rest):
            return (a + more[0]) * scale + rest["shift"]

    ones = torch.ones(1)
    found = walk(Takes(), (ones, ones), {"scale": 3 * ones, "shift": ones})
    assert found.result.item() == 7.0  # (1 + 1) * 3 + 1
    assert [item.name for item in found.root.inputs] == ["a", "more[0]", "scale", "shift"]


def test_pytorchs_own_transformer_can_be_walked_through():
    model = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
    )
    found = walk(model.eval(), torch.randn(2, 5, 8), letters={"N": 2, "T": 5, "E": 8})
    assert found.root.find("layers.1.linear1").inputs[0].values[0].letters == ("N", "T", "E")

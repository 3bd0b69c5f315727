"""A walk as text, as a page and as data."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from torch import nn

from aligndetr import cli
from aligndetr.explanation import Letters, walk
from aligndetr.explanation.recorded_steps import Item, Step, Value
from aligndetr.explanation.walk_formatting import count, memory, rounded, seconds, share, span
from aligndetr.explanation.walk_page import walk_page
from aligndetr.explanation.walk_repeated_layers import Group
from aligndetr.explanation.walk_text import as_text

TEXT = """\
B = 2 images     C = 6 channels

step                                                  params  time   own  memory
model Net                                                 90  100%   20%    100%
│   x (B, 5, C)
│ > (B, 5, C)                                                   ! 3 not finite
├ layers.0..1 Linear x 2                                  84   60%   60%     50%
│     input (B, 5, C)
│   > (B, 5, C)                                                         -1 .. 4
└ 2 times:
  ├ norm LayerNorm x 2                                     6   10%   10%     25%
  │     input (B, 5, C)
  │   > (B, 5, C)                                                        0 .. 2
  └ act ReLU x 2                                               10%   10%     25%
        input (B, 5, C)
      > (B, 5, C)                                                        0 .. 2"""


def value(low=None, high=None, **more):
    shape = (2, 5, 6)
    letters = Letters({"B": 2, "C": 6}).name(shape)
    return Value("", shape, "float32", low, high, letters=letters, **more)


def child(path, kind, parameters, seconds, num_bytes, low, high):
    item = Item("input", "Tensor", [value(0, 1)])
    output = Item("", "Tensor", [value(low, high)])
    return Step(path, path, kind, 1, [item], output, parameters, seconds, num_bytes)


@pytest.fixture
def made_up():
    """A walk whose figures are known: 10 s and 800 bytes in all."""
    from aligndetr.explanation import Walk

    bad = Item("", "Tensor", [value(not_finite=3)])
    root = Step("", "", "Net", 1, [Item("x", "Tensor", [value(0, 1)])], bad, 90, 10.0, 800)
    root.children = [
        child("layers.0", "Linear", 42, 2.0, 200, -1.0, 0.5),
        child("layers.1", "Linear", 42, 4.0, 200, 0.0, 4.0),
        child("norm", "LayerNorm", 6, 0.5, 100, 0.0, 1.0),
        child("act", "ReLU", 0, 0.5, 100, 0.0, 1.0),
        child("norm", "LayerNorm", 6, 0.5, 100, 0.0, 2.0),
        child("act", "ReLU", 0, 0.5, 100, 0.0, 2.0),
    ]
    return Walk(root, Letters({"B": 2, "C": 6}))


def test_text_of_a_walk(made_up):
    """Shares: layers 6 of 10 s, 400 of 800 bytes; norms and activations 1 s, 200 bytes each."""
    assert as_text(made_up).splitlines() == [
        line if "not finite" not in line and ".." not in line[30:] else _aligned(line)
        for line in TEXT.splitlines()
    ]


def _aligned(line):
    """Ranges end at column 80, wherever they end above."""
    left, right = re.split(r"\s{3,}(?=[-\d!])", line)
    return f"{left}{right:>{80 - len(left)}}"


def test_depth_cuts_the_tree(made_up):
    shallow = as_text(made_up, depth=0)
    assert "layers" not in shallow
    assert "model Net" in shallow


def test_a_loop_is_found_where_it_starts_late_and_ends_early(made_up):
    steps = [child(name, name, 0, 1.0, 1, 0, 1) for name in "pabababq"]
    root = Step("", "", "Net", children=steps)
    loops = Group([root]).loops()
    assert [(loop.times, [group.name for group in loop.groups]) for loop in loops] == [
        (1, ["p"]),
        (3, ["a", "b"]),
        (1, ["q"]),
    ]


def test_steps_of_different_shapes_are_told_apart():
    a, b = child("a.0", "A", 0, 1.0, 1, 0, 1), child("a.1", "A", 0, 1.0, 1, 0, 1)
    b.output.values[0].letters = ("B", "S", "C")
    assert [loop.times for loop in Group([Step("", "", "N", children=[a, b])]).loops()] == [1, 1]


def test_text_of_every_shipped_config_is_80_columns_wide(walks):
    for walked in walks[2]:
        for depth in (1, 2, None):
            wide = [line for line in as_text(walked, depth).splitlines() if len(line) > 80]
            assert not wide


@pytest.mark.parametrize(
    "function, figure, expected",
    [
        (count, 961_208, "961 k"),
        (count, 47_700_000, "47.7 M"),
        (count, 12, "12"),
        (memory, 999, "999 B"),
        (memory, 25_300_000, "25.3 MB"),
        (seconds, 0.0481, "48.1 ms"),
        (seconds, 2.0, "2 s"),
        (rounded, 3.0, "3"),
        (rounded, -0.04012, "-0.0401"),
        (rounded, 123456.0, "1.23e+05"),
    ],
)
def test_figures_have_three_digits(function, figure, expected):
    assert function(figure) == expected


def test_shares_are_percentages():
    assert [share(1, 4), share(1, 1000), share(0, 4), share(1, 0)] == ["25%", "<1%", "", ""]


def test_spans():
    assert span(value(-1.0, 2.5)) == "-1 .. 2.5"
    assert span(value(2.0, 2.0)) == "2"
    assert span(value(0.0, 1.0, not_finite=4)) == "0 .. 1 ! 4 not finite"
    mask = Value("", (2,), "bool", 0, 1)
    assert span(mask) == "False, True"


class Page(HTMLParser):
    """Checks that tags match, and collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.counts, self.links = [], {}, []

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [text for key, text in attributes if key in ("src", "href", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_else(walks):
    name, _, both = walks
    for walked in both:
        text = walk_page(walked, name)
        page = Page()
        page.feed(text)
        page.close()
        assert page.open == []
        assert page.counts["details"] == len(list(walked.root.steps()))
        assert page.links == []
        assert not re.search(r"https?:|@import|url\(", text)
        assert "prefers-color-scheme: dark" in text


def test_names_in_the_page_are_escaped():
    class Odd(nn.Module):
        def forward(self, x):
            return {"<b>&": x}

    text = walk_page(walk(Odd(), torch.ones(1)), "<i>")
    assert "&lt;b&gt;&amp;" in text
    assert "<b>" not in text
    assert "<i>" not in text


def test_data_is_plain_and_complete(walks):
    _, _, both = walks
    for walked in both:
        read = json.loads(json.dumps(walked.to_dict(), allow_nan=False))
        assert read["letters"] == walked.letters.sizes
        assert {(h, w): (x, y) for h, w, x, y in read["maps"]} == walked.letters.maps
        assert as_step(read["root"]) == walked.root


def as_step(plain):
    """The step that data describe."""
    inputs, children = ([*plain[key]] for key in ("inputs", "children"))
    output = None if plain["output"] is None else as_item(plain["output"])
    inner = {"inputs": [as_item(each) for each in inputs], "output": output}
    return Step(**plain | inner | {"children": [as_step(each) for each in children]})


def as_item(plain):
    values = [Value(**{k: tuple(v) if isinstance(v, list) else v for k, v in each.items()})
              for each in plain["values"]]  # fmt: skip
    return Item(plain["name"], plain["kind"], values)


DOCS = (Path(__file__).parents[2] / "docs/walk.md").read_text(encoding="utf-8")


def test_the_python_example_of_the_docs(capsys):
    [example] = re.findall(r"^```python\n(.*?)^```$", DOCS, flags=re.M | re.S)
    namespace = {}
    exec(example, namespace)
    assert namespace["hidden"].shape == (3, 5, 32)
    assert "└ norm2 LayerNorm" in capsys.readouterr().out


def test_the_output_in_the_docs_is_that_of_the_command(capsys):
    """Steps, classes and shapes; figures depend on the machine."""
    assert cli.main(["walk", "aligndetr_tiny", "--train", "--depth", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()[10:]
    [shown] = re.findall(r"^aligndetr_tiny, training.*?(?=^```$)", DOCS, flags=re.M | re.S)
    left = [
        [re.sub(r"\s{3,}[-\d!<FT].*", "", line) for line in text if "loss" not in line]
        for text in (printed, shown.splitlines()[10:])
    ]
    assert left[0] == left[1]
    assert len(left[0]) > 50

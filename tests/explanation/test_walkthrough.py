"""docs/walkthrough.md says what the code does."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "walkthrough.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- begin ([\w-]+) -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(DOCS / "make_walkthrough.py"))


@pytest.fixture(scope="module")
def stories(script, tmp_path_factory):
    """Models with random weights: shapes do not depend on what was learned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETECTRON2_DATASETS", str(tmp_path_factory.mktemp("data")))
        return {
            name: script["Story"].of(name, None)
            for name in ("aligndetr_tiny", "deformable_detr_tiny")
        }


@pytest.fixture(scope="module")
def trained(stories):
    return {name: story.walked(training=True) for name, story in stories.items()}


@pytest.mark.parametrize(
    "block, name", [("shapes", "aligndetr_tiny"), ("shapes-deformable", "deformable_detr_tiny")]
)
def test_shapes_on_the_page_are_those_of_the_code(script, stories, trained, block, name):
    assert script["shape_table"](stories[name], trained[name]) == BLOCKS[block]


def test_a_wrong_letter_is_found(script, stories, trained):
    story = stories["aligndetr_tiny"]
    story.model.embed_dim += 1
    try:
        with pytest.raises(ValueError, match=r"neck \[0\]: C is 65"):
            script["shape_table"](story, trained["aligndetr_tiny"])
    finally:
        story.model.embed_dim -= 1


def test_ratios_on_the_page_follow_from_the_sizes_of_the_images():
    """Levels of 24, 12 and 6 cells a side; 144 of 192 pixels are 18, 9 and 4.5 of them."""
    numbers = [re.findall(r"\d\.\d+", row) for row in BLOCKS["ratios"].splitlines()[2:]]
    share = [18 / 24, 9 / 12, 5 / 6]
    assert numbers == [[f"{x:.3f}", "1.000", "1.000", f"{x:.3f}"] for x in share]


def test_rank_weights_on_the_page_follow_the_formula():
    rows = [row.strip("| ").split(" | ") for row in BLOCKS["ranks"].splitlines()[2:]]
    assert [row[4] for row in rows] == ["0", "1"]
    for _, *numbers in rows:
        score, iou, t, rank, weight, goal = map(float, numbers)
        assert t == pytest.approx(score**0.25 * iou**0.75, abs=2e-3)
        assert weight == pytest.approx(2.718281828 ** (-rank / 1.5), abs=1e-3)
        assert goal == pytest.approx(t * weight, abs=2e-3)


def test_links_and_figures_exist():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert len(links) > 20
    assert not [link for link in links if not (DOCS / link).exists()]
    figures = sorted((DOCS / "pictures" / "walkthrough").iterdir())
    named = {Path(link).name for link in links if link.endswith(".png")}
    assert {figure.name for figure in figures} == named
    assert sum(figure.stat().st_size for figure in figures) < 1.2e6


def test_a_block_that_is_not_in_the_page_is_named(script):
    with pytest.raises(ValueError, match="0 blocks 'nothing'"):
        script["write_blocks"]("", {"nothing": "x"})


def test_every_figure_can_be_drawn_with_any_weights(script, stories, trained, tmp_path):
    align = stories["aligndetr_tiny"]
    inspections = {"AlignDETR": align.inspected()}
    script["draw"].__globals__["PICTURES"] = tmp_path
    evaluated = align.walked(training=False)
    script["draw"](align, evaluated, trained["aligndetr_tiny"], inspections)
    assert len(list(tmp_path.glob("*.png"))) == 8
    assert script["loss_table"](trained["aligndetr_tiny"]).count("\n") == 8  # 7 rows below a head
    assert script["match_table"](inspections).count("AlignDETR") == 4

"""Pages in a real browser: Chromium, without a network, driven like a reader would."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from aligndetr.analysis.stored import dataset_of_run
from aligndetr.explanation import Inspection
from aligndetr.explanation.inspection import LayerView, Pair, Thing
from aligndetr.report import recorded_run, reported_run, run_page, runs_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed here")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM)
        yield running
        running.close()


def inspection(record):
    """What a model of one layer would look like from inside."""
    box = np.array([0.1, 0.2, 0.3, 0.5])
    layer = LayerView(1, box[None], [Pair(0, 0, 0.5, 0.9)])
    picture = np.full((60, 80, 3), 128, dtype=np.uint8)
    return Inspection(picture, [Thing("cat", box)], [layer], False, [(8, 10)])


@pytest.fixture(scope="module")
def pages(shared_run, tmp_path_factory):
    """Files of the pages of one run and of two."""
    folders = [shared_run("one", seed=1), shared_run("two", shift=9, seed=2, extra="m: 2\n")]
    output = tmp_path_factory.mktemp("pages")
    (output / "one.html").write_text(run_page(reported_run(folders[0], rounds=5), inspection))
    runs = [recorded_run(folder) for folder in folders]
    (output / "two.html").write_text(runs_page(runs, dataset_of_run))
    return SimpleNamespace(one=output / "one.html", two=output / "two.html", folder=folders[0])


@pytest.fixture
def visit(browser):
    """Opens a page; in the end, nothing may have gone wrong or been asked of a network."""
    opened, wrong = [], []

    def open_page(path, width=1400, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        page = context.new_page()
        opened.append(context)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if _leaves(request) else None)
        page.set_default_timeout(20_000)
        page.goto(path.as_uri())
        return page

    def _leaves(request):
        return not request.url.startswith(("data:", "file:", "about:"))

    yield open_page
    for context in opened:
        context.close()
    assert wrong == []


def number(page, name):
    return page.locator(f"#count-{name}").inner_text()


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn_and_nothing_sticks_out(visit, pages, width, scheme):
    for path in (pages.one, pages.two):
        page = visit(path, width, scheme)
        charts = page.locator(".chart")
        assert charts.count() >= 6
        assert page.locator(".chart canvas").count() == charts.count()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        luminance = {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 25, 30)"}[scheme]
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == luminance


def test_the_slider_changes_the_counts(visit, pages):
    page = visit(pages.one)
    slider = page.locator("#threshold")
    slider.fill("84")  # 3 found of 20 and one false, see test_run_page
    told = [number(page, name) for name in ("found", "missed", "false", "precision", "recall")]
    assert told == ["3", "17", "1", "75.0 %", "15.0 %"]
    slider.press("ArrowRight")  # 0.85: the cat of .84 is out, the wrong dog of .85 still in
    assert page.locator("output[for=threshold]").inner_text() == "0.85"
    assert [number(page, name) for name in ("found", "false")] == ["2", "1"]
    page.locator("#class").select_option("cat")
    assert [number(page, name) for name in ("found", "missed", "false")] == ["1", "9", "0"]


def test_a_class_leads_to_its_best_threshold(visit, pages):
    page = visit(pages.one)
    page.locator("#classes a", has_text="dog").click()
    assert page.locator("#class").input_value() == "1"
    # all eight dogs are found from .45 on, with both mistakes above: F1 = 16 / (10 + 10)
    assert page.locator("output[for=threshold]").inner_text() == "0.45"
    assert number(page, "f1") == "80.0 %"


def test_a_table_is_sorted_by_mouse_and_by_keyboard(visit, pages):
    page = visit(pages.one)
    names = page.locator("#classes-table tbody th")
    heading = page.locator("#classes-table thead th").first
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert names.all_inner_texts() == ["cat", "dog < 3"]
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert names.all_inner_texts() == ["dog < 3", "cat"]


def test_numbers_are_sorted_as_numbers(visit, pages):
    results = json.loads((pages.folder / "results.json").read_text())["bbox"]
    page = visit(pages.one)
    heading = page.locator("#classes-table thead th", has_text="AP")
    heading.locator("button").click()
    first = page.locator("#classes-table tbody th").first.inner_text()
    assert heading.get_attribute("aria-sort") == "descending"
    assert first == max(("cat", "dog < 3"), key=lambda name: results[f"AP-{name}"])


def test_galleries_open_and_close_by_keyboard(visit, pages):
    page = visit(pages.one)
    gallery = page.locator("#errors-Miss")
    if gallery.get_attribute("open") is None:
        gallery.locator("summary").press("Enter")
    cards = gallery.locator(".card")
    assert cards.count() == 2
    cards.first.focus()
    page.keyboard.press("Enter")
    viewer = page.locator("#viewer")
    assert viewer.is_visible()
    assert page.locator("#viewer-title").inner_text() == "missed: cat"
    assert viewer.locator("svg image").count() == 1
    boxes = viewer.locator("rect.truth").count()
    page.locator("#viewer-truth").uncheck()
    assert viewer.locator("rect.truth").count() < boxes
    page.keyboard.press("ArrowRight")
    assert "2 of 2" in page.locator("#viewer-text").inner_text()
    assert page.locator("#viewer-next").is_disabled()
    page.keyboard.press("Escape")
    assert not viewer.is_visible()
    assert page.evaluate("document.activeElement.className") == "card"


def test_a_cell_of_the_confusion_shows_its_images(visit, pages):
    page = visit(pages.one)
    page.locator('button[data-cell="0,1"]').press("Enter")
    shown = page.locator("#confusion-images")
    assert "cat taken for dog < 3: 1" in shown.locator("h3").inner_text()
    assert shown.locator(".card").count() == 1


def test_an_image_leads_to_the_matches_of_its_layers(visit, pages):
    page = visit(pages.one)
    frame = page.frame_locator("#layers-view")
    assert frame.locator("#pairs tr").count() == 1
    if page.locator("#errors-Cls[open]").count() == 0:
        page.locator("#errors-Cls summary").click()
    page.locator("#errors-Cls .card").first.click()
    page.locator("#viewer-text button").click()
    assert not page.locator("#viewer").is_visible()
    assert page.locator("#layers-image").input_value() == "0"


def test_curves_can_be_chosen(visit, pages):
    page = visit(pages.one)
    chosen = page.locator('select[data-chart="loss"]')
    names = "drawn.get('loss').chart.getOption().series.map(each => each.name)"
    assert page.evaluate(names) == ["total_loss"]
    chosen.select_option("by kind")
    assert page.evaluate(names) == ["class", "bbox"]


def test_images_of_two_runs_stand_side_by_side(visit, pages):
    page = visit(pages.two)
    card = page.locator(".pairs .card").first
    assert card.locator("svg").count() == 2
    card.click()
    assert page.locator("#viewer svg").count() == 2
    page.locator("#viewer-close").click()
    assert not page.locator("#viewer").is_visible()


def test_colours_follow_the_system(visit, pages):
    page = visit(pages.one)
    color = "drawn.get('loss').chart.getOption().color[0]"
    before = page.evaluate(color)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{color} !== '{before}'")


def test_every_control_can_be_reached_and_has_a_name(visit, pages):
    page = visit(pages.one)
    controls = page.locator("button, select, input, iframe, a, summary, dialog")
    nameless = controls.evaluate_all(
        """all => all.filter(each => !["aria-label", "aria-labelledby", "title"].some(
            name => each.getAttribute(name)) && !each.textContent.trim() && !each.closest("label"))
            .map(each => each.outerHTML)"""
    )
    assert nameless == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Summary"

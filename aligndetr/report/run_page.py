"""The page of one run."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aligndetr.analysis import jsonable
from aligndetr.data.records import Record
from aligndetr.explanation import Inspection
from aligndetr.report.album import Album
from aligndetr.report.class_sections import (
    classes_section,
    confusion_section,
    thresholds_section,
)
from aligndetr.report.config_section import config_section
from aligndetr.report.elements import Section, chart, navigation, note
from aligndetr.report.examples import confused, misaligned, worst_mistakes
from aligndetr.report.layers_section import layers_section
from aligndetr.report.quality_sections import (
    alignment_section,
    calibration_section,
    errors_section,
    recall_section,
    scatter,
)
from aligndetr.report.reported_run import Judged, ReportedRun
from aligndetr.report.series import charts
from aligndetr.report.summary import summary_section
from aligndetr.visualization.html_page import Markup, element, html_page

HERE = Path(__file__).parent
CHARTS = HERE / "echarts" / "echarts.common.min.js"
SCRIPTS = ("charts.js", "album.js", "tables.js", "run_page.js")
Inspect = Callable[[Record], Inspection]


def run_page(run: ReportedRun, inspect: Inspect | None = None, base: str | None = None) -> str:
    """One HTML file with everything in it.

    Args:
        run: what is shown; what its folder lacks is said in its notes.
        inspect: looks into the run's model while that looks at a record's image; None leaves the
            layers out.
        base: see `config_section`.
    """
    sections = [curves_section(run)]
    album: Album | None = None
    if run.judged is not None:
        album, judged = judged_sections(run.judged)
        layers = layers_section(run, run.judged.records, album, inspect) if inspect else None
        sections += [*judged, *([layers] if layers else [])]
    sections.append(config_section(run, base))
    sections = [summary_section(run), *(section for section in sections if section.body)]
    data: dict[str, Any] = {"pictures": album.content() if album else {}}
    for section in sections:
        data |= section.data
    if run.judged is not None:
        data["names"] = list(run.judged.analysis.matches.class_names)
    return page(f"Run {run.listed.name}", sections, data, SCRIPTS)


def page(title: str, sections: Sequence[Section], data: dict, scripts: Sequence[str]) -> str:
    """Sections with their links, and the scripts that draw in them."""
    written = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    body = [
        element("a", "to the content", href="#summary", class_="skip"),
        navigation(sections),
        element(
            "noscript", note("Charts, pictures and sorting need JavaScript, which is switched off.")
        ),
        element("main", *(section.markup() for section in sections)),
        Markup((HERE / "viewer.html").read_text(encoding="utf-8")),
        element("footer", note(f"Written {written}.")),
    ]
    files = [CHARTS, *(HERE / name for name in scripts)]
    script = "\n".join(file.read_text(encoding="utf-8") for file in files)
    style = (HERE / "page.css").read_text(encoding="utf-8")
    return html_page(title, *body, style=style, script=script, data=jsonable(data))


def curves_section(run: ReportedRun) -> Section:
    """What was recorded while the run trained."""
    found = charts(run.listed.metrics)
    body = [
        element(
            "div",
            element("div", element("h3", each["title"]), views_of(each), class_="bar"),
            chart(each["id"], f"{each['title']} over iterations"),
        )
        for each in found
    ]
    told = note("Drag the bar below a chart to zoom, or pinch; all charts zoom together.")
    columns = element("div", *body, class_="columns")
    return Section("curves", "Curves", [told, columns] if found else [], {"charts": found})


def views_of(each: dict[str, Any]) -> Markup:
    """A choice of the views of a chart that has several."""
    if len(each["views"]) < 2:
        return Markup("")
    options = [
        element("option", view["name"], value=str(i)) for i, view in enumerate(each["views"])
    ]
    label = f"{each['title']}: which curves"
    return element("select", *options, data_chart=each["id"], aria_label=label)


def judged_sections(judged: Judged) -> tuple[Album, list[Section]]:
    """Sections on stored predictions, and the pictures that they lead to."""
    analysis = judged.analysis
    mistakes, cells = worst_mistakes(analysis.matches), confused(analysis)
    album = Album(analysis.matches, judged.records, analysis.thresholds)
    for rank in range(max(map(len, mistakes.values()), default=0)):
        for examples in mistakes.values():
            if rank < len(examples):
                album.add(examples[rank]["image"])
    for examples in cells.values():
        for example in examples:
            album.add(example["image"])
    for place in misaligned(scatter(analysis)):
        album.add(place)
    errors, confusion = errors_section(analysis), confusion_section(analysis)
    errors = replace(errors, data={**errors.data, "mistakes": mistakes})
    return album, [
        classes_section(analysis),
        thresholds_section(analysis),
        errors,
        Section(confusion.id, confusion.title, confusion.body, {"confused": cells}),
        recall_section(analysis),
        calibration_section(analysis),
        alignment_section(analysis),
    ]

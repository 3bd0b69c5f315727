"""The page of several runs beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aligndetr.analysis.significance import holm, p_value
from aligndetr.config.difference import ABSENT, values_by_key
from aligndetr.data import DetectionDataset
from aligndetr.evaluation.comparison import (
    common_metrics,
    describe_lengths,
    paired_difference,
    spread,
)
from aligndetr.report.config_section import differing_keys, shown
from aligndetr.report.elements import Number, Section, chart, note, number, table
from aligndetr.report.methods import OWN, Group, group_runs, name_runs
from aligndetr.report.reported_run import ReportedRun
from aligndetr.report.run_page import page, views_of
from aligndetr.report.series import charts
from aligndetr.report.summary import FIGURES, TASK, stored_figures
from aligndetr.report.won_and_lost import won_and_lost
from aligndetr.visualization.html_page import Markup, element

SCRIPTS = ("charts.js", "album.js", "tables.js", "runs_page.js")


def runs_page(runs: Sequence[ReportedRun], find_dataset: Callable[[Path], DetectionDataset]) -> str:
    """One HTML file that compares runs; the first one's method is what others differ from.

    Args:
        runs: two or more, of different folders; what cannot be compared is noted in the first.
        find_dataset: what predictions are compared with, given the folder of their run.

    Raises:
        UserError: a folder is named twice.
    """
    name_runs(runs)
    groups = group_runs(runs)
    images, pictures = images_section(groups, find_dataset)
    sections = [
        curves_section(groups),
        differences_section(groups),
        classes_section(groups),
        images,
        configs_section(groups),
    ]
    sections = [runs_section(groups), *(section for section in sections if section.body)]
    data: dict[str, Any] = {"pictures": pictures}
    for section in sections:
        data |= section.data
    return page(f"{len(runs)} runs", sections, data, SCRIPTS)


def runs_section(groups: Sequence[Group]) -> Section:
    """A row a run, and what is missing."""
    rows, notes = [], []
    for group in groups:
        for run in group.runs:
            figures, listed = stored_figures(run), run.listed
            rows.append(
                [
                    listed.name,
                    group.name,
                    listed.state,
                    Number(listed.iterations, str(listed.iterations)),
                    *(number(figures.get(name)) for name in FIGURES),
                    number(listed.value("best")),
                    number(listed.value("loss"), 3),
                    Number(listed.seed, "–" if listed.seed is None else str(listed.seed)),
                ]
            )
            notes += [f"{listed.name}: {text}" for text in run.notes]
    lengths = describe_lengths([group.method() for group in groups])
    notes += [lengths[0].upper() + lengths[1:] + "."] if lengths else []
    headings = ["run", "method", "state", "iterations", *FIGURES, "best AP", "loss", "seed"]
    told = "Runs whose configs differ in nothing but the seed are one method."
    body = [
        element("ul", *(element("li", text) for text in notes), class_="notes")
        if notes
        else Markup(""),
        note(told),
        table(headings, rows, "runs", "runs-table"),
    ]
    return Section("summary", "Runs", body)


def curves_section(groups: Sequence[Group]) -> Section:
    """The same curve of all runs in one chart, one colour a method."""
    merged: dict[str, dict[str, Any]] = {}
    for place, group in enumerate(groups):
        for run in group.runs:
            for each in charts(run.listed.metrics):
                into = merged.setdefault(each["id"], each | {"views": {}})
                for view in each["views"]:
                    for curve in view["curves"]:
                        named = {"name": run.listed.name, "points": curve["points"]}
                        curves = into["views"].setdefault(curve["name"], [])
                        curves.append(named | {"method": place})
    found: list[dict[str, Any]] = [
        each | {"views": [{"name": name, "curves": c} for name, c in each["views"].items()]}
        for each in merged.values()
    ]
    body = [
        element(
            "div",
            element("div", element("h3", each["title"]), views_of(each), class_="bar"),
            chart(each["id"], f"{each['title']} of all runs over iterations"),
        )
        for each in found
    ]
    told = note("One colour a method. Drag the bar below a chart to zoom; all zoom together.")
    columns = element("div", *body, class_="columns")
    return Section("curves", "Curves", [told, columns] if found else [], {"charts": found})


def differences_section(groups: Sequence[Group]) -> Section:
    """Each method minus the first one, seed by seed."""
    first, *others = [group.method() for group in groups]
    if not others:
        return Section("differences", "Differences", [])
    metrics = common_metrics([first, *others], [TASK])
    found = [(o, name, paired_difference(first, o, name)) for o in others for name in metrics]
    found = [each for each in found if each[2].seeds]
    if not found:
        told = f"No seed is common to {first.name} and another method, so nothing can be paired."
        return Section("differences", "Differences", [note(told)])
    chances = [p_value(difference.values) for _, _, difference in found]
    rows = [
        [
            other.name,
            name,
            Number(float(difference.values.mean()), spread(difference.values)),
            Number(len(difference.seeds), str(len(difference.seeds))),
            Number(None, f"{(difference.values > 0).sum()} above"),
            *(number(chance, 3) for chance in both),
        ]
        for (other, name, difference), *both in zip(found, chances, holm(chances), strict=True)
    ]
    told = (
        f"Minus {first.name}, at equal seeds, of the last evaluation: mean and sample standard "
        "deviation. p: paired t-test, by itself and corrected for all rows (Holm)."
    )
    headings = ["method", "metric", "difference", "seeds", "of them", "p", "p of all"]
    return Section("differences", "Differences", [note(told), table(headings, rows, "differences")])


def classes_section(groups: Sequence[Group]) -> Section:
    """AP of each class by method, and how far it is from the first one's."""
    tables = [_class_precision(group) for group in groups]
    names = list(dict.fromkeys(name for each in tables for name in each))
    if not names or len(groups) < 2:
        return Section("classes", "Classes", [])
    first, rows = tables[0], []
    moves: list[dict[str, Any]] = [
        {"name": group.name, "values": [_minus(each.get(n), first.get(n)) for n in names]}
        for group, each in zip(groups[1:], tables[1:], strict=True)
    ]
    for place, name in enumerate(names):
        changes = [number(move["values"][place], 1) for move in moves]
        rows.append([name, *(number(each.get(name)) for each in tables), *changes])
    headings = ["class", *(group.name for group in groups)]
    headings += [f"{group.name} − {groups[0].name}" for group in groups[1:]]
    body = [
        note("AP in percent; of several seeds the mean."),
        element(
            "div",
            chart("movements", "difference of AP by class", tall=len(names) > 12),
            table(headings, rows, "AP by class"),
            class_="columns",
        ),
    ]
    data = {"movements": {"classes": names, "methods": moves}}
    return Section("classes", "Classes", body, data)


def _class_precision(group: Group) -> dict[str, float]:
    """Mean AP of each class over the runs that have one."""
    values: dict[str, list[float]] = {}
    for run in group.runs:
        for name, value in stored_figures(run).items():
            if name.startswith("AP-") and value is not None and value == value:
                values.setdefault(name[3:], []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else round(value - other, 2)


def images_section(
    groups: Sequence[Group], find_dataset: Callable[[Path], DetectionDataset]
) -> tuple[Section, dict[int, Any]]:
    """Images that another method does better or worse than the first one, and their pictures."""
    first, others = groups[0], groups[1:]
    base, found = first.runs[0], []
    for group in others:
        run = group.at_seed(base.listed.seed)
        folders = base.listed.folder, run.listed.folder
        told = run.tried("No images won or lost", lambda f=folders: won_and_lost(*f, find_dataset))
        if told:
            found.append((run.listed.name, told))
    if not found:
        return Section("images", "Images", []), {}
    parts, data, pictures = [], [], {}
    for place, (name, told) in enumerate(found):
        pictures |= told.pop("pictures")
        data.append(told | {"runs": [base.listed.name, name]})
        counts = f"{told['won']} better, {told['lost']} worse, {told['equal']} alike"
        parts += [
            element("h3", f"{name} beside {base.listed.name}: {counts}"),
            *(_gallery(place, key, word) for key, word in (("best", "won"), ("worst", "lost"))),
        ]
    told = (
        "By F1 of each image at IoU 0.5, with the thresholds that are best for each run. Green is "
        "what is there, blue a detection that found it, orange one that did not."
    )
    names = data[0].pop("names")
    section = Section("images", "Images", [note(told), *parts], {"pairs": data, "names": names})
    return section, pictures


def _gallery(place: int, key: str, word: str) -> Markup:
    return element(
        "details",
        element("summary", f"images {word}"),
        element("div", class_="gallery pairs", data_pair=str(place), data_side=key),
        open=True,
    )


def configs_section(groups: Sequence[Group]) -> Section:
    """Keys that methods set differently."""
    known = [group for group in groups if group.runs[0].listed.config]
    if len(known) < 2:
        return Section("config", "Configs", [note("Fewer than two runs have a config.")])
    configs = [group.runs[0].listed.config for group in known]
    values = [values_by_key(config) for config in configs]
    rows = [
        [key, *(shown(each.get(key, ABSENT)) for each in values)]
        for key in differing_keys(configs)
        if key not in OWN
    ]
    if not rows:
        return Section("config", "Configs", [note("Nothing differs but seed and folder.")])
    headings = ["key", *(group.name for group in known)]
    return Section("config", "Configs", [table(headings, rows, "keys that differ")])

"""The first section: figures, and how they came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from aligndetr.analysis.bootstrap import Interval
from aligndetr.evaluation.run_files import BEST_WEIGHTS, FINAL_WEIGHTS
from aligndetr.evaluation.runs import ListedRun
from aligndetr.report.elements import Section, facts, note
from aligndetr.report.reported_run import ReportedRun
from aligndetr.visualization.html_page import Markup, element

TASK = "bbox"
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")


def summary_section(run: ReportedRun) -> Section:
    """Figures with intervals, what is missing, and facts about the training."""
    figures = stored_figures(run)
    intervals = run.judged.analysis.intervals if run.judged else {}
    tiles = [_tile(name, figures[name], intervals.get(name)) for name in FIGURES if name in figures]
    body = [
        element("ul", *(element("li", text) for text in run.notes), class_="notes")
        if run.notes
        else Markup(""),
        element("div", *tiles, class_="tiles") if tiles else note("No figures: no evaluation yet."),
        note("COCO's figures in percent; small: where they may lie by the choice of images (95 %).")
        if tiles and intervals
        else Markup(""),
        facts(_facts(run)),
    ]
    return Section("summary", "Summary", body)


def stored_figures(run: ReportedRun) -> Mapping[str, float | None]:
    """Of `results.json`; else the last recorded ones; else those of the stored predictions."""
    if run.results.get(TASK):
        return run.results[TASK]
    prefix = f"{TASK}/"
    recorded = {
        name.removeprefix(prefix): run.listed.value(name)
        for name in run.listed.metrics
        if name.startswith(prefix)
    }
    if recorded or run.judged is None:
        return recorded
    return run.judged.analysis.metrics


def _tile(name: str, value: float | None, interval: Interval | None) -> Markup:
    shown = "–" if value is None or np.isnan(value) else f"{value:.1f}"
    parts = [element("span", name, class_="soft"), element("strong", shown, data_figure=name)]
    if interval is not None and not np.isnan(interval.low):
        parts.append(element("small", interval_text(interval)))
    return element("div", *parts, class_="tile")


def interval_text(interval: Interval) -> str:
    """Its ends; no figure is below 0, though what the draws suggest may be."""
    return f"{max(interval.low, 0):.1f} to {interval.high:.1f}"


def _facts(run: ReportedRun) -> dict[str, str | None]:
    listed, machine = run.listed, run.environment
    versions = [f"{name} {machine[name]}" for name in ("aligndetr", "torch", "python")
                if isinstance(machine.get(name), str)]  # fmt: skip
    return {
        "State": _state(listed),
        "Time": _time(listed),
        "Memory": _memory(listed),
        "Model": _model(listed, machine),
        "Data": _data(run),
        "Seed": _text(listed.seed),
        "Machine": _joined(machine, ("device", "processor", "platform")),
        "Processes": _text(machine.get("processes")),
        "Versions": ", ".join(versions),
        "Started": _text(machine.get("started")),
        "Command": _text(machine.get("command")),
    }


def _state(run: ListedRun) -> str | None:
    if not run.metrics:
        return run.state
    planned = f" of {run.planned}" if run.planned else ""
    return f"{run.state}, {run.iterations}{planned} iterations"


def _time(run: ListedRun) -> str | None:
    seconds = run.value("time")
    if not seconds:
        return None
    minutes, rest = divmod(round(seconds), 60)
    whole = f"{minutes // 60}:{minutes % 60:02}:{rest:02} of steps"
    speed = _last(run, "images_per_second")
    each = f"{seconds / run.iterations:.3g} s each"
    return f"{whole}, {each}" + (f", {speed:.3g} images/s" if speed else "")


def _memory(run: ListedRun) -> str | None:
    peaks = {
        label: float(np.nanmax(run.metrics[name][1]))
        for name, label in (("max_memory_gb", "GPU"), ("max_cpu_memory_gb", "CPU"))
        if name in run.metrics
    }
    return ", ".join(f"{label} {peak:.1f} GB" for label, peak in peaks.items())


def _model(run: ListedRun, machine: dict[str, Any]) -> str:
    parts = []
    count, trained = (machine.get(name) for name in ("parameters", "trained_parameters"))
    if isinstance(count, int) and isinstance(trained, int):
        parts.append(f"{count / 1e6:.2f} million parameters, {trained / 1e6:.2f} of them trained")
    for name in (BEST_WEIGHTS, FINAL_WEIGHTS):
        path = run.folder / name
        if path.is_file():
            parts.append(f"{name} {path.stat().st_size / 1e6:.1f} MB")
    return "; ".join(parts)


def _data(run: ReportedRun) -> str | None:
    if run.judged is None:
        names = OmegaConf.select(run.listed.config, "dataloader.test.dataset.names")
        return _text(names)
    dataset, matches = run.judged.dataset, run.judged.analysis.matches
    return (
        f"{dataset.name}: {len(dataset)} images, {len(matches.objects)} objects of "
        f"{dataset.num_classes} classes; {len(matches.found)} detections"
    )


def _last(run: ListedRun, name: str) -> float:
    """The last recorded value; 0 if there is none."""
    values = run.metrics[name][1] if name in run.metrics else np.zeros(0)
    values = values[np.isfinite(values)]
    return float(values[-1]) if len(values) else 0.0


def _joined(values: dict[str, Any], names: tuple[str, ...]) -> str:
    return ", ".join(str(values[name]) for name in names if values.get(name))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)

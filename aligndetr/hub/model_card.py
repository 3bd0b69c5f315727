"""What a published detector says to people: figures, data, licence, how to run it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr import __version__
from aligndetr.errors import DataError, some
from aligndetr.evaluation.run_files import FINAL_WEIGHTS, RESULTS_FILE
from aligndetr.interop.huggingface import library

SHOWN = ("AP", "AP50", "AP75", "APs", "APm", "APl")  # of each task
NOT_STATED = "Not stated."


@dataclass(frozen=True)
class CardFacts:
    """What no checkpoint says.

    Attributes:
        results: metrics by name, by task, of an evaluation; empty: none is known.
        license: as the hub writes it, or None.
        data: in words, or None for the names of the datasets.
        repository: `org/name` on the hub, or None.
    """

    results: Mapping[str, Mapping[str, float]]
    license: str | None = None
    data: str | None = None
    repository: str | None = None


def results_of(
    checkpoint: str | os.PathLike, path: str | os.PathLike | None
) -> dict[str, dict[str, float]]:
    """Figures of the given file, or of the run whose last weights a checkpoint holds.

    Raises:
        DataError: the file is missing, or holds no results.
    """
    beside = Path(checkpoint).with_name(RESULTS_FILE)
    if path is None:
        if Path(checkpoint).name != FINAL_WEIGHTS or not beside.is_file():
            return {}
        path = beside
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return {
            task: {name: float(metrics[name]) for name in SHOWN if name in metrics}
            for task, metrics in content.items()
            if "/" not in task and "AP" in metrics  # those with a "/" are of other weights
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} holds no results of an evaluation: {error}") from error


def model_card(model: Any, config: DictConfig, facts: CardFacts, title: str) -> str:
    """The text of README.md: a header for the hub, then sections for people.

    Args:
        model: see `load_model`.
        config: of its training.
        facts: see `CardFacts`.
        title: name of the model.
    """
    sections = {
        "": _summary(model),
        "How to run it": _usage(facts.repository or "FOLDER"),
        "Figures": _figures(facts.results),
        "Data": facts.data or _datasets(config),
        "Classes": some(model.class_names, 100) if model.class_names else NOT_STATED,
        "Thresholds": _thresholds(model),
        "Licence": facts.license or f"{NOT_STATED} Ask whoever published this before you use it.",
    }
    body = "\n\n".join(
        f"## {heading}\n\n{text}" if heading else text for heading, text in sections.items() if text
    )
    return f"---\n{_header(facts, title)}\n---\n\n# {title}\n\n{body}\n"


def _header(facts: CardFacts, title: str) -> str:
    hub = library()
    evaluated = [
        hub.EvalResult(
            task_type="object-detection",
            dataset_type="dataset",
            dataset_name=task,
            metric_type=name,
            metric_value=round(value, 2),
        )
        for task, metrics in facts.results.items()
        for name, value in metrics.items()
        if math.isfinite(value)
    ]
    options: dict[str, Any] = {"license": facts.license} if facts.license else {}
    data = hub.ModelCardData(
        library_name="aligndetr",
        pipeline_tag="object-detection",
        tags=["object-detection", "detr"],
        model_name=title,
        eval_results=evaluated or None,
        **options,
    )
    return data.to_yaml()


def _summary(model: nn.Module) -> str:
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    return (
        f"A detector of {millions:.1f} M parameters, {model.num_classes} classes, written by "
        f"aligndetr {__version__}: weights in safetensors, the config of the training as data. "
        "Nothing in these files is run when they are read."
    )


def _usage(name: str) -> str:
    return f"""```bash
pip install 'aligndetr[hub]'
```

```python
from aligndetr.hub import from_pretrained

predictor = from_pretrained("{name}")
print(predictor("image.jpg"))
```"""


def _figures(results: Mapping[str, Mapping[str, float]]) -> str:
    if not results:
        return NOT_STATED
    lines = [f"| task | {' | '.join(SHOWN)} |", f"|---|{'---:|' * len(SHOWN)}"]
    for task, metrics in results.items():
        cells = [f"{metrics[name]:.1f}" if name in metrics else "-" for name in SHOWN]
        lines.append(f"| {task} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _datasets(config: DictConfig) -> str:
    named = {}
    for split in ("train", "test"):
        dataset = OmegaConf.select(config, f"dataloader.{split}.dataset") or {}
        name = dataset.get("name") or dataset.get("names") or dataset.get("json_file")
        if isinstance(name, str):
            named[split] = f"{split}: `{Path(name).name}`"
    return "; ".join(named.values()) or NOT_STATED


def _thresholds(model: Any) -> str:
    point = model.operating_point
    if point is None:
        return "None were fitted: objects with a score of 0.5 or more count."
    names = model.class_names or range(len(point.thresholds))
    pairs = zip(names, point.thresholds, strict=True)
    text = some([f"{name} {value:.2f}" for name, value in pairs], 100)
    fitted_on = point.data.get("dataset", "unknown data")
    calibrated = " A calibrator goes along." if point.calibrator else ""
    return f"Fitted on {fitted_on}: {text}.{calibrated}"

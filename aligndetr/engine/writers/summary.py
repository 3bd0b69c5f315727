"""The present state of a training in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import timedelta

from aligndetr.criterions.loss_weights import term_and_layer

AP = "bbox/AP"
WIDTH, STAMP = 80, len("[12:34:56] ")
Recorded = Mapping[str, tuple[float, int]]


def summary(news: Recorded, done: int, max_iter: int, epoch_iters: float | None) -> str:
    """Some lines of 80 columns, the first without room for a time stamp, for a log.

    Args:
        news: (value, its iteration) by name of what was recorded since the last summary.
        done: finished iterations.
        max_iter: the end.
        epoch_iters: iterations of an epoch, or None.
    """
    values = {name: value for name, (value, _) in news.items()}
    parts = [f"iter {done}/{max_iter}"]
    if epoch_iters:
        parts.append(f"epoch {done / epoch_iters:.2f}")
    parts += [
        time_left(values),
        average_precision(news, done),
        losses(values),
        *speed_and_memory(values),
    ]
    return "\n".join(laid_out((part for part in parts if part), WIDTH - STAMP))


def time_left(values: Mapping[str, float]) -> str:
    """Hours, minutes and seconds, and evaluations whose length is not known yet; "" at the end."""
    if not values.get("eta_seconds"):
        return ""
    evaluations = 0 if "eval_seconds" in values else int(values.get("evaluations_left", 0))
    some = f" + {evaluations} evaluation{'s' * (evaluations > 1)}" if evaluations else ""
    return f"{timedelta(seconds=round(values['eta_seconds']))}{some} left"


def average_precision(recorded: Recorded, done: int) -> str:
    """AP, with its iteration unless it is of the last one."""
    if AP not in recorded:
        return ""
    value, iteration = recorded[AP]
    return f"AP {value:.1f}" + (f" (iter {iteration + 1})" if iteration + 1 != done else "")


def losses(values: Mapping[str, float]) -> str:
    """The total, and its terms, each summed over all layers, so that they add up to it."""
    total = values.get("total_loss", math.nan)
    terms: dict[str, float] = {}
    for name, value in values.items():
        if name.startswith("loss_"):
            term, _ = term_and_layer(name)
            terms[term] = terms.get(term, 0.0) + value
    digits = max(0, 3 - math.floor(math.log10(total))) if 0 < total < math.inf else 3
    other = total - sum(terms.values())
    if terms and abs(other) > 0.001 * abs(total):
        terms["other"] = other
    parts = " + ".join(f"{term} {value:.{digits}f}" for term, value in terms.items())
    return f"loss {total:.{digits}f}" + (f" = {parts}" if parts else "")


def speed_and_memory(values: Mapping[str, float]) -> list[str]:
    """Validation loss, norm of the gradient, learning rate, speed and memory, as far as known."""
    names = ("validation_loss", "grad_norm", "lr")
    parts = [f"{name} {values[name]:.3g}" for name in names if name in values]
    if values.get("time"):
        waiting = values.get("data_time", 0.0) / values["time"]
        parts.append(f"{values['time']:.3g} s/iter ({100 * waiting:.0f} % of it for data)")
    if "images_per_second" in values:
        parts.append(f"{values['images_per_second']:.3g} images/s")
    for name, label in (("max_memory_gb", "GPU"), ("max_cpu_memory_gb", "CPU")):
        if name in values:
            parts.append(f"{label} {values[name]:.1f} GB")
    return parts


def laid_out(parts: Iterable[str], first: int = WIDTH) -> list[str]:
    """Parts side by side as far as they fit; none is broken, even if it is too long by itself.

    Args:
        parts: texts.
        first: columns of the first line.
    """
    lines = [""]
    for part in parts:
        room = first if len(lines) == 1 else WIDTH
        line = f"{lines[-1]}  {part}" if lines[-1] else part
        if len(line) <= room or not lines[-1]:
            lines[-1] = line
        else:
            lines.append(f"  {part}")
    return lines

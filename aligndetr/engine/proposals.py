"""Ways to train in a given memory: batch, accumulation, precision, activation checkpointing.

Trials at growing sizes say what a way takes. Memory is a line over the pixels of a micro-batch:
weights, optimizer and libraries, and what each pixel's activations add.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aligndetr.engine.trial import MOST_PARTS, NUM_BATCHES, Trial

MARGIN = 0.9  # of the memory, that a proposal may fill: predictions are 10 % wrong at most
ABOUT_AS_FAST = 0.95
LONGEST_TRIAL = 60.0  # seconds; beyond it is predicted
Try = Callable[[Sequence[str], int, int], Trial | None]
"""(overrides, images of a micro-batch, micro-batches of a step) to what it took."""


@dataclass(frozen=True)
class Setting:
    """What is changed in the config, apart from how its batch is divided.

    Attributes:
        name: for people.
        overrides: to type.
    """

    name: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A way to train, and what it takes.

    Attributes:
        setting: precision and recomputation.
        batch_size: images of a micro-batch.
        parts: micro-batches of a step.
        peak: bytes, the most that the training has at once.
        step_seconds: of a step.
        is_measured: whether this micro-batch was tried; else it follows from smaller ones.
        fits: whether the memory suffices, with a margin.
    """

    setting: Setting
    batch_size: int
    parts: int
    peak: int
    step_seconds: float
    is_measured: bool
    fits: bool

    def overrides(self, parts_before: int) -> list[str]:
        """What to type where the config has so many parts."""
        divided = [f"train.accumulation_steps={self.parts}"] * (self.parts != parts_before)
        return [*divided, *self.setting.overrides]


def settings(
    recomputable: Sequence[str], dtype: str | None, recomputed: Sequence[str]
) -> list[Setting]:
    """The config as it is, and what it does not do yet of bfloat16 and activation checkpointing.

    Args:
        recomputable: parts of the model that can be computed twice.
        dtype: of the config's autocast; None: none.
        recomputed: parts that the config already computes twice.
    """
    found = [Setting("as configured")]
    if dtype is None:
        amp = ("train.amp.enabled=true", "train.amp.dtype=bfloat16")
        found.append(Setting("bfloat16", amp))
    if not set(recomputable) <= set(recomputed):
        parts = f"train.activation_checkpointing=[{','.join(recomputable)}]"
        more = [Setting("checkpointing", (parts,))]
        more += [Setting(f"{s.name}, checkpointing", (*s.overrides, parts)) for s in found[1:]]
        found += more
    return found


def predict(trials: Sequence[Trial], batch_size: int) -> Trial:
    """What another size of the micro-batch takes: the line through the two largest trials.

    Time is proportional to the images, beyond the largest trial.

    Args:
        trials: of one setting, at least one.
        batch_size: images of the micro-batch.
    """
    *smaller, last = sorted(trials, key=lambda trial: trial.batch_size)
    found = next((trial for trial in trials if trial.batch_size == batch_size), None)
    if found is not None:
        return found
    pixels = round(last.pixels * batch_size / last.batch_size)
    per_pixel = last.peak / last.pixels
    if smaller:
        first = smaller[-1]
        per_pixel = max(0.0, (last.peak - first.peak) / (last.pixels - first.pixels))
    peak = round(last.peak + per_pixel * (pixels - last.pixels))
    return Trial(batch_size, pixels, peak, last.seconds * batch_size / last.batch_size)


def propose(
    setting: Setting, total: int, wanted: int, memory: int, free: int, attempt: Try
) -> list[Proposal]:
    """Try a setting at growing sizes, up to the largest micro-batch that fits.

    Args:
        setting: what to try.
        total: images of a step.
        wanted: images of the config's own micro-batch.
        memory: bytes that the training may take.
        free: bytes that a trial may take here.
        attempt: computes a trial.

    Returns:
        The config's own micro-batch, and the largest one that fits if that is another; none if not
        even one image can be tried.
    """
    sizes = [size for size in range(1, total + 1) if total % size == 0]
    trials: list[Trial] = []
    for size in sizes[:2]:
        _add(trials, attempt(setting.overrides, size, total // size))
    if not trials:
        return []
    while True:
        largest = _largest_that_fits(trials, sizes, MARGIN * memory)
        tried = {trial.batch_size for trial in trials}
        if largest in tried or not _can_be_tried(predict(trials, largest), free):
            break
        if not _add(trials, attempt(setting.overrides, largest, total // largest)):
            break
    if wanted not in tried and _can_be_tried(predict(trials, wanted), free):
        _add(trials, attempt(setting.overrides, wanted, total // wanted))
    return [
        _proposal(setting, trials, size, total, memory)
        for size in dict.fromkeys((wanted, _largest_that_fits(trials, sizes, MARGIN * memory)))
    ]


def best(proposals: Sequence[Proposal]) -> Proposal | None:
    """The fastest that fits; of those about as fast, what comes first. None if none fits."""
    fitting = [proposal for proposal in proposals if proposal.fits]
    if not fitting:
        return None
    fastest = min(proposal.step_seconds for proposal in fitting)
    return next(p for p in fitting if p.step_seconds * ABOUT_AS_FAST <= fastest)


def _can_be_tried(expected: Trial, free: int) -> bool:
    seconds = expected.seconds * NUM_BATCHES * MOST_PARTS
    return expected.peak <= MARGIN * free and seconds <= LONGEST_TRIAL


def _add(trials: list[Trial], trial: Trial | None) -> bool:
    if trial is not None:
        trials.append(trial)
    return trial is not None


def _largest_that_fits(trials: Sequence[Trial], sizes: Sequence[int], limit: float) -> int:
    """The smallest size if none does."""
    fitting = [size for size in sizes if predict(trials, size).peak <= limit]
    return max(fitting, default=sizes[0])


def _proposal(
    setting: Setting, trials: Sequence[Trial], size: int, total: int, memory: int
) -> Proposal:
    taken = predict(trials, size)
    return Proposal(
        setting,
        size,
        total // size,
        taken.peak,
        taken.seconds * (total // size),
        any(trial.batch_size == size for trial in trials),
        taken.peak <= MARGIN * memory,
    )

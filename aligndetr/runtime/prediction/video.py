"""The frames of a video file or a camera, by PyAV."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import DataError, UserError
from ..packages import DISTRIBUTION
from .affordable import usual_pixels
from .picture import Frame, Picture

VIDEO_SUFFIXES = {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv"}
CAMERA = "camera:"

_CAMERAS = {"linux": ("/dev/video{}", "v4l2"), "darwin": ("{}", "avfoundation")}
_COMPLETE = 0.95  # of the frames that a video says it has: some are never shown
_TICKS_A_SECOND = 1_000_000  # of a container's duration
_USUAL_RATE = Fraction(25)  # pictures a second, where a video does not say


def check_pyav(name: str) -> ModuleType:
    """PyAV.

    Raises:
        UserError: it is not installed; `name` is what needs it.
    """
    try:
        import av
    except ImportError:
        raise UserError(
            f"{name}: videos need PyAV, which is not installed; pip install '{DISTRIBUTION}[video]'"
        ) from None
    return av


def video_pictures(
    path: str | os.PathLike, name: str, target: Path, stride: int = 1
) -> Iterator[Picture]:
    """Each `stride`-th frame, upright, decoded as it is asked for.

    Args:
        path: a video file, or `camera:0`, which has no end.
        name: what to call it.
        target: see `Frame`.
        stride: 1 takes all frames.

    Raises:
        DataError: it cannot be opened, has frames that are too large, or breaks off; frames that
            came before the break have been yielded.
    """
    with _opened(path, name) as container, _reported(name):
        stream = _video_stream(container, name)
        rate = Fraction(stream.average_rate or _USUAL_RATE) / stride
        count, expected = 0, _expected_frames(container, stream)
        for frame in container.decode(stream):
            if count % stride == 0:
                where = Frame(name, target, count, _seconds(frame, count, rate * stride), rate)
                yield _picture(_upright(frame), where)
            count += 1
        if count < _COMPLETE * expected:
            raise DataError(f"video {name} breaks off: {count} of {expected} frames are there")
        if not count:
            raise DataError(f"video {name} has no frames")


@contextmanager
def _opened(path: str | os.PathLike, name: str) -> Generator[Any]:
    with _reported(name):
        av, (file, kind) = check_pyav(name), _place(str(path))
        container = av.open(file, format=kind)
    with container:
        yield container


def _place(path: str) -> tuple[str, str | None]:
    """What PyAV opens, and the format that it has to be told."""
    number = path.removeprefix(CAMERA)
    if number == path:
        return path, None
    if not number.isdigit() or sys.platform not in _CAMERAS:
        known = " and ".join(_CAMERAS)
        raise DataError(f"{path}: cameras are numbered, as in {CAMERA}0, and known on {known}")
    device, kind = _CAMERAS[sys.platform]
    return device.format(number), kind


@contextmanager
def _reported(name: str) -> Generator[None]:
    """Errors of PyAV, which are OSErrors or ValueErrors, as sentences."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read video {name}: {reason}") from error


def _video_stream(container: Any, name: str) -> Any:
    if not container.streams.video:
        raise DataError(f"{name} holds no video")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    if stream.width * stream.height > usual_pixels():
        raise DataError(f"video {name} is {stream.width}x{stream.height}, which is too large")
    return stream


def _expected_frames(container: Any, stream: Any) -> int:
    """How many frames there should be; 0 where nothing says it."""
    if stream.frames or len(container.streams) > 1 or not container.duration:
        return stream.frames  # sound may go on for longer than the pictures
    seconds = Fraction(container.duration, _TICKS_A_SECOND)
    return round(seconds * Fraction(stream.average_rate or 0))


def _seconds(frame: Any, count: int, rate: Fraction) -> float:
    return float(count / rate) if frame.time is None else float(frame.time)


def _upright(frame: Any) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as the camera says it was held."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _picture(pixels: np.ndarray, frame: Frame) -> Picture:
    target = frame.target.with_name(f"{frame.target.name}_{frame.index:06d}.png")
    return Picture(f"{frame.video}#{frame.index}", target, lambda: pixels, frame)

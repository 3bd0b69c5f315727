"""Pictures with boxes; of videos, videos with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from ...drawing.picture_file import save_picture
from ...files import writing
from ..result import Prediction
from ..video import check_pyav
from .growing_file import GrowingFile

CODECS = ("libx264", "mpeg4")  # the first one that PyAV was built with


class Drawings:
    """Every picture under its own name; every video as one .mp4.

    Args:
        folder: gets them.
        class_names: names by class index.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.path = folder
        self._video: AnnotatedVideo | None = None

    def add(self, prediction: Prediction) -> None:
        """Draw one picture, or one frame."""
        frame, drawn = prediction.picture.frame, prediction.plot()
        path = self.path / (prediction.picture.target if frame is None else f"{frame.target}.mp4")
        if self._video is not None and self._video.path != path:
            self.close()
        if frame is None:
            save_picture(drawn, path)
            return
        if self._video is None:
            self._video = AnnotatedVideo(path, frame.rate, drawn.size)
        self._video.add(drawn)

    def close(self) -> None:
        """Finish the video that is being written, if there is one."""
        if self._video is not None:
            video, self._video = self._video, None
            video.close()


class AnnotatedVideo:
    """A video that appears when it is closed, as long as it became.

    Args:
        path: an .mp4 file.
        rate: frames a second.
        size: (width, height) of the frames; odd ones lose a row or column, as the codec wants.

    Raises:
        UserError: (while writing) the file cannot be written.
    """

    def __init__(self, path: Path, rate: Fraction, size: tuple[int, int]) -> None:
        self.path = path
        self._av = check_pyav(str(path))
        width, height = (max(side - side % 2, 2) for side in size)
        self._size = (width, height)
        self._file = GrowingFile(path, "wb")
        self._container = self._av.open(self._file.file, "w", format="mp4")
        codec = next(name for name in CODECS if name in self._av.codecs_available)
        self._stream = self._container.add_stream(codec, rate=rate.limit_denominator(10_000))
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"

    def add(self, picture: Image.Image) -> None:
        """Append a frame; one of another size is resized."""
        width, height = self._size
        if (picture.width - picture.width % 2, picture.height - picture.height % 2) != self._size:
            picture = picture.resize(self._size)
        pixels = np.asarray(picture)[:height, :width]
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        with writing(self.path):
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the codec still holds."""
        with writing(self.path):
            self._container.mux(self._stream.encode())
            self._container.close()
        self._file.close()

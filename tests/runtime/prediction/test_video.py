"""Frames of videos, whole and broken, and videos with boxes."""

import struct
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from aligndetr.errors import DataError, UserError
from aligndetr.runtime.prediction.pipeline import Pipeline
from aligndetr.runtime.prediction.sources import Sources
from aligndetr.runtime.prediction.video import video_pictures
from aligndetr.runtime.prediction.writers.drawings import Drawings
from tests.runtime.prediction.toy import see

av = pytest.importorskip("av")

RATE, FRAMES = 20, 40


@pytest.fixture
def clip(tmp_path):
    """A video whose frame n is grey of value 5 n + 20; noise in a corner makes it large."""

    def write(name="clip.mp4", cut=1.0, size=(96, 128), **options):
        path = tmp_path / name
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("mpeg4", rate=RATE)
            stream.height, stream.width = size
            stream.bit_rate = 2_000_000
            for number in range(FRAMES):
                pixels = np.full((*size, 3), 5 * number + 20, np.uint8)
                noise = np.random.default_rng(number).integers(0, 256, (48, 64, 3))
                pixels[:48, :64] = noise
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        whole = path.read_bytes()
        path.write_bytes(whole[: round(len(whole) * cut)])
        return path

    return write


def values(pictures):
    return [round((int(np.median(picture.read()[60:, 80:])) - 20) / 5) for picture in pictures]


def test_frames_have_their_numbers_and_times(clip):
    pictures = list(video_pictures(clip(), "a.mp4", Path("in/a"), stride=7))
    assert values(pictures) == list(range(0, FRAMES, 7))
    frame = pictures[2].frame
    assert (frame.index, frame.seconds, frame.rate) == (
        14,
        pytest.approx(14 / RATE),
        Fraction(20, 7),
    )
    assert (pictures[2].name, pictures[2].target) == ("a.mp4#14", Path("in/a_000014.png"))


def test_a_video_of_a_turned_camera_is_turned_back(tmp_path):
    """As a telephone writes it: a quarter turn clockwise in the track's matrix (a b u c d v)."""
    path = tmp_path / "turned.mp4"
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48] = 255  # the left half is white
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = 64, 96
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    straight, turned = (
        struct.pack(">6i", *matrix)
        for matrix in ((1 << 16, 0, 0, 0, 1 << 16, 0), (0, 1 << 16, 0, -1 << 16, 0, 0))
    )
    content = path.read_bytes()
    start = content.index(straight, content.index(b"tkhd"))
    path.write_bytes(content[:start] + turned + content[start + len(turned) :])
    [picture] = video_pictures(path, "a", Path("a"))
    upright = picture.read()
    assert upright.shape == (96, 64, 3)
    assert upright[:44].min() > 200  # left has become top
    assert upright[52:].max() < 50


def test_frames_are_decoded_one_by_one(clip):
    """The first frame is there before the last one has been looked at."""
    path = clip(cut=0.6, movflags="faststart")
    assert values([next(video_pictures(path, "a", Path("a")))]) == [0]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.mkv"])
def test_what_came_before_a_break_is_kept(clip, name):
    options = {"movflags": "faststart"} if name == "clip.mp4" else {}
    path = clip(name, cut=0.6, **options)
    failed = []
    pipeline = Pipeline(see, lambda found: found, batch_size=3)
    sources = Sources([path, np.zeros((3, 4, 3), np.uint8)])
    found = list(pipeline(sources, lambda source, error: failed.append(str(error))))
    assert FRAMES * 0.4 < len(found) - 1 < FRAMES * 0.7
    assert found[-1].picture.name == "image"  # the rest goes on
    assert [str(path) in message for message in failed] == [True]
    assert "frames are there" in failed[0] or "cannot read" in failed[0]


def test_what_is_no_video(clip, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("text.mp4", clip("head.mp4", cut=0.5).name):  # its index was at the end
        with pytest.raises(DataError, match=f"cannot read video .*{name}"):
            list(video_pictures(tmp_path / name, str(tmp_path / name), Path("a")))
    with pytest.raises(DataError, match=r"cannot read video camera:\d+: "):
        next(next(iter(Sources(987))).pictures())
    with pytest.raises(DataError, match="cameras are numbered"):
        next(next(iter(Sources("camera:front"))).pictures())


def test_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(UserError, match=r"pip install 'aligndetr\[video\]'"):
        list(Sources(tmp_path / "clip.mp4"))


def test_boxes_are_drawn_into_a_video_of_the_same_pace(clip, tmp_path):
    """Of an odd size; after a break of the caller it is as long as it became."""
    clip(size=(481, 643)), (tmp_path / "out").mkdir()
    drawings = Drawings(tmp_path / "out", ["thing"])
    pipeline = Pipeline(see, lambda found: found)
    for each in pipeline(Sources(tmp_path / "clip.mp4", stride=2)):
        drawings.add(each)
        if each.picture.frame.index == 20:
            break
    assert list((tmp_path / "out").glob("*.mp4")) == []
    drawings.close()
    pictures = list(video_pictures(tmp_path / "out" / "clip.mp4", "out", Path("out")))
    assert [picture.frame.seconds for picture in pictures] == pytest.approx(
        [number / 10 for number in range(11)]
    )
    pixels = pictures[5].read()
    assert pixels.shape == (480, 642, 3)
    inside, edge = pixels[240, 320].astype(int), pixels[240, 1].astype(int)
    assert np.abs(inside - (5 * 10 + 20)).max() < 12  # frame 10 of the clip
    assert edge[0] - edge[1] > 80  # the box is red

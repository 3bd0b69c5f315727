"""What can be given, and how it is called."""

import io

import numpy as np
import pytest
from PIL import Image

from aligndetr.errors import DataError, PixelsError, UserError
from aligndetr.runtime.prediction import affordable
from aligndetr.runtime.prediction.picture import upright_rgb
from aligndetr.runtime.prediction.sources import Sources, is_one_image, is_source


@pytest.fixture
def folder(tmp_path):
    for name in ("x/a.jpg", "x/a.bmp", "x/a.png", "x/sub/a.JPG", "x/.hidden/a.png", "x/clip.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def targets(sources, root):
    pictures = [picture for source in sources for picture in source.pictures()]
    return [
        (picture.name.removeprefix(f"{root}/"), picture.target.as_posix()) for picture in pictures
    ]


def test_folders_patterns_and_files(folder):
    sources = Sources([folder / "x", str(folder / "x" / "**" / "*.[jJ]*")])
    assert targets(sources, folder) == [
        ("x/a.bmp", "a.png"),
        ("x/a.jpg", "a.jpg"),
        ("x/a.png", "a_2.png"),
        ("x/sub/a.JPG", "sub/a.JPG"),
        ("x/a.jpg", "a_2.jpg"),
        ("x/sub/a.JPG", "sub/a_2.JPG"),
    ]
    assert [path.name for path in sources.skipped] == ["clip.mp4"]


def test_a_pattern_in_the_name_of_a_file_is_its_name(tmp_path):
    (tmp_path / "a[1].png").touch()
    assert targets(Sources(tmp_path / "a[1].png"), tmp_path) == [("a[1].png", "a[1].png")]


def test_arrays():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    colour = np.stack([grey, grey + 10, grey + 20, grey + 30], axis=2)
    assert upright_rgb(grey).tolist() == upright_rgb(grey[:, :, None]).tolist()
    assert upright_rgb(grey)[1, 2].tolist() == [5, 5, 5]
    assert upright_rgb(colour)[1, 2].tolist() == [5, 15, 25]  # alpha is ignored
    for wrong in (colour[:, :, :2], colour / 255, np.zeros((3, 8, 8), np.uint8), np.zeros(5)):
        with pytest.raises(PixelsError, match="got"):
            upright_rgb(wrong)


def test_a_batch_is_as_many_images():
    batch = np.zeros((3, 2, 5, 3), np.uint8)
    assert len(list(Sources(batch))) == 3
    assert not is_one_image(batch)
    assert is_one_image(batch[0])
    assert is_one_image(batch[0, :, :, 0])


def test_what_is_one_image(folder):
    assert is_one_image(folder / "x" / "a.jpg")
    assert is_one_image("https://somewhere/a.jpg?size=3")
    assert is_one_image(Image.new("L", (3, 4)))
    for many in (folder, "x/*.jpg", "clip.MP4", "camera:0", ["a.jpg"], iter(()), 0):
        assert not is_one_image(many), many


def test_words_of_a_command_that_are_inputs():
    for word in ("https://a/b", "photos/*.jpg", "camera:1", "gone.jpg", "gone.webm"):
        assert is_source(word), word
    for word in ("aligndetr_tiny", "configs/mine.py", "train.device=cpu"):
        assert not is_source(word), word


def test_what_is_missing(tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        list(Sources(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no file fits"):
        list(Sources(str(tmp_path / "*.jpg")))
    with pytest.raises(UserError, match="stride of 0"):
        Sources([], stride=0)


def test_urls_are_fetched_when_they_are_read(tmp_path):
    Image.new("RGB", (7, 5), (1, 2, 3)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("<html>")
    asked = []

    def fetch(url):
        asked.append(url)
        if "gone" in url:
            raise UserError(f"cannot fetch {url}: 404")
        return tmp_path / url.rpartition("/")[2]

    urls = [f"https://there/{name}.png" for name in ("a", "b", "gone")]
    pictures = [next(source.pictures()) for source in Sources(urls, fetch=fetch)]
    assert asked == []
    assert pictures[0].read().shape == (5, 7, 3)
    assert (pictures[0].name, str(pictures[0].target)) == (urls[0], "a.png")
    with pytest.raises(DataError, match=r"https://there/b.png: cannot read"):
        pictures[1].read()
    with pytest.raises(DataError, match="404"):
        pictures[2].read()
    with pytest.raises(UserError, match="local file"):
        list(Sources(urls))


def test_an_image_larger_than_memory_is_refused_by_its_header(tmp_path, monkeypatch):
    file = io.BytesIO()
    Image.new("1", (900, 1000)).save(file, "PNG")
    (tmp_path / "a.png").write_bytes(file.getvalue())
    monkeypatch.setattr(affordable, "available_memory", lambda: 16 * 800_000)  # bytes a pixel
    with pytest.raises(DataError, match=r"900x1000 are above 800000 pixels"):
        upright_rgb(tmp_path / "a.png")
    monkeypatch.setattr(affordable, "available_memory", lambda: 16 * 900_000)
    assert upright_rgb(tmp_path / "a.png").shape == (1000, 900, 3)


def test_more_pixels_than_usual_where_that_is_asked_for(tmp_path, monkeypatch):
    """As with tiles: Pillow's own limit does not count, and is back afterwards."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    assert upright_rgb(tmp_path / "a.png", most_pixels=20).shape == (4, 5, 3)
    assert Image.MAX_IMAGE_PIXELS == 10
    with pytest.raises(DataError, match="above 10 pixels"):
        upright_rgb(tmp_path / "a.png")

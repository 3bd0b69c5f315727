import os
import time

import numpy as np
import pytest
from PIL import Image

from aligndetr.data.images import SizeMismatchError, check_header, read_image, to_array
from aligndetr.errors import DataError

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
# Two rows of three pixels.
PIXELS = np.array([[RED, GREEN, BLUE], [GREY, GREY, RED]], dtype=np.uint8)


@pytest.fixture
def saved(tmp_path):
    def save(image, name="image.png", **options):
        path = tmp_path / name
        image.save(path, **options)
        return path

    return save


def test_rgb_and_bgr(saved):
    path = saved(Image.fromarray(PIXELS))
    np.testing.assert_array_equal(read_image(path), PIXELS)
    np.testing.assert_array_equal(read_image(path, image_format="BGR"), PIXELS[:, :, ::-1])
    with pytest.raises(DataError, match="image_format must be RGB or BGR"):
        read_image(path, image_format="HSV")


def test_grey_becomes_three_equal_channels(saved):
    grey = np.array([[0, 100, 255]], dtype=np.uint8)
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(read_image(saved(Image.fromarray(grey))), expected)
    one_bit = Image.fromarray(grey > 50)
    np.testing.assert_array_equal(read_image(saved(one_bit))[0, :, 0], [0, 255, 255])


def test_16_bit_is_scaled_not_cut(saved):
    # 65535 -> 255, 257 * 100 -> 100, 128 -> 128 / 257 = 0.498 -> 0, 129 -> 0.502 -> 1.
    values = np.array([[0, 128, 129, 25700, 65535]], dtype=np.uint16)
    array = read_image(saved(Image.fromarray(values)))
    np.testing.assert_array_equal(array[0], [[v] * 3 for v in (0, 0, 1, 100, 255)])


def test_pixels_of_unknown_range_are_refused(saved):
    path = saved(Image.fromarray(np.array([[1.5, 70000.0]], dtype=np.float32)), "image.tiff")
    with pytest.raises(DataError, match=r"image\.tiff: floating point"):
        read_image(path)
    path = saved(Image.fromarray(np.array([[1, 70000]], dtype=np.int32)), "image.tiff")
    with pytest.raises(DataError, match="32-bit pixels have no known range"):
        read_image(path)


def test_alpha_is_ignored(saved):
    alpha = np.full((2, 3, 1), 40, dtype=np.uint8)
    rgba = np.concatenate([PIXELS, alpha], axis=2)
    np.testing.assert_array_equal(read_image(saved(Image.fromarray(rgba))), PIXELS)


def test_palette_with_and_without_transparency(saved):
    palette = Image.fromarray(PIXELS).quantize(4)
    np.testing.assert_array_equal(read_image(saved(palette)), PIXELS)
    path = saved(palette, transparency=bytes([0, 128, 255, 255]))
    np.testing.assert_array_equal(read_image(path), PIXELS)


def test_cmyk(saved):
    path = saved(Image.fromarray(PIXELS).convert("CMYK"), "image.tiff")
    np.testing.assert_array_equal(read_image(path), PIXELS)


def rotated_file(saved, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(Image.fromarray(PIXELS), exif=exif)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (2, PIXELS[:, ::-1]),  # mirrored
        (3, PIXELS[::-1, ::-1]),  # upside down
        (6, np.rot90(PIXELS, -1)),  # to be turned clockwise
        (8, np.rot90(PIXELS, 1)),
    ],
)
def test_exif_orientation_is_applied(saved, orientation, upright):
    path = rotated_file(saved, orientation)
    np.testing.assert_array_equal(read_image(path), upright)
    np.testing.assert_array_equal(read_image(path, size=upright.shape[:2]), upright)


def test_exif_is_ignored_where_the_annotation_ignored_it(saved):
    path = rotated_file(saved, 6)
    np.testing.assert_array_equal(read_image(path, size=(2, 3)), PIXELS)


def test_another_size_than_annotated(saved):
    path = saved(Image.fromarray(PIXELS))
    with pytest.raises(SizeMismatchError, match=r"is 3x2 but its annotation says 3x4"):
        read_image(path, size=(4, 3))


def test_missing_truncated_and_foreign_files_are_named(saved, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    for name in ("cut.png", "cut.jpg"):
        path = saved(Image.fromarray(noise), name)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match=f"cannot read image .*{name}"):
            read_image(path)
    text = tmp_path / "text.png"
    text.write_text("not an image")
    with pytest.raises(DataError, match=r"cannot read image .*text\.png"):
        read_image(text)
    with pytest.raises(DataError, match=r"gone\.png does not exist; check image_root"):
        read_image(tmp_path / "gone.png")


def test_broken_png_header_is_an_error_of_the_data(saved):
    path = saved(Image.fromarray(PIXELS))
    content = bytearray(path.read_bytes())
    content[20] ^= 0xFF  # the width, whose checksum then fails
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="cannot read image"):
        read_image(path)


@pytest.mark.parametrize("read", [read_image, check_header])
def test_sizes_are_compared_before_pixels_are_decoded(saved, read):
    path = saved(Image.fromarray(PIXELS))
    path.write_bytes(path.read_bytes()[:44])  # the header, and nothing of the pixels
    with pytest.raises(SizeMismatchError, match="is 3x2 but its annotation says 4x2"):
        read(path, (2, 4))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit, message", [(5, "3x2 are above 5 pixels"), (2, "exceeds limit")])
def test_an_image_above_the_limit_is_not_decoded(saved, monkeypatch, limit, message):
    path = saved(Image.fromarray(PIXELS))
    path.write_bytes(path.read_bytes()[:44])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(DataError, match=rf"cannot read image .*image\.png: .*{message}"):
        read_image(path, (2, 3))


def test_an_enormous_image_is_refused_within_a_second(saved):
    path = saved(Image.new("1", (13_000, 13_000)))
    before = time.process_time()
    with pytest.raises(DataError, match=r"cannot read image .*image\.png: .*pixels"):
        read_image(path, (13_000, 13_000))
    assert time.process_time() - before < 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "webp", "tiff", "ppm", "mpo"])
def test_formats_that_are_read(saved, suffix):
    assert read_image(saved(Image.new("RGB", (3, 2)), f"image.{suffix}")).shape == (2, 3, 3)


@pytest.mark.parametrize("suffix", ["eps", "pcx", "tga", "ico"])
def test_other_formats_are_refused_whatever_their_name(saved, suffix):
    path = saved(Image.new("RGB", (16, 16)), f"image.{suffix}")
    path = path.rename(path.with_suffix(".png"))
    with pytest.raises(DataError, match=r"image\.png: damaged, or none of JPEG, PNG"):
        read_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("read", [read_image, check_header])
def test_a_pipe_or_a_folder_is_refused_and_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", tmp_path):
        with pytest.raises(DataError, match=r"cannot read image .*: not a regular file"):
            read(path, (2, 3))


@pytest.mark.parametrize("name", ["a\0b.png", "x" * 300 + ".png"])
def test_names_that_no_file_can_have(tmp_path, name):
    with pytest.raises(DataError, match="cannot read image"):
        read_image(tmp_path / name)


def test_arrays_can_be_written_to():
    array = to_array(Image.fromarray(PIXELS))
    array[0, 0] = 7
    assert (array[0, 0] == 7).all()

"""Spoilt image files, and files that are no images, for the doctor and for predictions."""

import io
import json
import os

from PIL import Image

from tests.faults.inputs import spoil_bytes, spoilt
from tests.faults.oracle import MARKER

KINDS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")


def cases(bench, rng):
    """Odd ones first."""
    whole = {kind: _encoded(kind) for kind in KINDS}
    files = [(name, lambda path, write=write: write(path)) for name, write in ODD.items()]
    while True:
        for name, write in files:
            yield spoilt(f"doctor: {name}", _doctor(write), ["0.png"])
            yield spoilt(f"predict: {name}", _predict(write), ["0.png"])
        spoils = [(kind, *spoil_bytes(rng, whole[kind])) for kind in KINDS]
        files = [
            (f"{kind} {how}", lambda path, content=content: path.write_bytes(content))
            for kind, how, content in spoils
        ]


def _encoded(kind):
    pixels = Image.effect_noise((64, 48), 50).convert("RGB")
    file = io.BytesIO()
    pixels.save(file, format=kind)
    return file.getvalue()


def _doctor(write_image):
    def write(bench, folder):
        content = json.loads((bench.data / "boxes.json").read_text())
        content["images"], content["annotations"] = content["images"][:1], []
        (folder / "one.json").write_text(json.dumps(content))
        (folder / "images").mkdir()
        write_image(folder / "images" / "0.png")
        return ["doctor", "--json-file", folder / "one.json", "--image-root", folder / "images"]

    return write


def _predict(write_image):
    def write(bench, folder):
        write_image(folder / "0.png")
        weights = bench.whole / "model_final.pth"
        return ["predict", *bench.config(), "--checkpoint", weights, folder / "0.png"]

    return write


def _save(size, **options):
    return lambda path: Image.new("1", size).save(path, **options)


ODD = {
    "a program for Ghostscript": lambda path: path.write_text(
        f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n({MARKER}) (w) file closefile\n"
    ),
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "nothing": lambda path: path.write_bytes(b""),
    "a link to itself": lambda path: path.symlink_to(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "far more pixels than said": _save((13000, 13000), format="PNG"),
    "too many pixels": _save((30000, 30000), format="PNG"),
    "one pixel": _save((1, 1), format="PNG"),
    "long and thin": _save((60000, 1), format="PNG"),
    "text": lambda path: path.write_text("not an image\n" * 99),
    "a page of SVG": lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "another format than its name": _save((64, 48), format="GIF"),
}

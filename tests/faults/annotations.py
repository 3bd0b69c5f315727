"""Spoilt annotation files: for the doctor, and for a training."""

import json

import numpy as np

from tests.faults.inputs import nodes, replaced, spoil_bytes, spoilt, without

DEEP = 100_000 * "[" + 100_000 * "]"
ODD = {
    "nan": "NaN",
    "infinity": "-Infinity",
    "minus one": "-1",
    "zero": "0",
    "half": "0.5",
    "five": "5.0",
    "overflow": "1e400",
    "huge": "1e308",
    "400 digits": "9" * 400,
    "5000 digits": "9" * 5000,
    "65 bits": str(2**64),
    "empty text": '""',
    "number as text": '"1"',
    "lone surrogate": r'"\ud800.png"',
    "NUL": r'"a\u0000b"',
    "long text": json.dumps("x" * 5000),
    "list": "[]",
    "list of texts": '["1", "1", "5", "5"]',
    "nan box": "[1, NaN, 5, 5]",
    "huge box": f"[1, 1, {'9' * 400}, 5]",
    "true box": "[true, 1, 5, 5]",
    "dictionary": "{}",
    "null": "null",
    "true": "true",
    "deep": DEEP,
    "fairly deep": 900 * "[" + 900 * "]",
}
HOLE = "@hole@"


def mutations(content):
    """(name, bytes) of every value replaced by every odd one, keys dropped and twice, and bytes."""
    paths = list(nodes(content))
    for path in paths:
        text = json.dumps(replaced(content, path, HOLE))
        for name, odd in ODD.items():
            yield f"{path} {name}", text.replace(f'"{HOLE}"', odd).encode()
    for path in paths[1:]:
        yield f"without {path}", json.dumps(without(content, path)).encode()
    for key in ("images", "annotations", "id", "bbox", "name"):
        text = json.dumps(content)
        yield f"{key} twice", text.replace(f'"{key}": ', f'"{key}": [], "{key}": ').encode()
        yield f"another {key} last", text.replace("}]", f', "{key}": [[]]}}]', 1).encode()
    yield from _spoilt_bytes(json.dumps(content, indent=1).encode())


def _spoilt_bytes(whole):
    rng = np.random.default_rng(0)
    for end in rng.integers(0, len(whole), 20):
        yield f"cut at {end}", whole[:end]
    for seed in range(60):
        garbled = bytearray(whole)
        for place in rng.integers(0, len(whole), 1 + seed % 3):
            garbled[place] = rng.integers(0, 256)
        yield f"garbled {seed}", bytes(garbled)
    yield "UTF-16", whole.decode().encode("utf-16")
    yield "a NUL at the end", whole + b"\0"
    yield "twice", whole + whole


def cases(bench, rng):
    """Every second one for `doctor`, the others for `train`."""
    content = json.loads((bench.data / "boxes.json").read_text())
    some = list(nodes(content))
    while True:
        if rng.random() < 0.2:
            name, text = spoil_bytes(rng, json.dumps(content, indent=1).encode())
        elif rng.random() < 0.1:
            path = rng.choice(some[1:])
            name, text = f"without {path}", json.dumps(without(content, path)).encode()
        else:
            path, (name, odd) = rng.choice(some), rng.choice(list(ODD.items()))
            text = json.dumps(replaced(content, path, HOLE)).replace(f'"{HOLE}"', odd).encode()
            name = f"{path} {name}"
        for command in ("doctor", "train"):
            yield spoilt(f"{command}: {name}", _writer(command, text), ["boxes.json", ".png"])


def _writer(command, text):
    def write(bench, folder):
        path = folder / "boxes.json"
        path.write_bytes(text)
        if command == "doctor":
            return ["doctor", "--json-file", path, "--image-root", bench.data]
        return ["train", *bench.config("train.max_iter=1", *_data(path))]

    return write


def _data(path):
    return [f"dataloader.{split}.dataset.json_file={path}" for split in ("train", "test")]

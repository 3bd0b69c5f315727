"""Spoilt checkpoints: bytes, records of the zip, the pickle in it, tensors, and types of entries.

Where a training is resumed, an older whole checkpoint lies beside the spoilt one.
"""

import io
import os
import pickle
import shutil
import subprocess
import zipfile

import torch

from tests.faults.inputs import nodes, replaced, spoil_bytes, spoilt, without
from tests.faults.oracle import MARKER

NAME = "model_0000002.pth"


class Calls:
    """Pickled as a call; what reads it as pickles are read makes the marker."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile():
    """Objects by name, whose unpickling runs something."""
    shell = f"touch {MARKER}"
    return {
        "os.system": Calls(os.system, shell),
        "os.mkdir": Calls(os.mkdir, MARKER),
        "open": Calls(open, MARKER, "w"),
        "exec": Calls(exec, f"open({MARKER!r}, 'w')"),
        "eval": Calls(eval, f"open({MARKER!r}, 'w')"),
        "subprocess": Calls(subprocess.check_output, ["touch", MARKER]),
        "an import": Calls(__import__, "evil"),
        "torch.load": Calls(torch.load, "evil.pth"),
        "torch.hub": Calls(torch.hub.load, ".", "evil"),
    }


def odd_values(content):
    """What no entry should be, by name."""
    deep = []
    for _ in range(300):
        deep = [deep]
    circle, doubled = [], []
    circle.append(circle)
    for _ in range(60):
        doubled = [doubled, doubled]
    return {
        "None": None,
        "text": "x",
        "10**30": 10**30,
        "minus one": -1,
        "a half": 0.5,
        "nan": float("nan"),
        "list": [],
        "dict": {},
        "a key of 1": {1: 2},
        "True": True,
        "bytes": b"abc",
        "deep": deep,
        "circle": circle,
        "doubled sixty times": doubled,
        "whole numbers": torch.ones(3, dtype=torch.int64),
        "no numbers": torch.full((5, 8), float("nan")),
        "infinities": torch.full((8, 3), float("inf")),
        "an empty tensor": torch.zeros(0),
        "half precision": torch.ones(8, dtype=torch.float16),
        "complex": torch.ones(8, dtype=torch.complex64),
        "a sparse tensor": torch.eye(8).to_sparse(),
        "a terabyte": torch.zeros(1).expand(2**19, 2**19),
        "on no device": torch.empty(2**20, 2**20, device="meta"),
        "itself": content,
    }


def cases(bench, rng):
    """Each for one of the commands that read checkpoints."""
    whole = (bench.whole / "model_0000001.pth").read_bytes()
    content = torch.load(bench.whole / "model_0000001.pth", weights_only=True)
    places = [path for path in nodes(content) if len(path) < 5 and "ranks" not in path]
    kinds = (_bytes, _records, _pickled, _entries, _entries)
    while True:
        name, data, damaged = rng.choice(kinds)(rng, whole, content, places)
        command = rng.choice(list(COMMANDS))
        yield spoilt(
            f"{command}: {name}",
            _writer(command, data),
            [NAME, "averag"] if command == "resume" else [NAME],
            same_end=damaged and command == "resume",
        )


def _bytes(rng, whole, content, places):
    return *spoil_bytes(rng, whole), True


def _records(rng, whole, content, places):
    """One record of the zip is spoilt, whose checksum is right then; or is not what it was."""
    way = rng.choice(["garbled", "missing", "twice", "compressed", "a bomb", "renamed", "stored"])
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(list(records))
    if way == "garbled":
        how, records[name] = spoil_bytes(rng, records[name])
        way = f"garbled, {how}"
    elif way == "missing":
        del records[name]
    elif way == "renamed":
        records["../" + name] = records.pop(name)
    elif way == "a bomb":
        records[name] = bytes(2**28)
    file = io.BytesIO()
    packing = zipfile.ZIP_DEFLATED if way in ("compressed", "a bomb") else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", packing) as archive:
        for record, data in records.items():
            archive.writestr(record, data)
        if way == "twice":
            archive.writestr(name + "_", records[name])
    return f"record {name} {way}", file.getvalue(), False


def _pickled(rng, whole, content, places):
    """A call in the place of an entry, in a file of torch or in a plain pickle."""
    (name, item), path = rng.choice(list(hostile().items())), rng.choice(places)
    file, value = io.BytesIO(), replaced(content, path, item)
    if rng.random() < 0.3:
        pickle.dump({"model": item}, file, protocol=rng.randrange(2, 6))
    else:
        torch.save(value, file, _use_new_zipfile_serialization=rng.random() < 0.7)
    return f"{name} at {path}", file.getvalue(), False


def _entries(rng, whole, content, places):
    path, (name, odd) = rng.choice(places), rng.choice(list(odd_values(content).items()))
    dropped = path and rng.random() < 0.15
    value = without(content, path) if dropped else replaced(content, path, odd)
    file = io.BytesIO()
    torch.save(value, file)
    return f"{path} {'missing' if dropped else name}", file.getvalue(), False


def _resume(bench, path):
    run = path.parent
    for name in ("model_0000001.pth", "model_best.pth", "metrics.json"):
        shutil.copy(bench.whole / name, run)
    (run / "last_checkpoint").write_text(NAME)
    return ["train", *bench.config(), "--resume"]


COMMANDS = {
    "resume": _resume,
    "convert": lambda bench, path: ["convert", path, "converted.pth"],
    "eval": lambda bench, path: ["eval", *bench.config(), "--checkpoint", path],
    "start": lambda bench, path: [
        "train",
        *bench.config("train.max_iter=1", f"train.init_checkpoint={path}"),
    ],
}


def _writer(command, data):
    def write(bench, folder):
        (folder / "evil.py").write_text(f"open({MARKER!r}, 'w')\n")
        (folder / "run").mkdir()
        path = folder / "run" / NAME
        path.write_bytes(data)
        return COMMANDS[command](bench, path)

    return write

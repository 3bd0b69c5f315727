"""Spoilt and hostile yaml configs: printed, examined, and trained."""

import yaml

from tests.faults.inputs import nodes, replaced, spoil_bytes, spoilt, without
from tests.faults.oracle import MARKER

SHELL = f"touch {MARKER}"
HOSTILE = {  # in the place of any value: what would run something
    "os.system": {"_target_": "os.system", "command": SHELL},
    "os.mkdir": {"_target_": "os.mkdir", "path": MARKER},
    "open": {"_target_": "builtins.open", "file": MARKER, "mode": "w"},
    "exec": {"_target_": "builtins.exec", "source": f"open({MARKER!r}, 'w')"},
    "a module": {"_target_": "evil.function"},
    "a module by name": {"_target_": "aligndetr.config.locate", "name": "evil.function"},
    "a module by import": {"_target_": "importlib.import_module", "name": "evil"},
    "a module by a class": {"_target_": "pydoc.locate", "path": "evil.function"},
    "a text of code": {"_source_": "__import__('evil')"},
    "the name of code": {"_source_": "evil.function"},
    "torch.hub": {
        "_target_": "torch.hub.load",
        "repo_or_dir": ".",
        "model": "evil",
        "source": "local",
    },
    "torch.load": {"_target_": "torch.load", "f": "evil.pth", "weights_only": False},
    "numpy.load": {"_target_": "numpy.load", "file": "evil.pth", "allow_pickle": True},
    "a partial call": {
        "_target_": "functools.partial",
        "func": {"_target_": "aligndetr.config.locate", "name": "os.system"},
    },
    "runpy": {"_target_": "runpy.run_path", "path_name": "evil.py"},
    "a loaded config": {"_target_": "aligndetr.config.LazyConfig.load", "filename": "evil.py"},
    "a checkpoint": {"_target_": "aligndetr.checkpoint_file.read_checkpoint_file", "path": "evil"},
    "a file": {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path"}},
    "a target of a target": {"_target_": {"_target_": "os.system", "command": SHELL}},
}
BOMB = ", ".join(f"&x{i + 1} [{', '.join([f'*x{i}'] * 9)}]" for i in range(9))
TEXTS = {  # likewise, as they stand in the file
    "apply": f"!!python/object/apply:os.system ['{SHELL}']",
    "object new": f"!!python/object/new:os.system ['{SHELL}']",
    "module tag": "!!python/module:evil",
    "name tag": "!!python/name:evil.function",
    "object tag": "!!python/object:evil.Class {}",
    "unknown tag": "!secret {a: 1}",
    "itself": "&a [*a]",
    "itself in a mapping": "&a {b: *a}",
    "aliases of aliases": f"[&x0 [lol], {BOMB}]",
    "an unknown alias": "*nobody",
    "deep": "[" * 3000 + "]" * 3000,
    "merge of nothing": "{<<: 3}",
    "a null key": "{~: 1}",
    "keys of many kinds": "{1: a, 2.5: b, true: c, null: d}",
    "a list as key": "{[1, 2]: 3}",
    "itself by interpolation": "${train}",
    "a circle": "${train.seed}",
    "an unknown interpolation": "${nothing.at.all}",
    "a resolver": "${oc.env:HOME}",
    "a made resolver": "${oc.create:{a: 1}}",
    "half an interpolation": '"${"',
    "missing": "???",
    "digits": "9" * 5000,
    "infinite": ".inf",
    "nothing": "~",
    "text": "abc",
    "a date": "2001-01-01",
    "bytes": "!!binary aGVsbG8=",
    "set": "!!set {a, b}",
    "pairs": "!!pairs [a: b]",
    "control characters": '"\\0\\x07\\e"',
    "surrogate": '"\\ud800"',
}
HOLE = "@hole@"


def cases(bench, rng):
    """Each for one of the commands that read configs."""
    text = (bench.whole / "config.yaml").read_text()
    content = yaml.safe_load(text)
    places = list(nodes(content))[1:]
    while True:
        kind, command = rng.choice([_bytes, _hostile, _hostile, _odd]), rng.choice(list(COMMANDS))
        name, data = kind(rng, text, content, places)
        yield spoilt(f"{command}: {name}", _writer(command, data), ["spoilt.yaml", *PARTS])


# An error of what a readable config describes names the part of it.
PARTS = ("dataloader", "json_file", "image_root", "path", "model", "optimizer", "lr_", "train")


def _bytes(rng, text, content, places):
    return spoil_bytes(rng, text.encode())


def _hostile(rng, text, content, places):
    path, (name, node) = rng.choice(places), rng.choice(list(HOSTILE.items()))
    return f"{name} at {path}", yaml.safe_dump(replaced(content, path, node)).encode()


def _odd(rng, text, content, places):
    path, (name, odd) = rng.choice(places), rng.choice(list(TEXTS.items()))
    if rng.random() < 0.2:
        return f"without {path}", yaml.safe_dump(without(content, path)).encode()
    holed = yaml.safe_dump(replaced(content, path, HOLE), width=10**6)
    return f"{name} at {path}", holed.replace(f"'{HOLE}'", odd).encode()


COMMANDS = {
    "config": lambda path: ["config", path],
    "doctor": lambda path: ["doctor", "--config-file", path, "--quick"],
    "train": lambda path: ["train", path, "train.max_iter=1"],
}


def _writer(command, data):
    def write(bench, folder):
        (folder / "evil.py").write_text(f"open({MARKER!r}, 'w')\n")
        (folder / "spoilt.yaml").write_bytes(data)
        return COMMANDS[command](folder / "spoilt.yaml")

    return write

"""Spoilt .py configs. They are code that the user runs, so here only what is said counts."""

from tests.faults.bench import CONFIG
from tests.faults.inputs import spoil_bytes, spoilt
from tests.faults.yaml_configs import PARTS

ODD_LINES = (
    "import sys; sys.exit(3)",
    "raise SystemExit",
    "raise KeyError('train')",
    "import no_such_module",
    "from aligndetr.configs.common.train import nothing",
    "from .nothing import train",
    "from .spoilt import train",
    "train.hooks = [train]",
    "train['self'] = train",
    "model = L(ToyDetector)(model)",
    "model = L('no.such.Detector')()",
    "model = L(ToyDetector)(drop_out=0.1)",
    "model = L(lambda: None)()",
    "model = None",
    "model = []",
    "train = 3",
    "del train",
    "del dataloader",
    "train.seed = '${train.seed}'",
    "train.seed = '${'",
    "train.nothing = object()",
    "train.update(max_iter='many')",
    "optimizer = L(print)()",
    "lr_multiplier = L(int)('x')",
    "x = []; x.append(x)",
    "x = {}; x['x'] = x",
    "def f(): return f()\nf()",
    "x = 1 / 0",
    "x = '\\ud800'; train.output_dir = x",
    "assert False, 'no'",
)


def cases(bench, rng):
    """Each is printed, or trained for a step."""
    lines = CONFIG.read_text().splitlines()
    while True:
        name, text = rng.choice((_odd_line, _odd_line, _bytes, _lines))(rng, lines)
        command = rng.choice(("config", "train"))
        yield spoilt(f"{command}: {name}", _writer(command, text), ["spoilt.py", *PARTS])


def _odd_line(rng, lines):
    line, place = rng.choice(ODD_LINES), rng.choice([len(lines), rng.randrange(len(lines))])
    return f"{line!r} in line {place}", "\n".join([*lines[:place], line, *lines[place:]]).encode()


def _bytes(rng, lines):
    return spoil_bytes(rng, "\n".join(lines).encode())


def _lines(rng, lines):
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    if rng.random() < 0.5:
        return f"without line {first}", "\n".join(lines[:first] + lines[first + 1 :]).encode()
    lines = list(lines)
    lines[first], lines[second] = lines[second], lines[first]
    return f"lines {first} and {second} exchanged", "\n".join(lines).encode()


def _writer(command, text):
    def write(bench, folder):
        path = folder / "spoilt.py"
        path.write_bytes(text)
        words = [str(path), *bench.config("train.max_iter=1")[1:]]
        return [command, *(words if command == "train" else words[:1])]

    return write

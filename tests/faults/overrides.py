"""Spoilt overrides and config names on the command line."""

from omegaconf import OmegaConf

from aligndetr.config import LazyConfig
from tests.faults.bench import CONFIG
from tests.faults.inputs import nodes, spoilt
from tests.faults.yaml_configs import HOSTILE, MARKER, PARTS

VALUES = (
    *("", "0", "-1", "0.5", "1e400", "nan", "-inf", "null", "true", "x", "''", "[]", "{}", "???"),
    *("[1,", "{a: 1", "'", "9" * 400, "[[[[]]]]", "${train}", "${", "${nothing}", "a b", "a=b=c"),
    *("[null]", "{a: {b: {c: 1}}}", "\\", "\t", "\x00", "\ud800", "é", "~", "!!python/name:evil.f"),
    *("!!python/object/apply:os.system ['touch " + MARKER + "']", "&a [*a]", "[" * 2000, "1:2:3"),
)
ENDLESS = ("train.max_iter", "train.epochs")  # a training as long as was asked for is no hang
CHARACTERS = "=.+~[]{}()'\"$,:;!@#%^&*-_/\\ \t\n\0aZ0é\ud800"


def cases(bench, rng):
    """Each is applied and printed, or trained for a step."""
    config = OmegaConf.to_container(LazyConfig.load(CONFIG))
    keys = [".".join(map(str, path)) for path in nodes(config) if path]
    while True:
        word = rng.choice((_value, _value, _key, _noise, _name))(rng, keys)
        command = rng.choice(("config", "train"))
        if word.strip("+~").startswith(ENDLESS):
            command = "config"
        value = word.partition("=")[2]
        name = word.removeprefix("config ")
        texts = (name, repr(name)[1:-1], repr(word)[1:-1], value)
        named = [*PARTS, "no config", *(text[:20] for text in texts if text)]
        yield spoilt(f"{command}: {word[:80]!r}", _writer(command, word), named)


def _value(rng, keys):
    value = rng.choice([*VALUES, str(rng.choice(list(HOSTILE.values())))])
    return f"{rng.choice(['', '', '', '+', '++'])}{rng.choice(keys)}={value}"


def _key(rng, keys):
    key = rng.choice(keys)
    ways = (f"~{key}", f"{key}.deeper=1", f"+{key}x=1", f"{key}[0]=1", f"{key}", f"{key}==1")
    return rng.choice([*ways, f"{key[:-1]}=1", f"+{key}.{'a.' * 500}b=1", f".{key}=1", f"{key}.=1"])


def _noise(rng, keys):
    word = list(f"{rng.choice(keys)}={rng.choice(VALUES)}")
    for _ in range(rng.randrange(1, 4)):
        word.insert(rng.randrange(len(word) + 1), rng.choice(CHARACTERS))
    return "".join(word)


def _name(rng, keys):
    """In the place of a config."""
    names = ("", ".", "..", "/", "/dev/zero", "/etc/passwd", "no_such", "x.py", "x.yaml", "-", "--")
    return "config " + rng.choice(
        [*names, "a" * 5000, "\0", "\ud800", "tiny", "*", "http://x/y.py"]
    )


def _writer(command, word):
    def write(bench, folder):
        if word.startswith("config "):
            return [command, word.removeprefix("config ")]
        return [command, *bench.config("train.max_iter=1"), word]

    return write

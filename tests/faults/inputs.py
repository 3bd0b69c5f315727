"""Spoilt inputs: a command reads one, and every other file stays as it is."""

from tests.faults.bench import snapshot
from tests.faults.oracle import Case, judge, judge_end, judge_folder


def spoilt(name, write, named=None, codes=(0, 1, 2), same_end=False):
    """A case of an input.

    Args:
        name: of the case.
        write: (bench, folder) puts inputs there and gives the words of the command.
        named: what an error has to name, one of these; None: the first file that was written.
        codes: exit codes that are right.
        same_end: whether a command that succeeds leaves what the undisturbed run left.
    """

    def problems(bench, folder):
        words = write(bench, folder)
        # a run may go on with its folder, but keeps the checkpoints in there
        kept = {path: digest for path, digest in snapshot(folder).items() if is_kept(path)}
        before = kept | bench.inputs
        things = named or [path.name for path in kept]
        outcome = bench.run(words, folder)
        found = list(judge(outcome, things, codes))
        found += judge_folder(folder, before, snapshot(folder) | snapshot(bench.folder))
        if same_end and outcome.code == 0:
            found += judge_end(folder / "run", bench.end(), outcome)
        return found

    return Case(name, problems)


def is_kept(path):
    """Whether no command may change a file: of a run, the checkpoints but the best."""
    in_run = path.parent.name == "run"
    return not in_run or (path.suffix == ".pth" and path.stem != "model_best")


def spoil_bytes(rng, whole):
    """(how, bytes) with one thing done to them."""
    place, count = rng.randrange(len(whole)), rng.choice([1, 1, 2, 7, 64, 1000])
    ways = {
        "cut": lambda: whole[:place],
        "flip": lambda: _put(whole, place, bytes([whole[place] ^ 1 << rng.randrange(8)])),
        "garble": lambda: _put(whole, place, rng.randbytes(count)),
        "zeros": lambda: _put(whole, place, bytes(count)),
        "ones": lambda: _put(whole, place, b"\xff" * count),
        "drop": lambda: whole[:place] + whole[place + count :],
        "repeat": lambda: whole[:place] + whole[max(0, place - count) :],
        "more": lambda: whole + rng.randbytes(count),
        "empty": lambda: b"",
    }
    way = rng.choice([*ways, "flip", "garble"])
    return f"{way} {count} at {place}", ways[way]()


def _put(whole, place, part):
    return whole[:place] + part + whole[place + len(part) :]


def nodes(value, path=()):
    """Paths of all values of a tree, the root's too."""
    yield path
    entries = enumerate(value) if isinstance(value, list) else ()
    for key, part in value.items() if isinstance(value, dict) else entries:
        yield from nodes(part, (*path, key))


def replaced(value, path, new):
    """A tree with another value at a path; the rest is shared."""
    if not path:
        return new
    key, *rest = path
    copy = value.copy()
    copy[key] = replaced(value[key], rest, new)
    return copy


def without(value, path):
    """A tree without the entry at a path that is not the root."""
    *parents, key = path
    parent = value
    for step in parents:
        parent = parent[step]
    copy = parent.copy()
    del copy[key]
    return replaced(value, parents, copy)

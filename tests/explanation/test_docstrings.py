"""The shapes that forward docstrings promise are those that a walk sees."""

import inspect
import re

GLOBAL = {"B", "C", "L", "S", "Q", "D", "I", "K", "G", "H_l", "W_l", "D+Q"}
GENERIC = {"RepVGGBlock", "ConvGroupNorm"}  # of any width, likewise
DIMENSION = re.compile(r"[A-Za-z_]\w*|\d+|\.\.\.")


def promised(text):
    """Shapes in a piece of a docstring: "(B, Q, 2|4)" -> ("B", "Q", "2|4")."""
    for found in re.findall(r"\(([^()]+)\)", text):
        sizes = [re.sub(r"\s", "", size) for size in found.split(",")]
        if (
            len(sizes) > 1
            and re.search("[A-Z]|in,", found)
            and all(
                all(DIMENSION.fullmatch(part) for part in re.split(r"[|+]", size)) for size in sizes
            )
        ):
            yield tuple(sizes)


def sections(function):
    """Docstring in three parts: before the sections, arguments by name, and what is returned."""
    doc = inspect.getdoc(function) or ""
    parts = re.split(r"^(Args|Returns|Raises|Yields):\n", doc, flags=re.M)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    arguments = {}
    for line in re.split(r"\n(?=    \w)", "\n" + named.get("Args", "")):
        match = re.match(r"\s*([\w, ]+?)\s*((?:\([^)]*\))?:.*)", line, flags=re.S)
        if match:
            arguments |= dict.fromkeys(match[1].split(", "), match[2])
    return parts[0], arguments, named.get("Returns", "")


class Reading:
    """What the letters of one call stand for.

    In layers (a project's, too) and backbones, which anyone may use for anything, letters say which
    sizes are equal; elsewhere they are those of the whole model.
    """

    def __init__(self, is_generic, letters):
        self.is_generic, self.sizes, self.bound = is_generic, letters.sizes, {}

    def fits(self, shape, value):
        start = 0
        if shape[0] == "...":
            shape, start = shape[1:], len(value.shape) - len(shape) + 1
        if len(value.shape) - start != len(shape):
            return False
        sizes, letters = value.shape[start:], value.letters[start:]
        return all(
            any(self.same(each, size, letter) for each in want.split("|"))
            for want, size, letter in zip(shape, sizes, letters, strict=True)
        )

    def same(self, want, size, letter):
        if want.isdigit():
            return int(want) == size
        if want == re.sub(r"_\d+$", "_l" if letter[0] in "HW" else "", letter):
            return True
        if size == 1:
            return want == "B" or self.sizes.get(want) == 1  # the same for all images
        if want == "Q" and letter == "D+Q":
            return True  # the decoder does not tell them apart
        if want == "S" and re.fullmatch(r"H_\d+W_\d+", letter):
            return self.bound.setdefault(want, size) == size  # the tokens of one level
        if want in GLOBAL and not self.is_generic:
            return False
        return self.bound.setdefault(want, size) == size


def checks(walk, model):
    """Each promise of each step: the step, the promise, and whether it is kept."""
    modules = dict(model.named_modules())
    for step in walk.root.steps():
        module = modules.get(step.path)
        if module is None or not type(module).__module__.startswith("aligndetr."):
            continue
        home = type(module).__module__.split(".")
        is_generic = home[1] in ("layers", "projects") or "backbone" in home or step.kind in GENERIC
        reading = Reading(is_generic, walk.letters)
        outline, arguments, returned = sections(type(module).forward)
        taken = {item.name: item.values for item in step.inputs}
        for name, text in arguments.items():
            shapes = list(promised(text.split(".")[0]))
            if taken.get(name) and shapes:
                kept = [any(reading.fits(shape, v) for v in taken[name]) for shape in shapes]
                is_choice = re.search(r"\bor\b", text)
                yield step, name, shapes, any(kept) if is_choice else all(kept)
        for name, text, values in (
            ("outline", outline, list(step.values())),
            ("returns", returned, step.output.values),
        ):
            for shape in promised(text):
                yield step, name, [shape], any(reading.fits(shape, v) for v in values)


def test_shapes_are_those_of_the_docstrings(walks):
    _, model, both = walks
    for walk in both:
        results = list(checks(walk, model))
        broken = {
            f"{step.path} ({step.kind}) promises {name} {shapes}: "
            f"{[(v.name, v.letters) for v in step.values()]}"
            for step, name, shapes, kept in results
            if not kept
        }
        assert not broken, "\n".join(sorted(broken))
        assert len({(step.kind, name, str(shapes)) for step, name, shapes, _ in results}) >= 20

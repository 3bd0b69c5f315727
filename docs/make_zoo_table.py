"""Write the table of the zoo into docs/hub.md: `python docs/make_zoo_table.py`."""

from pathlib import Path

from aligndetr.interop.zoo import MODELS, Model

PAGE = Path(__file__).with_name("hub.md")
BEGIN, END = "<!-- zoo -->\n", "<!-- end -->"


def table() -> str:
    """A row a model."""
    lines = [
        "| name | config | AP | MB | sha256 | source | seen |",
        "|---|---|---:|---:|---|---|---|",
    ]
    lines += [f"| {' | '.join(_cells(model))} |" for model in MODELS.values()]
    return "\n".join(lines) + "\n"


def _cells(model: Model) -> list[str]:
    source = f"[{'by hand' if model.by_hand else 'file'}]({model.url})"
    size = f"{model.megabytes:g}" if model.megabytes else "-"
    digits = f"`{model.sha256[:8]}`" if model.sha256 else "-"
    config = f"`{model.config}`{' + overrides' if model.overrides else ''}"
    seen = "yes" if model.seen else "no"
    return [f"`{model.name}`", config, f"{model.ap:.1f}", size, digits, source, seen]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")

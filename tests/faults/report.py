"""The table of what a campaign found; a page keeps the rows of kinds that were not run again."""

from tests.faults.campaign import KINDS
from tests.faults.oracle import FAULTS

START, END = "<!-- campaign -->", "<!-- end -->"
HEAD = ("kind", "cases", *FAULTS, "date, commit, seed")


def rows_of(tallies, stamp):
    """Cells of each kind, without its name.

    Args:
        tallies: what came of the cases, by kind.
        stamp: date, commit and seed.
    """
    return {
        kind: [str(tally.cases), *(str(tally.faults[fault]) for fault in FAULTS), stamp]
        for kind, tally in tallies.items()
    }


def table(rows):
    """The Markdown of rows, in the order of `KINDS`, and their sum."""
    rows = {kind: rows[kind] for kind in KINDS if kind in rows}
    sums = [str(sum(map(int, column))) for column in list(zip(*rows.values(), strict=True))[:-1]]
    lines = [HEAD, ["---"] * len(HEAD), *([kind, *cells] for kind, cells in rows.items())]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [*lines, ["all", *sums, ""]])


def put(rows, page):
    """Put rows in the place of those of their kinds on a page, between two marks."""
    before, rest = page.read_text(encoding="utf-8").split(START)
    old, after = rest.split(END)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in old.splitlines()]
    kept = {name: row for name, *row in filter(None, cells) if name in KINDS}
    text = f"{before}{START}\n{table({**kept, **rows})}\n{END}{after}"
    page.write_text(text, encoding="utf-8")

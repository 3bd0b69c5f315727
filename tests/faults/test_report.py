"""The table of the campaign."""

from collections import Counter

from tests.faults.campaign import Tally
from tests.faults.report import HEAD, put, rows_of, table


def test_a_page_keeps_the_rows_of_other_kinds(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- campaign -->\n<!-- end -->\nafter\n")
    both = {"overrides": Tally(7, Counter(hang=2)), "images": Tally(5)}
    put(rows_of(both, "2026-01-02, abc, 0"), page)
    again = rows_of({"overrides": Tally(9, Counter(loss=1))}, "2026-01-03, def, 1")
    put(again, page)
    assert page.read_text().splitlines() == [
        "before",
        "<!-- campaign -->",
        f"| {' | '.join(HEAD)} |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| images | 5 | 0 | 0 | 0 | 0 | 0 | 0 | 2026-01-02, abc, 0 |",
        "| overrides | 9 | 0 | 0 | 0 | 1 | 0 | 0 | 2026-01-03, def, 1 |",
        "| all | 14 | 0 | 0 | 0 | 1 | 0 | 0 |  |",
        "<!-- end -->",
        "after",
    ]
    assert "images" not in table(again)

from __future__ import annotations

from pathlib import Path

import pytest

from bench import page as pages
from bench.page import marked, number, percent, replaced, table

PAGE = "# Page\n\n<!-- bench:one -->\nold\n<!-- /bench:one -->\n\nBy hand.\n"


def test_only_what_is_between_the_markers_changes() -> None:
    """Text by hand stays, and writing twice is writing once."""
    page = replaced(PAGE, "one", "new")
    begin, end = marked("one")
    assert page == f"# Page\n\n{begin}\n\nnew\n\n{end}\n\nBy hand.\n"
    assert replaced(page, "one", "new") == page


def test_a_page_without_markers_is_refused() -> None:
    """A part that has no place in the page is an error, not a text at its end."""
    with pytest.raises(ValueError, match="two"):
        replaced(PAGE, "two", "new")


def test_tables_are_markdown_of_even_width() -> None:
    """Every line of a table is as long as the others, and numbers stand to the right."""
    lines = table(["", "per second"], [["a", 1], ["longer", "22"]]).splitlines()
    assert lines[1] == "| ------ | ---------: |"
    assert lines[2] == "| a      |          1 |"
    assert len({len(line) for line in lines}) == 1


def test_numbers_are_short_and_a_missing_one_is_a_dash() -> None:
    """Thousands have commas, small ratios a digit, and None is no number."""
    assert (number(1234.5), number(0.125, 2), number(None)) == ("1,234", "0.12", "-")
    assert (percent(0.123), percent(0.0123), percent(None)) == ("12 %", "1.2 %", "-")


def test_what_is_kept_comes_back_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is made again has its rows in the order in which they were measured."""
    monkeypatch.setattr(pages, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(pages, "KEPT", tmp_path / "kept.json")
    pages.PAGE.write_text(PAGE)
    assert pages.kept("one") is None
    pages.write("one", "new", {"nginx": 1, "direct": 2})
    assert list(pages.kept("one")) == ["nginx", "direct"]
    assert "new" in pages.PAGE.read_text()

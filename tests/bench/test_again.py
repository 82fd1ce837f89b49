from __future__ import annotations

from typing import Any

from bench.again import beside


def figures(**per_second: float) -> dict[str, Any]:
    return {
        name.replace("_", "-"): {"cases": {"json-32": {"per_second": value}}}
        for name, value in per_second.items()
    }


def rows(table: str) -> list[list[str]]:
    """Its cells, below the head and the rule."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.split("\n")[2:]]


def test_ratios_to_gateways_stand_beside_those_of_the_page() -> None:
    """Each row has the multiple that the page says and the one that was found now."""
    kept = figures(mintgate_sqlite=100, portkey=50)
    found = figures(direct=9_000, mintgate_sqlite=30, portkey=10, litellm=1)
    assert rows(beside(found, kept)) == [
        ["Mintgate, SQLite", "Portkey gateway", "2.00", "3.00", "-", "-"],
        ["Mintgate, SQLite", "LiteLLM, default", "-", "30.00", "-", "-"],
    ]


def test_who_answered_nothing_has_no_multiple() -> None:
    """A contender that answered nothing is no division by zero."""
    found = figures(mintgate_sqlite=30, portkey=0)
    assert rows(beside(found, found)) == [
        ["Mintgate, SQLite", "Portkey gateway", "-", "-", "-", "-"]
    ]

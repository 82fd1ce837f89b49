from __future__ import annotations

from xml.etree import ElementTree as ET

from bench.plot import WIDTH, bar_length, draw

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_has_a_bar_and_a_figure_for_everybody() -> None:
    """Each contender has a bar in each panel, and the same figures give the same bytes."""
    figures = {
        name: {"cases": {case: {"per_second": rate} for case in ("json-32", "stream-32")}}
        for name, rate in (("nginx", 10_000.0), ("mintgate-sqlite", 1_000.0), ("litellm", 0.0))
    }
    picture = draw(figures)
    root = ET.fromstring(picture)  # noqa: S314 - written here
    assert len(root.findall(f"{SVG}rect")) == 6
    words = [element.text for element in root.findall(f"{SVG}text")]
    assert words.count("10,000") == 2
    assert "Mintgate, SQLite" in words
    assert draw(figures) == picture


def test_bars_grow_by_tens() -> None:
    """Ten times as many is as much longer everywhere on the scale; nothing has no bar."""
    assert bar_length(10_000, 10_000) == WIDTH
    assert bar_length(100, 10_000) == WIDTH / 2
    assert bar_length(0, 10_000) == 0

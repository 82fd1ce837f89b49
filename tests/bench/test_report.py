from __future__ import annotations

from typing import Any

from bench.contenders import NOT_HERE
from bench.report import comparison

CASE = {
    "per_second": 1234.0,
    "p50_ms": 1.0,
    "p99_ms": 2.0,
    "processor_s_per_1000": 0.5,
    "failures": 0,
    "of_direct": 0.1,
    "of_nginx": 0.2,
    "of_python": 0.3,
    "added_p50_ms": 0.5,
    "added_p99_ms": 12.0,
}
DATA: dict[str, Any] = {
    "date": "2026-01-02",
    "rounds": 3,
    "seconds": 5.0,
    "load_average": 0.2,
    "machine": {"processor": "2 x model", "python": "3.11"},
    "tools": {"wrk": "4.1"},
    "versions": {"nginx": "1.22", "portkey": "1.15"},
    "left_out": {"litellm": "not installed"},
    "figures": {
        name: {
            "cases": {"json-1": CASE},
            "memory_mb": 10.0,
            "answered": 50,
            "over_nano_usd": 4_725_000,
        }
        for name in ("direct", "nginx", "portkey")
    },
}


def test_the_text_says_what_a_reader_needs_to_compare() -> None:
    """Machine, versions, ratios, who is left out and why, and who has no caps are all there."""
    text = comparison(DATA)
    for part in ("2 x model", "wrk 4.1", "nginx, plain reverse proxy 1.22", "20 %"):
        assert part in text
    assert "0.50 / 12" in text
    assert "4,725,000" in text
    assert "LiteLLM, default is left out: not installed." in text
    assert "no keys and no caps" in text
    assert all(name in text for name in NOT_HERE)


def test_a_ratio_needs_whom_it_is_to() -> None:
    """Figures without the plain proxy have no ratio to it, and the line above says so."""
    text = comparison(DATA)
    assert "the direct call / nginx**" in text
    assert " 10 % / 20 % |" in text
    figures = DATA["figures"] | {"python": DATA["figures"]["nginx"]}
    text = comparison(DATA | {"figures": figures})
    assert "the direct call / nginx / the plain proxy in Python**" in text
    assert " 10 % / 20 % / 30 % |" in text

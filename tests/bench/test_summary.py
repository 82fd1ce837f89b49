from __future__ import annotations

from typing import Any

from bench.summary import summarise


def turn(per_second: float, p50_ms: float, *, over_nano_usd: int = 0) -> dict[str, Any]:
    case = {
        "per_second": per_second,
        "p50_ms": p50_ms,
        "p99_ms": 2 * p50_ms,
        "processor_s_per_1000": 1.0,
        "failures": 1,
    }
    overspend = {"answered": 3, "spent_nano_usd": 0, "over_nano_usd": over_nano_usd}
    return {"cases": {"json-1": case}, "memory_mb": 100.0, "overspend": overspend}


def test_ratios_are_taken_within_a_round() -> None:
    """A round on a slow machine changes no ratio, however much it changes the figures."""
    rounds = [
        {"direct": turn(1_000, 1), "nginx": turn(500, 2), "mintgate-sqlite": turn(100, 10)},
        {"direct": turn(100, 10), "nginx": turn(50, 20), "mintgate-sqlite": turn(10, 100)},
        {"direct": turn(2_000, 1), "nginx": turn(1_000, 2), "mintgate-sqlite": turn(200, 5)},
    ]
    case = summarise(rounds)["mintgate-sqlite"]["cases"]["json-1"]
    assert case["per_second"] == 100
    assert case["of_direct"] == 0.1
    assert case["of_nginx"] == 0.2
    assert case["of_python"] is None
    assert (case["added_p50_ms"], case["added_p99_ms"]) == (9, 18)
    assert case["failures"] == 3


def test_overspend_is_the_worst_of_all_rounds() -> None:
    """One round in which a cap was passed is not lost among those in which it held."""
    rounds = [{"portkey": turn(1, 1)}, {"portkey": turn(1, 1, over_nano_usd=7)}]
    assert summarise(rounds)["portkey"]["over_nano_usd"] == 7


def test_what_was_not_answered_has_no_ratio() -> None:
    """A contender without an answer, or without a direct call beside it, has no added latency."""
    rounds = [{"direct": turn(10, 1), "litellm": turn(0, 0)}]
    assert summarise(rounds)["litellm"]["cases"]["json-1"]["added_p50_ms"] is None
    alone = summarise([{"litellm": turn(5, 1)}])["litellm"]["cases"]["json-1"]
    assert alone["of_direct"] is None


def test_a_contender_that_failed_once_keeps_its_other_rounds() -> None:
    """Medians are over the rounds in which a contender ran."""
    rounds = [{"direct": turn(10, 1)}, {"direct": turn(20, 1), "litellm": turn(5, 1)}]
    assert summarise(rounds)["litellm"]["cases"]["json-1"]["of_direct"] == 0.25

from __future__ import annotations

from bench.stacks import REST, by_function, by_part, stacks

LIBRARY = "(/v/src/http_facade/mintgate_facade/upstream/pool.py:5);dumps (json/encoder.py:2)"
LINES = [
    "run (asyncio/runners.py:1);serve (mintgate_facade/relay/gateway.py:10) 3",
    "run (asyncio/runners.py:1);serve (mintgate_facade/relay/gateway.py:12) 1",
    f"run (asyncio/runners.py:1);serve (mintgate_facade/relay/gateway.py:10);send {LIBRARY} 2",
    "Thread.run (threading.py:9) 4",
]


def test_a_sample_belongs_to_its_innermost_known_part() -> None:
    """Time in a library of nobody is its caller's, and what no part claims is the rest."""
    assert by_part(stacks(LINES)) == {"relay": 4, "upstream client": 2, REST: 4}


def test_a_function_is_one_whatever_its_lines() -> None:
    """Samples of two lines of a function are the function's, each sample counted once."""
    own, inclusive = by_function(stacks(LINES))
    assert own["serve (mintgate_facade/relay/gateway.py)"] == 4
    assert inclusive["serve (mintgate_facade/relay/gateway.py)"] == 6
    assert inclusive["run (asyncio/runners.py)"] == 6
    assert own["dumps (json/encoder.py)"] == 2


def test_lines_that_are_no_stacks_are_passed_over() -> None:
    """An empty file and an empty line have no samples."""
    assert list(stacks(["", "\n"])) == []

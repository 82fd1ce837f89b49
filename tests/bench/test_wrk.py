from __future__ import annotations

import pytest

from bench.wrk import parse

OUTPUT = """\
Running 5s test @ http://127.0.0.1:20000/v1/chat/completions
  1 threads and 32 connections
  Non-2xx or 3xx responses: 2

figures {"requests": 1000, "duration_us": 5000000, "p50_us": 1500, "p99_us": 9000, "status": 2, "broken": 1}
"""  # noqa: E501 - a line as it is written


def test_figures_are_read_in_their_units() -> None:
    """Seconds and milliseconds come from wrk's microseconds, failures from every kind of them."""
    figures = parse(OUTPUT)
    assert figures.seconds == 5.0
    assert figures.per_second == 200.0
    assert (figures.p50_ms, figures.p99_ms) == (1.5, 9.0)
    assert figures.failures == 3


def test_a_run_without_figures_is_no_run() -> None:
    """What wrk prints without its script's line is an error, not zeros."""
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")

from __future__ import annotations

import json

import pytest

from bench.overspend import CAP_NANO_USD, over
from bench.workload import (
    CHUNKS,
    COST_NANO_USD,
    answer,
    check_json,
    check_stream,
    events,
)


def test_the_probes_take_the_upstreams_own_answers() -> None:
    """What the upstream sends passes, with twenty events of content."""
    check_json(answer())
    check_stream("".join(events()))
    assert sum('"content"' in event for event in events()) == CHUNKS
    assert 900 < len(answer()) < 1_200


@pytest.mark.parametrize("lost", [0, CHUNKS - 1, CHUNKS + 1, -1])
def test_a_stream_that_lost_an_event_is_wrong(lost: int) -> None:
    """Content, usage and the end must all arrive."""
    kept = events()
    del kept[lost]
    with pytest.raises(AssertionError):
        check_stream("".join(kept))


def test_an_answer_with_other_usage_is_wrong() -> None:
    """A contender that counts by itself does not pass as one that passes usage on."""
    changed = json.loads(answer())
    changed["usage"]["completion_tokens"] += 1
    with pytest.raises(AssertionError):
        check_json(json.dumps(changed))


def test_overspend_begins_at_the_first_nano_dollar_above_the_cap() -> None:
    """Spending the cap is none, and spending less is not negative."""
    assert over(CAP_NANO_USD) == 0
    assert over(0) == 0
    assert over(CAP_NANO_USD + 1) == 1
    assert COST_NANO_USD == 60 * 150 + 160 * 600

"""Events of another shape than the provider's break the answer off, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from mintgate.v1.ledger_pb2 import Bound
from mintgate_facade.dialects.base import Ask, BrokenAnswer, Meter
from mintgate_facade.dialects.streams import EVENT_STREAM


@pytest.mark.parametrize(
    ("provider", "operation", "event"),
    [
        ("openai", "chat", {"choices": 1}),
        ("openai", "chat", {"choices": {"a": 1}}),
        ("gemini", "stream", {"candidates": True}),
    ],
)
def test_an_odd_event_breaks_off(
    meter_for: Callable[..., Meter], provider: str, operation: str, event: dict[str, Any]
) -> None:
    """What was delivered before it stays counted."""
    ask = Ask(model="m", bound=Bound(output_tokens=9), body=b"", delivered_input_tokens=7)
    meter = meter_for(provider, operation, ask, EVENT_STREAM)
    with pytest.raises(BrokenAnswer):
        meter.feed(b"data: " + orjson.dumps(event) + b"\n\n")
    assert 7 in meter.reading().units.values()

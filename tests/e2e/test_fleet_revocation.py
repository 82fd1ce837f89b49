"""A key is changed at one core of two: what each facade of each core does about it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mintgate.v1.ledger_pb2 import (
    EVENT_STATUS_COMPLETED,
    EVENT_STATUS_ENDED_BY_GATEWAY,
    SETTLED_BY_COUNTED,
)

from tests.e2e.conftest import GivenFleet
from tests.e2e.refusals import BODIES, DIALECTS, attempt, refused
from tests.e2e.streams import open_stream
from tests.harness import eventually
from tests.wire import CHUNKED_END, RawConnection

pytestmark = pytest.mark.timeout(300)

ENDED_WITHIN_S = 2.0
SETTLED_WITHIN_S = 10.0
HANGS = "input=50; output=200; break=hang; break_after=3"
WHOLE = "input=9; output=9; chunk_delay_ms=100"
NATIVE_ENDS = {
    "openai": b'"code":"key_revoked"',
    "anthropic": b'"type":"authentication_error"',
    "gemini": b'"status":"UNAUTHENTICATED"',
}


def ended(stream: RawConnection) -> tuple[bytes, float]:
    """What still came, and when the end did."""
    with stream:
        return stream.read_to_end(), time.monotonic()


def test_a_revocation_ends_what_runs_on_every_facade(fleet: GivenFleet) -> None:
    """Streams behind both cores end natively within two seconds and are charged; then it is 401."""
    left, right = fleet.doors()
    streams = {
        (number, dialect): open_stream(buyer, dialect, HANGS)
        for number, buyer in enumerate((left, right))
        for dialect in DIALECTS
    }
    with ThreadPoolExecutor(len(streams)) as pool:
        ends = {place: pool.submit(ended, stream) for place, stream in streams.items()}
        with left.gateway.client() as client:
            client.keys.revoke(left.key_id)
        revoked_at_s = time.monotonic()
        for (_, dialect), end in ends.items():
            seen, at_s = end.result()
            assert NATIVE_ENDS[dialect] in seen, seen[-500:]
            assert not seen.endswith(CHUNKED_END)
            assert at_s - revoked_at_s < ENDED_WITHIN_S
    # Even the answer of an end waits for no charge, so the last one may still be on its way.
    eventually(lambda: len(left.events()) == len(streams), SETTLED_WITHIN_S, "every charge")
    events = left.events()
    assert {event.settled_by for event in events} == {SETTLED_BY_COUNTED}
    assert {event.status for event in events} == {EVENT_STATUS_ENDED_BY_GATEWAY}
    assert all(0 < event.output_tokens < 200 and event.charged_nano_usd for event in events)
    key = left.key()
    assert key.spent_nano_usd == sum(event.charged_nano_usd for event in events)
    assert key.held_nano_usd == 0
    for buyer in (left, right):
        for dialect in DIALECTS:
            refused(dialect, attempt(buyer, dialect, BODIES[dialect]), 401, "revoked")


@pytest.mark.parametrize("change", ["paused", "cap lowered"])
def test_what_was_admitted_goes_on(fleet: GivenFleet, change: str) -> None:
    """A pause and a lower cap refuse the next request at every facade, and end nothing."""
    left, right = fleet.doors()
    streams = [open_stream(buyer, "openai", WHOLE) for buyer in (left, right)]
    with ThreadPoolExecutor(len(streams)) as pool:
        ends = [pool.submit(ended, stream) for stream in streams]
        with left.gateway.client() as client:
            if change == "paused":
                client.keys.update(left.key_id, status="paused")
            else:
                client.keys.update(left.key_id, cap_nano_usd=1)
        for buyer in (left, right):
            answer = attempt(buyer, "openai", BODIES["openai"])
            assert answer.status == (401 if change == "paused" else 402), answer.body
        for end in ends:
            seen, _ = end.result()
            assert seen.endswith(CHUNKED_END)
            assert b"[DONE]" in seen
    events = left.events()
    assert [(event.output_tokens, event.status) for event in events] == [
        (9, EVENT_STATUS_COMPLETED)
    ] * 2
    assert not any(event.absorbed_nano_usd or event.overrun for event in events)
    assert left.key().spent_nano_usd == sum(event.charged_nano_usd for event in events)

"""Cores are stopped one after the other under load: nothing is cut, nothing is lost."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from mintgate_core.__main__ import EXIT_HURRIED

from tests.buyer import Buyer
from tests.chaos.cluster import READY_WAIT_S, Core
from tests.e2e.conftest import GivenFleet
from tests.e2e.refusals import CHAT
from tests.e2e.streams import open_stream
from tests.fleet import stopped
from tests.harness import eventually
from tests.wire import CHUNKED_END, send

pytestmark = pytest.mark.timeout(300)

DRAIN_S = 30.0
"""MINTGATE_DRAIN_SECONDS unless set."""
CLIENTS = 4
OUTPUT = 20
BODY = CHAT | {"max_tokens": OUTPUT}
STREAM = f"input=9; output={OUTPUT}; chunk_delay_ms=50"
CHARGED_WITHIN_S = 30.0


def stream_until(buyer: Buyer, enough: Event) -> list[str]:
    """One whole stream after the other; the ids of their requests."""
    done = []
    while not enough.is_set():
        headers = buyer.bearer | {"x-simulate": STREAM}
        # A cut answer raises, since its last chunk is missing.
        answer = send(
            buyer.gateway.url,
            "POST",
            "/v1/chat/completions",
            headers=headers,
            body=BODY | {"stream": True},
        )
        assert answer.status == 200, answer.body
        assert b"[DONE]" in answer.body
        done.append(answer.headers["mintgate-request-id"])
    return done


def drain(core: Core) -> None:
    """SIGTERM, the end within the time to drain, and a new start."""
    assert core.process is not None
    begun_s = time.monotonic()
    core.process.terminate()
    assert core.process.wait(DRAIN_S) == 0, core.log.read_text()[-4_000:]
    assert time.monotonic() - begun_s < DRAIN_S
    core.start()
    eventually(core.serving, READY_WAIT_S, f"core {core.number}")


def test_cores_are_replaced_one_by_one(fleet: GivenFleet) -> None:
    """A facade of both serves every request of the roll, whole, and each is charged once."""
    buyer, enough = Buyer.mint(fleet.both), Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(stream_until, buyer, enough) for _ in range(CLIENTS)]
        try:
            for core in fleet.fleet.cores:
                drain(core)
        finally:
            enough.set()
        done = [request_id for client in clients for request_id in client.result()]
    assert " is used instead of " in fleet.both.log.read_text()
    eventually(lambda: len(buyer.events()) >= len(done), CHARGED_WITHIN_S, "every charge")
    events = buyer.events()
    assert sorted(event.request_id for event in events) == sorted(done)
    assert {event.output_tokens for event in events} == {OUTPUT}
    assert buyer.key().held_nano_usd == 0
    for facade in (fleet.left, fleet.right):
        eventually(facade.ready, READY_WAIT_S, "the return of its core")


def test_a_hurried_core_loses_nothing(fleet: GivenFleet) -> None:
    """A second signal ends a core at once; its facade ends in order, and its outbox is sent again.

    The streams end whole while there is no core, so their charges are on the facade's disk only.
    """
    buyer, core = Buyer.mint(fleet.left), fleet.fleet.cores[0]
    streams = [open_stream(buyer, "openai", STREAM, BODY) for _ in range(CLIENTS)]
    assert core.process is not None
    # Two of a kind that arrive together would be one.
    core.process.send_signal(signal.SIGTERM)
    core.process.send_signal(signal.SIGINT)
    assert core.process.wait(DRAIN_S) == EXIT_HURRIED
    with ThreadPoolExecutor(CLIENTS) as pool:
        ends = list(pool.map(lambda stream: stream.read_to_end(), streams))
    for stream, seen in zip(streams, ends, strict=True):
        stream.leave()
        assert seen.endswith(CHUNKED_END)
    assert stopped(fleet.left) == [0], fleet.left.log.read_text()[-4_000:]
    assert f"{CLIENTS} charges wait in the outbox" in fleet.left.log.read_text()
    core.start()
    fleet.left.start()
    eventually(lambda: len(buyer.events()) == CLIENTS, CHARGED_WITHIN_S, "every charge")
    assert [event.output_tokens for event in buyer.events()] == [OUTPUT] * CLIENTS
    assert buyer.key().held_nano_usd == 0
    assert fleet.fleet.audit() == 0

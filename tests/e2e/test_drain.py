"""SIGTERM under load: nothing is cut within the drain time, no settle is lost, the exit is 0."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_ENDED_BY_GATEWAY, SETTLED_BY_COUNTED

from tests.buyer import Buyer
from tests.harness import Installation, eventually, installation
from tests.wire import CHUNKED_END, RawConnection

STREAMS = 16
BODY = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 200,
    "stream": True,
}
PATH = "/openai/v1/chat/completions"
HANGS = "break=hang; break_after=3"
GONE_WITHIN_S = 8.0
ENDS_WITHIN_S = 15.0


def ask(connection: RawConnection, buyer: Buyer, simulate: str) -> None:
    headers = buyer.bearer | {"content-type": "application/json", "x-simulate": simulate}
    connection.request("POST", PATH, headers, json.dumps(BODY).encode())


@pytest.fixture
def started(tmp_path: Path) -> Callable[..., object]:
    @contextmanager
    def start(drain_seconds: int) -> Iterator[Installation]:
        with installation(
            tmp_path, MINTGATE_WORKERS="1", MINTGATE_DRAIN_SECONDS=str(drain_seconds)
        ) as gateway:
            yield gateway

    return start


def exited(pid: int) -> Callable[[], bool]:
    """Whether a process is gone."""

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    return gone


@pytest.mark.timeout(150)
def test_a_stop_under_load_cuts_nothing(started: Callable[..., Any]) -> None:
    """Every stream that ran at the signal ends whole and is charged exactly; all exit with 0."""
    with started(60) as gateway:
        buyer = Buyer.mint(gateway)
        running = Barrier(STREAMS + 1)

        def stream(_: int) -> bytes:
            with RawConnection(gateway.url) as connection:
                ask(connection, buyer, "input=9; output=40; chunk_delay_ms=80")
                seen = connection.read_until(b"data: ")
                running.wait(30)
                return seen + connection.read_to_end()

        with ThreadPoolExecutor(STREAMS) as pool:
            answers = pool.map(stream, range(STREAMS))
            running.wait(30)
            process = gateway.process
            assert process is not None
            process.terminate()
            whole = list(answers)
            assert process.wait(40) == 0
        assert all(answer.endswith(CHUNKED_END) and b"[DONE]" in answer for answer in whole)
        gateway.audit()
        gateway.start()
        assert [event.output_tokens for event in buyer.events()] == [40] * STREAMS
        assert buyer.key().held_nano_usd == 0


@pytest.mark.timeout(120)
def test_a_draining_worker_says_so(started: Callable[..., Any]) -> None:
    """`/readyz` is 503 and answers close their connections, while the stream goes on."""
    with started(60) as gateway, RawConnection(gateway.url) as stream:
        buyer = Buyer.mint(gateway)
        kept_alive = [
            http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=10)
            for _ in range(20)
        ]
        opened = [*kept_alive]
        for connection in kept_alive:
            connection.request("GET", "/readyz")
            assert connection.getresponse().read()
        ask(stream, buyer, "input=9; output=60; chunk_delay_ms=80")
        stream.read_until(b"data: ")
        os.kill(gateway.pid("facade-0"), signal.SIGTERM)

        def refused() -> bool:
            connection = kept_alive.pop()
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            answer.read()
            return answer.status == 503 and answer.getheader("connection") == "close"

        eventually(refused, 5, "a 503 that closes its connection")
        connection = kept_alive.pop()
        body = json.dumps({**BODY, "stream": False})
        headers = buyer.bearer | {"content-type": "application/json"}
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("connection")) == (200, "close")
        assert answer.read()
        assert stream.read_to_end().endswith(CHUNKED_END)
        for connection in opened:
            connection.close()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("hurried", [False, True], ids=["time is over", "second signal"])
def test_what_outlasts_the_drain_is_ended(
    started: Callable[..., Any],
    hurried: bool,  # noqa: FBT001
) -> None:
    """At the end of the drain, or at a second signal, streams end natively and are charged."""
    with started(600 if hurried else 1) as gateway, RawConnection(gateway.url) as stream:
        buyer = Buyer.mint(gateway)
        ask(stream, buyer, HANGS)
        stream.read_until(b"om t")
        pid = gateway.pid("facade-0")
        at_s = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        if hurried:
            eventually(lambda: not listening(gateway), 5, "the end of accepting")
            os.kill(pid, signal.SIGTERM)
        seen = stream.read_to_end()
        assert b'"code":"gateway_stops"' in seen
        assert not seen.endswith(CHUNKED_END)
        eventually(exited(pid), ENDS_WITHIN_S, "the worker's end")
        assert time.monotonic() - at_s < GONE_WITHIN_S + ENDS_WITHIN_S
        eventually(gateway.ready, 30, "the next worker")
        event = buyer.settled()
        assert event.settled_by == SETTLED_BY_COUNTED
        assert event.status == EVENT_STATUS_ENDED_BY_GATEWAY
        log = (gateway.directory / "up.log").read_text()
        assert "facade-0 ended with status 0" in log


def listening(gateway: Installation) -> bool:
    """Whether a new connection is taken."""
    try:
        RawConnection(gateway.url).leave()
    except ConnectionRefusedError:
        return False
    return True

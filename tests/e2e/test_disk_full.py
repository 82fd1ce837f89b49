"""A full disk under the outbox: nothing new is admitted, nothing promised is lost."""

from __future__ import annotations

import json
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from tests.buyer import Buyer
from tests.harness import Installation, eventually, installation
from tests.wire import CHUNKED_END, RawConnection

STREAMS = 8
BODY = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "hello"}],
    "max_tokens": 200,
    "stream": True,
}


def missing(gateway: Installation) -> str:
    """What the gateway says that it lacks."""
    return str(httpx.get(f"{gateway.url}/readyz", timeout=5).json().get("missing", ""))


@pytest.mark.timeout(150)
def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """With core frozen and no byte to be had, answers wait; with space they end, charged once.

    No file of the worker's may grow, which is what a full disk is to it.
    """
    with installation(tmp_path, MINTGATE_WORKERS="1") as gateway:
        buyer = Buyer.mint(gateway)
        facade, core = gateway.pid("facade-0"), gateway.pid("core")
        _, hard = resource.prlimit(facade, resource.RLIMIT_FSIZE)
        running = Barrier(STREAMS + 1)

        def stream(_: int) -> bytes:
            with RawConnection(gateway.url) as connection:
                headers = buyer.bearer | {
                    "content-type": "application/json",
                    "x-simulate": "input=9; output=20; chunk_delay_ms=60",
                }
                body = json.dumps(BODY).encode()
                connection.request("POST", "/openai/v1/chat/completions", headers, body)
                seen = connection.read_until(b"data: ")
                running.wait(30)
                return seen + connection.read_until(CHUNKED_END)

        with ThreadPoolExecutor(STREAMS) as pool:
            answers = [pool.submit(stream, number) for number in range(STREAMS)]
            running.wait(30)
            os.kill(core, signal.SIGSTOP)
            resource.prlimit(facade, resource.RLIMIT_FSIZE, (0, hard))
            try:
                eventually(
                    lambda: missing(gateway) == "the outbox cannot be written",
                    20,
                    "word of the full disk",
                )
                assert not any(answer.done() for answer in answers)
                refused = httpx.post(
                    f"{gateway.url}/openai/v1/chat/completions",
                    headers=buyer.bearer,
                    json=BODY,
                    timeout=20,
                )
                assert refused.status_code == 503
            finally:
                resource.prlimit(facade, resource.RLIMIT_FSIZE, (hard, hard))
            try:
                # The disk alone is enough: core is still frozen.
                whole = [answer.result(40) for answer in answers]
            finally:
                os.kill(core, signal.SIGCONT)
        assert all(answer.endswith(CHUNKED_END) for answer in whole)
        eventually(lambda: len(buyer.events()) >= STREAMS, 30, "the charges")
        eventually(gateway.ready, 30, "readiness")
        assert [event.output_tokens for event in buyer.events()] == [20] * STREAMS
        assert buyer.key().held_nano_usd == 0
        gateway.audit()

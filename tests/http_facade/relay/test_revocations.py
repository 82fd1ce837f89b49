"""A revoked key's running requests end natively, are charged for what was delivered, and soon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from mintgate.v1.ledger_pb2 import EVENT_STATUS_ENDED_BY_GATEWAY, SETTLED_BY_COUNTED, Reserved
from mintgate_facade.relay import revocations as revocations_module
from mintgate_facade.relay.holds import REVOKED_KEYS_MAX, ActiveHold, ActiveHolds

from tests.http_facade.relay.conftest import WAIT_S, chat_body, chat_events

if TYPE_CHECKING:
    from tests.http_facade.relay.conftest import Answer, Gateway, Received

ENDED_WITHIN_S = 2.0


class Hanging:
    """A provider that sends some events and then nothing, until its client leaves."""

    def __init__(self, events: int, kind: str = "text/event-stream") -> None:
        self.left = asyncio.Event()
        self.hangs = asyncio.Event()
        self._events = events
        self._kind = kind

    async def __call__(self, received: Received, answer: Answer) -> None:
        if self._events:
            await answer.begin(self._kind)
        for event in chat_events(self._events)[: self._events]:
            await answer.chunk(event)
        self.hangs.set()
        await answer.gone.wait()
        self.left.set()


async def test_a_running_stream_ends_with_the_native_error(gateway: Gateway) -> None:
    """The provider is stopped, what was delivered is settled, the client is told, then cut off."""
    script = Hanging(events=2)
    gateway.provider.scripts.append(script)
    async with gateway.raw(chat_body(stream=True)) as reader, asyncio.timeout(WAIT_S):
        seen = await reader.readuntil(b"w1 ")
        gateway.core.revocations.put_nowait("key_1")
        async with asyncio.timeout(ENDED_WITHIN_S):
            seen += await reader.read()
        await script.left.wait()
    assert b'"code":"key_revoked"' in seen
    assert not seen.endswith(b"0\r\n\r\n"), "a clean end is read as a complete answer"
    (settle,) = gateway.core.settles()
    assert settle.settled_by == SETTLED_BY_COUNTED
    assert settle.status == EVENT_STATUS_ENDED_BY_GATEWAY


async def test_before_the_first_byte_it_is_a_401(gateway: Gateway) -> None:
    """A request whose answer has not begun gets the native status; its input is charged."""
    script = Hanging(events=0)
    gateway.provider.scripts.append(script)
    asked = asyncio.ensure_future(gateway.chat())
    async with asyncio.timeout(WAIT_S):
        await script.hangs.wait()
        gateway.core.revocations.put_nowait("key_1")
        answer = await asked
    assert answer.status_code == 401
    assert orjson.loads(answer.content)["error"]["code"] == "key_revoked"
    assert answer.headers["x-should-retry"] == "false"
    (settle,) = gateway.core.settles()
    assert settle.status == EVENT_STATUS_ENDED_BY_GATEWAY


async def test_a_revocation_that_overtook_the_reserve_counts(gateway: Gateway) -> None:
    """A key that was told as revoked before its hold was granted gets nothing delivered."""
    await gateway.core.watched(1)
    gateway.core.reserves_may_answer.clear()
    asked = asyncio.ensure_future(gateway.chat())
    await gateway.core.got(messages=1)
    gateway.core.revocations.put_nowait("key_1")
    # The second watch is opened only after the first was read to its end.
    gateway.core.revocations.put_nowait("")
    await gateway.core.watched(2)
    gateway.core.reserves_may_answer.set()
    assert (await asked).status_code == 401


async def test_other_keys_go_on(gateway: Gateway) -> None:
    """Only the revoked key's requests end."""
    await gateway.core.watched(1)
    gateway.core.revocations.put_nowait("key_of_another")
    gateway.core.revocations.put_nowait("")
    await gateway.core.watched(2)
    assert (await gateway.chat()).status_code == 200


async def test_a_broken_watch_is_taken_up_where_it_was(gateway: Gateway) -> None:
    """After a break the worker asks since the core's time of the last message."""
    await gateway.core.watched(1)
    gateway.core.revocations.put_nowait("")
    await gateway.core.watched(2)
    assert gateway.core.watched_since_ms == [0, gateway.core.store_now_ms]


async def test_silence_is_a_broken_watch(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that says nothing for too long is asked again."""
    await gateway.core.watched(1)
    monkeypatch.setattr(revocations_module, "SILENCE_WAIT_S", 0.05)
    gateway.core.revocations.put_nowait("")
    await gateway.core.watched(4)


async def test_a_facade_that_the_core_does_not_know_is_not_ready(gateway: Gateway) -> None:
    """A refused service token ends readiness, whatever the health service says, until cured."""
    await gateway.core.watched(1)
    gateway.core.watch_refused = True
    gateway.core.revocations.put_nowait("")
    await gateway.core.watched(3)
    refused = await gateway.client.get("/readyz")
    assert (refused.status_code, refused.json()["missing"]) == (
        503,
        "the ledger does not know this facade",
    )
    gateway.core.watch_refused = False
    async with asyncio.timeout(WAIT_S):
        while (await gateway.client.get("/readyz")).status_code != 200:
            pass


def hold_of(number: int, key_id: str, ended: list[int]) -> ActiveHold:
    return ActiveHold(number.to_bytes(16), b"", lambda: ended.append(number), key_id=key_id)


async def test_holds_are_found_by_their_key() -> None:
    """Every hold of a key is ended once, those of others and those that are over never."""

    class NoLink:
        connected = True

        def submit(self, operation: Any, wait_s: float) -> Any:
            raise AssertionError

        def post(self, operation: Any) -> None:
            raise AssertionError

    holds, ended = ActiveHolds(NoLink()), list[int]()
    running = [hold_of(n, f"key_{n % 2}", ended) for n in range(6)]
    for hold in running:
        holds.add(hold)
    holds.remove(running[1])
    holds.revoke(["key_1", "key_none"])
    holds.revoke(["key_1"])
    assert sorted(ended) == [3, 5]
    holds.revoke(f"other_{n}" for n in range(REVOKED_KEYS_MAX))
    holds.add(hold_of(7, "key_1", ended))
    assert sorted(ended) == [3, 5], "the memory of revoked keys is bounded, oldest first"
    assert Reserved().key_id == ""

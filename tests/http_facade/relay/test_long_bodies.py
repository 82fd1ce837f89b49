"""The room that long bodies share: never more than there is, and all of it given back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate_facade.connections import HttpBounds
from mintgate_facade.dialects.base import RefusedRequest
from mintgate_facade.relay.body import ANYBODYS_BYTES_MAX
from mintgate_facade.relay.long_bodies import SHARE_OF_A_KEY, LongBodies

from tests.http_facade.relay.conftest import JSON_HEADERS, WAIT_S, chat_body, serving

if TYPE_CHECKING:
    from mintgate_facade.settings import FacadeSettings

    from tests.http_facade.relay.conftest import CoreServer

CHAT = "/v1/chat/completions"
ROOM_BYTES = 100
KEYS = (b"one", b"other")
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(KEYS), st.integers(0, 40) | st.none()),
    max_size=40,
)
"""A request, the key that it has if it is new, and how many bytes came, or that it ended."""


@given(STEPS)
def test_no_key_and_not_all_have_more_than_their_room(
    steps: list[tuple[int, bytes, int | None]],
) -> None:
    """Whatever comes and goes, each share holds; a refusal takes nothing, an end gives all."""
    bodies = LongBodies(ROOM_BYTES)
    kept: dict[int, tuple[bytes, int]] = {}
    for request, first_key, came in steps:
        key, size = kept.get(request, (first_key, 0))
        if came is None:
            bodies.forget(b"%d" % request)
            kept.pop(request, None)
        else:
            others = sum(
                size for other, (of, size) in kept.items() if of == key and other != request
            )
            if others + size + came > ROOM_BYTES // SHARE_OF_A_KEY:
                with pytest.raises(RefusedRequest):
                    bodies.keep(b"%d" % request, key, size + came)
            else:
                bodies.keep(b"%d" % request, key, size + came)
                kept[request] = key, size + came
        assert bodies.kept_bytes == sum(size for _, size in kept.values())
        for each in KEYS:
            of_key = sum(size for of, size in kept.values() if of == each)
            assert of_key <= ROOM_BYTES // SHARE_OF_A_KEY


def test_all_keys_together_have_no_more_than_the_room() -> None:
    """The key that comes last is refused though it has nothing yet."""
    bodies = LongBodies(ROOM_BYTES)
    for key in range(SHARE_OF_A_KEY):
        bodies.keep(b"request %d" % key, b"key %d" % key, ROOM_BYTES // SHARE_OF_A_KEY)
    with pytest.raises(RefusedRequest):
        bodies.keep(b"last", b"key of its own", 1)


async def test_a_long_body_without_room_is_refused_before_its_hold(
    settings: FacadeSettings, core_server: CoreServer
) -> None:
    """It gets a native 503 and no hold, until the request that has the room has ended."""
    core = core_server.core
    core.reserves_may_answer.clear()
    size = 3 * ANYBODYS_BYTES_MAX
    bounds = HttpBounds(bodies_bytes_max=SHARE_OF_A_KEY * (size + ANYBODYS_BYTES_MAX))
    async with serving(replace(settings, bounds=bounds)) as (_, _, port):
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_S, headers=JSON_HEADERS) as client:

            async def chat(size_bytes: int) -> Any:
                body = chat_body(metadata={"padding": " " * size_bytes})
                return await client.post(CHAT, content=body)

            first = asyncio.ensure_future(chat(size))
            await core.got(messages=1)
            refused = await chat(size)
            short = asyncio.ensure_future(chat(1))
            core.reserves_may_answer.set()
            answers = [await first, await short, await chat(size)]

    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "no_room"
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert core.kinds().count("reserve") == 3

"""MiniMax's speech that is made later: charged when it is begun, and its key's alone.

There is no SDK of MiniMax's for it: these are the requests of its documentation.
"""

from __future__ import annotations

from typing import Any

import pytest
from mintgate.v1.ledger_pb2 import SETTLED_BY_COUNTED

from tests.buyer import Buyer, Charge
from tests.harness import Installation
from tests.upstream import Upstream, simulate
from tests.wire import Answer, send

MODEL = "speech-2.6-hd"
TEXT = "Hello 世界"
NANO_USD = 100_000
"""Of a character."""


def begin(buyer: Buyer, body: dict[str, Any] | None = None, **controls: Any) -> Answer:
    headers = {**buyer.bearer, **(simulate(**controls) if controls else {})}
    asked = {"model": MODEL, "text": TEXT, **(body or {})}
    return send(buyer.gateway.url, "POST", "/minimax/v1/t2a_async_v2", headers=headers, body=asked)


def get(buyer: Buyer, path: str) -> Answer:
    return send(buyer.gateway.url, "GET", f"/minimax/v1/{path}", headers=buyer.bearer)


def test_a_task(buyer: Buyer) -> None:
    """It costs the characters that its answer states; its key looks at it and reads its file."""
    begun = begin(buyer, polls=1).json()
    assert begun["usage_characters"] == 10
    (event,) = buyer.charged(Charge("minimax", MODEL, 10 * NANO_USD, 0, 0))
    assert event.held_nano_usd == len(TEXT.encode()) * NANO_USD
    task, file = begun["task_id"], begun["file_id"]
    looks = [get(buyer, f"query/t2a_async_query_v2?task_id={task}").json() for _ in range(2)]
    assert [look["status"] for look in looks] == ["Processing", "Success"]
    assert looks[1]["file_id"] == file
    assert get(buyer, f"files/retrieve?file_id={file}").json()["file"]["file_id"] == file
    sound = get(buyer, f"files/retrieve_content?file_id={file}")
    assert sound.headers["content-type"] == "audio/mpeg"
    assert sound.body
    assert len(buyer.events()) == 1


def test_a_task_that_states_nothing(buyer: Buyer) -> None:
    """Without a count it costs what was held, and still is its key's."""
    begun = begin(buyer, usage="none").json()
    cost = len(TEXT.encode()) * NANO_USD
    buyer.charged(Charge("minimax", MODEL, cost, 0, 0, settled_by=SETTLED_BY_COUNTED))
    assert get(buyer, f"files/retrieve?file_id={begun['file_id']}").status == 200


def test_a_task_that_is_refused(buyer: Buyer) -> None:
    """A refusal within status 200 gives the hold back."""
    assert begin(buyer, base_resp=2013).json()["base_resp"]["status_code"] == 2013
    buyer.untouched()


def test_a_task_of_another_key(gateway: Installation, buyer: Buyer, upstream: Upstream) -> None:
    """To another key there is neither the task nor its file, however it is asked for."""
    begun, other = begin(buyer).json(), Buyer.mint(gateway)
    own = begin(other).json()
    seen = len(upstream.requests())
    for path in ("files/retrieve", "files/retrieve_content"):
        assert get(other, f"{path}?file_id={begun['file_id']}").status == 404
        both = f"{path}?file_id={own['file_id']}&file_id={begun['file_id']}"
        assert get(other, both).status == 400
        assert get(other, path).status == 400
    query = "query/t2a_async_query_v2"
    assert get(other, f"{query}?task_id={begun['task_id']}").status == 404
    assert get(other, f"{query}?task_id={begun['task_id']}&task_id={own['task_id']}").status == 400
    assert get(other, f"{query}?GroupId=1&task_id={own['task_id']}0").status == 404
    assert len(upstream.requests()) == seen
    assert get(other, f"{query}?GroupId=1&task_id={own['task_id']}").status == 200


@pytest.mark.parametrize(
    "body",
    [{"text": ""}, {"text": None, "text_file_id": 7}, {"text_file_id": 7}, {"text": "a" * 50_001}],
)
def test_what_cannot_be_held(buyer: Buyer, upstream: Upstream, body: dict[str, Any]) -> None:
    """A stored text has no length that is known, and a longer one is refused there, too."""
    assert begin(buyer, body).status == 400
    assert upstream.requests() == []
    buyer.untouched()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "voice_clone"),
        ("POST", "voice_design"),
        ("POST", "get_voice"),
        ("POST", "delete_voice"),
        ("POST", "video_generation"),
        ("GET", "query/video_generation?task_id=1"),
        ("POST", "music_generation"),
        ("POST", "image_generation"),
        ("POST", "files/upload"),
        ("GET", "files/list"),
    ],
)
def test_denied_routes(buyer: Buyer, upstream: Upstream, method: str, path: str) -> None:
    """What has no price, or shows what others have stored, is forbidden with a reason."""
    answer = send(buyer.gateway.url, method, f"/minimax/v1/{path}", headers=buyer.bearer, body={})
    assert answer.status == 403
    assert upstream.requests() == []
    buyer.untouched()

"""Clients that never finish, trickle or come in crowds: each is bounded, and nobody pays for it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.buyer import Buyer
from tests.harness import MASTER_KEY, Installation, eventually, installation
from tests.wire import CHUNKED_END, RawConnection

WAIT_S = 30.0
BOUND_MS = 1_500
CONNECTIONS_MAX = 8
PATH = "/openai/v1/chat/completions"
BODY = json.dumps(
    {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 50,
        "stream": True,
    }
).encode()
PIECE_BYTES = 8 << 10


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A gateway with bounds that a test can wait for."""
    directory: Path = tmp_path_factory.mktemp("strict")
    with installation(
        directory,
        MINTGATE_WORKERS="1",
        MINTGATE_HTTP_CONNECTIONS_MAX=str(CONNECTIONS_MAX),
        MINTGATE_HTTP_HEAD_WAIT_MS=str(BOUND_MS),
        MINTGATE_HTTP_BODY_WAIT_MS=str(BOUND_MS),
    ) as gateway:
        yield gateway
        gateway.audit()


def trickle(connection: RawConnection, piece: bytes = b"a") -> bytes:
    """Send a piece at a time until the other side says something or closes; what it said."""

    def said() -> bool:
        with contextlib.suppress(OSError):
            connection.write(piece)
        return connection.has_more()

    eventually(said, WAIT_S, "an end of the trickle")
    return connection.read_to_end()


def test_a_head_that_never_ends_is_a_408(strict: Installation) -> None:
    """Each byte of it does not buy more time."""
    with RawConnection(strict.url) as connection:
        connection.write(b"POST /openai/v1/chat/completions HTTP/1.1\r\nx-slow: ")
        assert trickle(connection).startswith(b"HTTP/1.1 408 ")


def test_a_second_head_that_never_ends_is_a_408(strict: Installation) -> None:
    """A connection that asked once is bounded like a new one."""
    with RawConnection(strict.url) as connection:
        connection.request("GET", "/healthz", {})
        connection.read_until(b"}")
        connection.write(b"GET /healthz HTTP/1.1\r\nx-slow: ")
        assert trickle(connection).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_says_nothing_is_left(strict: Installation) -> None:
    """A connection without any request is closed without a word."""
    with RawConnection(strict.url) as connection:
        assert connection.read_to_end() == b""


def test_line_breaks_keep_no_connection(strict: Installation) -> None:
    """What may stand between two requests, sent for ever, is no request."""
    with RawConnection(strict.url) as connection:
        connection.request("GET", "/healthz", {})
        connection.read_until(b"}")
        assert trickle(connection, b"\r\n") == b""


def test_a_head_without_bound_is_a_431(strict: Installation) -> None:
    """It is refused by its size, before its time is over."""
    with RawConnection(strict.url) as connection:
        connection.write(b"GET /healthz HTTP/1.1\r\nx-large: ")
        assert trickle(connection, b"a" * PIECE_BYTES).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("path", [PATH, "/v1/keys"])
def test_a_body_that_trickles_is_refused(strict: Installation, path: str) -> None:
    """Provider and control routes answer in their own shape, hold nothing, and then close."""
    buyer = Buyer.mint(strict)
    credential = buyer.secret if path == PATH else MASTER_KEY
    headers = {
        "authorization": f"Bearer {credential}",
        "content-type": "application/json",
        "content-length": "100000",
    }
    with RawConnection(strict.url) as connection:
        connection.request("POST", path, headers, b"{")
        answer = trickle(connection, b" ")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert "in time" in json.loads(body)["error"]["message"]
    assert strict.events(buyer.key_id) == []


def test_the_rest_of_a_refused_body_is_not_awaited_for_ever(strict: Installation) -> None:
    """An answer that came early leaves no connection behind that trickles on."""
    with RawConnection(strict.url) as connection:
        connection.request("POST", "/nowhere", {"content-length": "100000"}, b"{")
        assert connection.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 404 ")
        trickle_to_the_end(connection)


def trickle_to_the_end(connection: RawConnection) -> None:
    """Send on after the answer until the connection is closed."""
    while trickle(connection):
        pass


def test_answers_have_no_such_deadline(strict: Installation) -> None:
    """A stream that runs longer than both bounds is complete."""
    buyer = Buyer.mint(strict)
    slow = f"chunks=4; chunk_delay_ms={BOUND_MS // 2}"
    headers = buyer.bearer | {"content-type": "application/json", "x-simulate": slow}
    with RawConnection(strict.url) as connection:
        connection.request("POST", PATH, headers, BODY)
        assert b"[DONE]" in connection.read_until(CHUNKED_END)


def test_connections_beyond_the_bound_are_closed(strict: Installation) -> None:
    """The next one gets no answer while the others are there, and one again when they are gone."""

    def answered() -> bool:
        with RawConnection(strict.url) as connection:
            with contextlib.suppress(OSError):
                connection.request("GET", "/healthz", {"connection": "close"})
            return connection.read_to_end().startswith(b"HTTP/1.1 200 ")

    eventually(answered, WAIT_S, "room after the other tests")
    with contextlib.ExitStack() as crowd:
        for _ in range(CONNECTIONS_MAX):
            crowd.enter_context(RawConnection(strict.url))
        assert not answered()
    eventually(answered, WAIT_S, "an answer after the crowd has left")

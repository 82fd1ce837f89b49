"""Everything that must not be forwarded: refused in the provider's own shape, and never charged."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.buyer import Buyer
from tests.e2e.refusals import (
    BODIES,
    CHAT,
    DIALECTS,
    GEMINI_MODEL,
    INTERNALS,
    PATHS,
    attempt,
    credentials,
    refused,
)
from tests.harness import Installation, eventually
from tests.upstream import Upstream
from tests.wire import RawConnection, send

BODY_BYTES_MAX = 32 << 20
POST = "POST /v1/chat/completions HTTP/1.1"


@pytest.fixture(scope="module")
def buyer(gateway: Installation) -> Iterator[Buyer]:
    """One key for the whole table: every row must leave it as it was."""
    buyer = Buyer.mint(gateway)
    yield buyer
    buyer.untouched()


# ------------------------------------------------------------- bodies that are no JSON


def with_text(dialect: str, old: str, new: str) -> bytes:
    """The dialect's good body with a piece of its text replaced."""
    text = json.dumps(BODIES[dialect])
    assert old in text
    return text.replace(old, new, 1).encode()


BROKEN_BODIES: list[Any] = [
    pytest.param(lambda d: b"", "", id="empty"),
    pytest.param(lambda d: b"{", "not valid JSON", id="cut"),
    pytest.param(lambda d: b"hello", "not valid JSON", id="words"),
    pytest.param(lambda d: b"model=gpt-4o", "not valid JSON", id="form"),
    pytest.param(lambda d: json.dumps(BODIES[d]).encode()[:-1], "not valid JSON", id="no end"),
    pytest.param(
        lambda d: json.dumps(BODIES[d]).encode() + b"x", "not valid JSON", id="more after the end"
    ),
    pytest.param(lambda d: b"[]", "one JSON object", id="array"),
    pytest.param(lambda d: b'"text"', "one JSON object", id="string"),
    pytest.param(lambda d: b"null", "one JSON object", id="null"),
    pytest.param(lambda d: b"42", "one JSON object", id="number"),
    pytest.param(lambda d: with_text(d, "hello", "hel\xfflo"[:3]) + b"\xff", "UTF-8", id="latin-1"),
    pytest.param(lambda d: b'{"a": "\xff"}', "UTF-8", id="invalid UTF-8"),
    pytest.param(lambda d: json.dumps(BODIES[d]).encode("utf-16"), "byte order mark", id="UTF-16"),
    pytest.param(lambda d: json.dumps(BODIES[d]).encode("utf-32"), "byte order mark", id="UTF-32"),
    pytest.param(
        lambda d: b"\xef\xbb\xbf" + json.dumps(BODIES[d]).encode(), "byte order mark", id="BOM"
    ),
    pytest.param(lambda d: gzip.compress(json.dumps(BODIES[d]).encode()), "UTF-8", id="gzip"),
    pytest.param(lambda d: with_text(d, ": 10", ": NaN"), "NaN", id="NaN"),
    pytest.param(lambda d: with_text(d, ": 10", ": Infinity"), "Infinity", id="Infinity"),
    pytest.param(lambda d: with_text(d, ": 10", ": -Infinity"), "Infinity", id="-Infinity"),
    pytest.param(lambda d: with_text(d, ": 10", ": 1e999"), "out of range", id="1e999"),
    pytest.param(lambda d: with_text(d, ": 10", ": " + "9" * 40), "64 bits", id="40 digits"),
    pytest.param(lambda d: with_text(d, ": 10", ": " + "9" * 9_000), "64 bits", id="9,000 digits"),
    pytest.param(lambda d: with_text(d, ": 10", ": 010"), "not valid JSON", id="leading zero"),
    pytest.param(lambda d: with_text(d, ": 10", ": 10,"), "not valid JSON", id="comma"),
    pytest.param(lambda d: with_text(d, "{", "{/**/"), "not valid JSON", id="comment"),
    pytest.param(lambda d: b'{"a":' + b"[" * 100_000, "nests too deeply", id="deep arrays"),
    pytest.param(lambda d: b'{"a":' * 100_000, "nests too deeply", id="deep objects"),
    pytest.param(
        lambda d: with_text(d, "{", '{"stream": false, "stream": true, '), '"stream"', id="twice"
    ),
    pytest.param(
        lambda d: with_text(d, "{", '{"x": {"y": [{"z": 1, "z": 1}]}, '), '"z"', id="twice inside"
    ),
    pytest.param(
        lambda d: with_text(d, "{", '{"stream": 1, "\\u0073tream": 1, '),
        '"stream"',
        id="twice, escaped",
    ),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("make", "naming"), BROKEN_BODIES)
def test_bodies_that_are_no_json(buyer: Buyer, dialect: str, make: Any, naming: str) -> None:
    """A body that two parsers could read differently is read by nobody."""
    upstream = Upstream(buyer.gateway)
    refused(dialect, attempt(buyer, dialect, make(dialect)), 400, naming)
    assert upstream.requests() == []


# ------------------------------------------------------------------------ credentials


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("headers", "naming"),
    [
        pytest.param({}, "No API key", id="none"),
        pytest.param({"authorization": ""}, "No API key", id="empty"),
        pytest.param({"authorization": "Bearer"}, "", id="only a scheme"),
        pytest.param({"authorization": "Bearer "}, "", id="no token"),
        pytest.param({"authorization": "Bearer sk-proj-1"}, "qlk_live_", id="a provider's key"),
        pytest.param({"authorization": "Bearer qlk_live_"}, "qlk_live_", id="only the prefix"),
        pytest.param({"authorization": "Bearer qlk_live_" + "0" * 63}, "qlk_live_", id="short"),
        pytest.param({"authorization": "Bearer qlk_live_" + "0" * 65}, "qlk_live_", id="long"),
        pytest.param({"authorization": "Bearer qlk_live_" + "A" * 64}, "qlk_live_", id="capitals"),
        pytest.param({"authorization": "Bearer qlk_live_" + "0" * 64}, "not known", id="unknown"),
        pytest.param({"authorization": "Bearer " + "x" * 8_000}, "qlk_live_", id="endless"),
        pytest.param({"authorization": "Basic !!!"}, "qlk_live_", id="bad base64"),
        pytest.param({"authorization": "Bearer \xe9\xe9"}, "qlk_live_", id="no ASCII"),
        pytest.param({"x-api-key": "qlk_live_'; drop table keys; --"}, "qlk_live_", id="SQL"),
    ],
)
def test_credentials(
    gateway: Installation, dialect: str, headers: dict[str, str], naming: str
) -> None:
    """Whatever is no key of this gateway is 401 in the provider's shape."""
    upstream = Upstream(gateway)
    sent = {"anthropic-version": "2023-06-01", **headers}
    answer = send(gateway.url, "POST", PATHS[dialect], headers=sent, body=BODIES[dialect])
    refused(dialect, answer, 401, naming)
    assert upstream.requests() == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_key_in_the_body(buyer: Buyer, dialect: str) -> None:
    """A key in the body is no credential."""
    answer = send(
        buyer.gateway.url,
        "POST",
        PATHS[dialect],
        headers={"anthropic-version": "2023-06-01"},
        body={**BODIES[dialect], "api_key": buyer.secret},
    )
    refused(dialect, answer, 401, "No API key")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_two_authorization_headers(buyer: Buyer, dialect: str) -> None:
    """Two different keys in two headers of the same name are refused, too."""
    body = json.dumps(BODIES[dialect]).encode()
    lines = [
        f"POST {PATHS[dialect]} HTTP/1.1",
        "host: gateway",
        "connection: close",
        f"authorization: Bearer {buyer.secret}",
        "authorization: Bearer qlk_live_" + "0" * 64,
        "anthropic-version: 2023-06-01",
        f"content-length: {len(body)}",
        "",
        "",
    ]
    with RawConnection(buyer.gateway.url) as connection:
        connection.write("\r\n".join(lines).encode() + body)
        received = connection.read_to_end()
    head, _, content = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert "different" in json.loads(content)["error"]["message"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_keys_that_ended(gateway: Installation, dialect: str) -> None:
    """A key that was paused, revoked or has expired is refused on its next request."""
    paused = Buyer.mint(gateway)
    revoked = Buyer.mint(gateway)
    expired = Buyer.mint(gateway, expires_at_ms=time.time_ns() // 1_000_000 + 400)
    with gateway.client() as client:
        client.keys.update(paused.key_id, status="paused")
        client.keys.revoke(revoked.key_id)
    upstream = Upstream(gateway)
    body = BODIES[dialect]
    refused(dialect, attempt(paused, dialect, body), 401, "paused")
    refused(dialect, attempt(revoked, dialect, body), 401, "revoked")
    assert upstream.requests() == []
    eventually(lambda: attempt(expired, dialect, body).status == 401, 5.0, "the key's end")
    refused(dialect, attempt(expired, dialect, body), 401, "expired")
    with gateway.client() as client:
        client.keys.update(paused.key_id, status="active")
    assert attempt(paused, dialect, body).status == 200


def test_master_keys_may_call_providers(gateway: Installation) -> None:
    """A master key is a key like any other on provider routes; it is charged itself."""
    master = Buyer.mint(gateway, scope="master")
    assert attempt(master, "openai", CHAT).status == 200
    assert len(master.events()) == 1


# ------------------------------------------------------------- sizes and content types


@pytest.mark.parametrize("dialect", DIALECTS)
def test_body_that_declares_to_be_too_large(buyer: Buyer, dialect: str) -> None:
    """A length above the limit is refused before a byte of it is read."""
    headers = credentials(dialect, buyer) | {
        "content-length": str(BODY_BYTES_MAX + 1),
        "connection": "close",
    }
    with RawConnection(buyer.gateway.url) as connection:
        connection.request("POST", PATHS[dialect], headers)
        received = connection.read_until(b"}")
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"32 MiB" in received


@pytest.mark.parametrize("dialect", DIALECTS)
def test_body_that_turns_out_too_large(buyer: Buyer, dialect: str) -> None:
    """A body without a length is refused when it passes the limit."""
    upstream = Upstream(buyer.gateway)
    headers = credentials(dialect, buyer)
    lines = [f"POST {PATHS[dialect]} HTTP/1.1", "host: gateway", "transfer-encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    with RawConnection(buyer.gateway.url) as connection:
        connection.write("\r\n".join([*lines, "", ""]).encode())
        for _ in range(BODY_BYTES_MAX >> 20):
            connection.write(piece)
        connection.write(b"1\r\n \r\n")
        received = connection.read_until(b"}")
    assert received.startswith(b"HTTP/1.1 413 ")
    assert upstream.requests() == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("headers", "naming"),
    [
        ({"content-type": "text/plain"}, "text/plain"),
        ({"content-type": "multipart/form-data; boundary=x"}, "multipart/form-data"),
        ({"content-type": "application/x-www-form-urlencoded"}, "x-www-form-urlencoded"),
        ({"content-type": "application/octet-stream"}, "octet-stream"),
        ({"content-type": "application/json; charset=utf-7"}, "UTF-8"),
        ({"content-type": 'application/json; charset="hz-gb-2312"'}, "UTF-8"),
        ({"content-type": "application/json; charset=utf-8; charset=utf-16"}, "UTF-8"),
        ({"content-encoding": "gzip"}, "content-encoding"),
        ({"content-encoding": "br"}, "content-encoding"),
    ],
)
def test_content_types(buyer: Buyer, dialect: str, headers: dict[str, str], naming: str) -> None:
    """What says that it is no plain JSON is not guessed at."""
    upstream = Upstream(buyer.gateway)
    answer = attempt(buyer, dialect, BODIES[dialect], headers=headers)
    refused(dialect, answer, 415, naming)
    assert upstream.requests() == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"]
)
def test_spellings_of_json(gateway: Installation, dialect: str, content_type: str) -> None:
    """JSON by any of its names is JSON."""
    buyer = Buyer.mint(gateway)
    answer = attempt(buyer, dialect, BODIES[dialect], headers={"content-type": content_type})
    assert answer.status == 200


# ------------------------------------------------------------------ methods and routes


@pytest.mark.parametrize(
    ("dialect", "method", "path", "status", "naming"),
    [
        ("openai", "DELETE", "/v1/chat/completions", 405, "POST"),
        ("openai", "PUT", "/v1/embeddings", 405, "POST"),
        ("openai", "PATCH", "/openai/v1/responses", 405, "POST"),
        ("openai", "POST", "/openai/v1/models", 405, "GET"),
        ("openai", "GET", "/v1/chat/completions/chat_of_nobody", 404, "chat_of_nobody"),
        ("openai", "GET", "/openai/v1/nothing", 404, "/nothing"),
        ("openai", "POST", "/openai/v1/chat/completions/x/y/z", 403, "share one account"),
        ("openai", "POST", "/openai/v1/../v1/chat/completions", 404, ""),
        ("openai", "POST", "/openai/v1/%2e%2e/chat/completions", 404, ""),
        ("openai", "POST", "/v1/audio/voices", 403, "share one account"),
        ("openai", "POST", "/v1/audio/transcriptions", 415, "multipart/form-data"),
        ("openai", "POST", "/v1/files", 415, "multipart/form-data"),
        ("openai", "POST", "/v1/uploads", 400, "bytes"),
        ("openai", "GET", "/v1/uploads/upload_of_nobody", 403, "share one account"),
        ("openai", "POST", "/v1/uploads/upload_of_nobody/cancel", 404, "upload_of_nobody"),
        ("openai", "GET", "/v1/conversations/conv_of_nobody", 404, "conv_of_nobody"),
        ("openai", "GET", "/v1/files/file-of-nobody", 404, "file-of-nobody"),
        ("openai", "GET", "/v1/responses/resp_of_nobody", 404, "resp_of_nobody"),
        ("openai", "POST", "/v1/videos", 403, "24 September 2026"),
        ("openai", "POST", "/v1/realtime/client_secrets", 403, "credential"),
        ("openai", "POST", "/v1/images/variations", 403, "images/edits"),
        ("openai", "GET", "/v1/organization/costs", 403, "operator"),
        ("openai", "POST", "/v1/fine_tuning/jobs", 403, "cost"),
        ("openai", "POST", "/v1/vector_stores", 403, "share one account"),
        ("anthropic", "GET", "/v1/messages", 405, "POST"),
        ("anthropic", "DELETE", "/anthropic/v1/messages/count_tokens", 405, "POST"),
        ("anthropic", "POST", "/anthropic/v1/nothing", 404, "/nothing"),
        ("anthropic", "POST", "/v1/sessions", 403, "cost"),
        ("anthropic", "GET", "/v1/sessions/x/events", 403, "cost"),
        ("anthropic", "POST", "/anthropic/v1/files", 415, "multipart/form-data"),
        ("anthropic", "POST", "/anthropic/v1/skills", 403, "share one account"),
        ("anthropic", "POST", "/v1/complete", 403, "/v1/messages"),
        ("anthropic", "GET", "/v1/organizations/api_keys", 403, "operator"),
        ("gemini", "GET", f"{GEMINI_MODEL}:generateContent", 404, ":generateContent"),
        ("gemini", "POST", f"{GEMINI_MODEL}:teleport", 405, "GET"),
        ("gemini", "DELETE", f"{GEMINI_MODEL}:embedContent", 405, "POST"),
        ("gemini", "POST", "/gemini/v1beta/nothing", 404, "/nothing"),
        ("gemini", "POST", "/gemini/v1beta/models/../x:generateContent", 404, ""),
        ("gemini", "POST", "/google/v1beta/models/x/../../y:generateContent", 404, ""),
        ("gemini", "POST", f"{GEMINI_MODEL}:batchGenerateContent", 400, "no requests"),
        ("gemini", "POST", "/v1beta/interactions", 403, "cost"),
        ("gemini", "GET", "/v1beta/batches/of-nobody", 404, "of-nobody"),
        ("gemini", "POST", f"{GEMINI_MODEL}:predict", 403, "generateContent"),
        ("gemini", "PATCH", "/v1beta/cachedContents/of-nobody", 403, "Make another one"),
        ("gemini", "GET", "/v1beta/cachedContents/of-nobody", 404, "of-nobody"),
        ("gemini", "POST", "/v1beta/fileSearchStores", 403, "share one account"),
        ("gemini", "GET", "/v1beta/files/of-nobody", 404, "of-nobody"),
        ("gemini", "POST", "/v1alpha/auth_tokens", 403, "credential"),
        ("gemini", "POST", "/v1beta/openai/chat/completions", 403, "Gen AI SDK"),
    ],
)
def test_routes(
    buyer: Buyer, dialect: str, method: str, path: str, status: int, naming: str
) -> None:
    """The table of routes is closed: what is not in it is refused, with a way out."""
    upstream = Upstream(buyer.gateway)
    body: dict[str, Any] | None = None if method in {"GET", "DELETE"} else {}
    answer = attempt(buyer, dialect, body, path=path, method=method)
    refused(dialect, answer, status, naming)
    assert upstream.requests() == []


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/v1/nothing", "/v1", "/v2/chat/completions", "/v1beta/models/../x:embedContent"],
)
def test_paths_of_nobody(buyer: Buyer, path: str) -> None:
    """A path that is neither a provider's nor ours is 404 in our own shape."""
    answer = attempt(buyer, "openai", {}, path=path)
    assert answer.status == 404
    error = answer.json()["error"]
    assert error["code"] == "not_found"
    assert path in error["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/nothing"])
def test_denied_routes_need_no_key(gateway: Installation, path: str) -> None:
    """Without a key nothing is told that needs one, and nothing fails inside."""
    answer = send(gateway.url, "TRACE", path)
    assert answer.status in {401, 404, 405}
    assert not [sign for sign in INTERNALS if sign in answer.body.decode()]


@pytest.mark.parametrize(
    "query",
    ["?key=", "?key=%00", "?%ff=%fe", "?a=b&a=c&=&&", "?" + "x=1&" * 500, "?key=a;key=b"],
)
def test_odd_queries(gateway: Installation, query: str) -> None:
    """No query string gets past the credentials or breaks anything."""
    upstream = Upstream(gateway)
    answer = send(gateway.url, "POST", PATHS["openai"] + query, body=CHAT)
    assert answer.status == 401
    assert "qlk_live_" in answer.body.decode() or "No API key" in answer.body.decode()
    assert upstream.requests() == []


@pytest.mark.parametrize(
    "lines",
    [
        ["NOT HTTP AT ALL"],
        ["POST /v1/chat/completions HTTP/9.9", "host: x"],
        [POST, "host: x", "content-length: -5"],
        [POST, "host: x", "content-length: 5", "transfer-encoding: chunked"],
        [POST, "host: x", "bad header"],
        [POST, "host: x", "a: " + "x" * 100_000],
    ],
    ids=["words", "version", "negative length", "smuggling", "bad header", "long header"],
)
def test_requests_that_are_no_http(gateway: Installation, lines: list[str]) -> None:
    """What is no HTTP is answered with an error or a closed door, and harms nobody else."""
    upstream = Upstream(gateway)
    with RawConnection(gateway.url) as connection:
        connection.write("\r\n".join([*lines, "", "0\r\n\r\n"]).encode())
        connection.stop_writing()
        received = connection.read_to_end()
    assert received == b"" or received.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert not [sign for sign in INTERNALS if sign in received.decode("latin-1")]
    assert upstream.requests() == []
    assert send(gateway.url, "GET", "/healthz").status == 200

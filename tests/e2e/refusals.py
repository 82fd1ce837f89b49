"""Bad requests to provider routes, and what a good refusal of them looks like."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.buyer import Buyer
from tests.wire import Answer, send

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
PARTS: list[Any] = [{"role": "user", "parts": [{"text": "hello"}]}]
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "f"}}
CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 10}
RESPONSE: dict[str, Any] = {"model": "gpt-4o-mini", "input": "hello", "max_output_tokens": 20}
COMPLETION: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": "hello"}
EMBEDDING: dict[str, Any] = {"model": "text-embedding-3-small", "input": "hello"}
IMAGE: dict[str, Any] = {"model": "gpt-image-1", "prompt": "a cat"}
MESSAGE: dict[str, Any] = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 10}
CONTENT: dict[str, Any] = {"contents": PARTS, "generationConfig": {"maxOutputTokens": 10}}
GEMINI_MODEL = "/gemini/v1beta/models/gemini-2.5-flash"

PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": f"{GEMINI_MODEL}:generateContent",
}
BODIES: dict[str, dict[str, Any]] = {"openai": CHAT, "anthropic": MESSAGE, "gemini": CONTENT}
DIALECTS = tuple(PATHS)
MODEL_LISTS = {
    "openai": "/openai/v1/models",
    "anthropic": "/anthropic/v1/models",
    "gemini": "/gemini/v1beta/models",
}
"""Answered by the gateway itself, for a good key."""
UNAVAILABLE = 503
RETRY_AFTER_S_MAX = 20
REFUSED_WITHIN_S = 3.0 + 5.0
"""What the gateway states for a hold and for a question to core, and a busy machine."""

MESSAGE_CHARACTERS_MIN = 20
MESSAGE_CHARACTERS_MAX = 500
INTERNALS = ("Traceback", 'File "', "site-packages", "mintgate_", "Error(", "grpc", "line 1 in")
"""What only a developer of the gateway should ever see."""
OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    503: "server_error",
}
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    503: "api_error",
}
GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    503: "UNAVAILABLE",
}


def native_message(dialect: str, answer: Answer) -> str:
    """Check a refusal's shape as the provider's own, and return its message."""
    document = answer.json()
    error = document["error"]
    message = error["message"]
    if dialect == "openai":
        assert error["type"] == OPENAI_TYPES[answer.status]
        assert {"message", "type", "param", "code"} <= error.keys()
        assert isinstance(error["code"], str)
    elif dialect == "anthropic":
        assert document["type"] == "error"
        assert error["type"] == ANTHROPIC_TYPES[answer.status]
        assert document["request_id"] == answer.headers["request-id"]
    else:
        assert error["code"] == answer.status
        assert error["status"] == GEMINI_STATUSES[answer.status]
        assert isinstance(error["details"], list)
    assert isinstance(message, str)
    return message


def refused(dialect: str, answer: Answer, status: int, naming: str) -> None:
    """Check that an answer refuses, instructs, and shows nothing of the gateway's inside."""
    assert answer.status == status, answer.body[:500]
    assert answer.headers["content-type"].startswith("application/json")
    if status == UNAVAILABLE:
        # Nothing is wrong with the request, and waiting helps.
        assert "x-should-retry" not in answer.headers
        assert 1 <= int(answer.headers["retry-after"]) <= RETRY_AFTER_S_MAX
    else:
        assert answer.headers["x-should-retry"] == "false"
    message = native_message(dialect, answer)
    assert MESSAGE_CHARACTERS_MIN <= len(message) <= MESSAGE_CHARACTERS_MAX
    # OpenAI has a place of its own for the field's name.
    named = str(answer.json()["error"].get("param")) if dialect == "openai" else ""
    assert naming in message or naming in named
    body = answer.body.decode()
    assert not [sign for sign in INTERNALS if sign in body]
    assert "qlk_live_" not in body.replace("begins with qlk_live_", "")


def credentials(dialect: str, buyer: Buyer) -> dict[str, str]:
    """The headers of the dialect's own SDK."""
    headers = {"content-type": "application/json"}
    if dialect == "openai":
        return headers | buyer.bearer
    if dialect == "anthropic":
        return headers | {"x-api-key": buyer.secret, "anthropic-version": "2023-06-01"}
    return headers | {"x-goog-api-key": buyer.secret}


def attempt(
    buyer: Buyer,
    dialect: str,
    body: Any = None,
    *,
    path: str = "",
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send a request of a dialect, changed somewhere."""
    if isinstance(body, dict):
        body = json.dumps(body)
    sent = credentials(dialect, buyer) | (headers or {})
    return send(buyer.gateway.url, method, path or PATHS[dialect], headers=sent, body=body)


def unavailable(buyer: Buyer) -> None:
    """Check that every dialect's routes are 503 in its own shape, soon, and never 401."""

    def check(dialect: str, method: str) -> None:
        begun_s = time.monotonic()
        body, path = (BODIES[dialect], "") if method == "POST" else (None, MODEL_LISTS[dialect])
        answer = attempt(buyer, dialect, body, path=path, method=method)
        refused(dialect, answer, UNAVAILABLE, "gateway")
        assert time.monotonic() - begun_s < REFUSED_WITHIN_S

    with ThreadPoolExecutor(2 * len(DIALECTS)) as pool:
        for done in [pool.submit(check, d, m) for d in DIALECTS for m in ("POST", "GET")]:
            done.result()

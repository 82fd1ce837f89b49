"""What is asked and what is answered: the same bytes for every contender.

The answer is about a kilobyte of JSON, or twenty events of content and one of usage. Its
usage is what the ledger charges for, so a request's cost is known before it is made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MODEL = "gpt-4o-mini"
PATH = "/v1/chat/completions"
CHUNKS = 20

INPUT_TOKENS = 60
OUTPUT_TOKENS = 160
USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
}
COST_NANO_USD = INPUT_TOKENS * 150 + OUTPUT_TOKENS * 600
"""At the list price: 0.15 dollars a million input tokens, 0.60 a million output tokens."""

SLOWLY = "slowly"
"""The upstream waits `upstream.DELAY_S` before it answers a request that has this word."""

PAUSE = "pause_s="
"""The upstream waits as many seconds as follow this after each event."""

CONTENT = "The sea is a long sentence that nobody has finished. " * 14
WORDS = "The sea is wide. "

MESSAGES = [
    {"role": "system", "content": "You are terse."},
    {"role": "user", "content": "Say something about the sea. " * 8},
]
JSON_BODY: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "max_tokens": 200}
STREAM_BODY = JSON_BODY | {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True)
class Case:
    """One thing to measure."""

    stream: bool
    clients: int

    @property
    def name(self) -> str:
        """Its name in results and options."""
        return f"{'stream' if self.stream else 'json'}-{self.clients}"

    @property
    def body(self) -> bytes:
        """What is sent."""
        return json.dumps(STREAM_BODY if self.stream else JSON_BODY).encode()


CASES = tuple(Case(stream, clients) for stream in (False, True) for clients in (1, 32, 256))
CASE_BY_NAME = {case.name: case for case in CASES}


def slow_body() -> bytes:
    """A request whose answer waits until all others of its burst have arrived."""
    return _saying(JSON_BODY, SLOWLY)


def paused_body(pause_s: float) -> bytes:
    """A stream whose upstream waits so long after each event."""
    return _saying(STREAM_BODY, f"{PAUSE}{pause_s:.3f}")


def _saying(body: dict[str, Any], word: str) -> bytes:
    message = {"role": "user", "content": f"Say it, {word}"}
    return json.dumps(body | {"messages": [message]}).encode()


def answer() -> str:
    """The upstream's answer to a request that does not stream."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": CONTENT,
        "refusal": None,
        "annotations": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return json.dumps(_head("chat.completion") | {"choices": [choice], "usage": USAGE})


def events() -> list[str]:
    """The upstream's events, each of which is flushed by itself."""
    deltas: list[tuple[dict[str, str], str | None]] = [({"content": WORDS}, None)] * CHUNKS
    deltas.append(({}, "stop"))
    chunks = [
        _head("chat.completion.chunk")
        | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": None}
        for delta, reason in deltas
    ]
    chunks.append(_head("chat.completion.chunk") | {"choices": [], "usage": USAGE})
    return [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-bench", "object": kind, "created": 1_700_000_000, "model": MODEL}


def check_json(text: str) -> None:
    """Fail unless this is the upstream's answer, in content and usage."""
    got = json.loads(text)
    assert got["choices"][0]["message"]["content"] == CONTENT, text
    assert _counted(got["usage"]) == USAGE, text


def check_stream(text: str) -> None:
    """Fail unless these are the upstream's events, in content, usage and end."""
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]", text[-400:]
    chunks = [json.loads(line) for line in lines[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == WORDS * CHUNKS, text
    usages = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    assert [_counted(usage) for usage in usages] == [USAGE], text[-1_000:]


def _counted(usage: dict[str, Any]) -> dict[str, Any]:
    return {name: usage.get(name) for name in USAGE}

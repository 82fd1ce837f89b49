"""``POST /v1/completions``: the legacy interface, at OpenAI with a default limit of 16 tokens.

``best_of`` completions are made and billed for every prompt, ``n`` of them are returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.answer import Kind, Stream
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.reply import Reply, plan_reply, text_deltas
from mintgate_simulator.request import CREATED_AT_S, is_int
from mintgate_simulator.tokens import PromptTokens, tokens_of, utf8_length

from . import check, wire
from .chat import usage_asked
from .ending import Ending
from .usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

    from .quirks import Quirks

BEST_OF_MAX = 20
CHOICES_MAX = 128


def create(request: Request, quirks: Quirks) -> Answer:
    """The answer to a legacy completion request."""
    body = check.body_of(request)
    controls = request.controls
    model = check.model_of(body)
    prompts = prompt_token_counts("prompt", body.get("prompt", ""))
    stream = check.flag(body, "stream")
    n = check.whole_number(body, "n", smallest=1, largest=CHOICES_MAX) or 1
    best_of = check.whole_number(body, "best_of", smallest=1, largest=BEST_OF_MAX) or n
    if best_of < n:
        raise Refusal(
            400, "You requested that the server return more choices than it will generate."
        )
    if stream and best_of > n:
        raise Refusal(400, "best_of must not be greater than n when streaming.")
    limit = check.whole_number(body, "max_tokens", smallest=1) or quirks.completion_limit
    reply = plan_reply(controls, limit=limit)
    made = best_of * len(prompts)
    usage = usage_of(
        controls,
        PromptTokens(text=sum(prompts), image=0, audio=0),
        output=made * reply.output,
        reasoning=made * reply.reasoning,
    )
    stated = quirks.usage(usage, controls, model) if controls.usage else None
    asked = usage_asked(body, stream=stream)
    extras = quirks.extras(controls)
    base = {
        "id": f"cmpl-{request.number:024x}",
        "object": "text_completion",
        "created": CREATED_AT_S,
        "model": controls.model or model,
        "system_fingerprint": wire.FINGERPRINT,
    }
    choices = n * len(prompts)
    if stream:
        return Stream(
            headers=wire.headers(request, b"text/event-stream; charset=utf-8", quirks.headers),
            events=_events(
                base,
                choices,
                reply,
                controls.chunks,
                Ending(quirks.usage_place, stated, asked=asked, extras=extras),
            ),
            failure=quirks.stream_error,
            ping=wire.PING,
            crlf_allowed=True,
        )
    base["choices"] = [_choice(index, reply.text, _finish(reply)) for index in range(choices)]
    if stated is not None:
        base["usage"] = stated
    return wire.whole(request, {**base, **extras}, account=quirks.headers)


def prompt_token_counts(name: str, prompt: object) -> list[int]:
    """Tokens of each prompt: one text, several, one array of tokens, or several of those."""
    if isinstance(prompt, str):
        return [tokens_of(utf8_length(prompt))]
    if isinstance(prompt, list) and prompt:
        if all(is_int(token) for token in prompt):
            return [len(prompt)]
        if all(isinstance(text, str) for text in prompt):
            return [tokens_of(utf8_length(text)) for text in prompt]
        if all(isinstance(array, list) for array in prompt):
            return [len(array) for array in prompt]
    raise check.wrong_type(name, "a string, an array of strings or arrays of tokens", prompt)


def _finish(reply: Reply) -> str:
    return "length" if reply.cut else "stop"


def _choice(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _events(
    base: dict[str, Any],
    choices: int,
    reply: Reply,
    chunks: int | None,
    ending: Ending,
) -> Iterator[tuple[Kind, bytes]]:
    tail = ending.placeholder
    for text in text_deltas(reply, chunks):
        for index in range(choices):
            choice = _choice(index, text, None)
            yield Kind.CONTENT, wire.sse({**base, "choices": [choice], **tail})
    for index in range(choices):
        choice = _choice(index, "", _finish(reply))
        yield Kind.CLOSING, wire.sse(ending.finish(base, choice, last=index == choices - 1))
    alone = ending.alone(base)
    if alone is not None:
        yield Kind.CLOSING, wire.sse(alone)
    yield Kind.CLOSING, wire.DONE

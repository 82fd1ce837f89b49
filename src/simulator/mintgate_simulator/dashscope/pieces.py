"""What is billed by the piece (speech, pictures) or by its input alone (vectors, rankings)."""

from __future__ import annotations

import base64
import unicodedata
from typing import TYPE_CHECKING, Any

from mintgate_simulator import sounds
from mintgate_simulator.answer import Kind, Stream
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.tokens import count_prompt, tokens_of, utf8_length
from mintgate_simulator.vectors import vector_json

from . import wire
from .generation import wants_events

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request

PICTURES_MAX = 6
DIMENSIONS_DEFAULT = 1_024
SECONDS_PER_CHARACTER = 0.06
_EXPIRES_AT_S = 1_790_086_400


def speak(request: Request) -> Answer:
    """Speech: an address of it, or its sound in events. Wide characters count twice."""
    _, inputs, _ = wire.sections(request)
    text = inputs.get("text")
    if not isinstance(text, str) or not text:
        raise Refusal(400, "input.text is required")
    if request.controls.base_resp:
        return wire.whole(request, wire.failed(request))
    characters = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    usage = {"usage": {"characters": characters}} if request.controls.usage else {}
    name = wire.request_id(request)
    audio = {
        "url": f"https://simulated.invalid/{name}.wav",
        "id": f"audio_{name}",
        "expires_at": _EXPIRES_AT_S,
        "data": "",
    }
    last = {"output": {"finish_reason": "stop", "audio": audio}, **usage}
    if not wants_events(request):
        return wire.whole(request, last)
    sound = sounds.mp3(len(text) * SECONDS_PER_CHARACTER)
    half = len(sound) // 2
    events = []
    for number, piece in enumerate((sound[:half], sound[half:]), 1):
        heard = {"data": base64.b64encode(piece).decode()}
        output = {"type": "sentence-synthesis", "finish_reason": "null", "audio": heard}
        events.append((Kind.CONTENT, wire.event(number, {"output": output, "request_id": name})))
    closing = wire.event(len(events) + 1, {**last, "request_id": name})
    return Stream(
        headers=wire.headers(request, b"text/event-stream;charset=UTF-8"),
        events=iter([*events, (Kind.CLOSING, closing)]),
        failure=wire.stream_failure,
    )


def draw(request: Request) -> Answer:
    """Pictures, as many as asked for; the control ``output`` says how many were really made."""
    _, inputs, parameters = wire.sections(request)
    if not inputs.get("messages"):
        raise Refusal(400, "input.messages is required")
    asked = wire.whole_number(parameters, "n", PICTURES_MAX) or 1
    made = asked if request.controls.output is None else request.controls.output
    picture = {"image": f"https://simulated.invalid/{wire.request_id(request)}.png"}
    message = {"role": "assistant", "content": [picture]}
    choices = [{"finish_reason": "stop", "message": message}] * made
    answer: dict[str, Any] = {"output": {"choices": choices}}
    if request.controls.usage:
        answer["usage"] = {"image_count": made, "width": 1328, "height": 1328}
    return wire.whole(request, answer)


def embed(request: Request) -> Answer:
    """Vectors, billed by all texts together."""
    _, inputs, parameters = wire.sections(request)
    texts = inputs.get("texts")
    if not isinstance(texts, list) or not texts:
        raise Refusal(400, "input.texts is required")
    vector = vector_json(wire.whole_number(parameters, "dimension", 2_048) or DIMENSIONS_DEFAULT)
    found = [{"text_index": index, "embedding": vector} for index in range(len(texts))]
    return _with_total(request, {"embeddings": found}, sum(count_prompt(t).total for t in texts))


def rank(request: Request) -> Answer:
    """A ranking: the query is billed once with each document."""
    _, inputs, _ = wire.sections(request)
    query, documents = inputs.get("query"), inputs.get("documents")
    if not isinstance(query, str) or not isinstance(documents, list) or not documents:
        raise Refusal(400, "input.query and input.documents are required")
    ranked = [{"index": index, "relevance_score": 0.9} for index in range(len(documents))]
    total = sum(tokens_of(utf8_length(query)) + count_prompt(each).total for each in documents)
    return _with_total(request, {"results": ranked}, total)


def count_tokens(request: Request) -> Answer:
    """The tokens of a prompt, for nothing."""
    _, inputs, _ = wire.sections(request)
    total = count_prompt(inputs).total
    output = {"token_ids": list(range(total)), "tokens": ["x"] * total}
    return wire.whole(request, {"output": output, "usage": {"input_tokens": total}})


def _with_total(request: Request, output: dict[str, Any], counted: int) -> Answer:
    controls = request.controls
    if controls.base_resp:
        return wire.whole(request, wire.failed(request))
    total = counted if controls.input is None else controls.input
    usage = {"usage": {"total_tokens": total}} if controls.usage else {}
    return wire.whole(request, {"output": output, **usage})

"""Whatever a vendor's twin can answer at its worst costs no more than what was held for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mintgate_core.pricing import PriceBook, Unit, quote, rate
from mintgate_core.service.requests import bound as bound_of
from mintgate_facade.dialects.base import Policy, RequestView, Route
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.providers.base import Surface
from mintgate_facade.providers.registry import REGISTRY
from mintgate_simulator.answer import Whole
from mintgate_simulator.control import Controls
from mintgate_simulator.request import Request
from mintgate_simulator.vendors import vendor_twins

MODELS = {
    "xai": ("grok-3", "grok-4-fast-reasoning", "grok-4-fast-non-reasoning", "grok-4.7"),
    "moonshot": ("kimi-k2.5", "kimi-k3"),
    "minimax": ("MiniMax-M2.7", "MiniMax-M3"),
    "deepseek": ("deepseek-v4-flash", "deepseek-v3.1-terminus"),
    "mistral": ("mistral-small-2603", "mistral-large-4"),
    "cerebras": ("gpt-oss-120b", "llama3.1-8b"),
}
DO_NOT_REASON = frozenset({"grok-3", "grok-4-fast-non-reasoning"})
CHOICES_MAX = {"moonshot": 5, "minimax": 1, "deepseek": 1}
OUTPUT_MAX = 10_000
"""Tokens of text that one example really writes; more is claimed as reasoning."""
TWINS = vendor_twins()


@dataclass(frozen=True)
class Case:
    """One request, and how badly it is answered."""

    slug: str
    model: str
    path: str
    """As the vendor's own twin receives it."""
    document: dict[str, Any]
    operation: str
    output: int
    reasoning: int
    cached_share: int
    """Of the input, percent."""


@pytest.fixture(scope="session")
def book() -> PriceBook:
    """The packaged prices."""
    return PriceBook.load()


def up_to(most: int) -> st.SearchStrategy[int]:
    """Any number, and often the largest."""
    return st.sampled_from((0, most)) | st.integers(0, most)


@st.composite
def cases(draw: st.DrawFn, slug: str) -> Case:
    """Any chat, message or response that a vendor serves, at sizes of every kind."""
    model = draw(st.sampled_from(MODELS[slug]))
    text = draw(st.sampled_from(("hi", "word " * 500, "Zürich " * 3_000, "日本" * 2_000)))
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    document: dict[str, Any] = {"model": model, "stream": draw(st.booleans())}
    limit = draw(st.none() | st.integers(16, 5_000))
    messages = [{"role": "user", "content": text}]
    kinds = ["chat"]
    if len(REGISTRY.provider(slug).surfaces) > 1:
        kinds.append("messages")
    if slug == "xai":
        kinds.append("responses")
    operation = draw(st.sampled_from(kinds))
    match operation:
        case "chat":
            path = "/chat/completions" if slug == "deepseek" else "/v1/chat/completions"
            document |= {"messages": messages, "n": draw(st.integers(1, CHOICES_MAX.get(slug, 9)))}
            if limit is not None:
                document["max_tokens"] = limit
            if draw(st.booleans()):
                document["tools"] = [tool]
        case "messages":
            path = "/v1/messages" if slug == "xai" else "/anthropic/v1/messages"
            document |= {"messages": messages, "max_tokens": limit or 1_000}
        case _:
            path = "/v1/responses"
            document["input"] = text
            if limit is not None:
                document["max_output_tokens"] = limit
    return Case(
        slug,
        model,
        path,
        document,
        operation,
        output=draw(up_to(OUTPUT_MAX)),
        reasoning=0 if model in DO_NOT_REASON else draw(up_to(2_000_000)),
        cached_share=draw(up_to(100)),
    )


def surface_of(case: Case) -> Surface:
    """The surface that speaks the case's shape."""
    name = "anthropic" if case.operation == "messages" else "openai"
    surfaces = REGISTRY.provider(case.slug).surfaces
    return next(surface for surface in surfaces if surface.dialect.name == name)


def answer(case: Case, body: bytes, controls: Controls) -> tuple[bytes, str]:
    """What the twin answers, and the content type."""
    headers = [(b"anthropic-version", b"2023-06-01"), (b"authorization", b"Bearer k")]
    given = TWINS[case.slug].respond(
        Request(1, "POST", case.path, "", headers, body, controls=controls)
    )
    kind = dict(given.headers)[b"content-type"].decode()
    if isinstance(given, Whole):
        assert given.status == 200
        return given.body, kind
    return b"".join(event for _, event in given.events), kind


@pytest.mark.parametrize("slug", MODELS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_hold_covers_the_worst_answer(book: PriceBook, slug: str, data: st.DataObject) -> None:
    """Limits, reasoning beyond them, choices, caches, ticks and usage in every place."""
    case = data.draw(cases(slug))
    card = book.find("", case.slug, case.model, time.time_ns() // 1_000_000)
    body = orjson.dumps(case.document)
    dialect = surface_of(case).dialect
    route = Route("POST", "/x", Policy.METERED, case.operation)
    ask = dialect.read(route, RequestView(body=body, document=parse_object(body)))
    held = quote(card, bound_of(ask.bound)).amount_nano_usd

    most = card.max_output_tokens or card.context_window
    output = min(case.output, most)
    input_tokens = min(len(body), card.context_window)
    share = input_tokens * case.cached_share // 100
    apart = case.operation == "messages"
    controls = Controls(
        output=output,
        # A model writes no more than it can, hidden tokens included.
        reasoning=min(case.reasoning, most - output),
        input=input_tokens - share if apart else input_tokens,
        cached=share,
    )
    written, kind = answer(case, ask.body, controls)
    meter = dialect.meter(route, ask, kind)
    meter.feed(written)
    meter.close()
    reading = meter.reading()
    assert meter.complete
    assert not meter.refused
    units = {Unit(unit): count for unit, count in reading.units.items()}
    assert rate(card, units, reading.variants).amount_nano_usd <= held

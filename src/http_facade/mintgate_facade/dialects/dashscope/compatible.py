"""How DashScope's OpenAI-compatible chat differs: reasoning beside the limit, and its price."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mintgate_facade.dialects.base import Ask, Meter, Reading, RequestView, Route
from mintgate_facade.dialects.dashscope import batch
from mintgate_facade.dialects.dashscope.content import IMAGE_TOKENS_MAX
from mintgate_facade.dialects.dashscope.generation import (
    CHOICES_MAX,
    FORBIDDEN,
    UNBOUNDED_MODELS,
    refuse_unbounded,
)
from mintgate_facade.dialects.dashscope.terms import CHAT
from mintgate_facade.dialects.dashscope.thinking import (
    NOT_UNASKED,
    OFF,
    fitted_budget,
    hold_reasoning,
)
from mintgate_facade.dialects.jsontext import parse_object, set_member
from mintgate_facade.dialects.openai import Flavor, Operation
from mintgate_facade.dialects.openai.answer import answer_meter
from mintgate_facade.dialects.openai.chat import read_chat
from mintgate_facade.dialects.openai.stream import ChatStreamMeter
from mintgate_facade.dialects.streams import EVENT_STREAM, Fate

_BASE = Flavor(
    name="dashscope",
    limit_field="max_tokens",
    unreasoning=NOT_UNASKED,
    choices_max=CHOICES_MAX,
    tiers=frozenset({"auto", "default"}),
    hosted_search=False,
    forbidden=FORBIDDEN,
    unbounded_models=UNBOUNDED_MODELS,
    audio_input=False,
    image_tokens=IMAGE_TOKENS_MAX,
)


def read_compatible(request: RequestView) -> Ask:
    """Bound a chat in OpenAI's shape. Raises `RefusedRequest` for what cannot be bounded."""
    refuse_unbounded(str(request.document.get("model")), request.document)
    ask = read_chat(request, _BASE)
    hold_reasoning(ask.bound, ask.model, request.document)
    return ask


def read_line(route: Route, request: RequestView) -> Ask:  # noqa: ARG001 - as a dialect reads
    """Bound a request of a batch. Raises as above."""
    ask = read_compatible(request)
    batch.check_line(ask.model, request.document)
    return ask


def compatible_meter(ask: Ask, content_type: str) -> Meter:
    """Make the reader of a chat's answer."""
    if content_type.startswith(EVENT_STREAM):
        return CompatibleStreamMeter(ask, _BASE)
    return answer_meter("chat", ask, _BASE, thoughtless=OFF)


def with_limit(ask: Ask, output_tokens: int) -> bytes:
    """`ask.body` with a limit, and a budget where it may reason besides."""
    body = set_member(ask.body, ("max_tokens",), b"%d" % output_tokens)
    budget = fitted_budget(ask.model, parse_object(ask.body), output_tokens)
    return body if budget is None else set_member(body, ("thinking_budget",), b"%d" % budget)


class CompatibleStreamMeter(ChatStreamMeter):
    """A chat's stream, which costs less where it shows no reasoning."""

    def __init__(self, ask: Ask, flavor: Flavor) -> None:
        super().__init__(ask, flavor)
        self._thought = False

    def _see(self, event: dict[str, Any]) -> Fate:
        fate = super()._see(event)
        for choice in event.get("choices") or ():
            delta = choice.get("delta") if isinstance(choice, dict) else None
            if isinstance(delta, dict) and delta.get("reasoning_content"):
                self._thought = True
        return fate

    def reading(self) -> Reading:
        """The usage, under the variant of an answer without reasoning if it had none."""
        reading = super().reading()
        if not self._thought and not reading.reasoning_tokens:
            reading.variants = (*reading.variants, OFF)
        return reading


FLAVOR = replace(
    _BASE,
    operations={
        "chat": Operation(read_compatible, compatible_meter, terms=CHAT, limited=with_limit),
        "batch": Operation(
            batch.read_compatible_batch,
            lambda ask, _: answer_meter("batch", ask, _BASE),
            batch.TERMS,
        ),
    },
)

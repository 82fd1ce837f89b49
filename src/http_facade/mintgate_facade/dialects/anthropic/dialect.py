"""The Anthropic dialect behind the one interface that the relay calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mintgate_facade.dialects.anthropic import batch, errors, models
from mintgate_facade.dialects.anthropic.answer import answer_meter
from mintgate_facade.dialects.anthropic.flavor import Flavor
from mintgate_facade.dialects.anthropic.request import read_content, read_message
from mintgate_facade.dialects.anthropic.stream import MessageStreamMeter
from mintgate_facade.dialects.anthropic.terms import terms_of
from mintgate_facade.dialects.base import Ask, Failure, Meter, ObjectName, RequestView, Route
from mintgate_facade.dialects.checks import bounded_nesting
from mintgate_facade.dialects.jsontext import set_member
from mintgate_facade.dialects.streams import EVENT_STREAM
from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice


class AnthropicDialect:
    """Serves Anthropic, and vendors that offer its Messages API."""

    name = "anthropic"

    def __init__(self, flavor: Flavor | None = None) -> None:
        self._flavor = flavor or Flavor()

    @property
    def terms(self) -> Mapping[str, Terms]:
        """How each metered operation is bounded and metered, in words."""
        return terms_of(self._flavor)

    def read(self, route: Route, request: RequestView) -> Ask:
        """Turn a metered request into bounds, or raise `RefusedRequest`."""
        with bounded_nesting():
            if route.operation == batch.OPERATION:
                return batch.read_batch(request, self._flavor)
            if route.operation == "messages":
                return read_message(request, self._flavor)
        raise LookupError(f"no reading for the operation {route.operation!r}")

    def uses(self, route: Route, request: RequestView) -> tuple[ObjectName, ...]:  # noqa: ARG002
        """Stored files that a request to count tokens reads."""
        with bounded_nesting():
            return tuple(read_content(request.document).files)

    def with_output_limit(self, route: Route, ask: Ask, output_tokens: int) -> bytes:  # noqa: ARG002
        """`ask.body` with `max_tokens` spliced in, otherwise unchanged."""
        return set_member(ask.body, ("max_tokens",), str(output_tokens).encode())

    def meter(self, route: Route, ask: Ask, content_type: str) -> Meter:  # noqa: ARG002
        """Make the reader of a successful answer; its content type tells its framing."""
        if content_type.startswith(EVENT_STREAM):
            return MessageStreamMeter(ask, self._flavor.thoughtless)
        return answer_meter(ask, self._flavor.thoughtless)

    def error(self, failure: Failure) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """Give a failure Anthropic's error body and its extra headers."""
        return errors.error_body(failure)

    def stream_error(self, route: Route, failure: Failure, content_type: str = "") -> bytes:  # noqa: ARG002
        """Build the in-stream error event; the SDKs raise `APIStatusError` for it."""
        if content_type and not content_type.startswith(EVENT_STREAM):
            return b""
        return errors.stream_event(failure)

    def models(
        self,
        route: Route,
        prices: Sequence[ModelPrice],
        query: Mapping[str, str],
        path_model: str = "",
    ) -> bytes:
        """Answer a models route from the catalogue; raises `RefusedRequest` if unknown."""
        if "{model}" in route.path:
            return models.single_body(prices, path_model or query.get("model", ""))
        return models.list_body(prices, query)

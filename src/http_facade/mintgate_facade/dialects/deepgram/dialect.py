"""The Deepgram dialect behind the one interface that the relay calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import (
    Ask,
    Failure,
    Meter,
    ObjectName,
    RequestView,
    Route,
)
from mintgate_facade.dialects.checks import bounded_nesting
from mintgate_facade.dialects.deepgram import errors, models
from mintgate_facade.dialects.deepgram.listen import read_listen
from mintgate_facade.dialects.deepgram.terms import TERMS
from mintgate_facade.dialects.deepgram.text import VOICE, read_read, read_speak
from mintgate_facade.dialects.media import media_meter
from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

_ONE_DOCUMENT = frozenset({"listen", "read"})


class DeepgramDialect:
    """Serves Deepgram."""

    name = "deepgram"
    terms: Mapping[str, Terms] = TERMS

    def read(self, route: Route, request: RequestView) -> Ask:
        """Turn a metered request into bounds, or raise `RefusedRequest`."""
        with bounded_nesting():
            match route.operation:
                case "listen":
                    return read_listen(request)
                case "speak":
                    return read_speak(request, voice=VOICE)
                case "speak_v2":
                    return read_speak(request, voice="")
                case "read":
                    return read_read(request)
                case _:
                    raise LookupError(f"no reading for the operation {route.operation!r}")

    def uses(self, route: Route, request: RequestView) -> tuple[ObjectName, ...]:  # noqa: ARG002 - see below
        """Nothing: Deepgram stores no objects for its users."""
        return ()

    def with_output_limit(self, route: Route, ask: Ask, output_tokens: int) -> bytes:  # noqa: ARG002 - see below
        """`ask.body` as it is: no request here has an output limit."""
        return ask.body

    def meter(self, route: Route, ask: Ask, content_type: str) -> Meter:  # noqa: ARG002 - the operation alone tells its framing
        """Make the reader of a successful answer."""
        return media_meter(ask, one_document=route.operation in _ONE_DOCUMENT)

    def error(self, failure: Failure) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """Give a failure Deepgram's error body and its extra headers."""
        return errors.error_body(failure)

    def stream_error(self, route: Route, failure: Failure, content_type: str = "") -> bytes:  # noqa: ARG002 - see below
        """Nothing: audio has no place for an error."""
        return b""

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
        return models.list_body(prices)

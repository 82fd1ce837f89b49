"""The OpenAI dialect behind the one interface that the relay calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Ask, Failure, Meter, ObjectName, RequestView, Route
from mintgate_facade.dialects.checks import bounded_nesting, plain_names
from mintgate_facade.dialects.jsontext import set_member
from mintgate_facade.dialects.openai import batch, compaction, errors, models
from mintgate_facade.dialects.openai.answer import answer_meter
from mintgate_facade.dialects.openai.audio import read_speech, read_transcription
from mintgate_facade.dialects.openai.audio_answer import (
    AudioStreamMeter,
    speech_meter,
    transcript_meter,
)
from mintgate_facade.dialects.openai.chat import read_chat
from mintgate_facade.dialects.openai.compaction import read_compaction
from mintgate_facade.dialects.openai.completions import read_completion
from mintgate_facade.dialects.openai.edits import read_edit
from mintgate_facade.dialects.openai.embeddings import read_embedding
from mintgate_facade.dialects.openai.flavor import Flavor
from mintgate_facade.dialects.openai.images import read_image
from mintgate_facade.dialects.openai.responses import read_response
from mintgate_facade.dialects.openai.stream import (
    ChatStreamMeter,
    ImageStreamMeter,
    ResponsesStreamMeter,
)
from mintgate_facade.dialects.openai.terms import terms_of
from mintgate_facade.dialects.streams import EVENT_STREAM
from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

_STREAM_METERS: Mapping[str, Callable[[Ask, Flavor], Meter]] = {
    "chat": ChatStreamMeter,
    "completions": ChatStreamMeter,
    "fim": ChatStreamMeter,
    "responses": ResponsesStreamMeter,
    "images": ImageStreamMeter,
    "image_edit": ImageStreamMeter,
    "speech": lambda ask, _: AudioStreamMeter(ask),
    "transcription": lambda ask, _: AudioStreamMeter(ask),
}
_READINGS: Mapping[str, Callable[[RequestView, Flavor], Ask]] = {
    "chat": read_chat,
    "responses": read_response,
    "completions": read_completion,
    "fim": read_completion,
    "embeddings": lambda request, _: read_embedding(request),
    "images": lambda request, _: read_image(request),
    "image_edit": lambda request, _: read_edit(request),
    "speech": lambda request, _: read_speech(request),
    "transcription": lambda request, _: read_transcription(request),
    "translation": lambda request, _: read_transcription(request),
    compaction.OPERATION: read_compaction,
    batch.OPERATION: lambda request, _: batch.read_batch(request),
}
_TRANSCRIPTS = frozenset({"transcription", "translation"})


class OpenAIDialect:
    """Serves OpenAI, and vendors of the same shape by their `Flavor`."""

    name = "openai"

    def __init__(self, flavor: Flavor | None = None) -> None:
        self._flavor = flavor or Flavor()

    @property
    def terms(self) -> Mapping[str, Terms]:
        """How each metered operation is bounded and metered, in words."""
        return terms_of(self._flavor)

    def read(self, route: Route, request: RequestView) -> Ask:
        """Turn a metered request into bounds, or raise `RefusedRequest`."""
        with bounded_nesting():
            return self._read(route.operation, request)

    def _read(self, operation: str, request: RequestView) -> Ask:
        plain_names(request.document)
        own = self._flavor.operations.get(operation)
        if own is not None:
            return own.read(request)
        return _READINGS[operation](request, self._flavor)

    def uses(self, route: Route, request: RequestView) -> tuple[ObjectName, ...]:
        """Stored objects that a request to count tokens reads."""
        if route.operation != "count_tokens":
            return ()
        with bounded_nesting():
            return read_response(request, self._flavor).uses

    def with_output_limit(self, route: Route, ask: Ask, output_tokens: int) -> bytes:
        """`ask.body` with the output limit spliced in, otherwise unchanged."""
        own = self._flavor.operations.get(route.operation)
        if own is not None and own.limited is not None:
            return own.limited(ask, output_tokens)
        match route.operation:
            case "chat":
                field = self._flavor.limit_field
            case "completions" | "fim":
                field = "max_tokens"
            case _:
                field = "max_output_tokens"
        return set_member(ask.body, (field,), str(output_tokens).encode())

    def meter(self, route: Route, ask: Ask, content_type: str) -> Meter:
        """Make the reader of a successful answer; its content type tells its framing."""
        own = self._flavor.operations.get(route.operation)
        if own is not None:
            return own.meter(ask, content_type)
        if content_type.startswith(EVENT_STREAM) and route.operation in _STREAM_METERS:
            return _STREAM_METERS[route.operation](ask, self._flavor)
        if route.operation == "speech":
            return speech_meter(ask, content_type)
        if route.operation in _TRANSCRIPTS:
            return transcript_meter(ask, content_type)
        return answer_meter(route.operation, ask, self._flavor)

    def error(self, failure: Failure) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """Give a failure OpenAI's error body and its extra headers."""
        return errors.error_body(failure, self._flavor.flat_errors)

    def stream_error(self, route: Route, failure: Failure, content_type: str = "") -> bytes:
        """Build the in-stream error event; the SDKs raise `APIError` for it."""
        if content_type and not content_type.startswith(EVENT_STREAM):
            return b""
        return errors.stream_event(failure, responses=route.operation == "responses")

    def models(
        self,
        route: Route,
        prices: Sequence[ModelPrice],
        query: Mapping[str, str],
        path_model: str = "",
    ) -> bytes:
        """Answer a models route from the catalogue; raises `RefusedRequest` if unknown."""
        if "{model}" in route.path:
            return models.single_body(prices, path_model or query.get("model", ""), self._flavor)
        return models.list_body(prices, self._flavor)

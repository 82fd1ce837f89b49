"""DashScope's own dialect behind the one interface that the relay calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mintgate.v1.unit_pb2 import UNIT_INPUT_CHARACTERS, UNIT_OUTPUT_IMAGES

from mintgate_facade.dialects.base import Ask, Failure, Meter, ObjectName, RequestView, Route
from mintgate_facade.dialects.checks import bounded_nesting, model_name
from mintgate_facade.dialects.dashscope import errors, models, tasks
from mintgate_facade.dialects.dashscope.answer import generation_meter, piece_meter, vector_meter
from mintgate_facade.dialects.dashscope.generation import read_generation
from mintgate_facade.dialects.dashscope.media import draws, is_speech, read_pictures, read_speech
from mintgate_facade.dialects.dashscope.stream import GenerationStreamMeter, PieceStreamMeter
from mintgate_facade.dialects.dashscope.terms import TERMS
from mintgate_facade.dialects.dashscope.thinking import fitted_budget
from mintgate_facade.dialects.dashscope.usage import CHARACTERS, PICTURES
from mintgate_facade.dialects.dashscope.vectors import read_embedding, read_ranking
from mintgate_facade.dialects.jsontext import parse_object, set_member
from mintgate_facade.dialects.split import fields
from mintgate_facade.dialects.streams import EVENT_STREAM
from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice

_PIECES = {UNIT_INPUT_CHARACTERS: CHARACTERS, UNIT_OUTPUT_IMAGES: PICTURES}
"""The field of an answer's usage that states how many pieces it used."""
_VECTORS = frozenset({"embeddings", "rerank"})


class DashScopeDialect:
    """Serves `/api/v1` of Alibaba Model Studio."""

    name = "dashscope"
    terms: Mapping[str, Terms] = TERMS

    def read(self, route: Route, request: RequestView) -> Ask:
        """Turn a metered request into bounds, or raise `RefusedRequest`."""
        with bounded_nesting():
            return self._read(route.operation, request)

    def _read(self, operation: str, request: RequestView) -> Ask:
        match operation:
            case "generation":
                return read_generation(request)
            case "multimodal":
                return _read_multimodal(request)
            case "speech":
                return read_speech(request)
            case "embeddings":
                return read_embedding(request)
            case "rerank":
                return read_ranking(request)
            case tasks.PICTURES:
                return tasks.read_picture_task(request)
            case tasks.VIDEO:
                return tasks.read_video_task(request)
            case tasks.TRANSCRIPT:
                return tasks.read_transcript_task(request)
            case _:
                raise LookupError(f"no reading for the operation {operation!r}")

    def uses(self, route: Route, request: RequestView) -> tuple[ObjectName, ...]:  # noqa: ARG002
        """Stored objects that a free request reads: none, as none are served."""
        return ()

    def with_output_limit(self, route: Route, ask: Ask, output_tokens: int) -> bytes:  # noqa: ARG002
        """`ask.body` with `max_tokens` spliced in, and a budget where it may reason besides."""
        body = set_member(ask.body, ("parameters", "max_tokens"), b"%d" % output_tokens)
        parameters = fields(parse_object(ask.body).get("parameters"))
        budget = fitted_budget(ask.model, parameters, output_tokens)
        if budget is None:
            return body
        return set_member(body, ("parameters", "thinking_budget"), b"%d" % budget)

    def meter(self, route: Route, ask: Ask, content_type: str) -> Meter:
        """Make the reader of a successful answer; its content type tells its framing."""
        if ask.later is not None:
            return tasks.task_meter(ask)
        if route.operation in _VECTORS:
            return vector_meter(ask)
        piece = next((_PIECES[fee.unit] for fee in ask.bound.fees), None)
        if content_type.startswith(EVENT_STREAM):
            return GenerationStreamMeter(ask) if piece is None else PieceStreamMeter(ask, piece)
        return generation_meter(ask) if piece is None else piece_meter(ask, piece)

    def error(self, failure: Failure) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """Give a failure DashScope's error body and its extra headers."""
        return errors.error_body(failure)

    def stream_error(self, route: Route, failure: Failure, content_type: str = "") -> bytes:  # noqa: ARG002 - all routes have one shape
        """Build the in-stream error event."""
        if content_type and not content_type.startswith(EVENT_STREAM):
            return b""
        return errors.stream_event(failure)

    def models(
        self,
        route: Route,  # noqa: ARG002 - there is one route
        prices: Sequence[ModelPrice],
        query: Mapping[str, str],
        path_model: str = "",  # noqa: ARG002 - the query names the model
    ) -> bytes:
        """Answer the models route from the catalogue."""
        return models.list_body(prices, query)


def _read_multimodal(request: RequestView) -> Ask:
    """Tell what a request of the one route for all media is for."""
    if is_speech(request):
        return read_speech(request)
    return (
        read_pictures(request) if draws(model_name(request.document)) else read_generation(request)
    )

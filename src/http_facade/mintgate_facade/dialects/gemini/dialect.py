"""The Gemini dialect behind the one interface that the relay calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mintgate_facade.dialects.base import Ask, Failure, Meter, ObjectName, RequestView, Route
from mintgate_facade.dialects.checks import bounded_nesting, mapping
from mintgate_facade.dialects.gemini import batch, errors, models, videos
from mintgate_facade.dialects.gemini.answer import answer_meter
from mintgate_facade.dialects.gemini.caches import cache_meter, cache_of, read_cache
from mintgate_facade.dialects.gemini.embeddings import read_embedding
from mintgate_facade.dialects.gemini.names import to_snake, unify
from mintgate_facade.dialects.gemini.request import check_query, read_contents, read_generate
from mintgate_facade.dialects.gemini.stream import ChunkArrayMeter, ChunkSseMeter
from mintgate_facade.dialects.gemini.terms import TERMS
from mintgate_facade.dialects.jsontext import parse_object, set_member
from mintgate_facade.dialects.streams import EVENT_STREAM
from mintgate_facade.dialects.terms import Terms

if TYPE_CHECKING:
    from mintgate.v1.meter_pb2 import ModelPrice


class GeminiDialect:
    """Serves the Gemini API of AI Studio."""

    name = "gemini"
    terms: Mapping[str, Terms] = TERMS

    def read(self, route: Route, request: RequestView) -> Ask:
        """Turn a metered request into bounds, or raise `RefusedRequest`."""
        with bounded_nesting():
            return self._read(route.operation, request)

    def _read(self, operation: str, request: RequestView) -> Ask:
        match operation:
            case "generate":
                return read_generate(request, stream=False)
            case "stream":
                return read_generate(request, stream=True)
            case "embed":
                return read_embedding(request, batch=False)
            case "embed_batch":
                return read_embedding(request, batch=True)
            case batch.OPERATION:
                return batch.read_batch(request, embeds=False)
            case batch.EMBEDDING:
                return batch.read_batch(request, embeds=True)
            case videos.OPERATION:
                check_query(request)
                return videos.read_video(request)
            case "cache":
                check_query(request)
                return read_cache(request, read_contents(unify(request.document)))
            case _:
                raise LookupError(f"no reading for the operation {operation!r}")

    def uses(self, route: Route, request: RequestView) -> tuple[ObjectName, ...]:  # noqa: ARG002
        """What is stored and a request to count tokens reads, at its top or as a generation."""
        with bounded_nesting():
            document = unify(request.document)
            inner = mapping(document, "generateContentRequest")
            documents = [document] if inner is None else [document, unify(inner)]
            files = [name for each in documents for name in read_contents(each).files]
            return (*files, *filter(None, map(cache_of, documents)))

    def with_output_limit(self, route: Route, ask: Ask, output_tokens: int) -> bytes:  # noqa: ARG002
        """`ask.body` with `maxOutputTokens` spliced in, under the names that it uses."""
        document = parse_object(ask.body)
        outer = _present(document, "generationConfig")
        inner = _present(document.get(outer) or {}, "maxOutputTokens")
        return set_member(ask.body, (outer, inner), str(output_tokens).encode())

    def meter(self, route: Route, ask: Ask, content_type: str) -> Meter:
        """Make the reader of a successful answer; its content type tells its framing."""
        if content_type.startswith(EVENT_STREAM):
            return ChunkSseMeter(ask)
        if route.operation == "stream":
            return ChunkArrayMeter(ask)
        if route.operation == "cache":
            return cache_meter(ask)
        if route.operation in {batch.OPERATION, batch.EMBEDDING}:
            return batch.batch_meter(ask)
        if route.operation == videos.OPERATION:
            return videos.operation_meter(ask)
        return answer_meter(ask)

    def error(self, failure: Failure) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
        """Give a failure Google's error body and its extra headers."""
        return errors.error_body(failure)

    def stream_error(self, route: Route, failure: Failure, content_type: str = "") -> bytes:
        """Build the in-stream error, in the framing of the answer."""
        if not content_type or content_type.startswith(EVENT_STREAM):
            return errors.stream_event(failure)
        return errors.array_element(failure) if route.operation == "stream" else b""

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


def _present(fields: Mapping[str, object], name: str) -> str:
    """Choose whichever of a field's two names is there; the usual one if neither is."""
    snake = to_snake(name)
    return snake if snake in fields else name

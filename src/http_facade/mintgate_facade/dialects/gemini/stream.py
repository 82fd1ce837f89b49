"""Meters of Gemini's streamed answers, as SSE and as one JSON array."""

from __future__ import annotations

from abc import ABC
from typing import Any

from mintgate.v1.unit_pb2 import (
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
    UNIT_OUTPUT_TOKENS,
)

from mintgate_facade.dialects.base import Ask
from mintgate_facade.dialects.counted import text_bytes, utf8_bytes
from mintgate_facade.dialects.gemini.usage import (
    grounding_fees,
    read_usage,
    search_queries,
    tier_variant,
)
from mintgate_facade.dialects.jsonarray import JsonArraySplitter
from mintgate_facade.dialects.split import Units, add, fields
from mintgate_facade.dialects.streams import Fate, SseMeter, StreamMeter

AUDIO_BASE64_BYTES_PER_TOKEN = 2_560
"""Speech comes as pcm16 at 24 kHz, 25 tokens a second: 1,920 bytes, 2,560 in base64."""
IMAGE_TOKENS = 1_290
"""One picture of a gemini image model at its default size."""
_UNFINISHED = frozenset({"", "FINISH_REASON_UNSPECIFIED"})


class _ChunkMeter(StreamMeter, ABC):
    """Reads the chunks, which are the same in both framings.

    Every chunk carries the usage so far; the last one wins. No event says that
    the stream is over, so a chunk with a finish reason is kept until the next
    chunk, or the end, tells whether it was the last.
    """

    ends_once = False

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self._usage: Any = None
        self._queries: dict[int, int] = {}
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._blocked = False
        self._closed = False
        self._pictures = 0
        self._audio_base64_bytes = 0

    @property
    def final(self) -> bool:
        """The stream ended as it should, and its usage was stated."""
        return self.complete and read_usage(self._usage, self._ask) is not None

    @property
    def complete(self) -> bool:
        """The body ended, and every candidate in it had finished."""
        done = bool(self._finished) and self._seen <= self._finished
        return self._closed and (done or self._blocked)

    def _see(self, event: dict[str, Any]) -> Fate:
        if not self._provider_request_id:
            self._provider_request_id = str(event.get("responseId") or "")
        if not self._model:
            self._model = str(event.get("modelVersion") or "")
        usage = event.get("usageMetadata")
        if isinstance(usage, dict):
            self._usage = usage
            self._variants = tier_variant(usage) or self._variants
        ends = False
        for candidate in event.get("candidates") or ():
            if isinstance(candidate, dict):
                ends = self._see_candidate(candidate) or ends
        if fields(event.get("promptFeedback")).get("blockReason"):
            self._blocked = ends = True
        return Fate.KEEP if ends else Fate.PASS

    def _see_candidate(self, candidate: dict[str, Any]) -> bool:
        index = candidate.get("index", 0)
        index = index if isinstance(index, int) else 0
        self._seen.add(index)
        queries = search_queries(candidate)
        if queries:
            self._queries[index] = queries
        parts = fields(candidate.get("content")).get("parts")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                self._count_part(part)
        if str(candidate.get("finishReason") or "") in _UNFINISHED:
            return False
        self._finished.add(index)
        return True

    def _count_part(self, part: dict[str, Any]) -> None:
        words = part.get("text")
        if isinstance(words, str):
            self._text_bytes += utf8_bytes(words)
            return
        blob = part.get("inlineData")
        if not isinstance(blob, dict):
            self._text_bytes += text_bytes(part)
        elif str(blob.get("mimeType")).startswith("audio/"):
            self._audio_base64_bytes += len(str(blob.get("data") or ""))
        else:
            self._pictures += 1

    def _exact(self) -> tuple[Units, int] | None:
        usage = read_usage(self._usage, self._ask) if self.complete else None
        if usage is None:
            return None
        units, thoughts = usage
        return self._with_fees(units), thoughts

    def _counted_units(self) -> Units:
        """Take the input as stated, and of each output whichever is more: stated or counted."""
        counted = super()._counted_units()
        stated = read_usage(self._usage, self._ask)
        units = stated[0] if stated else counted
        audio_tokens = -(-self._audio_base64_bytes // AUDIO_BASE64_BYTES_PER_TOKEN)
        for unit, number in (
            (UNIT_OUTPUT_TOKENS, counted[UNIT_OUTPUT_TOKENS]),
            (UNIT_OUTPUT_AUDIO_TOKENS, audio_tokens),
            (UNIT_OUTPUT_IMAGE_TOKENS, self._pictures * IMAGE_TOKENS),
        ):
            units[unit] = max(units.get(unit, 0), number)
        return self._with_fees(units)

    def _with_fees(self, units: Units) -> Units:
        return add(units, grounding_fees(sum(self._queries.values()), self._ask.model))


class ChunkSseMeter(_ChunkMeter, SseMeter):
    """`?alt=sse`: `data:` events without a terminator."""

    def close(self) -> bytes:
        """The body has ended cleanly: return what was kept back."""
        kept = super().close()
        self._closed = True
        return kept


class ChunkArrayMeter(_ChunkMeter):
    """Without `alt=sse`: one JSON array, whose closing bracket is kept back."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask)
        self._elements = JsonArraySplitter()

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes from the provider; return the whole elements among them."""
        if chunk:
            self._fed = True
        passed = []
        for raw, data in self._elements.feed(chunk):
            document = self._parse(data)
            if document is not None:
                self._judge(document)
            passed.append(raw)
        return b"".join(passed)

    def close(self) -> bytes:
        """The body has ended cleanly: return the closing bracket."""
        self._closed = self._elements.ended
        return self._elements.flush()

"""The meter of Anthropic's streamed messages."""

from __future__ import annotations

from typing import Any

from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
    UNIT_WEB_SEARCHES,
)

from mintgate_facade.dialects.anthropic.usage import MessageUsage
from mintgate_facade.dialects.base import Ask, Reading
from mintgate_facade.dialects.counted import utf8_bytes
from mintgate_facade.dialects.split import Units, count, fields
from mintgate_facade.dialects.streams import Fate, SseMeter

_DELTA_TEXT = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "compaction_delta": "content",
}


class MessageStreamMeter(SseMeter):
    """`message_start` states the input, each `message_delta` the totals so far.

    More than one `message_delta` may come, so only `message_stop` makes them final.
    """

    def __init__(self, ask: Ask, thoughtless: str = "") -> None:
        super().__init__(ask)
        self._thoughtless = thoughtless
        cached_1h = UNIT_CACHE_WRITE_1H_TOKENS in ask.bound.input_units
        self._usage = MessageUsage(cached_1h=cached_1h)
        self._stopped = False
        self._searches = 0

    @property
    def final(self) -> bool:
        """The message has stopped, and its usage was stated."""
        return self._complete and self._stopped

    def _see(self, event: dict[str, Any]) -> Fate:
        match event.get("type"):
            case "content_block_delta":
                delta = fields(event.get("delta"))
                piece = delta.get(_DELTA_TEXT.get(delta.get("type", ""), ""))
                if delta.get("type") == "thinking_delta":
                    self._thoughtless = ""
                if isinstance(piece, str):
                    self._text_bytes += utf8_bytes(piece)
            case "message_start":
                message = fields(event.get("message"))
                self._provider_request_id = str(message.get("id") or "")
                self._model = str(message.get("model") or "")
                self._merge(message.get("usage"))
            case "content_block_start":
                block = fields(event.get("content_block"))
                if block.get("type") == "server_tool_use" and block.get("name") == "web_search":
                    self._searches += 1
            case "message_delta":
                self._merge(event.get("usage"))
                stop = fields(event.get("delta")).get("stop_reason")
                self._stopped = self._stopped or (
                    stop is not None and "output_tokens" in fields(event.get("usage"))
                )
            case "message_stop":
                self._complete = True
                return Fate.KEEP
        return Fate.PASS

    def _merge(self, usage: Any) -> None:
        self._usage.merge(usage)
        self._variants = self._usage.variants()

    def reading(self) -> Reading:
        """The usage, under the variant of a message without reasoning if it had none."""
        reading = super().reading()
        if self._thoughtless and not reading.reasoning_tokens:
            reading.variants = (*reading.variants, self._thoughtless)
        return reading

    def _exact(self) -> tuple[Units, int] | None:
        if not self._stopped:
            return None
        return self._usage.units(), self._usage.reasoning_tokens

    def _counted_units(self) -> Units:
        """Take the input as stated, and of the output whichever is more: stated or counted."""
        counted = super()._counted_units()
        units = self._usage.units()
        if not self._usage.states_input:
            units[UNIT_INPUT_TOKENS] = counted[UNIT_INPUT_TOKENS]
        units[UNIT_OUTPUT_TOKENS] = max(
            count(units[UNIT_OUTPUT_TOKENS]), counted[UNIT_OUTPUT_TOKENS]
        )
        units[UNIT_WEB_SEARCHES] = max(units[UNIT_WEB_SEARCHES], self._searches)
        return units

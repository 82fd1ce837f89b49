"""Anthropic's usage objects (anthropic/types/usage.py, message_delta_usage.py).

Fresh input, cache reads and cache writes are counted apart from each other; thinking lies inside
the output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mintgate_simulator.tally import claimed

if TYPE_CHECKING:
    from mintgate_simulator.control import Controls
    from mintgate_simulator.reply import Reply
    from mintgate_simulator.tokens import PromptTokens

SEARCH_TOKENS = 8
"""Input tokens that each search result adds after the stream began."""
OUTPUT_PLACEHOLDER = 1
"""Output tokens stated at the start of a stream, before anything is known."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The final numbers of one message; ``service`` is what only the first statement repeats."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    thinking: int
    searches: int
    service: dict[str, str]
    input_at_start: bool = True

    def whole(self) -> dict[str, Any]:
        """Usage of a message that is not streamed."""
        return {**self._input(self.input), **self._output(), **self.service}

    def at_start(self) -> dict[str, Any]:
        """Usage in ``message_start``: input before any search, output not known yet."""
        before_searches = max(0, self.input - SEARCH_TOKENS * self.searches)
        stated = self._input(before_searches)
        if not self.input_at_start:
            stated = {name: 0 for name in stated if name != "cache_creation"}
        return {
            **stated,
            "output_tokens": min(OUTPUT_PLACEHOLDER, self.output),
            **self.service,
        }

    def at_end(self) -> dict[str, Any]:
        """Usage in ``message_delta``: totals that replace those of the start, without the split."""
        numbers = {**self._input(self.input), **self._output()}
        del numbers["cache_creation"]
        return numbers

    def _input(self, fresh: int) -> dict[str, Any]:
        return {
            "input_tokens": fresh,
            "cache_creation_input_tokens": self.cache_write_5m + self.cache_write_1h,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write_5m,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            },
        }

    def _output(self) -> dict[str, Any]:
        numbers: dict[str, Any] = {"output_tokens": self.output}
        if self.thinking:
            numbers["output_tokens_details"] = {"thinking_tokens": self.thinking}
        if self.searches:
            numbers["server_tool_use"] = {
                "web_search_requests": self.searches,
                "web_fetch_requests": 0,
            }
        return numbers


def usage_of(
    controls: Controls,
    body: dict[str, Any],
    prompt: PromptTokens,
    reply: Reply,
    *,
    input_at_start: bool = True,
) -> Usage:
    """Usage of the answer to a request; tier, speed and place follow it unless steered."""
    service = {
        "service_tier": controls.tier or "standard",
        "inference_geo": controls.geo or body.get("inference_geo") or "not_available",
    }
    speed = controls.speed or body.get("speed")
    if speed:
        service["speed"] = speed
    return Usage(
        input=claimed(controls, prompt),
        cache_read=controls.cached,
        cache_write_5m=controls.cache_write_5m,
        cache_write_1h=controls.cache_write_1h,
        output=reply.output,
        thinking=reply.reasoning,
        searches=controls.searches,
        service=service,
        input_at_start=input_at_start,
    )

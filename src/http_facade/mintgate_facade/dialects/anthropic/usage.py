"""Anthropic's usage as disjoint units (anthropic/types/beta/beta_usage.py).

Input, cache reads and cache writes are disjoint already. In a stream the
numbers are running totals: a later one replaces an earlier one.
"""

from __future__ import annotations

from typing import Any

from mintgate.v1.unit_pb2 import (
    UNIT_CACHE_READ_TOKENS,
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_CACHE_WRITE_5M_TOKENS,
    UNIT_INPUT_TOKENS,
    UNIT_OUTPUT_TOKENS,
    UNIT_WEB_SEARCHES,
)

from mintgate_facade.dialects.split import Units, count, fields

_TOTALS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_STANDARD = frozenset({"", "standard", "default", "not_available", "global"})


class MessageUsage:
    """The usage of one message, merged from one or more usage objects."""

    def __init__(self, *, cached_1h: bool) -> None:
        self._cached_1h = cached_1h
        self._merged: dict[str, Any] = {}

    def merge(self, usage: Any) -> None:
        """Take a later usage object: what it states replaces what was known."""
        for name, value in fields(usage).items():
            if value is not None:
                self._merged[name] = value

    @property
    def states_input(self) -> bool:
        """The provider has said what the input was."""
        return any(count(self._merged.get(name)) for name in _TOTALS if name != "output_tokens")

    @property
    def reasoning_tokens(self) -> int:
        """Thinking tokens, which are inside the output."""
        return count(fields(self._merged.get("output_tokens_details")).get("thinking_tokens"))

    @property
    def searches(self) -> int:
        """Web searches run by the server tool."""
        return count(fields(self._merged.get("server_tool_use")).get("web_search_requests"))

    def variants(self) -> tuple[str, ...]:
        """The price variants that the answer states."""
        return tuple(
            f"{name}={value}"
            for name in ("service_tier", "speed", "inference_geo")
            if isinstance(value := self._merged.get(name), str) and value not in _STANDARD
        )

    def units(self) -> Units:
        """The units of all passes.

        Compaction is not in the totals, so with `iterations` their sum counts,
        unless the totals are larger.
        """
        totals = {name: count(self._merged.get(name)) for name in _TOTALS}
        written_1h, written_5m = _written(self._merged)
        iterations = self._merged.get("iterations")
        if isinstance(iterations, list) and iterations:
            entries = [fields(entry) for entry in iterations]
            for name in _TOTALS:
                totals[name] = max(totals[name], sum(count(e.get(name)) for e in entries))
            splits = [_written(entry) for entry in entries]
            written_1h = max(written_1h, sum(one_hour for one_hour, _ in splits))
            written_5m = max(written_5m, sum(five_minutes for _, five_minutes in splits))
        written = max(totals["cache_creation_input_tokens"], written_1h + written_5m)
        unclear = written - written_1h - written_5m
        if self._cached_1h:
            written_1h += unclear
        else:
            written_5m += unclear
        return {
            UNIT_INPUT_TOKENS: totals["input_tokens"],
            UNIT_CACHE_READ_TOKENS: totals["cache_read_input_tokens"],
            UNIT_CACHE_WRITE_5M_TOKENS: written_5m,
            UNIT_CACHE_WRITE_1H_TOKENS: written_1h,
            UNIT_OUTPUT_TOKENS: totals["output_tokens"],
            UNIT_WEB_SEARCHES: self.searches,
        }


def _written(usage: dict[str, Any]) -> tuple[int, int]:
    """Read the cache writes that state their life: for an hour, for five minutes."""
    split = fields(usage.get("cache_creation"))
    return (
        count(split.get("ephemeral_1h_input_tokens")),
        count(split.get("ephemeral_5m_input_tokens")),
    )

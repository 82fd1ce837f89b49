"""OpenAI's usage objects as disjoint units.

One reader serves every route: chat and legacy completions say prompt/completion,
responses, images and audio say input/output (openai/types/completion_usage.py,
responses/response_usage.py, images_response.py). Three vendors put cached tokens
elsewhere: Kimi at the top, DeepSeek as `prompt_cache_hit_tokens`, and DashScope says
`cache_creation_input_tokens` of those that are written.
"""

from __future__ import annotations

from typing import Any

from mintgate.v1.unit_pb2 import (
    UNIT_BILLED_TICKS,
    UNIT_CACHE_WRITE_1H_TOKENS,
    UNIT_WEB_SEARCHES,
)

from mintgate_facade.dialects.base import Ask
from mintgate_facade.dialects.split import (
    Modalities,
    Units,
    add,
    count,
    fields,
    split_input,
    split_output,
)

Usage = dict[str, Any]

_TOTALS = ("prompt_tokens", "input_tokens", "total_tokens")


def read_usage(
    usage: Any,
    *,
    image_output: bool = False,
    states_cost: bool = False,
    kept_long: bool = False,
) -> tuple[Units, int] | None:
    """Turn a usage object into units and reasoning tokens; none when it states nothing.

    `image_output`: output without a split by modality is image tokens. `states_cost`:
    `cost_in_usd_ticks` is what the answer costs, and then the whole charge. `kept_long`:
    cache writes whose life is not told are those that cost more.
    """
    if not isinstance(usage, dict):
        return None
    if not any(usage.get(name) is not None for name in _TOTALS):
        return None
    input_total = count(_either(usage, "prompt_tokens", "input_tokens"))
    output_total = count(_either(usage, "completion_tokens", "output_tokens"))
    # Where a vendor leaves reasoning out of its output, the total still has it.
    output_total += max(0, count(usage.get("total_tokens")) - input_total - output_total)
    details = fields(_either(usage, "prompt_tokens_details", "input_tokens_details"))
    written, written_long = _written(details, kept_long=kept_long)
    units = split_input(
        input_total,
        cached=_cached(usage, details),
        written=written,
        written_long=written_long,
        parts=_modalities(details),
        cached_parts=_modalities(fields(details.get("cached_tokens_details"))),
    )
    output_details = fields(_either(usage, "completion_tokens_details", "output_tokens_details"))
    output_parts = _modalities(output_details)
    if image_output and "image_tokens" not in output_details:
        text = min(count(output_details.get("text_tokens")), output_total)
        output_parts = Modalities(image=output_total - text)
    add(units, split_output(output_total, output_parts))
    if states_cost and (ticks := count(usage.get("cost_in_usd_ticks"))):
        units[UNIT_BILLED_TICKS] = ticks
    return units, count(output_details.get("reasoning_tokens"))


PREVIEW = "search=preview"
"""The variant of a response that searches with the tool's earlier version."""


def searched(ask: Ask) -> tuple[str, ...]:
    """The price variant of the searches that a request may cause, where they have one."""
    return (PREVIEW,) if PREVIEW in ask.bound.variants else ()


def keeps_long(ask: Ask) -> bool:
    """Whether what a request writes to a cache may be kept for longer, at a price of its own."""
    return UNIT_CACHE_WRITE_1H_TOKENS in ask.bound.input_units


def web_searches(response: Usage) -> int:
    """Count the billed searches of one response.

    `tool_usage` is OpenAI's own count of billable searches; without it, each
    search call in the output is one. Opening a page is none.
    """
    stated = fields(fields(response.get("tool_usage")).get("web_search")).get("num_requests")
    if stated is not None:
        return count(stated)
    output = response.get("output")
    return sum(map(is_search, output)) if isinstance(output, list) else 0


def is_search(item: Any) -> bool:
    """Whether an output item is a web search (and not the opening of a page)."""
    if not isinstance(item, dict) or item.get("type") != "web_search_call":
        return False
    return bool(fields(item.get("action")).get("type", "search") == "search")


def with_searches(units: Units, searches: int) -> Units:
    """Add the searches to the units."""
    return add(units, {UNIT_WEB_SEARCHES: searches}) if searches else units


def tier_variant(service_tier: Any) -> tuple[str, ...]:
    """Turn an answer's service tier into its price variant; the standard ones have none."""
    if not isinstance(service_tier, str) or service_tier in {"", "auto", "default", "standard"}:
        return ()
    # The answer reports "fast" as "priority"; a vendor that does not is read the same.
    return (f"service_tier={'priority' if service_tier == 'fast' else service_tier}",)


def _either(usage: Usage, first: str, second: str) -> Any:
    value = usage.get(first)
    return usage.get(second) if value is None else value


def _cached(usage: Usage, details: Usage) -> int:
    return max(
        count(details.get("cached_tokens")),
        count(usage.get("cached_tokens")),
        count(usage.get("prompt_cache_hit_tokens")),
    )


def _written(details: Usage, *, kept_long: bool) -> tuple[int, int]:
    """Tokens that were written to a cache, and those of them that are kept for 12 hours."""
    split = fields(details.get("cache_write_tokens_details"))
    long, short = count(split.get("ttl_12h_tokens")), count(split.get("ttl_30m_tokens"))
    written = max(
        long + short,
        count(details.get("cache_write_tokens")),
        count(details.get("cache_creation_input_tokens")),
    )
    return written, written - short if kept_long else long


def _modalities(details: Usage) -> Modalities:
    return Modalities(
        audio=count(details.get("audio_tokens")),
        image=max(count(details.get("image_tokens")), count(details.get("cached_image_tokens"))),
        video=count(details.get("video_tokens")),
    )

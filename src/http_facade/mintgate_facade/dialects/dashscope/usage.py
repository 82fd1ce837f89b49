"""DashScope's usage objects as disjoint units (help.aliyun.com, "Qwen API reference").

Cached tokens, tokens written to the cache and those of media are inside the input,
reasoning is inside the output. An embedding or a ranking states one total, of input.
"""

from __future__ import annotations

from typing import Any

from mintgate.v1.unit_pb2 import UNIT_INPUT_TOKENS

from mintgate_facade.dialects.split import (
    Modalities,
    Units,
    add,
    count,
    fields,
    split_input,
    split_output,
)

CHARACTERS = "characters"
PICTURES = "image_count"


def read_usage(stated: Any) -> tuple[Units, int] | None:
    """Turn the usage of an answer into units and reasoning tokens; none when it states nothing."""
    usage = fields(stated)
    if usage.get("input_tokens") is None and usage.get("output_tokens") is None:
        return None
    input_total = count(usage.get("input_tokens"))
    output_total = count(usage.get("output_tokens"))
    # Whatever is in the total and in neither part is billed as the dearer of them.
    output_total += max(0, count(usage.get("total_tokens")) - input_total - output_total)
    caches = fields(usage.get("prompt_tokens_details"))
    details = fields(usage.get("input_tokens_details"))
    units = split_input(
        input_total,
        cached=count(caches.get("cached_tokens")),
        written=count(caches.get("cache_creation_input_tokens")),
        parts=Modalities(
            audio=_part(usage, details, "audio_tokens"),
            image=_part(usage, details, "image_tokens"),
            video=_part(usage, details, "video_tokens"),
        ),
    )
    add(units, split_output(output_total))
    reasoning = fields(usage.get("output_tokens_details")).get("reasoning_tokens")
    return units, min(count(reasoning), output_total)


def read_input_total(stated: Any) -> Units | None:
    """Read the usage of an embedding or a ranking: everything in it is input."""
    usage = fields(stated)
    totals = [usage.get(name) for name in ("total_tokens", "input_tokens")]
    if all(total is None for total in totals):
        return None
    return {UNIT_INPUT_TOKENS: max(map(count, totals))}


def _part(usage: dict[str, Any], details: dict[str, Any], name: str) -> int:
    return max(count(usage.get(name)), count(details.get(name)))

"""Gemini's usage as disjoint units (GenerateContentResponseUsageMetadata).

The prompt includes what was cached; tool results, candidates and thoughts stand
beside it. Fields that are 0 are left out, and modality lists may be short.
"""

from __future__ import annotations

from typing import Any

from mintgate.v1.unit_pb2 import (
    UNIT_GROUNDED_REQUESTS,
    UNIT_INPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_AUDIO_TOKENS,
    UNIT_OUTPUT_IMAGE_TOKENS,
    UNIT_WEB_SEARCHES,
)

from mintgate_facade.dialects.base import Ask
from mintgate_facade.dialects.gemini.tools import pays_per_request
from mintgate_facade.dialects.split import (
    Modalities,
    Units,
    add,
    count,
    fields,
    split_input,
    split_output,
)

_NAMES = {"AUDIO": "audio", "IMAGE": "image", "VIDEO": "video"}
_STANDARD = frozenset({"", "standard", "unspecified"})


def read_usage(usage: Any, ask: Ask) -> tuple[Units, int] | None:
    """Turn usage metadata into units and thought tokens; none when it states nothing.

    Without a modality list, tokens count as the dearest kind that the request
    could cause: audio input, image or audio output. Where a list is there but
    falls short, the rest is text, which Gemini does not always list.
    """
    if not isinstance(usage, dict) or not usage.keys() & {"promptTokenCount", "totalTokenCount"}:
        return None
    prompt = count(usage.get("promptTokenCount"))
    tool_use = count(usage.get("toolUsePromptTokenCount"))
    candidates = count(usage.get("candidatesTokenCount"))
    thoughts = count(usage.get("thoughtsTokenCount"))
    stated = prompt + tool_use + candidates + thoughts
    unexplained = max(0, count(usage.get("totalTokenCount")) - stated)
    units = split_input(
        prompt + tool_use,
        cached=min(count(usage.get("cachedContentTokenCount")), prompt),
        parts=_input_parts(usage, ask, prompt),
        cached_parts=_modalities(usage.get("cacheTokensDetails")),
    )
    output_parts = _output_parts(usage, ask, candidates)
    add(units, split_output(candidates + thoughts + unexplained, output_parts))
    return units, thoughts


def tier_variant(usage: Any) -> tuple[str, ...]:
    """The price variant that the answer states; the standard tier has none."""
    tier = fields(usage).get("serviceTier")
    name = tier.lower() if isinstance(tier, str) else ""
    return () if name in _STANDARD else (f"service_tier={name}",)


def grounding_fees(queries: int, model: str) -> Units:
    """The fee for the searches of one answer, by how its model's generation pays."""
    if not queries:
        return {}
    if pays_per_request(model):
        return {UNIT_GROUNDED_REQUESTS: 1}
    return {UNIT_WEB_SEARCHES: queries}


def search_queries(candidate: dict[str, Any]) -> int:
    """How many queries a candidate's grounding names."""
    queries = fields(candidate.get("groundingMetadata")).get("webSearchQueries")
    return len(queries) if isinstance(queries, list) else 0


def _input_parts(usage: dict[str, Any], ask: Ask, prompt: int) -> Modalities:
    listed = _modalities(usage.get("promptTokensDetails"))
    tool_use = _modalities(usage.get("toolUsePromptTokensDetails"))
    unlisted = not usage.get("promptTokensDetails")
    if unlisted and UNIT_INPUT_AUDIO_TOKENS in ask.bound.input_units:
        listed = Modalities(audio=prompt)
    return Modalities(
        audio=listed.audio + tool_use.audio,
        image=listed.image + tool_use.image,
        video=listed.video + tool_use.video,
    )


def _output_parts(usage: dict[str, Any], ask: Ask, candidates: int) -> Modalities:
    details = usage.get("candidatesTokensDetails")
    if details:
        return _modalities(details)
    if UNIT_OUTPUT_IMAGE_TOKENS in ask.bound.output_units:
        return Modalities(image=candidates)
    if UNIT_OUTPUT_AUDIO_TOKENS in ask.bound.output_units:
        return Modalities(audio=candidates)
    return Modalities()


def _modalities(details: Any) -> Modalities:
    sums = {"audio": 0, "image": 0, "video": 0}
    for entry in details if isinstance(details, list) else ():
        listed = fields(entry)
        name = _NAMES.get(str(listed.get("modality")))
        if name:
            sums[name] += count(listed.get("tokenCount"))
    return Modalities(**sums)

"""How one vendor of OpenAI-compatible routes differs from OpenAI, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Flavor:
    """The defaults are OpenAI's own."""

    name: str = "openai"
    limit_field: str = "max_completion_tokens"
    """The field of a chat request that a fitted output limit is written to."""
    asks_for_usage: bool = True
    """Streams state usage only when `stream_options.include_usage` asks for it. False
    where the vendor always states it, or refuses the field."""
    bills_cache_writes: bool = True
    """Writing to the prompt cache may cost more than plain input."""
    choices_max: int = 128
    """Largest `n` of a chat request."""
    tiers: frozenset[str] = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
    """Values of `service_tier` whose price is known. OpenAI's `ultrafast` is not among
    them: it is billed above every tier that the price book knows."""
    forbidden: Mapping[str, str] = field(default_factory=dict)
    """Further fields that are refused, each with the sentence that says why."""
    flat_errors: bool = False
    """Errors stand at the top of the body, as Mistral and Cerebras write them."""

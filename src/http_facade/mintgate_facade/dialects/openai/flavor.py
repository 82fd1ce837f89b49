"""How one vendor of OpenAI-compatible routes differs from OpenAI, as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mintgate_facade.dialects.base import Ask, Meter, RequestView
from mintgate_facade.dialects.terms import Terms

NO_MODEL = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Operation:
    """How a route of a vendor's own is read, and its answer."""

    read: Callable[[RequestView], Ask]
    meter: Callable[[Ask, str], Meter]
    """From what was asked, and the content type of the answer."""
    terms: Terms | None = None
    """What is said of it; None: what is said of OpenAI's operation of that name."""
    limited: Callable[[Ask, int], bytes] | None = None
    """How a fitted output limit is written into the body, where not in one field alone."""


@dataclass(frozen=True, slots=True)
class Flavor:
    """The defaults are OpenAI's own, but for what only its routes can serve."""

    name: str = "openai"
    limit_field: str = "max_completion_tokens"
    """The field of a chat request that a fitted output limit is written to."""
    visible_limit: bool = False
    """The limit of a chat request holds neither reasoning nor function calls, so that only the
    model's largest output bounds it."""
    unreasoning: re.Pattern[str] = NO_MODEL
    """Models whose visible output is all of it, where no tools are brought."""
    limits_predictions: bool = False
    """A chat with a predicted output may state the limit of `limit_field`. OpenAI refuses
    `max_completion_tokens` there."""
    completion_tokens_default: int | None = 16
    """Output limit of a legacy completion that states none; None: the vendor has no default."""
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
    background: bool = False
    """Responses may be made in the background, and asked for by their id."""
    conversations: bool = False
    """Responses may read and extend a stored conversation."""
    keeps_chats: bool = False
    """A chat with `store` is kept, and may be read by its id."""
    hosted_search: bool = True
    """Web search in Responses stops at `max_tool_calls`."""
    forbidden: Mapping[str, str] = field(default_factory=dict)
    """Further fields that are refused, each with the sentence that says why."""
    unbounded_models: Mapping[str, str] = field(default_factory=dict)
    """Parts of names of models that are refused, each with what they do, unasked, without a
    limit."""
    prompt_fields: frozenset[str] = frozenset()
    """Fields that make the vendor put a prompt of its own before the messages."""
    image_tokens: int | None = None
    """Most tokens of a picture in a chat; None: by OpenAI's own rules."""
    audio_input: bool = True
    """Audio in a chat is billed in tokens, which its bytes bound."""
    states_cost: bool = False
    """`usage.cost_in_usd_ticks` is what the answer costs, exactly."""
    fails_within_200: bool = False
    """A failure may come with status 200 and a code in `base_resp`."""
    operations: Mapping[str, Operation] = field(default_factory=dict)
    """Routes of the vendor's own, by the operation of their rows; they go before OpenAI's."""
    model_card: Mapping[str, object] = field(default_factory=dict)
    """What each model of the list has besides OpenAI's fields."""
    flat_errors: Mapping[str, str] | None = None
    """Errors stand at the top of the body, beside these fields; None: under `error`."""

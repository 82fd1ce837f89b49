"""Reads the query, where Deepgram has everything that decides a price.

It is read from the string that is forwarded, and strictly: a name that stands twice
(`model=base&model=nova-3`) may be read by its first value or by its last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from mintgate_facade.dialects.base import RequestView
from mintgate_facade.dialects.checks import refused
from mintgate_facade.dialects.media import is_true

PARAMETERS_MAX = 1_000
"""A transcript may name hundreds of key terms."""
INTELLIGENCE = ("summarize", "topics", "intents", "sentiment")
"""What is billed by tokens, each on its own."""

SHARED = frozenset(
    {
        "callback",
        "callback_method",
        "custom_intent",
        "custom_intent_mode",
        "custom_topic",
        "custom_topic_mode",
        "extra",
        "language",
        "mip_opt_out",
        "model",
        "tag",
        *INTELLIGENCE,
    }
)
"""Names that more than one route knows."""
_REPEATED = frozenset(
    {
        "custom_intent",
        "custom_topic",
        "detect_entities",
        "detect_language",
        "extra",
        "keyterm",
        "keywords",
        "language_hint",
        "redact",
        "replace",
        "search",
        "tag",
    }
)
_LATER = "The answer would go elsewhere, and what it cost would not be seen. Wait for it."

Query = Mapping[str, Sequence[str]]


def read_query(request: RequestView, known: frozenset[str]) -> Query:
    """Read every parameter with its values, or raise `RefusedRequest`.

    A name that is not `known` is refused: nothing tells what it costs.
    """
    try:
        pairs = parse_qsl(
            request.query_string, keep_blank_values=True, max_num_fields=PARAMETERS_MAX
        )
    except ValueError:
        raise refused(f"At most {PARAMETERS_MAX} parameters are allowed.") from None
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in known:
            raise refused(
                f"'{name[:64]}' is no parameter that this gateway knows the price of.",
                name[:64],
                "unsupported_parameter",
            )
        if name in query and name not in _REPEATED:
            raise refused(f"'{name}' stands twice in the query. Send it once.", name)
        query.setdefault(name, []).append(value)
    if asked(query, "callback"):
        raise refused(_LATER, "callback", "unsupported_parameter")
    return query


def one(query: Query, name: str) -> str:
    """The value of a parameter that stands once; empty where it is absent."""
    values = query.get(name)
    return values[0] if values else ""


def asked(query: Query, name: str) -> bool:
    """Whether a parameter turns something on, by any of its values."""
    return any(map(is_true, query.get(name, ())))


def features(query: Query) -> int:
    """How many kinds of intelligence are asked for."""
    custom = {"topics": "custom_topic", "intents": "custom_intent"}
    return sum(asked(query, n) or bool(query.get(custom.get(n, ""))) for n in INTELLIGENCE)


def opted_out(query: Query) -> tuple[str, ...]:
    """The price variant of who keeps data out of the vendor's improvement programme."""
    return ("mip_opt_out=true",) if asked(query, "mip_opt_out") else ()


def positive(query: Query, name: str, most: int) -> int:
    """Read a whole number from 1 to `most`; 0 where it is absent."""
    value = one(query, name)
    if not value:
        return 0
    short = value.isascii() and value.isdigit() and len(value) <= len(str(most))
    if not short or not 1 <= int(value) <= most:
        raise refused(f"'{name}' must be a whole number from 1 to {most}.", name)
    return int(value)

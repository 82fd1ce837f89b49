"""How one vendor of OpenAI-compatible routes answers differently from OpenAI, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from . import wire
from .usage import Usage, completion_usage, response_usage

if TYPE_CHECKING:
    from mintgate_simulator.control import Controls
    from mintgate_simulator.refusal import Refusal
    from mintgate_simulator.request import Request

StateUsage = Callable[[Usage, "Controls", str], dict[str, Any]]
"""The usage object of an answer of a model, as the vendor words it."""
Extras = Callable[["Controls"], Mapping[str, Any]]
"""Fields that stand beside the usage."""


class UsagePlace(Enum):
    """Where a stream states its usage."""

    ALONE = "alone"
    """On a chunk of its own with empty choices, when it was asked for."""
    FINISH = "finish"
    """On the chunk with the finish reason, always."""
    CHOICE = "choice"
    """Within the choice that has the finish reason, always; and alone when it was asked for."""


def _openai_usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:  # noqa: ARG001
    return completion_usage(usage)


def _openai_response_usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:  # noqa: ARG001
    return response_usage(usage)


def _nothing(controls: Controls) -> Mapping[str, Any]:  # noqa: ARG001
    return {}


def _openai_error(request: Request, refusal: Refusal) -> dict[str, Any]:  # noqa: ARG001
    return wire.error_body(refusal.status, refusal.message, param=refusal.param, code=refusal.code)


@dataclass(frozen=True, slots=True)
class Quirks:
    """The defaults are OpenAI's own."""

    headers: tuple[tuple[bytes, bytes], ...] = wire.ACCOUNT_HEADERS
    """What tells about the operator's account in every answer."""
    usage: StateUsage = _openai_usage
    response_usage: StateUsage = _openai_response_usage
    usage_place: UsagePlace = UsagePlace.ALONE
    extras: Extras = _nothing
    """What stands beside the usage of a chat or a completion."""
    visible_limit: bool = False
    """The output limit of a chat holds neither reasoning nor calls."""
    completion_limit: int | None = 16
    """Output limit of a legacy completion that states none."""
    unknown_fields: frozenset[str] = frozenset()
    """Fields that are refused with 422, as unknown ones are."""
    error: Callable[[Request, Refusal], dict[str, Any]] = _openai_error
    """The body of an error answer."""
    stream_error: Callable[[], bytes] = wire.stream_failure
    wrong_key_status: int = 401
    models: tuple[str, ...] = field(default=())
    """What the list of models shows."""
    model_card: Mapping[str, Any] = field(default_factory=dict)
    """What each of them has besides OpenAI's fields."""
    embeddings_id: bool = False
    """An answer with embeddings has an id."""


OPENAI = Quirks()

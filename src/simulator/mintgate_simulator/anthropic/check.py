"""The checks Anthropic makes on a body, in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import is_int

if TYPE_CHECKING:
    from mintgate_simulator.request import Request

VERSIONS = frozenset({"2023-01-01", "2023-06-01", "2026-10-21"})
THINKING_BUDGET_MIN = 1_024
_NOT_JSON = "The request body is not valid JSON: expected an object"


def body_of(request: Request) -> dict[str, Any]:
    """The body, which must be a JSON object; the version header must be there too."""
    version = request.header(b"anthropic-version")
    if version is None:
        raise Refusal(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise Refusal(400, f'anthropic-version: "{version}" is not a valid version')
    return request.json_object(_NOT_JSON)


def text(body: dict[str, Any], name: str) -> str:
    """A required string."""
    if name not in body:
        raise Refusal(400, f"{name}: Field required")
    value = body[name]
    if not isinstance(value, str):
        raise Refusal(400, f"{name}: Input should be a valid string")
    return value


def messages_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation: at least one message, each with a role and a content."""
    if "messages" not in body:
        raise Refusal(400, "messages: Field required")
    messages = body["messages"]
    if not isinstance(messages, list):
        raise Refusal(400, "messages: Input should be a valid list")
    if not messages:
        raise Refusal(400, "messages: at least one message is required")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Refusal(400, f"messages.{index}: Input should be a valid dictionary")
        if message.get("role") not in {"user", "assistant", "system"}:
            raise Refusal(400, f"messages.{index}.role: Input should be 'user' or 'assistant'")
        if not isinstance(message.get("content"), str | list):
            raise Refusal(400, f"messages.{index}.content: Input should be a valid list")
    return messages


def max_tokens_of(body: dict[str, Any]) -> int:
    """The required output limit; 0 only warms the cache."""
    if "max_tokens" not in body:
        raise Refusal(400, "max_tokens: Field required")
    limit = body["max_tokens"]
    if not is_int(limit):
        raise Refusal(400, "max_tokens: Input should be a valid integer")
    if limit < 0:
        raise Refusal(400, "max_tokens: Input should be greater than or equal to 0")
    return int(limit)


def objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """An optional list of objects; empty when absent."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refusal(400, f"{name}: Input should be a valid list")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise Refusal(400, f"{name}.{index}: Input should be a valid dictionary")
    return value


def mapping(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An optional object; empty when absent."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(400, f"{name}: Input should be a valid dictionary")
    return value


def flag(body: dict[str, Any], name: str) -> bool:
    """An optional boolean; false when absent."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Refusal(400, f"{name}: Input should be a valid boolean")
    return value


def thinking_of(body: dict[str, Any], limit: int) -> dict[str, Any] | None:
    """The thinking configuration when thinking is on, else ``None``."""
    thinking = mapping(body, "thinking")
    kind = thinking.get("type", "disabled")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not is_int(budget):
            raise Refusal(400, "thinking.enabled.budget_tokens: Field required")
        if budget < THINKING_BUDGET_MIN:
            raise Refusal(
                400,
                "thinking.enabled.budget_tokens: Input should be greater than or equal to "
                f"{THINKING_BUDGET_MIN}",
            )
        if limit <= budget:
            raise Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    elif kind in {"disabled", "between_tools"}:
        return None
    elif kind != "adaptive":
        raise Refusal(400, f"thinking: Input tag '{kind}' found using 'type' is not known")
    return thinking

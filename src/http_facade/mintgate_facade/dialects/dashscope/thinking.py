"""How much a model may reason beside the output limit that a request states.

`max_tokens` holds the answer alone; reasoning has a limit of its own, `thinking_budget`,
and without one only the model's longest chain of thought bounds it (Model Studio,
"Deep thinking"). Both shapes, DashScope's own and OpenAI's, use the same fields.
"""

from __future__ import annotations

import re

from mintgate.v1.ledger_pb2 import Bound

from mintgate_facade.dialects.checks import OUTPUT_TOKENS_MAX, Fields, flag, integer, mapping

THINKING_TOKENS_MAX = 131_072
"""The longest chain of thought of any model: 81,920 are documented, and the next step is held."""
THOUGHT_PER_ANSWER = 4
"""Where a request states no limit at all, the reasoning is held at so many times the answer:
no documented chain of thought is longer than four times its model's largest answer."""
BUDGET_FITTED_MAX = 30_720
"""Largest budget that is written into a request: the smallest of the models' own limits."""
OFF = "thinking=off"
"""The variant of an answer without reasoning, which costs less at some models."""

_ALWAYS = re.compile(r"thinking|qwq|qvq|deep-research")
NOT_UNASKED = re.compile(
    r"^(qwen-(coder|flash|long|math|max|mt|omni|plus|turbo|vl)|qwen[12]|.*-instruct"
    r"|qwen3-(coder|max|omni|vl-flash|vl-plus))"
)
"""Models that reason only when `enable_thinking` asks for it, or never."""
_WITHIN_LARGEST = re.compile(r"deepseek")
"""Models whose largest output is known to hold the reasoning, which is longer than of others."""
_KEEPS_BUDGET = re.compile(r"qwen3|qwen-(flash|plus|turbo)")
"""Models that are documented to end their reasoning at `thinking_budget`."""


def may_reason(model: str, fields: Fields, where: str = "") -> bool:
    """Whether the answer may hold reasoning."""
    if _ALWAYS.search(model):
        return True
    if fields.get("enable_thinking") is None:
        return NOT_UNASKED.match(model) is None
    return flag(fields, "enable_thinking", where=where)


def hold_reasoning(bound: Bound, model: str, fields: Fields, where: str = "") -> None:
    """Widen a bound by what may be reasoned. Raises `RefusedRequest` for a misread budget."""
    budget = integer(fields, "thinking_budget", 0, OUTPUT_TOKENS_MAX, where=where, unit="tokens")
    if not may_reason(model, fields, where):
        return
    kept = _KEEPS_BUDGET.match(model) is not None
    if _WITHIN_LARGEST.match(model):
        bound.output_open = True
        return
    if bound.HasField("output_tokens"):
        bound.output_tokens += budget if kept and budget is not None else THINKING_TOKENS_MAX
        return
    # As if each answer were five: a limit that is fitted into the request bounds the answer,
    # and four times as much the reasoning.
    bound.choices = max(1, bound.choices) * (1 + THOUGHT_PER_ANSWER)
    bound.output_open = not kept
    if kept and budget:
        bound.output_tokens_min = -(-budget // THOUGHT_PER_ANSWER)


def hold_message_reasoning(bound: Bound, model: str, fields: Fields) -> None:
    """The same of a request in Anthropic's shape, which always states a limit."""
    thinking = mapping(fields, "thinking") or {}
    same: dict[str, object] = {"thinking_budget": thinking.get("budget_tokens")}
    if thinking.get("type") is not None:
        same["enable_thinking"] = thinking["type"] != "disabled"
    hold_reasoning(bound, model, same, "thinking")


def fitted_budget(model: str, fields: Fields, output_tokens: int) -> int | None:
    """The budget that has to go with a fitted limit; None where none is needed."""
    if fields.get("thinking_budget") is not None or not may_reason(model, fields):
        return None
    return min(output_tokens * THOUGHT_PER_ANSWER, BUDGET_FITTED_MAX)

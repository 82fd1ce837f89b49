"""Input tokens that providers add to what stands in a request's body.

A token is at least one byte of the body, so the body's length bounds the text.
These constants cover what is not in the body; they are conservative guesses,
since no provider documents its hidden prompts.
"""

from __future__ import annotations

TEMPLATE_TOKENS = 64
"""Chat template and boilerplate around the messages."""
TOOLS_TOKENS = 1_500
"""The hidden prompt that explains tool calls, when a request brings tools."""
HOSTED_TOOLS_TOKENS = 5_000
"""Hidden prompts of tools that the provider runs or defines itself."""


def input_bound(
    body_bytes: int, *, tools: bool, hosted: bool, media_bytes: int = 0, media_tokens: int = 0
) -> int:
    """Bound the input of one pass, tokens.

    `media_bytes` of the body are media; they count by their bytes or by
    `media_tokens`, whichever is more.
    """
    bound = body_bytes + TEMPLATE_TOKENS + max(0, media_tokens - media_bytes)
    return bound + (TOOLS_TOKENS if tools else 0) + (HOSTED_TOOLS_TOKENS if hosted else 0)

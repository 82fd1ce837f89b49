"""Tells a client that asked the wrong provider for a model where to ask instead."""

from __future__ import annotations

import re

from mintgate_facade.providers.base import Provider

_FAMILIES = (
    (
        "openai",
        re.compile(
            r"(ft:)?(gpt-(?!oss)|o[134](-|$)|chatgpt-|text-embedding-(?!v)|omni-moderation|codex-)"
        ),
    ),
    ("anthropic", re.compile(r"claude-")),
    ("gemini", re.compile(r"(models/)?(gemini-|imagen-|veo-|gemma-)")),
)
"""Model names that one provider alone uses. Names that several host (gpt-oss, llama) are
left out: a wrong hint is worse than none."""
_USE = {
    "openai": "the OpenAI SDK with the base URL <gateway>/openai/v1",
    "anthropic": "the Anthropic SDK with the base URL <gateway>/anthropic",
    "gemini": "the Google Gen AI SDK with the base URL <gateway>/gemini",
}


def model_hint(provider: Provider, model: str) -> str:
    """One sentence that says where `model` is served, or empty when it belongs here or is unknown.

    Add it to the message of a 404.
    """
    for slug, pattern in _FAMILIES:
        if pattern.match(model):
            return (
                ""
                if slug == provider.slug
                else f"'{model}' is a model of {slug}: use {_USE[slug]}."
            )
    return ""

"""DeepSeek: cache hits and misses by name, a beta beside the rest, comments while it thinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.anthropic import AnthropicTwin
from mintgate_simulator.openai import OpenAITwin, Quirks, chat, completions, models

from .surfaces import SurfacesTwin
from .words import plain_usage

if TYPE_CHECKING:
    from mintgate_simulator.control import Controls
    from mintgate_simulator.openai.usage import Usage
    from mintgate_simulator.twin import Twin


def _usage(usage: Usage, controls: Controls, model: str) -> dict[str, Any]:
    return {
        **plain_usage(usage, controls, model),
        "prompt_cache_hit_tokens": usage.input.cached,
        "prompt_cache_miss_tokens": usage.input.total - usage.input.cached,
    }


QUIRKS = Quirks(
    headers=((b"x-ds-trace-id", b"simulated"),),
    usage=_usage,
    completion_limit=None,
    models=("deepseek-v4-flash", "deepseek-v4-pro"),
)


def twin() -> Twin:
    """Answers as ``https://api.deepseek.com`` does; the version is an alias there."""
    plain = OpenAITwin(
        QUIRKS,
        {
            ("POST", "/chat/completions"): chat.create,
            ("POST", "/v1/chat/completions"): chat.create,
            ("GET", "/models"): models.list_models,
            ("GET", "/v1/models"): models.list_models,
        },
    )
    beta = OpenAITwin(
        QUIRKS,
        {
            ("POST", "/chat/completions"): chat.create,
            ("POST", "/completions"): completions.create,
        },
    )
    return SurfacesTwin(plain, {"/beta/": ("/", beta), "/anthropic/": ("/", AnthropicTwin())})

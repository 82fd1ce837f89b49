"""``GET models`` and ``GET models/{name}``.

Any model name is answered by the other routes; these are only what the list shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mintgate_simulator.refusal import Refusal

from . import wire

if TYPE_CHECKING:
    from mintgate_simulator.answer import Answer

_GENERATE = ["generateContent", "streamGenerateContent", "countTokens"]
_EMBED = ["embedContent", "batchEmbedContents", "countTokens"]
_MODELS: dict[str, tuple[str, int, int, list[str]]] = {
    "gemini-2.5-flash": ("Gemini 2.5 Flash", 1_048_576, 65_536, _GENERATE),
    "gemini-2.5-pro": ("Gemini 2.5 Pro", 1_048_576, 65_536, _GENERATE),
    "gemini-3.8-flash": ("Gemini 3.8 Flash", 1_048_576, 65_536, _GENERATE),
    "gemini-2.5-flash-image": ("Gemini 2.5 Flash Image", 32_768, 32_768, _GENERATE),
    "gemini-embedding-001": ("Gemini Embedding 001", 2_048, 1, _EMBED),
}


def list_models() -> Answer:
    """The only page of models."""
    return wire.whole({"models": [_model(name) for name in _MODELS]})


def get_model(name: str) -> Answer:
    """One model of the list."""
    if name not in _MODELS:
        raise Refusal(
            404,
            f"models/{name} is not found for API version v1beta, or is not supported for "
            "generateContent. Call ListModels to see the list of available models and their "
            "supported methods.",
        )
    return wire.whole(_model(name))


def _model(name: str) -> dict[str, Any]:
    display_name, input_limit, output_limit, methods = _MODELS[name]
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": display_name,
        "description": f"{display_name}, simulated",
        "inputTokenLimit": input_limit,
        "outputTokenLimit": output_limit,
        "supportedGenerationMethods": methods,
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
    }

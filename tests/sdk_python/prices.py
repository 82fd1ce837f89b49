"""Public list prices, typed in by hand, and a second way to compute a cost.

Nothing of the product is used here: a charge is right when both ways agree to
the nano-dollar. USD per million tokens, as the providers' pricing pages have it
in November 2026.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

USD_PER_MILLION: dict[str, dict[str, str]] = {
    "gpt-4o-mini": {"input": "0.15", "cached": "0.075", "output": "0.60"},
    "gpt-5": {"input": "1.25", "cached": "0.125", "output": "10"},
    "gpt-5 flex": {"input": "0.625", "cached": "0.0625", "output": "5"},
    "gpt-5 priority": {"input": "2.50", "cached": "0.25", "output": "20"},
    "gpt-6-luna": {"input": "0.10", "cached": "0.01", "written": "0.125", "output": "0.50"},
    "gpt-4o-audio-preview": {
        "input": "2.50",
        "output": "10",
        "audio_input": "40",
        "audio_output": "80",
    },
    "gpt-3.5-turbo-instruct": {"input": "1.50", "output": "2"},
    "text-embedding-3-small": {"input": "0.02"},
    "gpt-image-1": {"input": "5", "image_input": "10", "image_output": "40"},
    "claude-haiku-4-5": {
        "input": "1",
        "cached": "0.10",
        "write_5m": "1.25",
        "write_1h": "2",
        "output": "5",
    },
    "claude-haiku-5-5": {"input": "0.10", "cached": "0.01", "output": "0.50"},
    # The whole request, as soon as its input passes 100,000 tokens.
    "claude-haiku-5-5 long": {"input": "0.50", "cached": "0.05", "output": "2.50"},
    "gemini-2.5-flash": {
        "input": "0.30",
        # For each hour.
        "storage": "1",
        "cached": "0.03",
        "audio_input": "1",
        "output": "2.50",
    },
    "gemini-2.5-pro": {"input": "1.25", "cached": "0.125", "output": "10"},
    # The whole request, as soon as its prompt passes 200,000 tokens.
    "gemini-2.5-pro long": {"input": "2.50", "cached": "0.25", "output": "15"},
    "gemini-2.5-flash-image": {"input": "0.30", "output": "2.50", "image_output": "30"},
    "gemini-embedding-001": {"input": "0.15"},
    "grok-3": {"input": "3", "cached": "0.75", "output": "15"},
    "grok-4-fast-reasoning": {"input": "0.20", "cached": "0.05", "output": "0.50"},
    "qwen3-max": {"input": "1.20", "cached": "0.24", "written": "1.50", "output": "6"},
    # The whole request, as soon as its input passes 32,000 tokens.
    "qwen3-max long": {"input": "2.40", "output": "12"},
    "qwen-plus-latest": {"input": "0.40", "output": "1.20"},
    "qwen-plus-latest thinking": {"input": "0.40", "output": "4"},
    "qwen3-vl-plus": {"input": "0.20", "output": "1.60"},
    "kimi-k2.5": {"input": "0.60", "cached": "0.10", "output": "3"},
    "MiniMax-M2.7": {"input": "0.30", "cached": "0.06", "write_5m": "0.375", "output": "1.20"},
    "deepseek-v3.1-terminus": {"input": "0.27", "cached": "0.13", "output": "0.95"},
    "mistral-small-2603": {"input": "0.15", "cached": "0.015", "output": "0.60"},
    "codestral-2508": {"input": "0.30", "cached": "0.03", "output": "0.90"},
    "mistral-embed": {"input": "0.10"},
    "gpt-oss-120b": {"input": "0.35", "cached": "0.35", "output": "0.75"},
    "llama3.1-8b": {"input": "0.10", "output": "0.10"},
}

USD_PER_THOUSAND = {
    "openai search": "10",
    "anthropic search": "10",
    "gemini-2.5 grounding": "35",
}

_NANO_USD = Decimal(10**9)


def nano_usd(card: str, *, times: str = "1", **tokens: int) -> int:
    """What tokens cost on one price card, in nano-USD, rounded up once."""
    prices = USD_PER_MILLION[card]
    usd = sum((Decimal(prices[kind]) * count for kind, count in tokens.items()), Decimal(0))
    return _up(usd / 10**6 * Decimal(times) * _NANO_USD)


def fee_nano_usd(fee: str, count: int) -> int:
    """What fees outside of tokens cost, in nano-USD."""
    return _up(Decimal(USD_PER_THOUSAND[fee]) / 1_000 * count * _NANO_USD)


def _up(nano: Decimal) -> int:
    return int(nano.to_integral_value(rounding=ROUND_CEILING))

"""Twins of vendors whose routes have OpenAI's shape: one twin, and each vendor's quirks as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import cerebras, deepseek, minimax, mistral, moonshot, xai

if TYPE_CHECKING:
    from mintgate_simulator.twin import Twin


def vendor_twins() -> dict[str, Twin]:
    """The twin of each vendor, by the first segment of its paths."""
    return {
        "xai": xai.twin(),
        "moonshot": moonshot.twin(),
        "minimax": minimax.twin(),
        "deepseek": deepseek.twin(),
        "mistral": mistral.twin(),
        "cerebras": cerebras.twin(),
    }

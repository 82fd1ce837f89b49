"""How a vendor that offers Anthropic's Messages differs from Anthropic, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flavor:
    """The defaults are Anthropic's own."""

    server_tools: bool = True
    """Tools that the provider runs stop at `max_uses`."""
    caches_unasked: bool = False
    """Input may be written to a cache although no breakpoint asks for it."""
    visible_limit: bool = False
    """`max_tokens` is not known to hold the reasoning too, so that only the model's largest
    output bounds it."""


COMPATIBLE = Flavor(server_tools=False, caches_unasked=True)
"""Vendors that serve their own models in Anthropic's shape."""

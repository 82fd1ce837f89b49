"""How a vendor that offers Anthropic's Messages differs from Anthropic, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mintgate_facade.dialects.anthropic.content import IMAGE_TOKENS_MAX

if TYPE_CHECKING:
    from mintgate.v1.ledger_pb2 import Bound

    from mintgate_facade.dialects.checks import Fields


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
    image_tokens: int = IMAGE_TOKENS_MAX
    """Most tokens of one picture."""
    widen: Callable[[Bound, str, Fields], None] | None = None
    """Adds to the bound of a model's request what its limit does not hold."""
    thoughtless: str = ""
    """The variant of an answer that shows no reasoning, where there is one."""


COMPATIBLE = Flavor(server_tools=False, caches_unasked=True)
"""Vendors that serve their own models in Anthropic's shape."""

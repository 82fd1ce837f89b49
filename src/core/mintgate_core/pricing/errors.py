"""What pricing refuses: a price that is not known, and data that cannot be trusted."""

from __future__ import annotations

from mintgate_core.ledger import errors

SHOWN_CHARACTERS_MAX = 100
"""A model's name comes from the request, so only this much of it is repeated in a message."""


class Unpriced(errors.Unpriced):
    """No price is known for this model, or for a unit or variant of it. Never free."""

    def __init__(self, provider: str, model: str, why: str = "") -> None:
        shown = model[:SHOWN_CHARACTERS_MAX]
        reason = f": {why}" if why else ""
        super().__init__(f"no price is known for {provider} model {shown!r}{reason}", field="model")
        self.provider = provider
        self.model = model


class PriceDataError(ValueError):
    """Packaged price data says something that this code cannot price exactly."""

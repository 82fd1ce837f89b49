"""The price book: which card prices a model, for whom and when.

Account override, then override for all, then the packaged catalogue; each by
its own effective dates. Nothing here reads a clock: the caller says when.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mintgate_core.pricing.cards import RateCard
from mintgate_core.pricing.errors import Unpriced
from mintgate_core.pricing.hours import check_hours
from mintgate_core.pricing.source import BaseCatalogue, normalized
from mintgate_core.pricing.table import completed
from mintgate_core.pricing.timeline import Timeline, layered

EVERY_ACCOUNT = ""
"""The account of an override that holds for all."""

SOURCE = "override"
"""`RateCard.source` of an override that names none."""

MODEL_NAME_CHARACTERS_MAX = 256
"""Longer names are unpriced without a look: names come from requests."""

LOOKUPS_KEPT_MAX = 4_096
"""Resolved names kept, unknown ones too; a few hundred models times a few accounts in use."""


@dataclass(frozen=True, slots=True)
class Override:
    """A price set by the operator, or by an account for itself."""

    account_id: str
    """Empty means every account."""
    card: RateCard
    """In force from its `effective_at_ms` on, until a later override of the same model."""


class PriceBook:
    """Cards by account, provider, model and moment. Not thread-safe: one event loop owns it."""

    def __init__(self, base: BaseCatalogue, overrides: Iterable[Override] = ()) -> None:
        self._base = base
        self._overrides: dict[tuple[str, str, str], Timeline] = {}
        self._accounts: set[str] = set()
        self._lookups: OrderedDict[tuple[str, str, str], Timeline] = OrderedDict()
        for override in overrides:
            self.put(override)

    @classmethod
    def load(cls, overrides: Iterable[Override] = ()) -> PriceBook:
        """The packaged catalogue and, in the order given, `overrides` on top.

        Raises `PriceDataError` when packaged data cannot be priced exactly.
        """
        return cls(BaseCatalogue.load(), overrides)

    @property
    def version_label(self) -> str:
        """The price source, for example "genai-prices 0.2.3"."""
        return self._base.label

    @property
    def read_at_ms(self) -> int:
        """When the packaged data was read, to the day."""
        return self._base.read_at_ms

    def find(self, account_id: str, provider: str, model: str, at_ms: int) -> RateCard:
        """The card in force at `at_ms` for a model as a request or an answer names it.

        Aliases, dated ids and any letter case find their model. Raises `Unpriced`.
        """
        card = self._timeline(account_id, provider, model).at(at_ms)
        if card is None:
            raise Unpriced(provider, model)
        return card

    def history(self, account_id: str, provider: str, model: str) -> list[RateCard]:
        """Every card that has been or will be in force, newest first. Raises `Unpriced`."""
        cards = self._timeline(account_id, provider, model).cards
        if not cards:
            raise Unpriced(provider, model)
        return list(reversed(cards))

    def catalogue(self, account_id: str, provider: str = "", *, at_ms: int) -> list[RateCard]:
        """The cards in force for every model, or one provider's, by provider and model."""
        names = sorted(set(self._names(account_id, provider)))
        cards = (self._resolved(account_id, p, model, model).at(at_ms) for p, model in names)
        return [card for card in cards if card is not None]

    def put(self, override: Override) -> RateCard:
        """Set a price from its `effective_at_ms` on; one with the same moment is replaced.

        Fallbacks are compiled in, and limits left 0 are taken from the card that was in
        force at that moment. Returns the card as it will be found; keep that one, so
        that loading it again gives the same price whatever the packaged data says then.
        Raises `ValueError` for a model name that `find` would refuse.
        """
        card = self.prepared(override)
        key = (override.account_id, card.provider, card.model)
        self._overrides[key] = self._overrides.get(key, Timeline()).with_card(card)
        self._accounts.add(override.account_id)
        self._lookups.clear()
        return card

    def prepared(self, override: Override) -> RateCard:
        """The card that `put` would keep, without keeping it.

        Raises `ValueError` for a model name that `find` would refuse, and for hours that
        cannot be read.
        """
        account_id, card = override.account_id, override.card
        check_hours(card.rates)
        model = normalized(card.provider, card.model)
        canonical = self._base.canonical(card.provider, model)
        if canonical is not None and normalized(card.provider, canonical) == model:
            # Some providers write capitals ("MiniMax-M2"); a price of the model keeps them.
            model = canonical
        if len(model) > MODEL_NAME_CHARACTERS_MAX:
            raise ValueError(f"a model name has at most {MODEL_NAME_CHARACTERS_MAX} characters")
        present = self._timeline(account_id, card.provider, model).at(card.effective_at_ms)
        if present is not None:
            card = replace(
                card,
                context_window=card.context_window or present.context_window,
                max_output_tokens=card.max_output_tokens or present.max_output_tokens,
            )
        return completed(replace(card, model=model, source=card.source or SOURCE))

    def _timeline(self, account_id: str, provider: str, model: str) -> Timeline:
        """All cards of a requested name, from the bounded memory of resolved names.

        What is kept is the whole timeline, so a change takes effect at its moment
        without anything to expire.
        """
        # Accounts without prices of their own share one entry.
        account_id = account_id if account_id in self._accounts else EVERY_ACCOUNT
        key = (account_id, provider, model)
        known = self._lookups.get(key)
        if known is not None:
            self._lookups.move_to_end(key)
            return known
        if len(model) > MODEL_NAME_CHARACTERS_MAX:
            return Timeline()
        name = normalized(provider, model)
        canonical = self._base.canonical(provider, name) or name
        timeline = self._resolved(account_id, provider, name, canonical)
        self._lookups[key] = timeline
        if len(self._lookups) > LOOKUPS_KEPT_MAX:
            self._lookups.popitem(last=False)
        return timeline

    def _resolved(self, account_id: str, provider: str, name: str, canonical: str) -> Timeline:
        """Layers for a name: an override of the very name goes before one of its model."""
        layers = [
            self._overrides[key]
            for account in dict.fromkeys((account_id, EVERY_ACCOUNT))
            for each in dict.fromkeys((name, canonical))
            if (key := (account, provider, each)) in self._overrides
        ]
        return layered([*layers, self._base.timeline(provider, canonical)])

    def _names(self, account_id: str, provider: str) -> Iterator[tuple[str, str]]:
        for each in self._base.providers:
            if provider in ("", each):
                yield from ((each, model) for model in self._base.models(each))
        for account, each, model in self._overrides:
            if account in (account_id, EVERY_ACCOUNT) and provider in ("", each):
                yield each, model

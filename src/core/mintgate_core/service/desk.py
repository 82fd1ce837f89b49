"""The pricing desk: price book in front, kept cards behind, money out.

A reserve is quoted at the card in force; the card's version travels in the
hold token, and the settle is rated at that same card, whatever changed since.
Every card is kept in the store before the first hold that names it.

A failover to a standby may lose a card that was kept. Each core has the cards that it used
in memory, and keeps them again under the store's new history. What only the store knew is
looked for in the book; where it is nowhere any more, its holds are charged whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from mintgate_core.clock import Clock
from mintgate_core.ledger.errors import Invalid, LedgerError, Unpriced
from mintgate_core.ledger.money import AMOUNT_NANO_USD_MAX
from mintgate_core.ledger.operations import Price
from mintgate_core.ledger.types import Measured, Subject
from mintgate_core.pricing import (
    CACHE_READ_UNITS,
    CACHE_WRITE_UNITS,
    EVERY_ACCOUNT,
    INPUT_UNITS,
    OUTPUT_UNITS,
    BoundSpec,
    Override,
    PriceBook,
    RateCard,
    Unit,
    forms,
    in_force,
    quote,
    rate,
)
from mintgate_core.stores.base import Store, StoredPrice

CARDS_CACHED_MAX = 16_384
"""Cards by version; more than every model of every provider over years of changes."""

REFRESH_INTERVAL_S = 2.0
"""How long a price that was set through one core may be unknown to another. A hold carries the
version of its price, so a settle is rated at that one wherever it arrives."""

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Known:
    """A card, and the history of the store in which it is certainly kept."""

    card: RateCard
    epoch: int


class Desk:
    """Quotes and rates."""

    def __init__(self, store: Store, book: PriceBook, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._book = book
        self._cards: dict[str, _Known] = {}
        self._position = 0
        """Of the newest price set at run time that was read from the store."""
        self._epoch = store.epoch

    @classmethod
    async def open(cls, store: Store, clock: Clock) -> Desk:
        """Load the book with every price that was set at run time."""
        stored = await store.overrides()
        overrides = [Override(p.account_id, RateCard.from_json(p.card_json)) for p in stored]
        desk = cls(store, PriceBook.load(overrides), clock)
        desk._position = stored[-1].position if stored else 0
        return desk

    async def run(self, sleep: Sleep = asyncio.sleep) -> None:
        """Take over prices that other cores set, until cancelled."""
        while True:
            await sleep(REFRESH_INTERVAL_S)
            try:
                await self.refresh()
            except LedgerError as error:
                log.warning("prices cannot be read: %s", error)

    async def refresh(self) -> None:
        """Put into force what was kept since the last look; mostly nothing, and nothing is read.

        After a failover the cards that this core has used are kept again, for every core.

        Prices of this core's own come again, in the store's order: of two for one moment the
        later one must win at every core.
        """
        if (epoch := self._store.epoch) != self._epoch:
            # Positions of another history, which may lack the last of those that were seen.
            self._epoch = epoch
            self._position = 0
        for stored in await self._store.overrides(self._position):
            card = RateCard.from_json(stored.card_json)
            try:
                self._book.put(Override(stored.account_id, card))
            except ValueError:
                # The core that kept it took it; a newer one may take what this one does not.
                log.exception("price %s of another core cannot be used", card.version)
            self._position = stored.position
        for known in [each for each in self._cards.values() if each.epoch != self._epoch]:
            await self._keep(known.card)

    @property
    def prices_read_at_ms(self) -> int:
        """When the packaged prices were read, to the day."""
        return self._book.read_at_ms

    def find(self, account_id: str, provider: str, model: str) -> RateCard:
        """The card in force. Raises `Unpriced`."""
        return self._book.find(account_id, provider, model, self._clock())

    def catalogue(
        self, account_id: str, provider: str, model: str, at_ms: int = 0
    ) -> list[RateCard]:
        """Cards in force, now or at a moment; with a model, the one that its name leads to.

        Raises `Unpriced`.
        """
        at_ms = at_ms or self._clock()
        if provider and model:
            return [self._book.find(account_id, provider, model, at_ms)]
        cards = self._book.catalogue(account_id, provider, at_ms=at_ms)
        return [card for card in cards if model in ("", card.model)]

    def history(self, account_id: str, provider: str, model: str) -> list[RateCard]:
        """Every card that a model has had or will have, newest first. Raises `Unpriced`."""
        return self._book.history(account_id, provider, model)

    async def price(
        self, account_id: str, provider: str, model: str, bound: BoundSpec
    ) -> tuple[Price, str]:
        """The worst case of a request at any hour, and the version of the card of this hour.

        Raises `Unpriced`, or `Invalid` when it passes every amount of money.
        """
        card = self.find(account_id, provider, model)
        worst = quote(card, bound)
        if worst.amount_nano_usd > AMOUNT_NANO_USD_MAX:
            raise Invalid("the bound is larger than any balance", field="bound")
        held = in_force(card, self._clock())
        await self._keep(held)
        price = Price(
            fixed_pico_usd=worst.fixed_pico_usd,
            unit_pico_usd=worst.unit_pico_usd,
            output_tokens=worst.output_tokens,
            stated=worst.stated,
            output_tokens_min=worst.output_tokens_min,
            tokens=worst.tokens,
        )
        return price, held.version

    async def priced_model(self, subject: Subject) -> str:
        """The model that a hold's price was taken from, whatever alias the request used."""
        try:
            return (await self._card(subject)).model
        except Unpriced:
            return subject.model

    async def measure(
        self,
        subject: Subject,
        answer_model: str,
        units: Mapping[Unit, int],
        variants: Iterable[str],
    ) -> tuple[Measured, str]:
        """Exact cost of units for a hold, and the version of the card that says so.

        The answer's own model decides the price when it is another one than
        was asked for; otherwise the hold's card does. Raises `Unpriced`.
        """
        card = await self._card(subject)
        if answer_model and answer_model != subject.model:
            card = await self._answered(card, subject, answer_model)
        used = {unit: count for unit, count in units.items() if count}
        rated = rate(card, used, tuple(variants))
        if rated.amount_nano_usd > AMOUNT_NANO_USD_MAX:
            raise Unpriced("these units cost more than any amount of money", field="units")
        measured = Measured(
            units=tuple((int(unit), count) for unit, count in used.items()),
            unit_prices=tuple((int(unit), pico) for unit, pico in rated.unit_prices),
            variants=tuple(variants),
            model=card.model,
            amount_nano_usd=rated.amount_nano_usd,
            input_tokens=_total(used, INPUT_UNITS),
            output_tokens=_total(used, OUTPUT_UNITS),
            cache_read_tokens=_total(used, CACHE_READ_UNITS),
            cache_write_tokens=_total(used, CACHE_WRITE_UNITS),
        )
        return measured, card.version

    async def _answered(self, asked: RateCard, subject: Subject, answer_model: str) -> RateCard:
        try:
            card = self.find(subject.account_id, subject.provider, answer_model)
        except Unpriced:
            return asked
        if card.model == asked.model:
            # The same model under its dated name: the frozen price holds.
            return asked
        held = in_force(card, self._clock())
        await self._keep(held)
        return held

    async def put(self, account_id: str, card: RateCard) -> RateCard:
        """Set a price from a moment on, for an account or for all."""
        (kept,) = await self.put_all(account_id, (card,))
        return kept

    async def put_all(self, account_id: str, cards: Iterable[RateCard]) -> list[RateCard]:
        """Set prices, all of them or none."""
        try:
            kept = [self._book.prepared(Override(account_id, card)) for card in cards]
        except ValueError as error:
            raise Invalid(str(error), field="price") from None
        # The store first: a price that could not be kept must not be in force.
        for card in kept:
            await self._keep(card)
        now_ms = self._clock()
        await self._store.add_overrides(
            [StoredPrice(account_id, card.to_json(), now_ms) for card in kept]
        )
        # Into the book by way of the store, behind what another core set before.
        await self.refresh()
        return kept

    def warm(self) -> None:
        """Compile every card now, so that no request waits for it: 0.2 s for 174 models."""
        self._book.catalogue(EVERY_ACCOUNT, at_ms=self._clock())

    async def _keep(self, card: RateCard) -> None:
        known, epoch = self._cards.get(card.version), self._store.epoch
        if known is None or known.epoch != epoch:
            await self._store.keep_card(card.version, card.to_json())
            # The epoch of before: where it has changed meanwhile, the card is kept once more.
            self._remember(card, epoch)

    async def _card(self, subject: Subject) -> RateCard:
        """The card of a hold. Raises `Unpriced` where a failover lost it and nobody has it."""
        version, epoch = subject.price_version, self._store.epoch
        known = self._cards.get(version)
        if known is not None and known.epoch == epoch:
            return known.card
        if known is None and (text := await self._store.card(version)) is not None:
            card = RateCard.from_json(text)
            self._remember(card, epoch)
            return card
        card = known.card if known is not None else self._in_book(subject)
        await self._keep(card)
        return card

    def _in_book(self, subject: Subject) -> RateCard:
        """The card of a hold among those that its model has had. Raises `Unpriced`."""
        with contextlib.suppress(Unpriced):
            for card in self.history(subject.account_id, subject.provider, subject.model):
                for held in forms(card):
                    if held.version == subject.price_version:
                        return held
        raise Unpriced(
            f"price {subject.price_version} of this hold was lost, and no core knows it any more",
            field="hold_token",
        )

    def _remember(self, card: RateCard, epoch: int) -> None:
        if card.version not in self._cards and len(self._cards) >= CARDS_CACHED_MAX:
            self._cards.pop(next(iter(self._cards)))
        self._cards[card.version] = _Known(card, epoch)


def _total(units: Mapping[Unit, int], kinds: frozenset[Unit]) -> int:
    return sum(count for unit, count in units.items() if unit in kinds)

"""Prices changed by a file of the overlay's form: what its rows name is replaced.

The packaged overlay only fills gaps. A price file says what shall hold from now
on, so whatever a row names is taken out of the card first, and then filled in.
"""

from __future__ import annotations

from collections.abc import Sequence

from mintgate_core.pricing.cards import STANDARD, RateCard
from mintgate_core.pricing.errors import PriceDataError
from mintgate_core.pricing.overlay import Draft, Overlay
from mintgate_core.pricing.rows import ALIAS, CHOICE, Row
from mintgate_core.pricing.source import BaseCatalogue, card_of
from mintgate_core.pricing.table import implied, table_of


def amended(
    base: BaseCatalogue, active: Sequence[RateCard], overlay: Overlay, at_ms: int, source: str
) -> list[RateCard]:
    """The active cards as the rows in force at `at_ms` change them, and the models they add.

    Raises `PriceDataError` for a row about a model that nobody sells.
    """
    cards = {(card.provider, card.model): card for card in active}
    rows = [row for row in overlay.rows if row.effective_at_ms <= at_ms]
    own = set(overlay.own_models())
    for row in rows:
        if row.kind == ALIAS:
            raise PriceDataError("[[alias]]: names come with a release, a price file has none")
        known = {model for provider, model in cards.keys() | own if provider == row.provider}
        if missing := row.models - known:
            raise PriceDataError(f"{row.provider} has no models {sorted(missing)}")
    result = dict(cards)
    for key in sorted(cards.keys() | own):
        concerned = [row for row in rows if row.concerns(*key)]
        if concerned:
            draft = _draft(base, key, cards.get(key), at_ms)
            for row in concerned:
                _clear(row, draft)
            overlay.fill(draft, at_ms)
            result[key] = card_of(draft, at_ms, source)
    return list(result.values())


def _draft(base: BaseCatalogue, key: tuple[str, str], card: RateCard | None, at_ms: int) -> Draft:
    """What a card was made from; of one that was set by hand, all of its prices."""
    if card is None:
        return Draft(*key, standard=dict(implied(key[0])))
    packaged = base.timeline(*key).at(at_ms)
    if packaged is not None and packaged.version == card.version:
        # Prices that nobody names, such as that of cached input, follow those that change.
        return base.draft(*key, at_ms)
    tables = {variant: table_of(rates) for variant, rates in card.rates.items()}
    return Draft(
        *key,
        standard=tables.pop(STANDARD),
        variants=tables,
        multipliers_permille=dict(card.multipliers_permille),
        context_window=card.context_window,
        max_output_tokens=card.max_output_tokens,
    )


def _clear(row: Row, draft: Draft) -> None:
    """Take out of a draft what a row is about to say.

    A variant's own price of a unit stays when the standard changes; a file that
    changes both says both.
    """
    if row.kind == "variant":
        draft.variants.pop(row.variant, None)
        return
    for name in row.choices:
        draft.variants.pop(name, None)
    if row.kind != CHOICE:
        for unit in (*row.prices, row.unit):
            before = draft.standard.get(unit)
            for table in list(draft.whole_tables):
                if table.get(unit) == before:
                    table.pop(unit, None)
    draft.context_window = 0 if row.context_window else draft.context_window
    draft.max_output_tokens = 0 if row.max_output_tokens else draft.max_output_tokens

"""The worst case of a request: what to hold before it is forwarded.

A quote is never below what `rate` makes of any answer within the bound; the
property test in tests/core/pricing pins this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mintgate_core.ledger.money import NanoUsd, nano_from_pico_ceil
from mintgate_core.pricing.cards import STANDARD, RateCard
from mintgate_core.pricing.errors import Unpriced
from mintgate_core.pricing.units import OUTPUT_UNITS, Unit
from mintgate_core.pricing.variants import MANY, Prices, prices_up_to, select_batch, select_possible

MS_PER_HOUR = 3_600_000
STORED = Unit.CACHE_STORAGE_TOKEN_HOURS


@dataclass(slots=True)
class BoundSpec:
    """Upper bounds of one request; field for field the contract's `Bound`."""

    input_tokens: int = 0
    """Most input tokens of one pass, if `input_open` is false."""
    input_open: bool = False
    """The request names content that is not in it: the context window bounds each pass."""
    input_units: tuple[Unit, ...] = ()
    """Kinds the input may be billed as besides INPUT_TOKENS."""
    passes: int = 1
    """How often the model may run over the input; 0 means 1."""
    output_tokens: int | None = None
    """The limit that the request states, per choice; None: it states none."""
    output_open: bool = False
    """No stated limit holds the whole output: the model's largest output bounds each choice."""
    choices: int = 1
    """Answers asked for at once; 0 means 1."""
    output_units: tuple[Unit, ...] = ()
    """Kinds the output may be billed as; empty means OUTPUT_TOKENS."""
    output_tokens_min: int = 1
    """The smallest output limit the provider accepts; 0 means 1."""
    fees: Mapping[Unit, int] = field(default_factory=dict)
    """Largest count of each fee outside of tokens."""
    variants: tuple[str, ...] = ()
    """Variants that the answer may be billed under, besides the standard."""
    largest_input_tokens: int = 0
    """Of one request, where all else is a sum over many (`MANY`)."""
    unlimited_answers: int = 0
    """Of many requests: answers that the model's largest output bounds, each."""
    input_kept_ms: int = 0
    """How long the input is kept in a cache whose storage is billed."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A worst case, linear in the output limit so that a limit can be made to fit."""

    fixed_pico_usd: int
    """All but the output."""
    unit_pico_usd: int
    """For one output token of each choice of each pass."""
    output_tokens: int
    """Output tokens per choice that it covers."""
    stated: bool
    """The request stated that limit itself."""
    output_tokens_min: int
    """The smallest limit that the provider accepts."""
    tokens: int
    """Worst case of input and output together, over all passes and choices."""

    @property
    def amount_nano_usd(self) -> NanoUsd:
        """What to hold, rounded up once."""
        return nano_from_pico_ceil(self.fixed_pico_usd + self.unit_pico_usd * self.output_tokens)


def quote(card: RateCard, bound: BoundSpec) -> Quote:
    """The worst case of `bound` at the dearest price that could apply.

    Raises `Unpriced` when a unit or surcharge that could be billed has no price,
    or when neither the request nor the card bounds its input or output.
    """
    if MANY in bound.variants:
        return _quote_many(card, bound)
    selection = select_possible(card, bound.variants)
    passes = max(1, bound.passes)
    input_tokens = _input_tokens_max(card, bound) * passes
    pricing = _Worst(card, prices_up_to(selection, input_tokens))

    fixed = 0
    if input_tokens:
        fixed = input_tokens * pricing.dearest_of((Unit.INPUT_TOKENS, *bound.input_units))
    for unit, count in bound.fees.items():
        if count:
            fixed += count * pricing.dearest_of((unit,))
    fixed += pricing.storage(input_tokens, bound.input_kept_ms)

    output_tokens = _output_tokens_max(card, bound)
    unit_pico_usd = 0
    if output_tokens:
        unit_pico_usd = pricing.dearest_of(bound.output_units or (Unit.OUTPUT_TOKENS,))
    answers = max(1, bound.choices) * passes
    unit_pico_usd *= answers
    if bound.output_open:
        # No limit makes it cheaper, so none is fitted and none is said to be affordable.
        fixed, unit_pico_usd = fixed + unit_pico_usd * output_tokens, 0
    return Quote(
        fixed_pico_usd=fixed,
        unit_pico_usd=unit_pico_usd,
        output_tokens=output_tokens,
        stated=bound.output_open or bound.output_tokens is not None,
        output_tokens_min=max(1, bound.output_tokens_min),
        tokens=input_tokens + output_tokens * answers,
    )


def _quote_many(card: RateCard, bound: BoundSpec) -> Quote:
    """The worst case of a sum over requests that are billed each by itself.

    All of it is fixed: no limit is fitted into requests that the provider already has.
    """
    selection = select_batch(card, bound.variants)
    largest = bound.largest_input_tokens or bound.input_tokens
    thresholds = [t.above_input_tokens for rates in selection.rates for t in rates.tiers]
    if thresholds and largest > min(thresholds):
        why = f"one of the requests may pass its long-context price above {min(thresholds)} tokens"
        raise Unpriced(card.provider, card.model, why)
    pricing = _Worst(card, prices_up_to(selection, 0))
    fixed = 0
    if bound.input_tokens:
        fixed += bound.input_tokens * pricing.dearest_of((Unit.INPUT_TOKENS, *bound.input_units))
    for unit, count in bound.fees.items():
        if count:
            fixed += count * pricing.dearest_of((unit,))
    fixed += pricing.storage(bound.input_tokens, bound.input_kept_ms)
    output_tokens = bound.output_tokens or 0
    if bound.unlimited_answers:
        output_tokens += bound.unlimited_answers * _output_tokens_max(card, BoundSpec())
    if output_tokens:
        fixed += output_tokens * pricing.dearest_of(bound.output_units or (Unit.OUTPUT_TOKENS,))
    return Quote(
        fixed_pico_usd=fixed,
        unit_pico_usd=0,
        output_tokens=output_tokens,
        stated=True,
        output_tokens_min=1,
        tokens=bound.input_tokens + output_tokens,
    )


@dataclass(frozen=True, slots=True)
class _Worst:
    """The dearest price over every level that a request may meet."""

    card: RateCard
    prices: Prices

    def dearest_of(self, units: tuple[Unit, ...]) -> int:
        """Pico-USD for the dearest of `units`; each of them must have a price."""
        worst = 0
        for unit in units:
            price = self.prices.of(unit)
            if price is None:
                raise Unpriced(self.card.provider, self.card.model, unit_without_price(unit))
            worst = max(worst, price)
        return worst

    def storage(self, tokens: int, kept_ms: int) -> int:
        """Pico-USD for so many tokens in a cache, kept for so long."""
        token_hours = -(-tokens * kept_ms // MS_PER_HOUR)
        return token_hours * self.dearest_of((STORED,)) if token_hours else 0


def unit_without_price(unit: int) -> str:
    """Say which unit has no price; a newer caller may know units that this code does not."""
    name = Unit(unit).name if unit in set(Unit) else f"unit {unit}"
    return f"{name} has no known price"


def _input_tokens_max(card: RateCard, bound: BoundSpec) -> int:
    """Most input tokens of one pass.

    No provider bills more input than its window for one pass, so the window
    caps what the body's size suggests. Without output it is an embedding:
    there the window bounds one item of a request that carries many, so it
    caps nothing.
    """
    window = card.context_window
    # Some lists price output for embedding models, too; the request tells what it is.
    many = bound.output_tokens == 0 or _bills_no_output(card)
    if bound.input_open:
        if not window:
            raise Unpriced(card.provider, card.model, "its context window is not known")
        return max(window, bound.input_tokens) if many else window
    return bound.input_tokens if many or not window else min(bound.input_tokens, window)


def _output_tokens_max(card: RateCard, bound: BoundSpec) -> int:
    if bound.output_tokens is not None and not bound.output_open:
        return bound.output_tokens
    if limit := card.max_output_tokens or card.context_window:
        return limit
    raise Unpriced(card.provider, card.model, "its largest output is not known; state a limit")


def _bills_no_output(card: RateCard) -> bool:
    return OUTPUT_UNITS.isdisjoint(card.rates[STANDARD].prices)

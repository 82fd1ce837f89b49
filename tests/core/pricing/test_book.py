"""The price book: whose card, from when, under which name."""

from __future__ import annotations

import pytest
from mintgate_core.ledger import errors
from mintgate_core.pricing import (
    EVERY_ACCOUNT,
    Override,
    PriceBook,
    RateCard,
    Rates,
    Unit,
    Unpriced,
    rate,
)
from mintgate_core.pricing.book import LOOKUPS_KEPT_MAX, MODEL_NAME_CHARACTERS_MAX
from mintgate_core.pricing.source import BaseCatalogue
from mintgate_core.pricing.timeline import Timeline, layered


def card(
    price: int, *, model: str = "gpt-4o", at_ms: int = 0, provider: str = "openai", window: int = 0
) -> RateCard:
    prices = {Unit.INPUT_TOKENS: price, Unit.OUTPUT_TOKENS: price}
    return RateCard(provider, model, window, 0, {"": Rates(prices)}, effective_at_ms=at_ms)


def price(book: PriceBook, account_id: str, model: str, at_ms: int) -> int:
    return book.find(account_id, "openai", model, at_ms).rates[""].prices[Unit.INPUT_TOKENS]


def test_load_reads_the_packaged_catalogue() -> None:
    """A book loads without arguments and says which source it prices from."""
    book = PriceBook.load([Override("a", card(5, model="mine"))])
    assert book.version_label == "genai-prices 0.2.3"
    assert price(book, "a", "mine", 0) == 5
    assert book.find("b", "openai", "gpt-4o", 0).source.startswith("genai-prices 0.2.3 + overlay ")


def test_an_accounts_own_price_goes_before_everyones_and_that_before_the_base(
    book: PriceBook, now_ms: int
) -> None:
    """Precedence is account, then all accounts, then the packaged price."""
    base = price(book, "a", "gpt-4o", now_ms)
    book.put(Override(EVERY_ACCOUNT, card(7)))
    assert price(book, "a", "gpt-4o", now_ms) == 7
    book.put(Override("a", card(9)))
    assert (price(book, "a", "gpt-4o", now_ms), price(book, "b", "gpt-4o", now_ms)) == (9, 7)
    assert base not in {7, 9}


def test_an_override_takes_effect_at_its_moment(book: PriceBook, now_ms: int) -> None:
    """A price set for later changes nothing before, even for a name already looked up."""
    before = price(book, "a", "gpt-4o", now_ms)
    book.put(Override("a", card(7, at_ms=now_ms + 10)))
    assert price(book, "a", "gpt-4o", now_ms + 9) == before
    assert price(book, "a", "gpt-4o", now_ms + 10) == 7
    assert price(book, "a", "gpt-4o", now_ms + 9) == before


def test_a_packaged_price_changes_at_its_moment(book: PriceBook) -> None:
    """Gemini 3.8 Flash doubles at midnight UTC on 2027-01-01, without a reload."""
    midnight_ms = 1_798_761_600_000
    cards = [book.find("", "gemini", "gemini-3.8-flash", midnight_ms + d) for d in (-1, 0, -1)]
    prices = [c.rates[""].prices[Unit.INPUT_TOKENS] for c in cards]
    assert prices == [750_000, 1_500_000, 750_000]
    priority = [c.rates["service_tier=priority"].prices[Unit.INPUT_TOKENS] for c in cards]
    assert priority == [1_350_000, 2_700_000, 1_350_000]


def test_a_later_override_replaces_one_of_the_same_moment(book: PriceBook, now_ms: int) -> None:
    """Putting a price twice keeps the last; an earlier moment stays in the history."""
    for each in (card(1, at_ms=5), card(2, at_ms=9), card(3, at_ms=9)):
        book.put(Override("a", each))
    history = book.history("a", "openai", "gpt-4o")
    assert [c.rates[""].prices[Unit.INPUT_TOKENS] for c in history[:2]] == [3, 1]
    assert history[-1].source.startswith("genai-prices 0.2.3 + overlay ")
    assert [c.effective_at_ms for c in history] == [9, 5, 0]
    assert price(book, "a", "gpt-4o", now_ms) == 3


def test_an_override_of_a_model_holds_for_its_aliases(book: PriceBook, now_ms: int) -> None:
    """A price for the model covers dated names; a price for a dated name covers only that one."""
    book.put(Override("a", card(7)))
    book.put(Override("a", card(9, model="gpt-4o-2024-08-06")))
    names = ("gpt-4o", "gpt-4o-2024-11-20", "GPT-4o-2024-08-06")
    assert [price(book, "a", name, now_ms) for name in names] == [7, 7, 9]


def test_limits_left_out_come_from_the_price_it_replaces(book: PriceBook, now_ms: int) -> None:
    """An override without limits keeps the model's; with limits it has its own."""
    assert book.put(Override("a", card(7))).context_window == 128_000
    assert book.find("a", "openai", "gpt-4o", now_ms).max_output_tokens == 16_384
    assert book.put(Override("a", card(7, window=5))).context_window == 5
    assert book.put(Override("a", card(7, model="new"))).context_window == 0


def test_an_override_is_completed_and_loads_again_as_it_was(
    base: BaseCatalogue, book: PriceBook
) -> None:
    """The returned card prices every kind of token; putting it again changes nothing."""
    made = book.put(Override("a", card(7, model="New-Model")))
    assert (made.model, made.source) == ("new-model", "override")
    assert rate(made, {Unit.CACHE_READ_AUDIO_TOKENS: 1_000}).amount_nano_usd == 7
    stored = RateCard.from_json(made.to_json())
    again = PriceBook(base, [Override("a", stored)])
    assert again.find("a", "openai", "NEW-model", 0) == made
    assert again.find("a", "openai", "new-model", 0).version == made.version


def test_any_provider_can_be_priced_by_an_override(book: PriceBook, now_ms: int) -> None:
    """A provider that the packaged data lacks is unpriced until someone sets a price."""
    with pytest.raises(Unpriced):
        book.find("a", "acme", "anvil-1", now_ms)
    book.put(Override(EVERY_ACCOUNT, card(3, provider="acme", model="anvil-1")))
    assert book.find("a", "acme", "anvil-1", now_ms).provider == "acme"
    assert [c.model for c in book.catalogue("a", "acme", at_ms=now_ms)] == ["anvil-1"]


def test_an_override_keeps_the_capitals_of_its_model(book: PriceBook, now_ms: int) -> None:
    """However a name with capitals is written, it is one model with one price."""
    book.put(Override(EVERY_ACCOUNT, card(3, provider="minimax", model="minimax-m2")))
    for name in ("MiniMax-M2", "minimax-m2"):
        found = book.find("a", "minimax", name, now_ms)
        assert (found.model, found.rates[""].prices[Unit.INPUT_TOKENS]) == ("MiniMax-M2", 3)
    models = [c.model.lower() for c in book.catalogue("a", "minimax", at_ms=now_ms)]
    assert len(models) == len(set(models))


def test_an_override_by_the_hour_must_be_readable(book: PriceBook) -> None:
    """Hours that overlap, or are no hours, are refused before they could price anything."""
    for name in ("hours=1-4", "hours=01:00-04:00", "hours=05:00-05:00"):
        rates = {"": Rates({Unit.INPUT_TOKENS: 1}), "hours=03:59-05:00": Rates({}), name: Rates({})}
        with pytest.raises(ValueError, match="hours="):
            book.put(Override("", RateCard("openai", "m", 0, 0, rates)))


def test_gemini_names_may_carry_their_prefix(book: PriceBook, now_ms: int) -> None:
    """The prefix "models/" changes nothing for Gemini, and makes another name elsewhere."""
    plain = book.find("", "gemini", "gemini-2.5-pro", now_ms)
    assert book.find("", "gemini", "models/gemini-2.5-pro", now_ms) is plain
    with pytest.raises(Unpriced):
        book.find("", "openai", "models/gpt-4o", now_ms)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-99"),
        ("openai", ""),
        ("nobody", "gpt-4o"),
        ("openai", "omni-moderation-latest"),
        ("gemini", "claude-opus-4-5"),
        ("openai", "x" * (MODEL_NAME_CHARACTERS_MAX + 1)),
    ],
)
def test_what_nobody_priced_is_unpriced(
    book: PriceBook, now_ms: int, provider: str, model: str
) -> None:
    """Unknown models and providers raise Unpriced, a refusal of the ledger's tree."""
    with pytest.raises(Unpriced) as caught:
        book.find("a", provider, model, now_ms)
    assert isinstance(caught.value, errors.Unpriced)
    assert (caught.value.provider, caught.value.model, caught.value.field) == (
        provider,
        model,
        "model",
    )
    assert len(caught.value.message) < 200
    with pytest.raises(Unpriced):
        book.history("a", provider, model)


def test_a_name_too_long_to_be_found_cannot_be_priced(book: PriceBook) -> None:
    """Put refuses a model name that find would never accept."""
    with pytest.raises(ValueError, match="characters"):
        book.put(Override("a", card(1, model="x" * (MODEL_NAME_CHARACTERS_MAX + 1))))


def test_the_memory_of_names_is_bounded(book: PriceBook, now_ms: int) -> None:
    """Requests for made-up models cannot grow the book beyond its bound."""
    kept = book.find("a", "openai", "gpt-4o", now_ms)
    for number in range(LOOKUPS_KEPT_MAX + 10):
        with pytest.raises(Unpriced):
            book.find("a", "nobody", f"model-{number}", now_ms)
    assert len(book._lookups) == LOOKUPS_KEPT_MAX
    assert book.find("a", "openai", "gpt-4o", now_ms) is kept


def test_accounts_without_prices_of_their_own_share_a_lookup(book: PriceBook, now_ms: int) -> None:
    """A thousand accounts asking for one model are one entry."""
    for number in range(1_000):
        book.find(f"account-{number}", "openai", "gpt-4o", now_ms)
    assert len(book._lookups) == 1


def test_the_catalogue_lists_each_model_once_with_its_present_price(
    book: PriceBook, now_ms: int
) -> None:
    """One card a model, sorted, filtered by provider, with what the account would pay."""
    everything = book.catalogue("a", at_ms=now_ms)
    names = [(c.provider, c.model) for c in everything]
    assert names == sorted(set(names))
    assert {provider for provider, _ in names} >= {"anthropic", "deepseek", "gemini", "openai"}
    assert len(names) > 250
    book.put(Override("a", card(7)))
    book.put(Override("b", card(8, model="only-b")))
    book.put(Override("a", card(9, model="later", at_ms=now_ms + 1)))
    mine = {c.model: c for c in book.catalogue("a", "openai", at_ms=now_ms)}
    assert mine["gpt-4o"].rates[""].prices[Unit.INPUT_TOKENS] == 7
    assert mine.keys().isdisjoint({"only-b", "later"})
    assert "ft:gpt-4o" in mine


def test_history_is_every_price_newest_first(book: PriceBook) -> None:
    """The dated prices of a model come with the newest in front, announced ones included."""
    starts = [c.effective_at_ms for c in book.history("a", "openai", "o3")]
    assert starts == sorted(starts, reverse=True)
    assert len(starts) >= 2


def test_a_covered_change_is_no_change() -> None:
    """Below a layer that decides, changes do not show; before it starts, they do."""
    low = Timeline([(0, card(1)), (10, card(2, at_ms=10)), (20, card(3, at_ms=20))])
    high = Timeline([(15, card(9, at_ms=15))])
    merged = layered([high, low])
    assert list(merged.starts_ms) == [0, 10, 15]
    assert merged.at(-1) is None
    assert [merged.at(t) is high.cards[0] for t in (14, 15, 99)] == [False, True, True]

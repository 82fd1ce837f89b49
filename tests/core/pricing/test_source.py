"""The base catalogue: what is in it, what is kept out, and what stops the start."""

from __future__ import annotations

import ast
import importlib.util
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import mintgate_core.pricing
import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)
from mintgate_core.pricing import PriceDataError, Unit
from mintgate_core.pricing.overlay import Overlay, parse_overlay
from mintgate_core.pricing.source import BaseCatalogue, LimitsFile
from mintgate_core.pricing.units import COUNTED_UNITS, INPUT_UNITS, OUTPUT_UNITS

PRICING = Path(mintgate_core.pricing.__file__).parent
SCRIPT = Path(__file__).parents[3] / "scripts" / "reduce_limits.py"
INPUT_1 = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(4))


def model(name: str = "m", **fields: object) -> ModelInfo:
    values: dict[str, object] = {"prices": INPUT_1} | fields
    return ModelInfo(name, ClauseEquals(name), **values)  # type: ignore[arg-type]


def catalogue(
    *models: ModelInfo, overlay: Overlay | None = None, limits: LimitsFile | None = None
) -> BaseCatalogue:
    providers = [
        Provider("openai", "OpenAI", "", models=list(models)),
        Provider("anthropic", "Anthropic", ""),
        Provider("google", "Google", ""),
    ]
    return BaseCatalogue(providers, overlay or Overlay("", ()), limits or {})


def test_only_geminis_own_models_are_under_gemini(base: BaseCatalogue, bare: BaseCatalogue) -> None:
    """Models of others that the package lists under Google are neither listed nor matched."""
    assert all(name.startswith("gemini-") for name in bare.models("gemini"))
    assert base.canonical("gemini", "claude-opus-4-5") is None
    assert base.canonical("gemini", "gemma-3-27b-it") is None
    assert base.canonical("nobody", "grok-4") is None


def test_what_nothing_prices_is_not_in_the_catalogue(base: BaseCatalogue) -> None:
    """Empty prices are not free: the model is unknown here until something prices it."""
    assert base.canonical("openai", "omni-moderation-latest") is None
    assert base.canonical("openai", "whisper-1") == "whisper-1"


def test_every_card_is_complete_and_dated(base: BaseCatalogue) -> None:
    """Cards price something, all input if any, all output but for embeddings; starts match."""
    embeddings = set()
    for provider in base.providers:
        for name in base.models(provider):
            timeline = base.timeline(provider, name)
            assert [card.effective_at_ms for card in timeline.cards] == list(timeline.starts_ms)
            for card in timeline.cards:
                prices = card.rates[""].prices
                assert prices.keys() - {Unit.BILLED_TICKS}
                if Unit.INPUT_TOKENS not in prices:
                    assert prices.keys() <= COUNTED_UNITS
                elif OUTPUT_UNITS.isdisjoint(prices):
                    embeddings.add(name)
                else:
                    assert prices.keys() >= OUTPUT_UNITS | INPUT_UNITS
    assert embeddings == {
        "gemini-embedding-001",
        "gemini-embedding-2",
        "codestral-embed-2505",
        "text-embedding-3-large",
        "text-embedding-3-small",
        "text-embedding-ada-002",
    }


def test_no_window_is_smaller_than_a_threshold(base: BaseCatalogue, now_ms: int) -> None:
    """A window below a tier's threshold would hide the tier, so it counts as unknown."""
    for provider in base.providers:
        for name in base.models(provider):
            card = base.timeline(provider, name).at(now_ms)
            assert card is not None
            for rates in card.rates.values():
                for tier in rates.tiers:
                    assert not card.context_window or tier.above_input_tokens < card.context_window
    tiered = ModelPrice(
        input_mtok=TieredPrices(Decimal(1), [Tier(200, Decimal(2))]), output_mtok=Decimal(4)
    )
    made = catalogue(model(prices=tiered, context_window=200), model("n", context_window=200))
    assert made.timeline("openai", "m").cards[0].context_window == 0
    assert made.timeline("openai", "n").cards[0].context_window == 200


def test_the_larger_limit_of_two_sources_counts() -> None:
    """Window and largest output are the maxima over the package and every name in the list."""
    limits = {"openai": {"m": (100, 7), "M": (90, 9), "unknown": (10**9, 10**9)}}
    card = catalogue(model(context_window=50), limits=limits).timeline("openai", "m").cards[0]
    assert (card.context_window, card.max_output_tokens) == (100, 9)
    card = catalogue(model(context_window=500), limits=limits).timeline("openai", "m").cards[0]
    assert card.context_window == 500


def test_prices_and_variants_start_on_their_day() -> None:
    """Each start date is a card of its own, from midnight UTC."""
    dated = model(
        prices=[
            ConditionalPrice(prices=INPUT_1),
            ConditionalPrice(
                StartDateConstraint(date(2026, 1, 2)), prices=ModelPrice(input_mtok=Decimal(2))
            ),
        ],
        price_variants=[
            PriceVariant(
                {"service_tier": "flex"},
                ModelPrice(input_mtok=Decimal("0.5")),
                StartDateConstraint(date(2026, 1, 3)),
            )
        ],
    )
    timeline = catalogue(dated).timeline("openai", "m")
    second, third = (
        int((datetime(2026, 1, day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days)
        * 86_400_000
        for day in (2, 3)
    )
    assert list(timeline.starts_ms) == [0, second, third]
    before, after = timeline.at(second - 1), timeline.at(second)
    assert before is not None
    assert after is not None
    assert before.rates[""].prices[Unit.INPUT_TOKENS] == 1_000_000
    assert after.rates[""].prices[Unit.INPUT_TOKENS] == 2_000_000
    assert [sorted(card.rates) for card in timeline.cards] == [
        [""],
        [""],
        ["", "service_tier=flex"],
    ]


@pytest.mark.parametrize(
    "broken",
    [
        model(
            price_variants=[
                PriceVariant(
                    {"service_tier": "flex"},
                    INPUT_1,
                    TimeOfDateConstraint(time(1, tzinfo=UTC), time(9, tzinfo=UTC)),
                )
            ]
        ),
        model(price_variants=[PriceVariant({"service_tier": "flex", "speed": "fast"}, INPUT_1)]),
        model(prices=ModelPrice(input_mtok=Decimal(1), input_pages_kcount=Decimal(1))),
    ],
    ids=["variant by time of day", "two conditions", "unknown price key"],
)
def test_data_that_would_be_priced_wrongly_stops_the_load(broken: ModelInfo) -> None:
    """What this code cannot price exactly is an error at load, naming the model."""
    with pytest.raises(PriceDataError, match=r"^m: "):
        catalogue(broken)


def test_hours_are_variants_of_their_own() -> None:
    """A price by the time of day is a set of rates beside the standard, whatever comes last."""
    day = TimeOfDateConstraint(time(22, 30, tzinfo=UTC), time(1, tzinfo=UTC))
    later = StartDateConstraint(date(2026, 1, 2))
    prices = [
        ConditionalPrice(prices=INPUT_1),
        ConditionalPrice(later, prices=ModelPrice(input_mtok=Decimal(2))),
        ConditionalPrice(day, prices=ModelPrice(input_mtok=Decimal(7))),
    ]
    for card in catalogue(model(prices=prices)).timeline("openai", "m").cards:
        assert list(card.rates) == ["", "hours=22:30-01:00"]
        assert card.rates["hours=22:30-01:00"].prices[Unit.INPUT_TOKENS] == 7_000_000
    assert card.rates[""].prices[Unit.INPUT_TOKENS] == 2_000_000
    both = [*prices, ConditionalPrice(TimeOfDateConstraint(time(0), time(2)), prices=INPUT_1)]
    with pytest.raises(ValueError, match="overlaps"):
        catalogue(model(prices=both)).timeline("openai", "m")


def test_a_default_tier_that_is_not_the_standard_is_an_error() -> None:
    """A tier called default costs the standard price, so data in which it differs is refused."""
    odd = model(
        price_variants=[
            PriceVariant({"service_tier": "default"}, ModelPrice(input_mtok=Decimal(9)))
        ]
    )
    with pytest.raises(PriceDataError, match="differs from the standard"):
        catalogue(odd).timeline("openai", "m")


def test_an_overlay_for_an_unknown_model_stops_the_load() -> None:
    """A row that names a model which does not exist is a mistake, not a row for later."""
    row = '[[limit]]\nprovider="openai"\nmodels=["x"]\ncontext_window=1\nsource="s"'
    with pytest.raises(PriceDataError, match="unknown models"):
        catalogue(model(), overlay=parse_overlay('revision = "r"\n' + row))


def test_pricing_has_no_float_and_no_clock() -> None:
    """No float literal, no float(), no clock and no network anywhere in the package."""
    files = sorted(PRICING.glob("*.py"))
    assert len(files) > 10
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), path
            assert not (isinstance(node, ast.Name) and node.id == "float"), path
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"now", "utcnow", "today", "timestamp", "monotonic"}, path
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not {"time", "random", "socket", "os"} & set(names), path


def test_the_reduction_keeps_limits_of_token_models_only(tmp_path: Path) -> None:
    """The script keeps the larger figure of each name and drops what has none."""
    rows = [
        {"model": "gemini/gemini-a", "provider": "gemini", "max_input_tokens": 10},
        {"model": "gemini-a", "provider": "gemini", "max_output_tokens": 5, "max_input_tokens": 8},
        {"model": "gpt-b", "provider": "openai", "max_output_tokens": 3},
        {"model": "sora", "provider": "openai"},
        {"model": "xai/grok", "provider": "xai", "max_input_tokens": 10},
        {"model": "other", "provider": "nobody", "max_input_tokens": 10},
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.json"
    source.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("reduce_limits", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(source, target)
    reduced = json.loads(target.read_text(encoding="utf-8"))
    assert {provider: names for provider, names in reduced["models"].items() if names} == {
        "gemini": {"gemini-a": [10, 5]},
        "openai": {"gpt-b": [0, 3]},
        "xai": {"grok": [10, 0]},
    }
    packaged = json.loads((PRICING / "data" / "limits.json").read_text(encoding="utf-8"))
    assert packaged.keys() == reduced.keys()

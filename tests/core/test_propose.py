"""What prices would be: by a release in each of its forms, by a price file, and by nonsense."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import genai_prices
import pytest
from mintgate_core.pricing import PriceBook, PriceDataError, RateCard, Unit
from mintgate_core.propose import propose

NOW_MS = 1_795_392_000_000
RELEASE = [
    {
        "id": "openai",
        "name": "OpenAI",
        "api_pattern": "x",
        "models": [
            {
                "id": "gpt-new",
                "match": {"starts_with": "gpt-new"},
                "prices": [
                    {"prices": {"input_mtok": "1.5", "output_mtok": "6"}},
                    {
                        "constraint": {"start_date": "2027-01-01"},
                        "prices": {"input_mtok": "1", "output_mtok": "4"},
                    },
                ],
            }
        ],
    }
]
MODULE = """
import datetime
from decimal import Decimal
from .types import *
providers = [
    Provider("openai", "OpenAI", "x", models=[
        ModelInfo("gpt-new", ClauseEquals("gpt-new"), prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal("1.5"), output_mtok=Decimal(6))),
            ConditionalPrice(
                StartDateConstraint(datetime.date(2027, 1, 1)),
                prices=ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(4)),
            ),
        ]),
    ]),
]
"""
FILE = """
revision = "2026-12-01"
provider = "openai"
[[price]]
models = ["gpt-4o"]
usd_per_million = { INPUT_TOKENS = 2 }
source = "s"
[[model]]
models = ["gpt-own"]
usd_per_million = { INPUT_TOKENS = 3, OUTPUT_TOKENS = 4 }
source = "s"
[[choice]]
models = ["sora-2-pro"]
kind = "video"
unit = "OUTPUT_VIDEO_MS"
usd_per_second = { 1024x1792 = 0.45 }
source = "s"
"""


@pytest.fixture(scope="module")
def active() -> list[RateCard]:
    return PriceBook.load().catalogue("", at_ms=NOW_MS)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def release_in(form: str, folder: Path) -> Path:
    if form == "json":
        return written(folder / "data.json", json.dumps(RELEASE))
    if form == "wheel":
        path = folder / "genai_prices-9.9.9-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("genai_prices/data.py", MODULE)
        return path
    (folder / "genai_prices").mkdir()
    written(folder / "genai_prices" / "data.py", MODULE)
    return folder


def figures(card: RateCard) -> object:
    return card.rates, card.multipliers_permille, card.context_window, card.max_output_tokens


@pytest.mark.parametrize("form", ["json", "wheel", "directory"])
def test_a_release_is_read_in_each_of_its_forms(tmp_path: Path, form: str) -> None:
    """Its price at the moment comes first, and what it announces for later behind it."""
    path = release_in(form, tmp_path)
    cards = [card for card in propose(path, [], NOW_MS) if card.model == "gpt-new"]
    assert [card.rates[""].prices[Unit.INPUT_TOKENS] for card in cards] == [1_500_000, 1_000_000]
    assert cards[1].effective_at_ms == 1_798_761_600_000
    assert cards[0].source.startswith(path.name)


def test_the_installed_release_proposes_what_is_in_force(active: list[RateCard]) -> None:
    """Comparing a book with its own source finds nothing."""
    site = Path(genai_prices.__file__).parents[1]
    proposed = {(c.provider, c.model): c for c in reversed(propose(site, [], NOW_MS))}
    assert len(active) == len(proposed)
    for card in active:
        assert figures(proposed[card.provider, card.model]) == figures(card)


def test_a_price_file_replaces_what_it_names(tmp_path: Path, active: list[RateCard]) -> None:
    """A price, what nobody prices by itself, and a choice change; a variant's own price stays."""
    path = written(tmp_path / "prices.toml", FILE)
    before = {(c.provider, c.model): c for c in active}
    after = {(c.provider, c.model): c for c in propose(path, active, NOW_MS)}
    old, new = before["openai", "gpt-4o"], after["openai", "gpt-4o"]
    assert new.rates[""].prices[Unit.INPUT_TOKENS] == 2_000_000
    assert new.rates[""].prices[Unit.INPUT_AUDIO_TOKENS] == 2_000_000
    assert new.rates["processing=batch"] == old.rates["processing=batch"]
    own = after["openai", "gpt-own"].rates[""].prices
    assert (own[Unit.INPUT_TOKENS], own[Unit.OUTPUT_TOKENS]) == (3_000_000, 4_000_000)
    video = after["openai", "sora-2-pro"].rates
    assert video["video=1024x1792"].prices[Unit.OUTPUT_VIDEO_MS] == 450_000_000
    assert video["video=1792x1024"].prices[Unit.OUTPUT_VIDEO_MS] == 500_000_000
    changed = {key for key, card in after.items() if key not in before or card != before[key]}
    assert changed == {("openai", name) for name in ("gpt-4o", "gpt-own", "sora-2-pro")}
    again = propose(path, list(after.values()), NOW_MS)
    assert [figures(card) for card in again] == [figures(card) for card in after.values()]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", "revision = ", "not TOML"),
        ("a.toml", FILE.replace('"gpt-4o"', '"gpt-nobody"'), "has no models"),
        ("a.toml", FILE + '[[alias]]\nmodels=["gpt-4o"]\nnames=["x"]\nsource="s"', "alias"),
        ("a.json", "{}", "a list of providers"),
        ("a.whl", "", "zip"),
        ("a.txt", "", "give a .json or .whl"),
    ],
)
def test_what_cannot_be_read_is_told_apart(
    tmp_path: Path, active: list[RateCard], *, name: str, content: str, message: str
) -> None:
    """Nothing is proposed from a file that is not understood as a whole."""
    with pytest.raises((PriceDataError, zipfile.BadZipFile), match=message):
        propose(written(tmp_path / name, content), active, NOW_MS)


def test_a_release_that_this_one_cannot_read_is_told(tmp_path: Path) -> None:
    """A module that needs newer types than are installed is an error and not a traceback."""
    (tmp_path / "genai_prices").mkdir()
    written(tmp_path / "genai_prices" / "data.py", "from .types import *\nproviders = [Newer()]")
    with pytest.raises(PriceDataError, match="does not fit the release installed here"):
        propose(tmp_path, [], NOW_MS)

"""`prices diff` and `prices apply`: told exactly, set from a moment on, and never twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mintgate.cli import _price_update
from mintgate.v1 import meter_pb2, unit_pb2

from tests.clients.cli.conftest import Mintgate
from tests.clients.conftest import FakeCore

FILE = """
revision = "2026-12-01"
provider = "acme"
[[price]]
models = ["anvil"]
usd_per_million = { INPUT_TOKENS = 3 }
source = "s"
[[model]]
models = ["rocket"]
usd_per_million = { INPUT_CHARACTERS = 15 }
source = "s"
"""
NOW_MS = 1_795_442_400_000
SOON = "2026-12-24"
SOON_MS = 1_798_070_400_000


def price(pico_usd: int, source: str = "genai-prices 0.2.3") -> meter_pb2.ModelPrice:
    each = unit_pb2.UnitPrice(unit=unit_pb2.UNIT_INPUT_TOKENS, pico_usd=pico_usd)
    return meter_pb2.ModelPrice(
        provider="acme",
        model="anvil",
        rates=[meter_pb2.RateSet(prices=[each])],
        context_window=9,
        source=source,
    )


@pytest.fixture(autouse=True)
def _files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.setattr(_price_update, "now_ms", lambda: NOW_MS)


def sells(core: FakeCore, *prices: meter_pb2.ModelPrice) -> None:
    core.will("ListPrices", meter_pb2.ListPricesResponse(prices=prices))


def test_diff_tells_old_new_and_percent(against: Mintgate, core: FakeCore) -> None:
    """A model a row, units that change alike together; a difference is exit status 1."""
    sells(core, price(2_500_000))
    ran = against("prices", "diff", "prices.toml")
    assert ran.status == 1, ran.err
    anvil = next(line for line in ran.out.splitlines() if "anvil" in line)
    assert anvil.split()[:4] == ["acme", "anvil", "changed", "standard"]
    assert anvil.split()[-5:] == ["input_tokens", "2.50", "3.00", "+20.0", "%"]
    rocket = next(line for line in ran.out.splitlines() if "rocket" in line)
    assert rocket.split()[-3:] == ["input_characters", "-", "15.00"]
    (asked,) = core.requests("ListPrices")
    assert asked.at_ms == NOW_MS


def test_diff_is_for_scripts_too(against: Mintgate, core: FakeCore) -> None:
    """JSON has every figure, exact; where none differs the list is empty and the status 0."""
    whole = price(3_000_000)
    kinds = [name for name in unit_pb2.Unit.DESCRIPTOR.values_by_name if name.endswith("_TOKENS")]
    del whole.rates[0].prices[:]
    for name in kinds:
        if not name.startswith("UNIT_OUTPUT"):
            whole.rates[0].prices.add(unit=unit_pb2.Unit.Value(name), pico_usd=3_000_000)
    for model, differing in (("anvil", []), ("rocket", ["rocket"])):
        sells(core, whole)
        ran = against("prices", "diff", "prices.toml", "--json", "--model", model)
        assert ran.status == len(differing), ran.err
        document = json.loads(ran.out)
        assert [each["model"] for each in document["differences"]] == differing
    (figure,) = document["differences"][0]["figures"]
    assert figure == {
        "variant": "standard",
        "unit": "input_characters",
        "old": None,
        "new": 15_000_000,
        "change_per_mille": None,
    }


def test_what_was_set_by_hand_is_kept(against: Mintgate, core: FakeCore) -> None:
    """A person's price is shown and is no difference, unless it is asked for."""
    for arguments, status, kind in (((), 0, "kept"), (("--by-hand",), 1, "changed")):
        sells(core, price(2_500_000, source="override"))
        ran = against("prices", "diff", "prices.toml", "--model", "anvil", *arguments)
        assert ran.status == status, ran.err
        assert kind in ran.out


@pytest.mark.parametrize("file", ["missing.toml", "prices.txt"])
def test_diff_that_cannot_tell_is_status_2(against: Mintgate, core: FakeCore, *, file: str) -> None:
    """Trouble is neither "the same" nor "different", and is one line."""
    Path("prices.txt").write_text("", encoding="utf-8")
    sells(core, price(1))
    ran = against("prices", "diff", file)
    assert ran.status == 2
    assert len(ran.err.splitlines()) == 1
    assert file in ran.err


def test_apply_sets_what_differs_from_the_moment_on(against: Mintgate, core: FakeCore) -> None:
    """Changed and added models are put in one call, effective from --from, with their source."""
    sells(core, price(2_500_000))
    core.will("PutPrices", meter_pb2.PutPricesResponse(prices=[price(1)]))
    ran = against("prices", "apply", "prices.toml", "--from", SOON)
    assert ran.status == 0, ran.err
    assert "2 models change on 2026-12-24 00:00:00 UTC" in ran.out
    (request,) = core.requests("PutPrices")
    put = list(request.prices)
    assert [each.model for each in put] == ["anvil", "rocket"]
    assert {each.effective_at_ms for each in put} == {SOON_MS}
    assert {each.source for each in put} == {"prices.toml"}


def test_apply_can_start_at_once(against: Mintgate, core: FakeCore) -> None:
    """The word now is the moment of the command, so that a new model can be sold at once."""
    sells(core, price(2_500_000))
    core.will("PutPrices", meter_pb2.PutPricesResponse(prices=[price(1)]))
    ran = against("prices", "apply", "prices.toml", "--from", "now", "--model", "rocket")
    assert ran.status == 0, ran.err
    assert "1 model changes on 2026-11-23 14:00:00 UTC" in ran.out
    (request,) = core.requests("PutPrices")
    assert [(each.model, each.effective_at_ms) for each in request.prices] == [("rocket", NOW_MS)]


def test_a_dry_run_sets_nothing(against: Mintgate, core: FakeCore) -> None:
    """It shows the same and calls nothing that writes."""
    sells(core, price(2_500_000))
    ran = against("prices", "apply", "prices.toml", "--from", SOON, "--dry-run")
    assert "2 models would change" in ran.out
    assert not core.requests("PutPrices")


def test_no_price_starts_in_the_past(against: Mintgate, core: FakeCore) -> None:
    """What was charged cannot change, so neither can its price."""
    ran = against("prices", "apply", "prices.toml", "--from", "2026-01-01")
    assert ran.status == 1
    assert "in the past; now is the earliest" in ran.err
    assert not core.requests("PutPrices")

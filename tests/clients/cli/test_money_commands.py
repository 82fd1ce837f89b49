"""accounts, wallet, usage, events, prices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mintgate.cli import _price_update
from mintgate.v1 import keys_pb2, ledger_pb2, meter_pb2, unit_pb2

from tests.clients.conftest import FakeCore

from .conftest import Mintgate

ACCOUNT = keys_pb2.Account(id="acc_1", name="acme")
EVENT = meter_pb2.Event(
    id="ab",
    sequence=7,
    key_id="key_1",
    provider="openai",
    model="gpt-4o-mini",
    input_tokens=1_234,
    output_tokens=56,
    charged_nano_usd=218_700,
    settled_by=ledger_pb2.SETTLED_BY_USAGE,
    status=ledger_pb2.EVENT_STATUS_COMPLETED,
    at_ms=1_762_000_000_000,
    units=[unit_pb2.UnitCount(unit=unit_pb2.UNIT_INPUT_TOKENS, count=1_234)],
)
PRICE = meter_pb2.ModelPrice(
    provider="openai",
    model="gpt-4o-mini",
    context_window=128_000,
    rates=[
        meter_pb2.RateSet(
            prices=[
                unit_pb2.UnitPrice(unit=unit_pb2.UNIT_INPUT_TOKENS, pico_usd=150_000),
                unit_pb2.UnitPrice(unit=unit_pb2.UNIT_OUTPUT_TOKENS, pico_usd=600_000),
                unit_pb2.UnitPrice(unit=unit_pb2.UNIT_OUTPUT_IMAGE_TOKENS, pico_usd=600_000),
                unit_pb2.UnitPrice(unit=unit_pb2.UNIT_WEB_SEARCHES, pico_usd=10_000_000_000),
            ],
            tiers=[
                meter_pb2.RateTier(
                    above_input_tokens=200_000,
                    prices=[unit_pb2.UnitPrice(unit=unit_pb2.UNIT_INPUT_TOKENS, pico_usd=1)],
                )
            ],
        )
    ],
    source="override",
)


def test_accounts(against: Mintgate, core: FakeCore) -> None:
    """An account is made with its master key, and listed."""
    core.will(
        "CreateAccount",
        keys_pb2.CreateAccountResponse(account=ACCOUNT, master_secret="qlk_live_m"),
    )
    core.will("ListAccounts", keys_pb2.ListAccountsResponse(accounts=[ACCOUNT]))

    made = against("accounts", "create", "acme", "--grant-usd", "25", "--idempotency-key", "evt_1")
    listed = against("accounts", "list", "--json").json

    assert "master key (shown once): qlk_live_m" in made.out
    assert core.requests("CreateAccount")[0].grant_nano_usd == 25_000_000_000
    assert core.requests("CreateAccount")[0].idempotency_key == "evt_1"
    assert listed["accounts"][0]["name"] == "acme"
    assert "prepaid" in against("accounts", "list").out


def test_balance(against: Mintgate, core: FakeCore) -> None:
    """A prepaid wallet shows what is available; a postpaid one has no balance to show."""
    core.will(
        "GetBalance",
        ledger_pb2.GetBalanceResponse(account_id="acc_1", available_nano_usd=1, spent_nano_usd=2),
        ledger_pb2.GetBalanceResponse(account_id="acc_1", postpaid=True),
    )

    prepaid, postpaid = against("wallet", "balance"), against("wallet", "balance")

    assert "available  $0.000000001" in prepaid.out
    assert "postpaid" in postpaid.out
    assert "available" not in postpaid.out


def test_grant_tells_its_id(against: Mintgate, core: FakeCore) -> None:
    """A grant shows the id to repeat it with; a given id is the one that is sent."""
    core.will("Grant", ledger_pb2.GrantResponse(granted={"balance_nano_usd": 5}))  # type: ignore[arg-type]  # Protobuf takes dicts.
    grant_id = "00000000-0000-7000-8000-000000000001"

    ran = against("wallet", "grant", "25", "--account", "acc_1", "--grant-id", grant_id, "--json")

    assert {"grant_id": grant_id, "balance_nano_usd": 5} == ran.json
    (sent,) = core.requests("Grant")
    assert ("acc_1", 25_000_000_000, grant_id.replace("-", "")) == (
        sent.grant.account_id,
        sent.grant.amount_nano_usd,
        sent.grant.grant_id.hex(),
    )
    assert against("wallet", "grant", "1", "--grant-id", "7").err.startswith("error: --grant-id")


def test_journal_and_holds(against: Mintgate, core: FakeCore) -> None:
    """The journal and the open holds are tables with their money in USD."""
    entry = ledger_pb2.JournalEntry(
        sequence=3, kind=ledger_pb2.JOURNAL_KIND_LATE_SETTLE, charged_nano_usd=10, note="n"
    )
    core.will("ListJournal", ledger_pb2.ListJournalResponse(entries=[entry]))
    hold = ledger_pb2.OpenHold(hold_id=b"h" * 16, key_id="key_1", amount_nano_usd=20)
    core.will("ListHolds", ledger_pb2.ListHoldsResponse(holds=[hold]))

    journal = against("wallet", "journal", "--after", "2")
    holds = against("wallet", "holds", "--json").json

    assert "late_settle" in journal.out
    assert "$0.00000001" in journal.out
    assert core.requests("ListJournal")[0].after_sequence == 2
    assert holds["holds"][0]["hold_id"] == (b"h" * 16).hex()


def test_the_operator_s_only_account_is_meant(mintgate: Mintgate, core: FakeCore) -> None:
    """As the operator, the one account need not be named; of several one has to be."""
    token = "0123456789abcdef" * 4
    data = Path("data")
    data.mkdir()
    (data / "operator-token").write_text(token, encoding="ascii")
    (data / "operator-token").chmod(0o600)
    core.will(
        "ListAccounts",
        keys_pb2.ListAccountsResponse(accounts=[ACCOUNT]),
        keys_pb2.ListAccountsResponse(accounts=[ACCOUNT, keys_pb2.Account(id="acc_2")]),
        keys_pb2.ListAccountsResponse(),
    )
    core.will("GetUsage", meter_pb2.GetUsageResponse())

    only = mintgate("usage", "--target", core.target)
    several = mintgate("usage", "--target", core.target)
    none = mintgate("usage", "--target", core.target)

    assert only.status == 0
    assert core.requests("GetUsage")[0].account_id == "acc_1"
    assert core.credentials()[0] == f"Bearer {token}"
    assert "several accounts; choose one with --account" in several.err
    assert "no account yet" in none.err


def test_usage_adds_up(against: Mintgate, core: FakeCore) -> None:
    """Usage shows a row for each key and model, and the total; dates become milliseconds."""
    totals = meter_pb2.UsageTotals(request_count=2, input_tokens=1_000, cost_nano_usd=5)
    core.will(
        "GetUsage",
        meter_pb2.GetUsageResponse(
            from_ms=1_761_955_200_000,
            totals=totals,
            by_key=[
                meter_pb2.KeyUsage(
                    key_id="key_1",
                    by_model=[meter_pb2.ModelUsage(model="gpt-4o-mini", totals=totals)],
                )
            ],
        ),
    )

    ran = against("usage", "--from", "2025-11-01", "--to", "2025-12-01T00:00:00+01:00")

    (sent,) = core.requests("GetUsage")
    assert (sent.from_ms, sent.to_ms) == (1_761_955_200_000, 1_764_543_600_000)
    lines = ran.out.splitlines()
    assert lines[0] == "from  2025-11-01 00:00:00"
    assert lines[-2].split() == ["key_1", "gpt-4o-mini", "2", "1,000", "0", "$0.000000005"]
    assert lines[-1].split() == ["total", "2", "1,000", "0", "$0.000000005"]


def test_events(against: Mintgate, core: FakeCore) -> None:
    """Events are listed up to the limit; JSON keeps units as words and numbers."""
    core.will(
        "ListEvents", meter_pb2.ListEventsResponse(events=[EVENT, EVENT], next_before_sequence=6)
    )

    document = against("events", "--limit", "1", "--json").json
    table = against("events", "--limit", "2").out

    assert document["events"] == [document["events"][0]]
    assert document["events"][0]["units"] == [{"unit": "input_tokens", "count": 1_234}]
    assert "completed" in table
    assert "$0.0002187" in table


def test_tail_is_a_line_an_event(against: Mintgate, core: FakeCore) -> None:
    """A tail prints one JSON document a line, as they come."""
    response = meter_pb2.TailEventsResponse(event=EVENT)
    core.will("TailEvents", [response, response])

    lines = against("events", "--tail", "--json").out.splitlines()

    assert [json.loads(line)["sequence"] for line in lines] == [7, 7]
    assert "leave --from" in against("events", "--tail", "--from", "2025-01-01").err


def test_prices_are_shown_by_the_million(against: Mintgate, core: FakeCore) -> None:
    """Prices show as providers print them: USD a million units, tiers beside them."""
    core.will("ListPrices", meter_pb2.ListPricesResponse(prices=[PRICE]))
    core.will("ListPriceHistory", meter_pb2.ListPriceHistoryResponse(prices=[PRICE]))

    table = against("prices", "list", "--provider", "openai").out

    _, standard, tier = table.splitlines()
    assert standard.split() == [
        *("openai", "gpt-4o-mini", "standard", "0.15", "0.60", "web_searches", "10000.00"),
        *("always", "override"),
    ]
    assert "standard, above 200,000 input  0.000001" in tier
    assert "override" in against("prices", "history", "openai", "gpt-4o-mini").out


def test_put_price_is_exact(against: Mintgate, core: FakeCore) -> None:
    """USD a million units become whole pico-dollars a unit."""
    core.will("PutPrice", meter_pb2.PutPriceResponse(price=PRICE))

    ran = against(
        *("prices", "put", "openai", "gpt-x", "--effective-at", "2026-01-01"),
        *("--per-million", "input_tokens=0.075", "--per-million", "web_searches=10000"),
    )

    assert ran.status == 0, ran.err
    (sent,) = core.requests("PutPrice")
    assert {price.unit: price.pico_usd for price in sent.price.rates[0].prices} == {
        unit_pb2.UNIT_INPUT_TOKENS: 75_000,
        unit_pb2.UNIT_WEB_SEARCHES: 10_000_000_000,
    }
    assert sent.price.effective_at_ms == 1_767_225_600_000
    bad = against("prices", "put", "o", "m", "--per-million", "input_tokens=0.0000001")
    assert "at most six decimals" in bad.err


def test_a_listed_price_can_be_put_again(against: Mintgate, core: FakeCore) -> None:
    """What `prices list --json` prints is what `prices put --file` reads, as set by hand."""
    core.will("ListPrices", meter_pb2.ListPricesResponse(prices=[PRICE]))
    core.will("PutPrice", meter_pb2.PutPriceResponse(price=PRICE))
    (listed,) = against("prices", "list", "--json").json["prices"]
    Path("price.json").write_text(json.dumps(listed), encoding="utf-8")

    ran = against("prices", "put", "openai", "gpt-4o-mini", "--file", "price.json")

    assert ran.status == 0, ran.err
    by_hand = meter_pb2.ModelPrice()
    by_hand.CopyFrom(PRICE)
    by_hand.ClearField("source")
    assert core.requests("PutPrice")[0].price == by_hand
    Path("price.json").write_text('{"cost": 1}', encoding="utf-8")
    refused = against("prices", "put", "openai", "m", "--file", "price.json")
    assert refused.err.startswith("error: price.json: not a price")


def test_old_prices_are_told_of_below_the_table(
    against: Mintgate, core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person reads how old the packaged prices are; a script reads JSON and nothing else."""
    read_ms = 1_795_392_000_000
    monkeypatch.setattr(_price_update, "now_ms", lambda: read_ms + 61 * 86_400_000)
    for _ in range(3):
        core.will(
            "ListPrices", meter_pb2.ListPricesResponse(prices=[PRICE], data_read_at_ms=read_ms)
        )
    footer = "the packaged prices were read on 2026-11-23, 61 days ago; see `mintgate prices diff`"
    assert against("prices", "list").out.splitlines()[-1] == footer
    assert against("prices", "list", "--json").json["prices"]
    fresh = against("prices", "list", MINTGATE_PRICES_STALE_DAYS="61")
    assert "packaged prices" not in fresh.out

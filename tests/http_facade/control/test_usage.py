"""Usage, balance and catalogue: the contract's fields, exact money, and bounded queries."""

from __future__ import annotations

import httpx
import pytest
from mintgate.errors import CREDENTIAL_FIELD
from mintgate.v1 import error_pb2, keys_pb2, ledger_pb2, meter_pb2, unit_pb2
from mintgate_facade.control.schemas import (
    AccountListAnswer,
    BalanceAnswer,
    CatalogAnswer,
    KeyUsageAnswer,
    MadeAccount,
    UsageAnswer,
)

from tests.http_facade.control.conftest import MASTER, SERVICE_TOKEN, ScriptedCore, a_key

TOTALS = meter_pb2.UsageTotals(
    request_count=3, input_tokens=30, output_tokens=9, cost_nano_usd=2_500, latency_ms=100
)


async def test_usage_has_the_contracts_fields(
    client: httpx.AsyncClient, core: ScriptedCore
) -> None:
    """The sums of a window by key and model, with mean latency and both forms of money."""
    model = meter_pb2.ModelUsage(provider="openai", model="gpt-5", totals=TOTALS)
    core.answers["GetUsage"] = meter_pb2.GetUsageResponse(
        from_ms=1,
        to_ms=2,
        totals=TOTALS,
        by_key=[
            meter_pb2.KeyUsage(
                key_id="key_1", key_name="ada", key_prefix="p", totals=TOTALS, by_model=[model]
            )
        ],
        by_model=[model],
    )
    answer = await client.get("/v1/usage", params={"from_ms": 1, "to_ms": 2})

    usage = UsageAnswer.model_validate_json(answer.content)
    assert (
        usage.total_cost_micros,
        usage.total_cost_nanos,
        usage.total_input_tokens,
        usage.total_output_tokens,
        usage.request_count,
    ) == (2, 2_500, 30, 9, 3)
    assert (
        usage.by_key[0].name,
        usage.by_key[0].key_name,
        usage.by_key[0].by_model[0].avg_latency_ms,
    ) == ("ada", "ada", 33)
    assert usage.by_model[0].model_slug == "gpt-5"
    assert meter_pb2.GetUsageRequest(from_ms=1, to_ms=2) == core.calls[0][1]


EVENT = meter_pb2.Event(
    id="0a",
    sequence=7,
    key_id="key_1",
    provider="openai",
    model="gpt-5",
    requested_model="gpt-5",
    route="chat",
    units=[unit_pb2.UnitCount(unit=unit_pb2.UNIT_INPUT_TOKENS, count=9)],
    unit_prices=[unit_pb2.UnitPrice(unit=unit_pb2.UNIT_INPUT_TOKENS, pico_usd=250_000)],
    input_tokens=9,
    output_tokens=3,
    actual_nano_usd=2_250,
    charged_nano_usd=2_250,
    settled_by=ledger_pb2.SETTLED_BY_USAGE,
    status=ledger_pb2.EVENT_STATUS_COMPLETED,
    at_ms=5,
)


async def test_a_keys_usage(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """A key's way to its cap and its charges, newest first, with a cursor to the older ones."""
    core.answers["Get"] = keys_pb2.GetResponse(key=a_key())
    core.answers["ListEvents"] = meter_pb2.ListEventsResponse(
        events=[EVENT], next_before_sequence=7
    )
    answer = await client.get(
        "/v1/keys/key_1/usage", params={"cursor": 9, "limit": 1, "from_ms": 3}
    )

    usage = KeyUsageAnswer.model_validate_json(answer.content)
    (event,) = usage.events
    assert (
        event.model_slug,
        event.provider_slug,
        event.cost_micros,
        event.cost_nanos,
        event.settled_by,
        event.status,
        event.created_at,
    ) == ("gpt-5", "openai", 2, 2_250, "usage", "completed", 5)
    assert (
        event.units,
        event.unit_prices_pico_usd,
    ) == ({"input_tokens": 9}, {"input_tokens": 250_000})
    assert (usage.next_cursor, usage.spent_micros, usage.max_spend_micros) == (7, 2, 5_000_000)
    assert (
        meter_pb2.ListEventsRequest(key_id="key_1", before_sequence=9, page_size=1, from_ms=3)
        == core.calls[1][1]
    )


async def test_me_is_the_callers_own_key(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """With `me` a user's key reads its own usage without knowing its id."""
    core.answers["Authenticate"] = keys_pb2.AuthenticateResponse(key=a_key(id="key_9"))
    answer = await client.get("/v1/keys/me/usage")

    assert answer.json()["key_id"] == "key_9"
    assert [name for name, _, _ in core.calls] == ["Authenticate", "ListEvents"]
    assert core.calls[0][1].secret_sha256 == b""
    assert core.calls[1][1].key_id == "key_9"


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/usage?form_ms=1", "form_ms"),
        ("/v1/usage?from_ms=-1", "from_ms"),
        ("/v1/usage?from_ms=yesterday", "from_ms"),
        ("/v1/keys?limit=0", "limit"),
        ("/v1/keys?limit=1001", "limit"),
        ("/v1/keys/key_1/usage?cursor=x", "cursor"),
        ("/v1/accounts?page=2", "page"),
    ],
)
async def test_queries_are_strict(
    client: httpx.AsyncClient, core: ScriptedCore, path: str, param: str
) -> None:
    """An unknown or bad query parameter is a 400 that names it."""
    answer = await client.get(path)
    assert (400, param) == (answer.status_code, answer.json()["error"]["param"])
    assert core.calls == []


async def test_balance(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """A balance is exact in dollars, too."""
    core.answers["GetBalance"] = ledger_pb2.GetBalanceResponse(
        balance_nano_usd=1_234_567_891, held_nano_usd=500, available_nano_usd=1_234_567_391
    )
    answer = await client.get("/v1/billing/balance")

    assert b'"balance_usd":1.234567891,' in answer.content
    assert BalanceAnswer.model_validate_json(answer.content).balance_micros == 1_234_568


async def test_the_catalogue_is_public_and_kept(
    client: httpx.AsyncClient, core: ScriptedCore
) -> None:
    """Anybody may read the prices; the core lists them once in a while, not for everybody."""
    prices = [unit_pb2.UnitPrice(unit=unit_pb2.UNIT_INPUT_TOKENS, pico_usd=1_250_000)]
    core.answers["ListPrices"] = meter_pb2.ListPricesResponse(
        prices=[
            meter_pb2.ModelPrice(
                provider="openai",
                model="gpt-5",
                context_window=400_000,
                rates=[
                    meter_pb2.RateSet(
                        prices=prices,
                        tiers=[meter_pb2.RateTier(above_input_tokens=272_000, prices=prices)],
                    )
                ],
            )
        ]
    )
    answers = [await client.get("/v1/catalog", headers={"authorization": ""}) for _ in range(3)]

    catalogue = CatalogAnswer.model_validate_json(answers[0].content)
    assert (
        catalogue.providers,
        catalogue.models[0].slug,
        catalogue.models[0].context_window,
        catalogue.models[0].max_output_tokens,
    ) == (["openai"], "gpt-5", 400_000, None)
    assert b'{"pico_usd":1250000,"usd_per_million":1.25}' in answers[0].content
    assert [f"Bearer {SERVICE_TOKEN}"] == [authorization for _, _, authorization in core.calls]
    assert answers[0].content == answers[2].content


async def test_accounts(client: httpx.AsyncClient, core: ScriptedCore) -> None:
    """The operator makes accounts with a first balance, and sees the master secret once."""
    account = keys_pb2.Account(id="acc_2", name="shop", created_at_ms=5)
    core.answers["CreateAccount"] = keys_pb2.CreateAccountResponse(
        account=account, master_key=a_key(scope=keys_pb2.KEY_SCOPE_MASTER), master_secret="qlk_x"
    )
    core.answers["ListAccounts"] = keys_pb2.ListAccountsResponse(accounts=[account])
    made = await client.post("/v1/accounts", json={"name": "shop", "grant_usd": 20})
    listed = await client.get("/v1/accounts")

    assert made.status_code == 201
    assert MadeAccount.model_validate_json(made.content).master_key.secret == "qlk_x"
    request = keys_pb2.CreateAccountRequest(name="shop", grant_nano_usd=20_000_000_000)
    assert request == core.calls[0][1]
    assert [each.id for each in AccountListAnswer.model_validate_json(listed.content).accounts] == [
        "acc_2"
    ]
    assert {f"Bearer {MASTER}"} == {authorization for _, _, authorization in core.calls}


async def test_a_catalogue_that_core_refuses_to_the_facade(
    core: ScriptedCore, client: httpx.AsyncClient
) -> None:
    """A wrong service token is the gateway's own trouble: 503, without a key having been asked."""
    core.refusal = error_pb2.Error(
        reason=error_pb2.ERROR_REASON_UNAUTHENTICATED, field=CREDENTIAL_FIELD
    )
    answer = await client.get("/v1/catalog", headers={"authorization": ""})
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "unavailable_error")

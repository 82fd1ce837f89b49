"""The examples, against a scripted core."""

from __future__ import annotations

import http.client
import importlib.util
import json
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mintgate import Client, MintgateError, NotFound, RetryPolicy, Unavailable
from mintgate.v1 import keys_pb2, meter_pb2

from tests.clients.conftest import FakeCore

EXAMPLES = Path(__file__).parents[2] / "examples"
EVENT = {"id": "evt_1", "type": "user.created", "data": {"id": "user_1", "name": "Ada"}}


def example(name: str) -> Any:
    """Import an example, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while it is still being run.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


webhook = example("signup_webhook")
billing = example("billing_worker")


@pytest.fixture
def client(core: FakeCore) -> Any:
    with Client(core.target, "qlk_live_master", retry=RetryPolicy(attempts_max=1)) as made:
        yield made


def minted(core: FakeCore) -> None:
    key = keys_pb2.Key(id="key_1")
    core.will("Mint", keys_pb2.MintResponse(key=key, secret="qlk_live_secret"))


def call(client: Client, body: object, given: str = "shared") -> tuple[int, Any, list[Any]]:
    kept: list[Any] = []
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, document = webhook.answer(
        client, "shared", given, raw, lambda signup, key: kept.append((signup.user_id, key.secret))
    )
    return status, document, kept


def test_a_signup_mints_once(client: Client, core: FakeCore) -> None:
    """The event's id is the Idempotency-Key; the sender sees the key's id, never the secret."""
    minted(core)

    status, document, kept = call(client, EVENT)

    assert (status, document) == (200, {"key_id": "key_1", "replayed": False})
    assert kept == [("user_1", "qlk_live_secret")]
    (sent,) = core.requests("Mint")
    assert (
        sent.idempotency_key,
        sent.external_user_id,
        sent.name,
        sent.cap_nano_usd,
    ) == ("evt_1", "user_1", "Ada", 5 * 10**9)


def test_a_stranger_is_refused(client: Client, core: FakeCore) -> None:
    """Without the shared secret nothing is minted."""
    status, _, kept = call(client, EVENT, given="guess")

    assert (status, kept) == (401, [])
    assert not core.seen


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"[" * 100_000, EVENT | {"id": ""}, EVENT | {"data": {"id": 7}}],
)
def test_a_body_that_is_no_event_is_refused(client: Client, core: FakeCore, body: object) -> None:
    """Nonsense is a 400, so that the sender does not send it again."""
    status, _, _ = call(client, body)

    assert status == 400
    assert not core.seen


def test_other_events_are_passed_over(client: Client, core: FakeCore) -> None:
    """An event of another type is accepted and does nothing."""
    assert call(client, EVENT | {"type": "user.deleted"})[:2] == (200, {"ignored": True})
    assert not core.seen


@pytest.mark.parametrize(
    ("failure", "status"), [(Unavailable("away"), 503), (NotFound("no account"), 502)]
)
def test_a_failure_asks_for_a_repeat(
    client: Client, core: FakeCore, failure: MintgateError, status: int
) -> None:
    """When the key could not be minted the sender is told to come again."""
    core.will("Mint", failure)

    assert call(client, EVENT)[0] == status


def test_the_webhook_serves_http(client: Client, core: FakeCore) -> None:
    """The same over HTTP, with a bound on the body."""
    minted(core)
    server = webhook.make_server(client, "shared", lambda *_: None, ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.request("POST", "/", json.dumps(EVENT), {"x-webhook-secret": "shared"})
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
        connection.request("POST", "/", headers={"content-length": "65537"})
        refused = connection.getresponse()
        refused.read()
        connection.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert (answer.status, document["key_id"]) == (200, "key_1")
    assert refused.status == 413


@pytest.mark.parametrize(
    ("now", "start", "end"),
    [
        ("2026-11-23T13:00:00+00:00", "2026-10-01", "2026-11-01"),
        ("2026-01-01T00:00:00+00:00", "2025-12-01", "2026-01-01"),
        ("2026-03-01T00:30:00+01:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_last_month_is_a_utc_month(now: str, start: str, end: str) -> None:
    """The window is the last full month of UTC, whatever zone it is asked in."""
    found = billing.last_month(datetime.fromisoformat(now))

    assert (start, end) == tuple(moment.date().isoformat() for moment in found)
    assert {0} == {billing.time_ms(moment) % 86_400_000 for moment in found}


def usage(*costs: int, total: int | None = None) -> meter_pb2.GetUsageResponse:
    """One key whose models cost this much, nano-USD."""
    models = [
        meter_pb2.ModelUsage(
            provider="openai", model=f"m{n}", totals=meter_pb2.UsageTotals(cost_nano_usd=cost)
        )
        for n, cost in enumerate(costs)
    ]
    totals = meter_pb2.UsageTotals(cost_nano_usd=sum(costs) if total is None else total)
    key = meter_pb2.KeyUsage(
        key_id="key_1", external_user_id="user_1", totals=totals, by_model=models
    )
    whole = meter_pb2.UsageTotals(cost_nano_usd=sum(costs))
    return meter_pb2.GetUsageResponse(totals=whole, by_key=[key])


def test_an_invoice_adds_up_to_the_cent(client: Client, core: FakeCore) -> None:
    """Lines add up to the invoice, which is the cost with its margin, rounded once."""
    core.will("GetUsage", usage(4_000_000, 4_000_000, 4_000_000, 1_230_000_000))

    (bill,) = billing.bill(
        client,
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=UTC),
        Decimal("0.20"),
    )

    assert bill.user == "user_1"
    assert bill.amount_cents == 149  # 1.242 USD and 20 % are 1.4904 USD.
    assert sum(line.amount_cents for line in bill.lines) == bill.amount_cents
    assert sum(line.cost_nano_usd for line in bill.lines) == bill.cost_nano_usd
    (sent,) = core.requests("GetUsage")
    assert (sent.from_ms, sent.to_ms) == (1_790_812_800_000, 1_793_491_200_000)


def test_sums_that_do_not_add_up_stop_the_run() -> None:
    """Nobody is billed when keys, models and total disagree."""
    billing.check_sums(usage(1, 2))

    with pytest.raises(billing.UnbalancedError, match="keys sum to 4"):
        billing.check_sums(usage(1, 2, total=4))
    unequal = usage(1, 2)
    unequal.by_key[0].by_model[0].totals.cost_nano_usd = 2
    with pytest.raises(billing.UnbalancedError, match="key_1"):
        billing.check_sums(unequal)


def test_the_worker_prints_json(
    core: FakeCore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run as a script it prints one document, with the window it billed."""
    core.will("GetUsage", usage(10_000_000))
    monkeypatch.setenv("MINTGATE_TARGET", core.target)
    monkeypatch.setenv("MINTGATE_KEY", "qlk_live_master")

    assert billing.main(["--from", "2026-10-01", "--to", "2026-11-01", "--margin", "1"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["from"] == "2026-10-01T00:00:00+00:00"
    assert document["invoices"][0]["amount_cents"] == 2

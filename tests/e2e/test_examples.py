"""The programs in examples/ do what they say, against a real gateway."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mintgate import Client
from mintgate.v1.ledger_pb2 import Bound

from tests.e2e.rest import OwnAccount, chat
from tests.harness import Installation
from tests.ports import free_port
from tests.wire import Answer, send

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHARED_SECRET = "whsec-of-a-test"
DEMO_WAIT_S = 110


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------ signup webhook


@contextmanager
def webhook(client: Client, kept: dict[str, str]) -> Iterator[str]:
    """The example's server on a free port."""
    example = load("signup_webhook")

    def keep(signup: Any, minted: Any) -> None:
        kept[signup.user_id] = minted.secret

    server = example.make_server(client, SHARED_SECRET, keep, ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def deliver(url: str, event: Any, secret: str = SHARED_SECRET) -> Answer:
    """One delivery of a webhook."""
    body = event if isinstance(event, str) else json.dumps(event)
    return send(url, "POST", "/", headers={"x-webhook-secret": secret}, body=body)


def signup(event_id: str, user_id: str, name: str = "Ada") -> dict[str, Any]:
    """A "user.created" event."""
    return {"id": event_id, "type": "user.created", "data": {"id": user_id, "name": name}}


def test_signup_webhook(gateway: Installation) -> None:
    """A signup mints one capped key, however often it is delivered, and the key works."""
    own = OwnAccount.make(gateway)
    kept: dict[str, str] = {}
    with gateway.client(own.rest.credential) as client, webhook(client, kept) as url:
        first = deliver(url, signup("evt_1", "user_1"))
        assert first.status == 200
        assert first.json()["replayed"] is False
        secret = kept["user_1"]
        assert secret not in first.body.decode()
        again = deliver(url, signup("evt_1", "user_1"))
        assert again.json() == {"key_id": first.json()["key_id"], "replayed": True}
        assert kept["user_1"] == secret
        assert deliver(url, signup("evt_2", "user_2")).status == 200
        assert kept["user_2"] != secret
    key = own.rest.ok("GET", f"/v1/keys/{first.json()['key_id']}")
    assert (key["name"], key["external_user_id"]) == ("Ada", "user_1")
    assert key["max_spend_usd"] == 5
    assert chat(gateway, secret).status == 200
    # The master key and two users.
    assert len(own.rest.ok("GET", "/v1/keys")["keys"]) == 3


def test_signup_webhook_refuses(gateway: Installation) -> None:
    """Strangers and bodies that are no event mint nothing."""
    own = OwnAccount.make(gateway)
    kept: dict[str, str] = {}
    with gateway.client(own.rest.credential) as client, webhook(client, kept) as url:
        assert deliver(url, signup("e", "u"), secret="wrong").status == 401
        assert deliver(url, signup("e", "u"), secret="").status == 401
        assert deliver(url, {"type": "user.deleted"}).json() == {"ignored": True}
        for body in ("", "[]", "{", '{"type": "user.created"}', signup("", "u"), signup("e", "")):
            assert deliver(url, body).status == 400
        reused = signup("evt_1", "user_1")
        assert deliver(url, reused).status == 200
        assert deliver(url, signup("evt_1", "another user")).status == 502
        assert send(url, "POST", "/", body="x" * 70_000).status == 413
    assert kept.keys() == {"user_1"}
    assert len(own.rest.ok("GET", "/v1/keys")["keys"]) == 2


def test_signup_webhook_without_a_gateway() -> None:
    """While the gateway is away the sender is told to try again."""
    kept: dict[str, str] = {}
    target = f"127.0.0.1:{free_port()}"
    with (
        Client(target, "qlk_live_" + "0" * 64, timeout_s=0.3) as client,
        webhook(client, kept) as url,
    ):
        assert deliver(url, signup("evt_1", "user_1")).status == 503
    assert kept == {}


# ------------------------------------------------------------------------ billing worker


def spend(own: OwnAccount, user: str, tokens: dict[str, int]) -> str:
    """Charges of so many output tokens by model, made through the ledger; returns the key."""
    with own.rest.gateway.client(own.rest.credential) as client:
        minted = client.keys.mint(user, external_user_id=f"id-of-{user}")
        for model, count in tokens.items():
            hold = client.ledger.reserve(
                provider="openai",
                model=model,
                bound=Bound(output_tokens=count),
                secret=minted.secret,
            )
            client.ledger.settle(hold, {"output_tokens": count})
    return minted.key.id


def run_billing(own: OwnAccount, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The billing worker as a user runs it."""
    environment = os.environ | {
        "MINTGATE_KEY": own.rest.credential,
        "MINTGATE_TARGET": own.rest.gateway.core_target,
    }
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "billing_worker.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_billing_worker(gateway: Installation) -> None:
    """Invoices are the charges of the window with the margin, and their lines add up."""
    own = OwnAccount.make(gateway)
    ada = spend(own, "ada", {"gpt-5": 333_333, "gpt-4o-mini": 1_111_111})
    bob = spend(own, "bob", {"gpt-5": 123_456})
    today = datetime.now(UTC).date()
    window = ("--from", str(today - timedelta(days=1)), "--to", str(today + timedelta(days=2)))
    ran = run_billing(own, *window, "--margin", "0.25")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["margin"] == "0.25"
    invoices = {invoice["key_id"]: invoice for invoice in document["invoices"]}
    assert invoices.keys() == {ada, bob}
    # $10 and $0.60 a million tokens.
    cost_usd = {
        ada: Decimal(333_333) * 10 / 10**6 + Decimal(1_111_111) * Decimal("0.6") / 10**6,
        bob: Decimal(123_456) * 10 / 10**6,
    }
    for key_id, invoice in invoices.items():
        assert invoice["cost_nano_usd"] == cost_usd[key_id] * 10**9
        assert invoice["amount_cents"] == round(cost_usd[key_id] * Decimal("1.25") * 100)
        assert sum(line["amount_cents"] for line in invoice["lines"]) == invoice["amount_cents"]
    assert invoices[ada]["user"] == "id-of-ada"
    assert [line["model"] for line in invoices[ada]["lines"]] == ["gpt-5", "gpt-4o-mini"]
    assert [line["requests"] for line in invoices[bob]["lines"]] == [1]


def test_billing_worker_bills_last_month(gateway: Installation) -> None:
    """Without a window it is the last full month, in which a new account used nothing."""
    own = OwnAccount.make(gateway)
    spend(own, "ada", {"gpt-5": 1_000})
    ran = run_billing(own)
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    start, end = (datetime.fromisoformat(document[name]) for name in ("from", "to"))
    assert (start.day, end.day, start.tzinfo) == (1, 1, UTC)
    assert end <= datetime.now(UTC) < end + timedelta(days=32)
    assert timedelta(days=27) < end - start < timedelta(days=32)
    assert document["invoices"] == []


def test_billing_worker_wants_a_whole_window(gateway: Installation) -> None:
    """Half a window is a mistake that is told."""
    ran = run_billing(OwnAccount.make(gateway), "--from", "2026-10-01")
    assert ran.returncode == 2
    assert "--from and --to go together" in ran.stderr


# --------------------------------------------------------------------------------- demo


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    """The demonstration runs offline, in an empty directory, and every figure adds up."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith("_API_KEY") and not name.startswith("MINTGATE_")
    }
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEMO_WAIT_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "every figure added up" in ran.stdout
    assert "NOT SO" not in ran.stdout
    assert list(tmp_path.iterdir()) == []

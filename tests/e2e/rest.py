"""The control API as a program calls it, and accounts of a test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.harness import MASTER_KEY, Installation
from tests.wire import Answer, send

CHAT = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "word " * 200}],
    "max_tokens": 100,
}


@dataclass(frozen=True)
class Rest:
    """The control API with one credential."""

    gateway: Installation
    credential: str = field(default=MASTER_KEY, repr=False)

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | str | None = None,
        **headers: str,
    ) -> Answer:
        """One call; header names are given with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("authorization", f"Bearer {self.credential}")
        return send(self.gateway.url, method, path, headers=sent, body=body)

    def ok(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call that must succeed; returns its document."""
        answer = self.call(method, path, body)
        assert answer.status in {200, 201}, answer.body
        return answer.json()

    def mint(self, name: str, **options: Any) -> Any:
        """Mint a key."""
        return self.ok("POST", "/v1/keys", {"name": name, **options})


@dataclass(frozen=True)
class OwnAccount:
    """A new account, and its master key."""

    id: str
    rest: Rest

    @classmethod
    def make(cls, gateway: Installation, **options: Any) -> OwnAccount:
        """Make an account as the operator; with $100 unless told otherwise."""
        if "postpaid" not in options:
            options.setdefault("grant_usd", 100)
        made = operator(gateway).ok("POST", "/v1/accounts", {"name": "Own", **options})
        return cls(made["id"], Rest(gateway, made["master_key"]["secret"]))


def operator(gateway: Installation) -> Rest:
    """The control API as the operator, whose token lies in the data directory."""
    return Rest(gateway, (gateway.data_dir / "operator-token").read_text().strip())


def failure(answer: Answer, status: int, param: str | None = None) -> dict[str, Any]:
    """Check a failure's one shape, and return what stands under `error`."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    document = answer.json()
    assert document.keys() == {"error"}
    error: dict[str, Any] = document["error"]
    assert {"type", "message", "code"} <= error.keys() <= {"type", "message", "code", "param"}
    assert len(error["message"]) >= 10
    assert "Traceback" not in answer.body.decode()
    if param is not None:
        assert error.get("param") == param
        assert param.partition(".")[0] in error["message"]
    return error


def chat(gateway: Installation, secret: str, simulate: str = "", **changed: Any) -> Answer:
    """One chat completion of a user."""
    headers = {"authorization": f"Bearer {secret}"}
    if simulate:
        headers["x-simulate"] = simulate
    return send(gateway.url, "POST", "/v1/chat/completions", headers=headers, body=CHAT | changed)

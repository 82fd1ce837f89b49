"""No secret of a running installation is in its logs, metrics, answers or errors.

Every process runs as a user runs it, with its log at its most talkative; the
requests go through every refusal there is.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest
from mintgate import Client, MintgateError
from mintgate_simulator.serve import background_simulator

from tests.harness import MASTER_KEY, Installation, eventually, installation
from tests.ports import free_port

PROVIDER_KEY = "sk-operator-0123456789abcdefghijklmnop"
UNKNOWN = "qlk_live_" + "0f" * 32
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
CHAT = "/v1/chat/completions"
WAIT_S = 30.0


def told(answer: httpx.Response) -> str:
    return f"{answer.status_code} {dict(answer.headers)} {answer.text}"


def drive(gateway: Installation, secret: str, broke: str, ended: str) -> dict[int, str]:
    """Requests that are served and refused in every way; what was told, by status."""
    heard: dict[int, str] = {}
    bearer = {"authorization": f"Bearer {secret}"}
    requests: list[tuple[str, str, dict[str, str], object]] = [
        ("POST", CHAT, bearer, BODY),
        ("POST", CHAT, bearer, BODY | {"stream": True}),
        ("POST", CHAT, bearer, BODY | {"model": f"model-{secret}"}),
        ("POST", CHAT, bearer, [secret]),
        ("POST", CHAT, {"authorization": f"Bearer {broke}"}, BODY),
        ("POST", CHAT, {"authorization": f"Bearer {ended}"}, BODY),
        ("POST", CHAT, {"authorization": f"Bearer {UNKNOWN}"}, BODY),
        ("POST", CHAT, {"authorization": f"Bearer {UNKNOWN[:-1]}"}, BODY),
        ("POST", CHAT, bearer | {"x-api-key": UNKNOWN}, BODY),
        ("POST", f"/gemini/v1beta/models/gemini-2.5-flash:generateContent?key={UNKNOWN}", {}, BODY),
        ("GET", f"/openai/v1/nothing?key={secret}", {}, None),
        ("GET", f"/nothing/{secret}", bearer, None),
        ("PUT", CHAT, bearer, BODY),
        ("GET", "/v1/keys", bearer, None),
        ("GET", "/v1/keys", {"x-api-key": UNKNOWN}, None),
        ("GET", "/v1/accounts", {"authorization": f"Bearer {MASTER_KEY}"}, None),
        ("POST", "/v1/keys", {"authorization": f"Bearer {MASTER_KEY}"}, {"name": secret, "x": 1}),
    ]
    with httpx.Client(base_url=gateway.url, timeout=WAIT_S) as client:
        for method, path, headers, body in requests:
            answer = client.request(method, path, headers=headers, json=body)
            heard[answer.status_code] = heard.get(answer.status_code, "") + told(answer)
    return heard


def rpc_errors(gateway: Installation, credentials: list[str]) -> str:
    """What the gRPC API says to credentials that may not do it."""
    said = ""
    for credential in credentials:
        with Client(gateway.core_target, credential) as client:
            with pytest.raises(MintgateError) as refused:
                list(client.accounts.list())
            said += repr(refused.value) + str(refused.value.__cause__)
    return said


def test_no_secret_leaves_an_installation(tmp_path: Path) -> None:
    """Keys, tokens and the provider's key are told to nobody, whatever goes wrong."""
    # The core's, and the one after it the facade's.
    metrics_port = free_port(2)
    with background_simulator() as simulator:
        environment = {
            "MINTGATE_SIMULATE": "0",
            "MINTGATE_WORKERS": "1",
            "MINTGATE_LOG_LEVEL": "debug",
            "MINTGATE_LOG_FORMAT": "json",
            "MINTGATE_METRICS_PORT": str(metrics_port),
            "OPENAI_API_KEY": PROVIDER_KEY,
            "GEMINI_API_KEY": PROVIDER_KEY,
            "MINTGATE_OPENAI_BASE_URL": f"{simulator}/openai/v1",
            "MINTGATE_GEMINI_BASE_URL": f"{simulator}/gemini",
        }
        with installation(tmp_path, **environment) as gateway:
            _, secret = gateway.mint()
            _, broke = gateway.mint("0.000000001")
            ended_id, ended = gateway.mint()
            with gateway.client() as client:
                client.keys.revoke(ended_id)
            heard = drive(gateway, secret, broke, ended)
            texts = [*heard.values(), rpc_errors(gateway, [secret, MASTER_KEY, UNKNOWN])]
            # A core that is away, and one that comes back.
            os.kill(gateway.pid("core"), signal.SIGKILL)
            bearer = {"authorization": f"Bearer {secret}"}
            texts.append(told(httpx.post(gateway.url + CHAT, headers=bearer, json=BODY)))
            eventually(gateway.ready, WAIT_S, "readiness")
            texts += [
                httpx.get(f"http://127.0.0.1:{port}/metrics").text
                for port in (metrics_port, metrics_port + 1)
            ]
            tokens = [
                (gateway.data_dir / name).read_text().strip()
                for name in ("operator-token", "service-token")
            ]
        texts.append((tmp_path / "up.log").read_text())

    assert {200, 400, 401, 402, 403, 404, 405} <= set(heard)
    assert '"request_id":"req_' in texts[-1]
    # A model's or a field's name that a caller sent comes back to that caller, masked nowhere.
    echoed = {heard[404], heard[400]}
    for hidden in (broke, ended, UNKNOWN, MASTER_KEY, PROVIDER_KEY, *tokens):
        body = hidden.removeprefix("qlk_live_")
        assert not [text for text in texts if body in text]
    body = secret.removeprefix("qlk_live_")
    assert not [text for text in texts if body in text and text not in echoed]

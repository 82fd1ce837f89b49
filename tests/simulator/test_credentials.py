"""Who is let in: any key but one, and never a key that the gateway minted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import Simulator

MINTED = "qlk_live_" + "0" * 64
PATHS = {
    "openai": "/openai/v1/models",
    "anthropic": "/anthropic/v1/models",
    "gemini": "/gemini/v1beta/models",
}


def get(sim: Simulator, path: str, **headers: str) -> Any:
    return sim.http.get(sim.url + path, headers=headers)


@pytest.mark.parametrize(
    ("provider", "headers", "query"),
    [
        ("openai", {"authorization": "Bearer k"}, ""),
        ("anthropic", {"authorization": "Bearer k"}, ""),
        ("anthropic", {"x-api-key": "k"}, ""),
        ("gemini", {"x-goog-api-key": "k"}, ""),
        ("gemini", {"authorization": "Bearer k"}, ""),
        ("gemini", {}, "?key=k"),
        ("gemini", {}, "?access_token=k"),
    ],
)
def test_every_native_place_is_accepted(
    sim: Simulator, provider: str, headers: dict[str, str], query: str
) -> None:
    """A credential counts in each place the provider takes one in."""
    assert get(sim, PATHS[provider] + query, **headers).status_code == 200


@pytest.mark.parametrize(
    ("provider", "status"), [("openai", 401), ("anthropic", 401), ("gemini", 403)]
)
def test_missing_credential_is_refused_natively(sim: Simulator, provider: str, status: int) -> None:
    """No credential: 401, but 403 at Google, where such a caller is anonymous."""
    answer = get(sim, PATHS[provider])

    assert answer.status_code == status
    assert "error" in answer.json()


def test_wrong_key_raises_authentication_errors(sim: Simulator) -> None:
    """The one bad key raises the SDKs' own error, and the answer does not repeat it."""
    with (
        openai.OpenAI(base_url=f"{sim.url}/openai/v1", api_key="sim-bad-key") as client,
        pytest.raises(openai.AuthenticationError) as from_openai,
    ):
        client.models.list()
    with (
        anthropic.Anthropic(base_url=f"{sim.url}/anthropic", api_key="sim-bad-key") as other,
        pytest.raises(anthropic.AuthenticationError) as from_anthropic,
    ):
        other.models.list()
    gemini = get(sim, PATHS["gemini"], **{"x-goog-api-key": "sim-bad-key"})

    assert from_openai.value.code == "invalid_api_key"
    assert "sim-bad-key" not in from_openai.value.message
    assert from_anthropic.value.status_code == 401
    assert gemini.status_code == 401
    assert gemini.json()["error"]["status"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("provider", list(PATHS))
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": f"Bearer {MINTED}"}, ""),
        ({"authorization": "Bearer k", "x-api-key": MINTED}, ""),
        ({"authorization": "Bearer k", "x-goog-api-key": MINTED}, ""),
        ({"authorization": "Bearer k", "sec-websocket-protocol": f"a, key.{MINTED}"}, ""),
        ({"authorization": "Bearer k"}, f"?key={MINTED}"),
    ],
)
def test_minted_key_is_refused_and_counted(
    sim: Simulator, provider: str, headers: dict[str, str], query: str
) -> None:
    """A minted key that leaks upstream, in any place, is a 401 and goes on the count."""
    before = get(sim, "/_sim/stats").json()["minted_key_leaks"]
    answer = get(sim, PATHS[provider] + query, **headers)

    assert answer.status_code == 401
    assert get(sim, "/_sim/stats").json()["minted_key_leaks"] == before + 1
    assert sim.last_record()["leaked_minted_key"]

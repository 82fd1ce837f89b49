"""One simulator for the whole folder, and the unmodified SDKs pointed at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import openai
import pytest
from google import genai
from mintgate_simulator.serve import background_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-any-key"


@dataclass(frozen=True)
class Simulator:
    """The running simulator: its URL and a plain client for everything no SDK does."""

    url: str
    http: httpx.Client

    def post(self, path: str, body: Any, simulate: str | None = None, **headers: str) -> Any:
        """POST with credentials for every provider at once."""
        sent = {
            "authorization": f"Bearer {KEY}",
            "x-goog-api-key": KEY,
            "anthropic-version": "2023-06-01",
            **headers,
        }
        if simulate is not None:
            sent["x-simulate"] = simulate
        return self.http.post(self.url + path, json=body, headers=sent)

    def records(self) -> list[dict[str, Any]]:
        """Everything in the record."""
        answer: list[dict[str, Any]] = self.http.get(f"{self.url}/_sim/requests").json()
        return answer

    def last_record(self) -> dict[str, Any]:
        """The newest record."""
        return self.records()[-1]


@pytest.fixture(scope="session")
def sim() -> Iterator[Simulator]:
    with background_simulator() as url, httpx.Client(timeout=10) as http:
        yield Simulator(url, http)


@pytest.fixture(scope="session")
def openai_client(sim: Simulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sim.url}/openai/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def anthropic_client(sim: Simulator) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"{sim.url}/anthropic", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def gemini_client(sim: Simulator) -> Iterator[genai.Client]:
    client = genai.Client(api_key=KEY, http_options={"base_url": f"{sim.url}/gemini"})
    yield client
    client.close()

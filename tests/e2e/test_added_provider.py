"""A thirteenth vendor: the two files of docs/adding-a-provider.md, in a directory of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.buyer import Buyer, Charge
from tests.harness import Installation, eventually
from tests.upstream import Upstream, simulate
from tests.wire import send

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-provider.md"
LINES_MAX = 60
PRICE_WAIT_S = 30.0


def block(language: str) -> str:
    """The guide's one code block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return str(found)


def command() -> list[str]:
    """The guide's command, without the program's name."""
    (found,) = re.findall(r"^mintgate (prices apply .*)$", GUIDE.read_text(), re.MULTILINE)
    return str(found).split()


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A gateway with the vendor added, whose address is the simulator's twin of OpenAI."""
    directory = tmp_path_factory.mktemp("acme")
    providers = directory / "providers"
    providers.mkdir()
    (providers / "acme.py").write_text(block("python"))
    (directory / "acme.toml").write_text(block("toml"))
    gateway = Installation(directory, {"MINTGATE_PROVIDERS_DIR": str(providers)})
    gateway.environment["MINTGATE_ACME_BASE_URL"] = f"{gateway.simulator_url}/openai/v1"
    try:
        gateway.start()
        applied = gateway.command(*command())
        assert applied.returncode == 0, applied.stdout + applied.stderr
        eventually(lambda: models(gateway, Buyer.mint(gateway)), PRICE_WAIT_S, "the price")
        yield gateway
        gateway.audit()
    finally:
        gateway.stop()


def models(gateway: Installation, buyer: Buyer) -> list[str]:
    """What the vendor's list of models shows."""
    listed = send(gateway.url, "GET", "/acme/v1/models", headers=buyer.bearer)
    return [model["id"] for model in listed.json()["data"]]


def ask(gateway: Installation, buyer: Buyer, base: str, **changed: Any) -> Any:
    """One chat with OpenAI's SDK."""
    arguments: dict[str, Any] = {
        "model": "acme-1",
        "messages": [{"role": "user", "content": "word " * 1_000}],
        "max_tokens": 400,
        "extra_headers": simulate(input=1_000, cached=600, output=250),
        **changed,
    }
    with openai.OpenAI(base_url=gateway.url + base, api_key=buyer.secret) as client:
        answer = client.chat.completions.create(**arguments)
        return list(answer) if changed.get("stream") else answer


def test_it_is_short() -> None:
    """A vendor of OpenAI's shape takes fewer than sixty lines, its prices included."""
    written = [line for text in (block("python"), block("toml")) for line in text.splitlines()]
    assert len(written) < LINES_MAX


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("base", ["/acme/v1", "/v1"])
def test_it_is_served(acme: Installation, base: str, *, stream: bool) -> None:
    """By its prefix and by its models' name, each answer is charged to the nano-dollar."""
    buyer = Buyer.mint(acme)
    upstream = Upstream(acme)
    ask(acme, buyer, base, stream=stream)
    # 400 fresh tokens at 1 USD a million, 600 cached at 0.1, 250 of output at 4.
    buyer.charged(Charge("acme", "acme-1", 400_000 + 60_000 + 1_000_000, 1_000, 250))
    assert "qlk_live_" not in str(upstream.only()["headers"])


def test_it_is_listed_and_closed(acme: Installation) -> None:
    """Its models are in the catalogue, and what it lacks is denied with a reason."""
    buyer = Buyer.mint(acme)
    assert models(acme, buyer) == ["acme-1"]
    denied = send(acme.url, "GET", "/acme/v1/files", headers=buyer.bearer)
    assert denied.status == 403


def test_a_file_that_cannot_be_used_stops_the_start(acme: Installation, tmp_path: Path) -> None:
    """The message names the file and what is wrong with it; nothing is half served."""
    (tmp_path / "broken.py").write_text("PROVIDER = 13")
    gateway = Installation(tmp_path, {"MINTGATE_PROVIDERS_DIR": str(tmp_path)})
    started = gateway.command("http")
    assert started.returncode != 0
    assert "broken.py: must define PROVIDER" in started.stdout + started.stderr

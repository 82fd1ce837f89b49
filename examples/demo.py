"""The whole loop with the unmodified provider SDKs: mint, cap, meter, bill.

Starts a gateway in a directory of its own, walks through it step by step, and
exits 0 only if every figure adds up. `make demo` runs it. With a provider's own
key in the environment (OPENAI_API_KEY and so on) it uses the real provider and
spends a fraction of a cent; otherwise it runs offline on the simulator.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anthropic
import openai
from google import genai
from google.genai import types as genai_types
from mintgate import Client, format_usd, new_id

MASTER_KEY = "qlk_live_" + new_id().hex() * 2
PARALLEL = 50
FITS = 10
START_WAIT_S = 60.0
QUESTION = "In one sentence: why is the sky blue?"
PROVIDER_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
SIMULATED = not any(os.environ.get(name) for name in PROVIDER_KEYS)
SLOW = {"x-simulate": "delay_ms=1500"} if SIMULATED else {}
"""Keeps all parallel calls in flight at once, so that none frees its hold for another."""


def main() -> int:
    """Run every step; the first that does not hold ends it."""
    step("Start the gateway: core, facade" + (", simulated providers" if SIMULATED else ""))
    with tempfile.TemporaryDirectory(prefix="mintgate-demo-") as name, gateway(Path(name)) as at:
        with Client(at.core, MASTER_KEY) as client:
            minted = client.keys.mint("alice", cap_usd="0.50", external_user_id="user-1")
            say(f"minted {minted.key.prefix} for alice, capped at $0.50")
            for provider, call in CALLS.items():
                if SIMULATED or os.environ.get(f"{provider.upper()}_API_KEY"):
                    step(f"Call {provider} with its own SDK: only base URL and key changed")
                    call(at.url, minted.secret)
            show_events(client, minted.key.id)
            burst(client, at.url)
            bill(client)
        step("Audit the books")
        audit(at)
    step("Done: every figure added up")
    return 0


def step(text: str) -> None:
    """Tell what comes."""
    print(f"\n── {text}", flush=True)


def say(text: str) -> None:
    """Tell what was seen."""
    print(f"   {text}", flush=True)


class Gateway:
    """Where the demonstration's gateway listens."""

    def __init__(self, directory: Path) -> None:
        http_port, grpc_port = free_port(), free_port()
        self.directory = directory
        self.url = f"http://127.0.0.1:{http_port}"
        self.core = f"127.0.0.1:{grpc_port}"
        self.environment = os.environ | {
            "MINTGATE_DATA_DIR": str(directory / "data"),
            "MINTGATE_HTTP_PORT": str(http_port),
            "MINTGATE_GRPC_PORT": str(grpc_port),
            "MINTGATE_BOOTSTRAP_MASTER_KEY": MASTER_KEY,
        }


@contextmanager
def gateway(directory: Path) -> Iterator[Gateway]:
    """Run `mintgate up` for the length of the block."""
    at = Gateway(directory)
    with (directory / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mintgate", "up"],
            env=at.environment,
            cwd=directory,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_WAIT_S
        while not ready(at.url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((directory / "up.log").read_text())
            time.sleep(0.1)
        say(f"{at.url} is ready")
        yield at
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(url: str) -> bool:
    """Whether the gateway can reserve."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def call_openai(url: str, secret: str) -> None:
    """Plain and streaming chat completions."""
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=secret)
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": QUESTION}], max_tokens=60
    )
    say(f"plain:     {answer.choices[0].message.content}")
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": QUESTION}],
        max_tokens=60,
        stream=True,
    )
    say("streaming: " + "".join(chunk.choices[0].delta.content or "" for chunk in stream))


def call_anthropic(url: str, secret: str) -> None:
    """Plain and streaming messages."""
    client = anthropic.Anthropic(base_url=url, api_key=secret)
    answer = client.messages.create(
        model="claude-haiku-4-5",
        max_tokens=60,
        messages=[{"role": "user", "content": QUESTION}],
    )
    say("plain:     " + "".join(b.text for b in answer.content if b.type == "text"))
    with client.messages.stream(
        model="claude-haiku-4-5",
        max_tokens=60,
        messages=[{"role": "user", "content": QUESTION}],
    ) as stream:
        say("streaming: " + "".join(stream.text_stream))


def call_gemini(url: str, secret: str) -> None:
    """Plain and streaming generateContent."""
    options = genai_types.HttpOptions(base_url=f"{url}/gemini")
    client = genai.Client(api_key=secret, http_options=options)
    config = genai_types.GenerateContentConfig(max_output_tokens=60)
    answer = client.models.generate_content(
        model="gemini-2.5-flash", contents=QUESTION, config=config
    )
    say(f"plain:     {answer.text}")
    stream = client.models.generate_content_stream(
        model="gemini-2.5-flash", contents=QUESTION, config=config
    )
    say("streaming: " + "".join(chunk.text or "" for chunk in stream))


CALLS: dict[str, Callable[[str, str], None]] = {
    "openai": call_openai,
    "anthropic": call_anthropic,
    "gemini": call_gemini,
}


def show_events(client: Client, key_id: str) -> None:
    """One line a charge."""
    step("Every call is one event, with its exact cost")
    for event in list(client.meter.events(key_id=key_id))[::-1]:
        say(
            f"{event.provider:<10}{event.model:<18}{event.input_tokens:>4} in"
            f"{event.output_tokens:>4} out  held {format_usd(event.held_nano_usd):<12}"
            f" charged {format_usd(event.charged_nano_usd)}"
        )


def burst(client: Client, url: str) -> None:
    """Fire parallel calls at a cap that fits ten worst cases."""
    if not (SIMULATED or os.environ.get("OPENAI_API_KEY")):
        return
    step(f"A key leaks: {PARALLEL} parallel calls at a cap that fits {FITS}")
    probe = client.keys.mint("probe", cap_usd=0)
    worst_micros = asyncio.run(worst_case_micros(url, probe.secret))
    cap_nano_usd = FITS * worst_micros * 1_000
    leaked = client.keys.mint("bob", cap_nano_usd=cap_nano_usd)
    say(f"one call's worst case is {worst_micros} µ$, the cap {format_usd(cap_nano_usd)}")
    outcomes = asyncio.run(fire(url, leaked.secret))
    say(", ".join(f"{count} × {outcome}" for outcome, count in sorted(outcomes.items())))
    key = client.keys.get(leaked.key.id)
    say(f"spent {format_usd(key.spent_nano_usd)} of {format_usd(cap_nano_usd)}")
    expect(key.spent_nano_usd <= cap_nano_usd, "the cap was passed")
    expect(key.held_nano_usd == 0, "a hold was left behind")
    if SIMULATED:
        expect(outcomes["answered"] == FITS, f"exactly {FITS} calls fit")
        expect(outcomes["refused with 402"] == PARALLEL - FITS, "the others are refused")


async def worst_case_micros(url: str, secret: str) -> int:
    """What one call holds, as the typed 402 of a key without money says."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=secret) as sdk:
        try:
            await ask(sdk)
        except openai.APIStatusError as error:
            expect(error.status_code == 402, "a cap of $0 refuses with 402")
            say(f"a key without money gets {type(error).__name__}: {error.body}")
            body = error.body
            expect(isinstance(body, dict), "the refusal has a body")
            return int(body["required_micros"])  # type: ignore[index]
    raise SystemExit("a cap of $0 must refuse")


async def fire(url: str, secret: str) -> Counter[str]:
    """All calls at once; how each ended."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=secret, max_retries=0) as sdk:
        results = await asyncio.gather(*(outcome(sdk) for _ in range(PARALLEL)))
    return Counter(results)


async def outcome(sdk: openai.AsyncOpenAI) -> str:
    """One call, in words."""
    try:
        await ask(sdk)
    except openai.APIStatusError as error:
        return f"refused with {error.status_code}"
    return "answered"


async def ask(sdk: openai.AsyncOpenAI) -> None:
    """One call with a stated limit, so that its worst case is known."""
    await sdk.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": QUESTION}],
        max_tokens=200,
        extra_headers=SLOW,
    )


def bill(client: Client) -> None:
    """Pull the rollup and check it against the events, to the nano-dollar."""
    step("Bill: one call gives every user and model of the month")
    usage = client.meter.usage()
    for row in usage.by_key:
        models = ", ".join(model.model for model in row.by_model)
        say(
            f"{row.key_name:<8}{row.totals.request_count:>4} requests  "
            f"{format_usd(row.totals.cost_nano_usd):<14}{models}"
        )
    events = sum(event.charged_nano_usd for event in client.meter.events())
    say(f"rollup {usage.totals.cost_nano_usd} n$, events {events} n$")
    expect(usage.totals.cost_nano_usd == events, "the rollup is not the sum of the events")
    by_key = sum(row.totals.cost_nano_usd for row in usage.by_key)
    expect(by_key == events, "the keys do not add up")


def audit(at: Gateway) -> None:
    """Run the auditor as an operator does."""
    command = [sys.executable, "-m", "mintgate", "audit", "--full"]
    found = subprocess.run(command, env=at.environment, cwd=at.directory, check=False)
    expect(found.returncode == 0, "the audit found something")


def expect(condition: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """End the demonstration with one line when something does not hold."""
    if not condition:
        raise SystemExit(f"   NOT SO: {otherwise}")


if __name__ == "__main__":
    sys.exit(main())

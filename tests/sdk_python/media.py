"""What the tests of the audio vendors ask of their one event."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import ROUND_CEILING, Decimal
from typing import Any

import httpx
from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from elevenlabs import ElevenLabs
from mintgate.v1.ledger_pb2 import EVENT_STATUS_COMPLETED, SettledBy

from tests.buyer import Buyer
from tests.harness import Installation

with warnings.catch_warnings():
    # Deepgram's SDK asks websockets for names that it deprecates, when they are first needed.
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("deepgram.core.websocket_compat")
    importlib.import_module("deepgram.listen.v1.raw_client")

SDK_WAIT_S = 30.0


@contextmanager
def elevenlabs_clients(gateway: Installation) -> Iterator[Callable[[str], ElevenLabs]]:
    """Make SDK clients by their key; their connections are closed at the end."""
    with ExitStack() as connections:

        def make(secret: str) -> ElevenLabs:
            http = connections.enter_context(httpx.Client(timeout=SDK_WAIT_S))
            return ElevenLabs(
                base_url=f"{gateway.url}/elevenlabs", api_key=secret, httpx_client=http
            )

        yield make


@contextmanager
def deepgram_clients(gateway: Installation) -> Iterator[Callable[[str], DeepgramClient]]:
    """The same of Deepgram's SDK, whose environment names four addresses."""
    environment = DeepgramClientEnvironment(
        base=f"{gateway.url}/deepgram",
        production=f"{gateway.url}/deepgram".replace("http", "ws", 1),
        agent=f"{gateway.url}/deepgram".replace("http", "ws", 1),
        agent_rest=f"{gateway.url}/deepgram",
    )
    with ExitStack() as connections:

        def make(secret: str) -> DeepgramClient:
            http = connections.enter_context(httpx.Client(timeout=SDK_WAIT_S))
            return DeepgramClient(api_key=secret, environment=environment, httpx_client=http)

        yield make


def nano_usd(usd: str, count: int, per: int = 1) -> int:
    """What `count` costs at `usd` for each `per`, rounded as the price book and the ledger do.

    A price is a whole number of pico-USD a unit, a cost a whole number of nano-USD; both up.
    """
    pico = (Decimal(usd) * 10**12 / per).to_integral_value(rounding=ROUND_CEILING)
    return int((pico * count / 1_000).to_integral_value(rounding=ROUND_CEILING))


def completed(
    buyer: Buyer,
    units: dict[int, int],
    cost_nano_usd: int,
    settled_by: SettledBy.ValueType,
    *,
    model: str = "",
) -> Any:
    """Check that exactly one charge was made, of exactly these units, to the nano-dollar."""
    (event,) = buyer.events()
    assert {unit.unit: unit.count for unit in event.units} == units
    assert event.charged_nano_usd == cost_nano_usd
    assert event.status == EVENT_STATUS_COMPLETED
    assert event.settled_by == settled_by
    assert event.held_nano_usd >= event.charged_nano_usd
    assert event.absorbed_nano_usd == 0
    assert not event.overrun
    assert not model or event.model == model
    key = buyer.key()
    assert (key.spent_nano_usd, key.held_nano_usd) == (cost_nano_usd, 0)
    return event

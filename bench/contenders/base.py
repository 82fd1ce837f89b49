"""What a contender is to the bench: an address, headers, processes, and a cap or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).parent.parent / "peers" / ".installed"
"""Where `scripts/peers` puts other gateways."""

CREDENTIAL = "sk-bench"
"""What a peer's clients send, and what its upstream is sent; nobody checks the latter."""


@dataclass(frozen=True)
class Capped:
    """A key whose cap is a few requests, and what the books say it has spent."""

    headers: Mapping[str, str]
    spent_nano_usd: Callable[[], int]


@dataclass(frozen=True)
class Running:
    """A started contender."""

    url: str
    """Without a path."""
    headers: Mapping[str, str]
    roots: tuple[int, ...] = ()
    """Processes that, with all that they started, are this contender; none for a direct call."""
    capped: Callable[[int], Capped] | None = None
    """Makes a key with a cap in nano-dollars; None where there are no caps."""
    children: Mapping[str, int] = field(default_factory=dict)
    """Its processes by name, for profiles and memory."""
    target: str = ""
    """Where Mintgate's core is."""
    operator: str = field(default="", repr=False)
    """Mintgate's operator's credential."""


@dataclass(frozen=True)
class Contender:
    """One way from a client to the upstream."""

    name: str
    """For options and results."""
    title: str
    """For tables."""
    start: Callable[[str], AbstractContextManager[Running]]
    """Starts it in front of an upstream's address."""
    version: Callable[[], str]
    missing: Callable[[], str] = lambda: ""
    """Why it cannot be started here; the empty string when it can."""
    note: str = ""
    """What a reader of the table must know to compare fairly."""


def bearer(credential: str) -> dict[str, str]:
    """The header that OpenAI's SDK sends."""
    return {"authorization": f"Bearer {credential}"}


def not_installed(path: Path) -> str:
    """Why a peer is missing: one clear line."""
    return "" if path.exists() else "not installed; `scripts/peers` says why"

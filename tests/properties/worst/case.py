"""One request to a metered route, and how badly it shall be answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import orjson
from hypothesis import strategies as st
from mintgate_core.pricing import PriceBook, RateCard, Unit
from mintgate_core.pricing.cards import STANDARD
from mintgate_facade.dialects.base import Route
from mintgate_facade.providers.base import Provider, Surface

BOOK = PriceBook.load()
NOW_MS = time.time_ns() // 1_000_000
JSON = "application/json"
BOUNDARY = "worst"


@dataclass(frozen=True)
class Target:
    """A metered route of a provider in the registry."""

    provider: Provider
    surface: Surface
    route: Route

    def __str__(self) -> str:
        return f"{self.provider.slug}-{self.surface.name}-{self.route.path}"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:  # noqa: FBT001 - as it is called
        printer.text(str(self))


@dataclass(frozen=True)
class Case:
    """What is sent, and the twin's controls."""

    card: RateCard
    body: bytes
    controls: Mapping[str, int | str] = field(default_factory=dict)
    content_type: str = JSON
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:  # noqa: FBT001 - as it is called
        printer.text(f"{self.card.model} {self.query} [{self.simulate}] {self.body[:600]!r}")

    @property
    def simulate(self) -> str:
        """The value of the header that the twins obey."""
        return "; ".join(f"{name}={value}" for name, value in self.controls.items())


Strategy = Callable[[Target], st.SearchStrategy[Case]]


@cache
def cards_of(slug: str) -> tuple[RateCard, ...]:
    """Every model of a provider that has a price."""
    return tuple(BOOK.catalogue("", slug, at_ms=NOW_MS))


def cards(
    target: Target, *units: Unit, named: Callable[[str], bool] = lambda _name: True
) -> st.SearchStrategy[RateCard]:
    """Any model of the target's provider that has a price for all `units`, and a fitting name."""
    found = [card for card in cards_of(target.provider.slug) if priced(card, *units)]
    return st.sampled_from([card for card in found if named(card.model)])


def priced(card: RateCard, *units: Unit) -> bool:
    """Whether a card has a price of its own for all `units`."""
    return card.rates[STANDARD].prices.keys() >= set(units)


def up_to(most: int) -> st.SearchStrategy[int]:
    """Any number, and often the largest."""
    return st.sampled_from((0, most)) | st.integers(0, most)


def json_case(
    card: RateCard, document: Mapping[str, Any], controls: Mapping[str, int | str], query: str = ""
) -> Case:
    """A request whose body is JSON."""
    return Case(card, orjson.dumps(document), controls, query=query)


def form_case(
    card: RateCard, fields: Mapping[str, str], files: Mapping[str, bytes], **more: Any
) -> Case:
    """A request whose body is a form."""
    parts = [
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, content in files.items():
        head = f'content-disposition: form-data; name="{name.partition("#")[0]}"; filename="a"'
        parts.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return Case(card, body, content_type=kind, **more)

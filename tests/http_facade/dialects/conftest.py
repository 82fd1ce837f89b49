"""What the dialect tests share: requests as the relay hands them over, and cut-up answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pytest
from mintgate_facade.dialects.base import Ask, Meter, Policy, RefusedRequest, RequestView, Route
from mintgate_facade.dialects.jsontext import parse_object
from mintgate_facade.providers.registry import REGISTRY

Read = Callable[..., Ask]
Refusal = Callable[..., RefusedRequest]
Run = Callable[[Meter, Iterable[bytes]], tuple[bytes, bytes]]


def _read(provider: str, operation: str, document: Any, **view: Any) -> Ask:
    body = orjson.dumps(document)
    request = RequestView(body=body, document=parse_object(body), **view)
    route = Route("POST", "/test", Policy.METERED, operation)
    return REGISTRY.provider(provider).dialect.read(route, request)


@pytest.fixture(scope="session")
def read() -> Read:
    """Read a document as a request: `read(provider, operation, document, **view)`."""
    return _read


@pytest.fixture(scope="session")
def refusal() -> Refusal:
    """Read a document that must be refused, and return the refusal."""

    def refuse(provider: str, operation: str, document: Any, **view: Any) -> RefusedRequest:
        with pytest.raises(RefusedRequest) as caught:
            _read(provider, operation, document, **view)
        return caught.value

    return refuse


@pytest.fixture(scope="session")
def run() -> Run:
    """Feed all pieces to a meter and close it: what passed, and what was kept until the end."""

    def feed(meter: Meter, pieces: Iterable[bytes]) -> tuple[bytes, bytes]:
        passed = b"".join([meter.feed(piece) for piece in pieces])
        return passed, meter.close()

    return feed


@pytest.fixture(scope="session")
def meter_for() -> Callable[..., Meter]:
    """Make the meter of a request: `meter_for(provider, operation, ask, content_type)`."""

    def make(provider: str, operation: str, ask: Ask, content_type: str) -> Meter:
        route = Route("POST", "/test", Policy.METERED, operation)
        return REGISTRY.provider(provider).dialect.meter(route, ask, content_type)

    return make

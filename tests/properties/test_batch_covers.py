"""Whatever the requests of a batch cost together is no more than what was held for it."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mintgate.v1.jobs_pb2 import Job
from mintgate.v1.ledger_pb2 import Bound
from mintgate_core.pricing import Unit, Unpriced, quote, rate
from mintgate_core.service.requests import bound as bound_of
from mintgate_facade.dialects import mistral_batch
from mintgate_facade.dialects.base import Ask, RefusedRequest, RequestView
from mintgate_facade.dialects.batches import VARIANTS
from mintgate_facade.dialects.jobs import Done, Further
from mintgate_facade.dialects.openai.batch import BatchFile
from mintgate_facade.dialects.openai.usage import read_usage
from mintgate_facade.dialects.split import add
from mintgate_facade.jobs.readers import READERS

from tests.properties.worst.case import Case, Target
from tests.properties.worst.playing import TARGETS, answer, view_of
from tests.properties.worst.table import strategy_of

ENDPOINTS = [
    target
    for target in TARGETS
    if (
        target.provider.slug in {"openai", "mistral"}
        and target.route.operation in {"chat", "completions", "embeddings", "fim", "responses"}
    )
    or (target.provider.slug == "dashscope" and target.route.operation == "chat")
]
(MESSAGES,) = (
    target
    for target in TARGETS
    if target.provider.slug == "anthropic" and target.route.operation == "messages"
)
(MESSAGE_BATCHES,) = (route for route in MESSAGES.surface.routes if route.operation == "batch")
REQUESTS_MAX = 4
DRAWS_MAX = 12
"""Of a request that a batch may hold, until the example is given up."""
NEVER = ("stream", "stream_options", "service_tier")
"""Fields that a request of a batch may not have; they change nothing of what it uses."""


def line(target: Target, case: Case) -> bytes:
    """A request as a line of a file."""
    request: dict[str, Any] = {"body": orjson.loads(case.body)}
    if target.provider.slug != "mistral":
        url = f"/v1{target.route.path.removeprefix('/v1')}"
        request |= {"method": "POST", "url": url}
    return orjson.dumps(request) + b"\n"


def without(case: Case) -> Case:
    """The case without what no batch may hold."""
    document: dict[str, Any] = orjson.loads(case.body)
    for name in NEVER:
        document.pop(name, None)
    return replace(case, body=orjson.dumps(document))


def held_for(target: Target, case: Case, requests: int) -> int | None:
    """What is held for a file with so many of this request; None where it is refused."""
    kind = mistral_batch.BatchFile if target.provider.slug == "mistral" else BatchFile
    file = kind(target.surface.dialect.read)
    try:
        for _ in range(requests):
            file.feed(line(target, case))
        bound = Bound.FromString(b64decode(orjson.loads(file.note())["bound"]))
        return quote(case.card, bound_of(bound)).amount_nano_usd
    except (RefusedRequest, Unpriced):
        return None


@pytest.mark.parametrize("target", ENDPOINTS, ids=str)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_hold_covers_all_requests(target: Target, data: st.DataObject) -> None:
    """Each answers at its worst, with caches and reasoning, and the sum still fits."""
    strategy = strategy_of(target)
    assert strategy is not None
    requests = data.draw(st.integers(1, REQUESTS_MAX))
    # Much of what may come alone may not come in a batch: tools, sound, what stands elsewhere.
    for _ in range(DRAWS_MAX):
        case = without(data.draw(strategy(target)))
        held = held_for(target, case, requests)
        if held is not None:
            break
    assume(held is not None)
    assert held is not None
    written, _ = answer(
        target, case, target.surface.dialect.read(target.route, view_of(target, case))
    )
    usage = read_usage(orjson.loads(written)["usage"])
    assert usage is not None
    total: dict[int, int] = {}
    for _ in range(requests):
        add(total, usage[0])
    units = {Unit(unit): count for unit, count in total.items()}
    assert rate(case.card, units, VARIANTS).amount_nano_usd <= held


def message_batch(target: Target, case: Case, requests: int) -> tuple[Ask, int] | None:
    """A batch of so many of this message, and what is held for it; None where it is refused."""
    params: dict[str, Any] = orjson.loads(case.body)
    each = [{"custom_id": str(number), "params": params} for number in range(requests)]
    document = {"requests": each}
    view = RequestView(body=orjson.dumps(document), document=document)
    try:
        ask = target.surface.dialect.read(MESSAGE_BATCHES, view)
        return ask, quote(case.card, bound_of(ask.bound)).amount_nano_usd
    except (RefusedRequest, Unpriced):
        return None


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_hold_covers_all_messages(data: st.DataObject) -> None:
    """The results of a message batch, each at its worst, cost no more than was held for it."""
    strategy = strategy_of(MESSAGES)
    assert strategy is not None
    requests = data.draw(st.integers(1, REQUESTS_MAX))
    for _ in range(DRAWS_MAX):
        case = without(data.draw(strategy(MESSAGES)))
        batch = message_batch(MESSAGES, case, requests)
        if batch is not None:
            break
    assume(batch is not None)
    assert batch is not None
    ask, held = batch
    assert ask.later is not None
    written, _ = answer(
        MESSAGES, case, MESSAGES.surface.dialect.read(MESSAGES.route, view_of(MESSAGES, case))
    )
    message = orjson.loads(written)
    result = {"result": {"type": "succeeded", "message": message}}
    reader = READERS[MESSAGES.surface.dialect.name, ask.later.operation]
    ended = reader.read(Job(object_id="b", state=ask.later.state), b'{"processing_status":"ended"}')
    assert isinstance(ended, Further)
    for _ in range(requests):
        ended.into.feed(orjson.dumps(result) + b"\n")
    done = ended.into.outcome()
    assert isinstance(done, Done)
    units = {Unit(unit): count for unit, count in done.reading.units.items()}
    said = message["usage"]["output_tokens"] * requests
    assert units.get(Unit.OUTPUT_TOKENS, 0) == said
    assert rate(case.card, units, done.reading.variants).amount_nano_usd <= held

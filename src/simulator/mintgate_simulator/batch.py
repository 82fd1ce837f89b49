"""A request of a batch, answered as if it had come alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin


def one_of(
    request: Request, index: int, requests_max: int, path: str, body: Mapping[str, Any]
) -> Request:
    """The request at ``index`` of a batch of at most so many, with a number of its own."""
    return replace(
        request,
        number=request.number * requests_max + index,
        path=path,
        body=orjson.dumps(body),
    )


def answer_alone(twin: Twin, request: Request) -> Whole:
    """What the twin answers, a refusal too; raises ``Refusal`` for a stream."""
    try:
        answer = twin.respond(request)
    except Refusal as refusal:
        return twin.refuse(request, refusal)
    if not isinstance(answer, Whole):
        raise Refusal(400, "A request of a batch cannot be streamed.", param="stream")
    return answer

"""Batches of the OpenAI-compatible shape: as OpenAI's, but none states its usage or its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.openai import batches

if TYPE_CHECKING:
    from mintgate_simulator.request import Request


class Batches(batches.Batches):
    """The batches of one simulator."""

    def respond(self, request: Request, parts: list[str]) -> Whole:
        """The answer about batches, less what Alibaba does not say."""
        answer = super().respond(request, parts)
        document = orjson.loads(answer.body)
        for each in document.get("data", [document]):
            each.pop("usage", None)
            each.pop("model", None)
        return Whole(answer.status, answer.headers, orjson.dumps(document))

"""Batches of generations and of embeddings: made at once, and told after some looks."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Whole
from mintgate_simulator.batch import one_of
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.tally import claimed
from mintgate_simulator.tokens import count_prompt

from . import check, pages, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from mintgate_simulator.answer import Answer
    from mintgate_simulator.request import Request
    from mintgate_simulator.twin import Twin

KEPT_MAX = 1_000
REQUESTS_EACH_MAX = 10_000
VERBS = {"batchGenerateContent": "generateContent", "asyncBatchEmbedContent": "embedContent"}
_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
_MADE_AT = "2026-09-22T00:00:00Z"
_FILES = "files/"
_FIELD = re.compile(r"([\w@]+)(?:/(\w+)|\(([^)]*)\))?(?:,|$)")


@dataclass(slots=True)
class _Batch:
    name: str
    model: str
    display_name: str
    output: dict[str, Any]
    """Its answers, or the file of them."""
    looks: int
    """So many still find it unfinished."""
    cancelled: bool = False

    def document(self) -> dict[str, Any]:
        """What it looks like now."""
        ended = not self.looks
        done = "CANCELLED" if self.cancelled else "SUCCEEDED"
        metadata: dict[str, Any] = {
            "@type": _TYPE,
            "model": f"models/{self.model}",
            "displayName": self.display_name,
            "state": f"BATCH_STATE_{done if ended else 'RUNNING'}",
            "createTime": _MADE_AT,
            "updateTime": _MADE_AT,
            "name": self.name,
        }
        document: dict[str, Any] = {"name": self.name, "metadata": metadata}
        if ended:
            metadata["endTime"] = _MADE_AT
            document["done"] = True
        if ended and not self.cancelled:
            metadata["output"] = self.output
        return document


@dataclass(slots=True)
class Batches:
    """The batches of one account; ``twin`` answers their requests."""

    twin: Twin
    content: Callable[[str], bytes]
    """What a stored file holds."""
    keep: Callable[[str, str, bytes], str]
    """Keeps a file that the provider made."""
    _kept: OrderedDict[str, _Batch] = field(default_factory=OrderedDict)

    def begin(self, request: Request, model: str, verb: str) -> Answer:
        """The answer to one of ``VERBS``."""
        batch = check.mapping(check.body_of(request, frozenset({"batch"})), "batch")
        config = check.mapping(batch, "input_config")
        stored = str(config.get("file_name") or "").removeprefix(_FILES)
        if stored:
            lines = self.content(stored).splitlines()
            items = [orjson.loads(line) for line in lines if line.strip()]
        else:
            items = check.objects(check.mapping(config, "requests"), "requests")
        if not items or len(items) > REQUESTS_EACH_MAX:
            raise Refusal(400, f"A batch has from 1 to {REQUESTS_EACH_MAX} requests.")
        answers = [
            self._answer(request, index, item, f"/v1beta/models/{model}:{VERBS[verb]}")
            for index, item in enumerate(items)
        ]
        batch_id = f"b{request.number:020x}"
        output: dict[str, Any] = {"inlinedResponses": {"inlinedResponses": answers}}
        if stored:
            lines = [orjson.dumps(answer) + b"\n" for answer in answers]
            self.keep(f"batch-{batch_id}", "application/jsonl", b"".join(lines))
            output = {"responsesFile": f"{_FILES}batch-{batch_id}"}
        name = str(batch.get("display_name") or "")
        kept = _Batch(f"batches/{batch_id}", model, name, output, request.controls.polls)
        self._kept[batch_id] = kept
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return wire.whole(kept.document())

    def respond(self, request: Request, parts: list[str]) -> Answer:
        """The answer about batches; ``parts`` is the path below them."""
        match request.method, parts:
            case "GET", []:
                return pages.page(
                    request, "operations", [b.document() for b in self._kept.values()]
                )
            case "GET", [batch_id]:
                batch = self._found(batch_id)
                told = batch.document()
                batch.looks = max(0, batch.looks - 1)
                return wire.whole(_masked(told, request.query_value("fields")))
            case "POST", [named] if named.endswith(":cancel"):
                batch = self._found(named.removesuffix(":cancel"))
                if batch.looks:
                    batch.looks, batch.cancelled = 0, True
                return wire.whole({})
            case "DELETE", [batch_id]:
                self._found(batch_id)
                del self._kept[batch_id]
                return wire.whole({})
        raise Refusal(404, f"Method not found: {request.method} {request.path}")

    def _answer(
        self, request: Request, index: int, item: dict[str, Any], path: str
    ) -> dict[str, Any]:
        """One answer, with what the request said to be told with it."""
        asked = item.get("request")
        if not isinstance(asked, dict):
            raise Refusal(400, "A request of a batch is empty.")
        told = {name: item[name] for name in ("key", "metadata") if item.get(name)}
        inner = one_of(request, index, REQUESTS_EACH_MAX, path, asked)
        try:
            answer = self.twin.respond(inner)
        except Refusal as refusal:
            return {**told, "error": {"code": 3, "message": refusal.message}}
        if not isinstance(answer, Whole):
            raise Refusal(400, "A request of a batch is not streamed.")
        response = orjson.loads(answer.body)
        if "embedding" in response and request.controls.usage:
            response["tokenCount"] = claimed(request.controls, count_prompt(asked.get("content")))
        return {**told, "response": response}

    def _found(self, batch_id: str) -> _Batch:
        batch = self._kept.get(batch_id)
        if batch is None:
            raise Refusal(404, "Requested entity was not found.")
        return batch


def _masked(document: dict[str, Any], mask: str | None) -> dict[str, Any]:
    """What ``fields`` leaves of a document: names, and names within one in parentheses."""
    if mask is None:
        return document
    left: dict[str, Any] = {}
    for name, one, several in _FIELD.findall(mask):
        value, inner = document.get(name), one or several
        if inner and isinstance(value, dict):
            value = _masked(value, inner) or None
        if value is not None:
            left[name] = value
    return left

"""``/v1/conversations``, and responses within one (openai/types/conversations).

The items of a conversation are read, and billed, before the new input; then it grows by what was
asked and answered.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Stream, Whole
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.request import CREATED_AT_S
from mintgate_simulator.twin import Around

from . import check, wire
from .responses import message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mintgate_simulator.answer import Answer, Kind
    from mintgate_simulator.request import Request

KEPT_MAX = 1_000
"""Conversations kept; the oldest go first."""
ITEMS_MAX = 10_000
"""Of one conversation."""
ITEMS_AT_ONCE_MAX = 20
PAGE = 20

_READING = frozenset({"/v1/responses", "/v1/responses/input_tokens"})
_RESPONSES = "/v1/responses/"
_SAID = frozenset({"completed", "incomplete"})
_ENDS = (b"event: response.completed", b"event: response.incomplete")
_BEGINS = b"event: response.created"

Items = list[dict[str, Any]]


@dataclass(slots=True)
class _Conversation:
    document: dict[str, Any]
    items: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Conversations(Around):
    """A twin whose responses may belong to a conversation."""

    _kept: OrderedDict[str, _Conversation] = field(init=False, default_factory=OrderedDict)
    _begun: OrderedDict[str, tuple[_Conversation, Items]] = field(
        init=False, default_factory=OrderedDict
    )
    """By response: what it was asked within a conversation, until it has been answered."""

    def respond(self, request: Request) -> Answer:
        """The answer about a conversation, or the twin's, with the history before the input."""
        parts = request.path.strip("/").split("/")
        if parts[:2] == ["v1", "conversations"]:
            return wire.whole(request, self._about(request, parts[2:]))
        # Looked for before it is read: this is also the upstream of the benchmarks.
        if request.path in _READING and b'"conversation"' in request.body:
            return self._within(request)
        answer = self.twin.respond(request)
        if self._begun and request.path.startswith(_RESPONSES):
            # An answer in the background is told to have ended when somebody looks.
            return self._watched(answer)
        return answer

    def _about(self, request: Request, parts: list[str]) -> dict[str, Any]:
        if request.method == "POST" and not parts:
            return self._create(request)
        conversation = self._found(parts[0] if parts else "")
        match request.method, parts[1:]:
            case "GET", []:
                return conversation.document
            case "POST", []:
                metadata = check.mapping(check.body_of(request), "metadata")
                conversation.document["metadata"] = metadata
                return conversation.document
            case "DELETE", []:
                del self._kept[parts[0]]
                return {"id": parts[0], "object": "conversation.deleted", "deleted": True}
            case "GET", ["items"]:
                return _page(list(conversation.items.values()), request)
            case "POST", ["items"]:
                return _listed(self._add(request, conversation))
            case "GET", ["items", item_id] if item_id in conversation.items:
                return conversation.items[item_id]
            case "DELETE", ["items", item_id] if item_id in conversation.items:
                del conversation.items[item_id]
                return conversation.document
        raise Refusal(404, f"Item not found ({request.method} {request.path})")

    def _create(self, request: Request) -> dict[str, Any]:
        document: dict[str, Any] = {
            "id": f"conv_{request.number:048x}",
            "object": "conversation",
            "created_at": CREATED_AT_S,
            "metadata": check.mapping(check.body_of(request), "metadata"),
        }
        conversation = _Conversation(document)
        self._add(request, conversation)
        self._kept[document["id"]] = conversation
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return document

    def _add(self, request: Request, conversation: _Conversation) -> Items:
        items = check.objects(check.body_of(request), "items")
        if len(items) > ITEMS_AT_ONCE_MAX:
            raise Refusal(400, f"At most {ITEMS_AT_ONCE_MAX} items at once.", param="items")
        return _grow(conversation, items, request.number)

    def _within(self, request: Request) -> Answer:
        body = check.body_of(request)
        stated = body.get("conversation")
        name = stated.get("id") if isinstance(stated, dict) else stated
        if name is None:
            return self.twin.respond(request)
        if body.get("previous_response_id") is not None:
            raise Refusal(
                400,
                "Mutually exclusive parameters: 'conversation' and 'previous_response_id'.",
                param="previous_response_id",
                code="mutually_exclusive_parameters",
            )
        conversation = self._found(str(name))
        given = body.get("input") or []
        said = [{"role": "user", "content": given}]
        asked = said if isinstance(given, str) else check.objects(body, "input")
        body |= {"input": [*conversation.items.values(), *asked], "conversation": {"id": name}}
        answer = self.twin.respond(replace(request, body=orjson.dumps(body)))
        return self._watched(answer, conversation, asked)

    def _watched(
        self, answer: Answer, conversation: _Conversation | None = None, asked: Items | None = None
    ) -> Answer:
        """The answer, whose end makes the conversation grow that its beginning names."""
        begun = None if conversation is None else (conversation, asked or [])
        if isinstance(answer, Whole):
            self._see(orjson.loads(answer.body), begun)
            return answer
        return Stream(
            headers=answer.headers,
            events=self._seen(answer.events, begun),
            failure=answer.failure,
            ping=answer.ping,
            crlf_allowed=answer.crlf_allowed,
        )

    def _seen(
        self,
        events: Iterable[tuple[Kind, bytes]],
        begun: tuple[_Conversation, Items] | None,
    ) -> Iterator[tuple[Kind, bytes]]:
        for kind, event in events:
            if event.startswith((_BEGINS, *_ENDS)):
                self._see(orjson.loads(event.partition(b"data: ")[2])["response"], begun)
            yield kind, event

    def _see(self, document: dict[str, Any], begun: tuple[_Conversation, Items] | None) -> None:
        response_id = document.get("id")
        if document.get("object") != "response" or not isinstance(response_id, str):
            return
        if begun is not None:
            self._begun[response_id] = begun
            if len(self._begun) > KEPT_MAX:
                self._begun.popitem(last=False)
        if document.get("status") in _SAID and (ended := self._begun.pop(response_id, None)):
            conversation, asked = ended
            number = int(response_id.removeprefix("resp_"), 16)
            _grow(conversation, [*asked, *document["output"]], number)

    def _found(self, conversation_id: str) -> _Conversation:
        conversation = self._kept.get(conversation_id)
        if conversation is None:
            why = f"Conversation with id '{conversation_id}' not found."
            raise Refusal(404, why, param="conversation")
        return conversation


def _grow(conversation: _Conversation, items: Items, number: int) -> Items:
    """Add items under ids of their own; ``number`` is that of the request, or unlike any."""
    if len(conversation.items) + len(items) > ITEMS_MAX:
        raise Refusal(400, f"A conversation has at most {ITEMS_MAX} items.", param="items")
    added = []
    for index, item in enumerate(items):
        named = message(item)
        named["id"] = item.get("id") or f"msg_{number:048x}{index:04x}"
        conversation.items[named["id"]] = named
        added.append(named)
    return added


def _page(items: Items, request: Request) -> dict[str, Any]:
    if request.query_value("order") != "asc":
        items = items[::-1]
    ids = [item["id"] for item in items]
    after = request.query_value("after")
    start = ids.index(after) + 1 if after in ids else 0
    limit = int(request.query_value("limit") or PAGE)
    return _listed(items[start : start + limit], more=len(items) > start + limit)


def _listed(items: Items, *, more: bool = False) -> dict[str, Any]:
    return {
        "object": "list",
        "data": items,
        "has_more": more,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
    }

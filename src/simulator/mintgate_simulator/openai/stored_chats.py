"""``/v1/chat/completions`` that were asked for with ``store``: read, changed, deleted, listed."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from mintgate_simulator.answer import Stream, Whole
from mintgate_simulator.refusal import Refusal
from mintgate_simulator.twin import Around

from . import check, wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mintgate_simulator.answer import Answer, Kind
    from mintgate_simulator.request import Request

KEPT_MAX = 1_000
"""Chats kept; the oldest go first."""
PAGE = 20
_PATH = ["v1", "chat", "completions"]
_DATA = b"data: {"


@dataclass(slots=True)
class _Chat:
    document: dict[str, Any]
    messages: list[dict[str, Any]]


@dataclass(slots=True)
class StoredChats(Around):
    """A twin that keeps chats where that is asked for."""

    _kept: OrderedDict[str, _Chat] = field(init=False, default_factory=OrderedDict)

    def respond(self, request: Request) -> Answer:
        """The answer about a stored chat, or the twin's, which is kept where it is to be."""
        parts = request.path.strip("/").split("/")
        if parts[:3] != _PATH:
            return self.twin.respond(request)
        if request.method != "POST" or parts[3:]:
            return wire.whole(request, self._about(request, parts[3:]))
        answer = self.twin.respond(request)
        # Looked for before it is read: this is also the upstream of the benchmarks.
        if b'"store"' not in request.body or not check.flag(check.body_of(request), "store"):
            return answer
        body = check.body_of(request)
        if isinstance(answer, Whole):
            self._keep(body, orjson.loads(answer.body))
            return answer
        return Stream(
            headers=answer.headers,
            events=self._collected(body, answer.events),
            failure=answer.failure,
            ping=answer.ping,
            crlf_allowed=answer.crlf_allowed,
        )

    def _about(self, request: Request, parts: list[str]) -> dict[str, Any]:
        if not parts:
            return _page([chat.document for chat in self._kept.values()], request)
        chat = self._kept.get(parts[0])
        if chat is None:
            raise Refusal(404, f"Chat completion {parts[0]} not found", param="id")
        match request.method, parts[1:]:
            case "GET", []:
                return chat.document
            case "POST", []:
                chat.document["metadata"] = check.mapping(check.body_of(request), "metadata")
                return chat.document
            case "DELETE", []:
                del self._kept[parts[0]]
                return {"id": parts[0], "object": "chat.completion.deleted", "deleted": True}
            case "GET", ["messages"]:
                return _page(chat.messages, request)
        raise Refusal(404, f"Invalid URL ({request.method} {request.path})")

    def _collected(
        self, body: dict[str, Any], events: Iterable[tuple[Kind, bytes]]
    ) -> Iterator[tuple[Kind, bytes]]:
        """The events of a stream, which is kept as a whole when its last one has been made."""
        document: dict[str, Any] = {}
        texts: dict[int, str] = {}
        for kind, event in events:
            if event.startswith(_DATA):
                chunk = orjson.loads(event.removeprefix(b"data: "))
                document = {**chunk, **document, "object": "chat.completion"}
                for choice in chunk["choices"]:
                    said = choice["delta"].get("content") or ""
                    texts[choice["index"]] = texts.get(choice["index"], "") + said
            yield kind, event
        document["choices"] = [
            {"index": index, "message": {"role": "assistant", "content": text}}
            for index, text in texts.items()
        ]
        self._keep(body, document)

    def _keep(self, body: dict[str, Any], document: dict[str, Any]) -> None:
        document["metadata"] = check.mapping(body, "metadata")
        messages = [
            {**message, "id": f"{document['id']}-{index}"}
            for index, message in enumerate(body["messages"])
        ]
        self._kept[document["id"]] = _Chat(document, messages)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)


def _page(things: list[dict[str, Any]], request: Request) -> dict[str, Any]:
    newest_first = request.query_value("order") == "desc"
    things = list(reversed(things)) if newest_first else things
    ids = [thing["id"] for thing in things]
    after = request.query_value("after")
    start = ids.index(after) + 1 if after in ids else 0
    limit = int(request.query_value("limit") or PAGE)
    page = things[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(things) > start + limit,
    }

"""Routes about objects at a provider: each is its creator's alone.

All users of the gateway share the operator's account there, so the provider's own
lists and ids mean nothing about who may see what. The gateway's record does:
another key's object is a 404, as one that never was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import orjson

from mintgate_facade.dialects.base import (
    Access,
    Failure,
    FailureKind,
    ObjectName,
    RefusedRequest,
)
from mintgate_facade.dialects.checks import bounded_nesting, integer, refused
from mintgate_facade.relay.deferred import job_lives_ms
from mintgate_facade.relay.exchange import Admitted, Exchange, admit, admit_upload, is_upload
from mintgate_facade.relay.failures import NO_ROOM
from mintgate_facade.relay.filtered import serve_filtered
from mintgate_facade.relay.listing import Page, begins, google_listing, listing_body
from mintgate_facade.relay.pass_through import is_success, pass_through
from mintgate_facade.relay.short_answer import UNREADABLE, parsed_answer, whole_answer
from mintgate_facade.uploads.again import file_of

if TYPE_CHECKING:
    from mintgate.v1.objects_pb2 import FindObjectsResponse

    from mintgate_facade.relay.common import CommonObjects
    from mintgate_facade.relay.core_calls import CoreCalls
    from mintgate_facade.relay.objects import Objects
    from mintgate_facade.relay.resumable import Resumable
    from mintgate_facade.relay.slots import Slots
    from mintgate_facade.relay.targets import Targets
    from mintgate_facade.uploads.receive import Uploads
    from mintgate_facade.upstream import Answer

READS_AT_ONCE = 8
"""Objects of a list that are read at the provider at one time."""

SIZE_BYTES_MAX = 1 << 50
"""A petabyte; a larger number is a mistake."""

_JSON = [(b"content-type", b"application/json")]
_NOT_CHARGED = Failure(
    FailureKind.FORBIDDEN,
    "What the provider went on with is read once more to charge it. An answer can be deleted 25 "
    "hours after it was begun, a batch 49 hours after.",
    code="not_charged_yet",
)


@dataclass(frozen=True, slots=True)
class Owned:
    """What requests about stored objects share."""

    objects: Objects
    core: CoreCalls
    targets: Targets
    uploads: Uploads
    resumable: Resumable
    common: CommonObjects
    slots: Slots
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request. Raises `RefusedRequest` and `AnswerAborted`."""
        exchange.target.require_account()
        if exchange.route.access is Access.UPLOAD:
            await self.resumable.serve(exchange)
        elif exchange.route.access is Access.LIST:
            await self._list(exchange, await admit(exchange, self.core, json_only=False))
        elif exchange.route.access is Access.FILTER:
            admitted = await admit(exchange, self.core, json_only=False)
            await serve_filtered(exchange, admitted, self.objects, self.targets)
        elif is_upload(exchange):
            async with admit_upload(exchange, self.uploads, self.core) as admitted:
                await self._one(exchange, admitted)
        else:
            await self._one(exchange, await admit(exchange, self.core, json_only=True))

    async def _one(self, exchange: Exchange, admitted: Admitted) -> None:
        slug, secret, route = exchange.target.slug, admitted.secret_sha256, exchange.route
        creates = route.access is Access.CREATE
        self._check_size(exchange, admitted)
        names = _uses(exchange, admitted)
        if route.access is Access.READ:
            found = await self.common.require(exchange, admitted, names)
        else:
            found = await self.objects.require(secret, exchange.caller, slug, names)
        exchange.key_id = found.key_id
        if route.access is Access.FORGET:
            self._check_charged(found)
        if not creates:
            await self._forward(exchange, admitted, found, "")
            return
        if found.room < 1:
            raise RefusedRequest(NO_ROOM)
        async with self.slots.taken(exchange, admitted, found.key_id):
            note = await _note(exchange, admitted)
            await self._forward(exchange, admitted, found, note)

    async def _forward(
        self, exchange: Exchange, admitted: Admitted, found: FindObjectsResponse, note: str
    ) -> None:
        response = await self.targets.open(exchange, admitted, admitted.view.body)
        try:
            await self._relay(exchange, admitted, response, found, note)
        finally:
            response.close()

    def _check_size(self, exchange: Exchange, admitted: Admitted) -> None:
        """Bound an object that will come in parts as one that comes whole."""
        if name := exchange.route.sized_by:
            size_bytes = integer(admitted.view.document, name, 1, SIZE_BYTES_MAX, unit="bytes")
            if size_bytes is None:
                raise refused(f"Missing required parameter: {name!r}.", name)
            self.uploads.check_size(size_bytes)

    def _check_charged(self, found: FindObjectsResponse) -> None:
        """Keep what a job is polled by until the job is over for certain."""
        for each in found.objects:
            if self.now_ms() < each.created_at_ms + job_lives_ms(each.note):
                raise RefusedRequest(_NOT_CHARGED)

    async def _relay(
        self,
        exchange: Exchange,
        admitted: Admitted,
        response: Answer,
        found: FindObjectsResponse,
        note: str,
    ) -> None:
        if not is_success(response.status):
            await pass_through(exchange, response)
            return
        slug, route = exchange.target.slug, exchange.route
        if route.access is Access.CREATE:
            body = await whole_answer(response)
            # Only then does anybody learn its name.
            name = ObjectName(route.kind, _made(route.made_at, body))
            await self.objects.record(found.key_id, slug, name, note=note, ttl_ms=route.kept_ms)
            headers = exchange.relayed(response.raw_headers)
            await exchange.send_whole(response.status, headers, body)
            return
        if route.access is Access.FORGET:
            await self.objects.forget(found.key_id, slug, _named(exchange))
        if route.described_by:
            # Too long to be read whole. What it names is read once more and by itself, after it:
            # so nothing is in it that is not there.
            described = await self._read(exchange, admitted, exchange.match.upstream_path)
            if described is None:
                raise RefusedRequest(UNREADABLE)
            await self._record_mentioned(exchange, found.key_id, [described])
            await pass_through(exchange, response)
            return
        if route.mentions or route.names or route.addresses:
            body = await whole_answer(response)
            await self._record_mentioned(exchange, found.key_id, [body])
            body = _addressed(exchange, body)
            headers = exchange.relayed(response.raw_headers)
            await exchange.send_whole(response.status, headers, body)
            return
        await pass_through(exchange, response)

    async def _record_mentioned(
        self, exchange: Exchange, key_id: str, bodies: Sequence[bytes]
    ) -> None:
        """Record what the provider made for objects of the key, before anybody learns its ids."""
        named = [
            ObjectName(kind, object_id)
            for document in map(parsed_answer, bodies)
            for field, kind in exchange.route.mentions
            if isinstance(object_id := document.get(field), str)
        ]
        if exchange.route.names is not None:
            for body in bodies:
                named.extend(exchange.route.names(parsed_answer(body)))
        slug = exchange.target.slug
        for name in await self.objects.missing(key_id, slug, named):
            await self.objects.record(key_id, slug, name, ttl_ms=exchange.route.kept_ms)

    async def _list(self, exchange: Exchange, admitted: Admitted) -> None:
        """List what the key owns, each object as the provider describes it now."""
        kind = exchange.route.kind
        query = admitted.view.query
        if exchange.route.oldest_first:
            query = {"order": "asc", **query}
        named = [
            value
            for name, value in parse_qsl(admitted.view.query_string)
            if name.removesuffix("[]") == "ids"
        ]
        owned = await self.objects.all_of(
            admitted.secret_sha256,
            exchange.caller,
            exchange.target.slug,
            kind,
            newest=begins(query) and not named,
        )
        page = Page.of(query, [each.name.object_id for each in owned], named)
        reads = asyncio.Semaphore(READS_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._read_one(exchange, admitted, object_id, reads))
                for object_id in page.ids
            ]
        described = [body for task in running if (body := task.result()) is not None]
        if (exchange.route.mentions or exchange.route.names) and described:
            found = await self.objects.find(
                admitted.secret_sha256, exchange.caller, exchange.target.slug
            )
            await self._record_mentioned(exchange, found.key_id, described)
        described = [_addressed(exchange, body) for body in described]
        if exchange.route.lists:
            body = google_listing(exchange.route.lists, described, page)
        else:
            body = listing_body(described, page, query)
        await exchange.send_whole(200, [*_JSON, *exchange.own_headers()], body)

    async def _read_one(
        self, exchange: Exchange, admitted: Admitted, object_id: str, reads: asyncio.Semaphore
    ) -> bytes | None:
        """One object of a list; None when the provider has it no more."""
        async with reads:
            path = f"{exchange.match.upstream_path}/{quote(object_id, safe='')}"
            return await self._read(exchange, admitted, path)

    async def _read(self, exchange: Exchange, admitted: Admitted, path: str) -> bytes | None:
        """The description of an object; None when the provider has it no more."""
        if exchange.route.described_by:
            path = f"{path}?{exchange.route.described_by}"
        response = await self.targets.read(exchange, admitted, path)
        try:
            if not is_success(response.status):
                return None
            body = await whole_answer(response)
        finally:
            response.close()
        parsed_answer(body)
        return body


async def _note(exchange: Exchange, admitted: Admitted) -> str:
    """What is kept with a new file, for the requests that will use it."""
    reads, upload = exchange.route.reads, admitted.upload
    reader = None if reads is None else reads(admitted.view.document)
    if reader is None or upload is None:
        return ""
    async for data in file_of(upload, admitted.view.headers.get("content-type", "")):
        reader.feed(data)
    return reader.note()


def _addressed(exchange: Exchange, body: bytes) -> bytes:
    """The object with the gateway's paths in place of addresses at the provider."""
    document, changed = parsed_answer(body), False
    for field, path in exchange.route.addresses:
        object_id = document.get("id")
        if isinstance(document.get(field), str) and isinstance(object_id, str):
            document[field] = path.replace("{id}", quote(object_id, safe=""))
            changed = True
    return orjson.dumps(document) if changed else body


def _made(path: str, body: bytes) -> str:
    """The id of the object that an answer is about. Raises `RefusedRequest` (502)."""
    value: Any = parsed_answer(body)
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str):
        raise RefusedRequest(UNREADABLE)
    return value


def _uses(exchange: Exchange, admitted: Admitted) -> list[ObjectName]:
    """What must be the key's: the object in the path or the query, and what the body names."""
    route = exchange.route
    named = [_named(exchange)] if "id" in exchange.match.ids else []
    if name := route.id_query:
        ids = [v for n, v in parse_qsl(admitted.view.query_string) if n == name]
        # Of two, nobody knows which one the provider reads.
        if len(ids) != 1:
            raise refused(f"The query must name one {name!r}.", name)
        named.append(ObjectName(route.kind, ids[0]))
    if route.uses is not None:
        with bounded_nesting():
            named.extend(route.uses(admitted.view.document))
    return named


def _named(exchange: Exchange) -> ObjectName:
    route = exchange.route
    return ObjectName(route.of or route.kind, exchange.match.ids["id"])

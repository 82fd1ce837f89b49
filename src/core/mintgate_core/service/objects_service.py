"""`ObjectsService`: whose the objects at providers are."""

from __future__ import annotations

import re
from typing import Any

from grpc import aio
from mintgate.v1 import objects_pb2, objects_pb2_grpc

from mintgate_core.ledger import allowed, standing
from mintgate_core.ledger.errors import Invalid, LedgerError, NotFound
from mintgate_core.ledger.types import Key
from mintgate_core.service import object_requests, places, requests
from mintgate_core.service.errors import to_proto
from mintgate_core.service.principal import Gatekeeper
from mintgate_core.stores.base import Store
from mintgate_core.stores.objects import EARLIEST, LATEST, OwnedObject

Context = aio.ServicerContext[Any, Any]
Asking = objects_pb2.FindObjectsRequest | objects_pb2.ListObjectsRequest

OBJECTS_RECORDED_MAX = 256
"""Objects in one call: as many answers as a facade may have waiting for it."""

SHA256_BYTES = 32

_PAGE_TOKEN = re.compile(r"(\d{1,15}):(.{1,512})", re.DOTALL)


class ObjectsService(objects_pb2_grpc.ObjectsServiceServicer):
    """See proto/mintgate/v1/objects.proto."""

    def __init__(self, store: Store, gatekeeper: Gatekeeper, objects_per_key: int) -> None:
        self._store = store
        self._gatekeeper = gatekeeper
        self._objects_per_key = objects_per_key

    async def RecordObjects(
        self, request: objects_pb2.RecordObjectsRequest, context: Context
    ) -> objects_pb2.RecordObjectsResponse:
        asked = request.objects
        requests.number(len(asked), "objects", OBJECTS_RECORDED_MAX, least=1)
        keys = await self._store.keys_by_id(sorted({one.key_id for one in asked}))
        known = [place for place, one in enumerate(asked) if one.key_id in keys]
        # A key that was revoked meanwhile owns what it created all the same: nobody else may.
        objects = [
            object_requests.new_object(asked[place], keys[asked[place].key_id]) for place in known
        ]
        answers: dict[int, LedgerError | None] = {}
        if objects:
            recorded = await self._store.objects.record(objects, self._objects_per_key)
            answers = dict(zip(known, recorded, strict=True))
        missing = NotFound("there is no such key", field="key_id")
        return objects_pb2.RecordObjectsResponse(
            results=[_result(answers.get(place, missing)) for place in range(len(asked))]
        )

    async def FindObjects(
        self, request: objects_pb2.FindObjectsRequest, context: Context
    ) -> objects_pb2.FindObjectsResponse:
        names = object_requests.names(request.names)
        provider = requests.slug(request.provider, "provider")
        key = await self._asker(request, provider)
        found = await self._store.objects.owned(key.key_id, provider, names)
        by_name = {(one.kind, one.object_id): one for one in found}
        owned_count = await self._store.objects.count(key.key_id)
        return objects_pb2.FindObjectsResponse(
            key_id=key.key_id,
            account_id=key.account_id,
            # Each once, however often it was asked for.
            objects=[_message(by_name[name]) for name in dict.fromkeys(names) if name in by_name],
            room=max(0, self._objects_per_key - owned_count),
        )

    async def ListObjects(
        self, request: objects_pb2.ListObjectsRequest, context: Context
    ) -> objects_pb2.ListObjectsResponse:
        limit = requests.page_rows(request.page_size)
        provider = requests.slug(request.provider, "provider")
        kind = object_requests.kind(request.kind)
        start = EARLIEST if request.oldest_first else LATEST
        after = _place(request.page_token) if request.page_token else start
        key = await self._asker(request, provider)
        found = await self._store.objects.of_key(
            key.key_id,
            provider,
            kind,
            after=after,
            oldest_first=request.oldest_first,
            limit=limit + 1,
        )
        objects, more = requests.page(found, limit)
        return objects_pb2.ListObjectsResponse(
            objects=[_message(one) for one in objects],
            next_page_token=_page_token(objects[-1]) if more else "",
        )

    async def ForgetObjects(
        self, request: objects_pb2.ForgetObjectsRequest, context: Context
    ) -> objects_pb2.ForgetObjectsResponse:
        names = object_requests.names(request.names, least=1)
        provider = requests.slug(request.provider, "provider")
        forgotten = await self._store.objects.forget(request.key_id, provider, names)
        return objects_pb2.ForgetObjectsResponse(forgotten=forgotten)

    async def _asker(self, request: Asking, provider: str) -> Key:
        """The key that asks, in force. Raises `Unauthenticated`, its kinds, or `Forbidden`."""
        if request.WhichOneof("key") == "secret_sha256":
            if len(request.secret_sha256) != SHA256_BYTES:
                raise Invalid("secret_sha256 must have 32 bytes", field="secret_sha256")
            place = places.shown_at(request.origin, request.client_address)
            key = await self._gatekeeper.key_of(request.secret_sha256, place)
        else:
            found = await self._store.key(request.key_id)
            if found is None:
                raise NotFound("there is no such key", field="key_id")
            key = found
            if refusal := standing(key, await self._store.now_ms()):
                raise refusal
        if refusal := allowed(key, provider, ""):
            raise refusal
        return key


def _place(token: str) -> tuple[int, str]:
    matched = _PAGE_TOKEN.fullmatch(token)
    if matched is None:
        raise Invalid("page_token is not one that this call gave", field="page_token")
    return int(matched[1]), matched[2]


def _page_token(value: OwnedObject) -> str:
    return f"{value.created_at_ms}:{value.object_id}"


def _result(answer: LedgerError | None) -> objects_pb2.RecordedObject:
    return objects_pb2.RecordedObject(error=None if answer is None else to_proto(answer))


def _message(value: OwnedObject) -> objects_pb2.OwnedObject:
    return objects_pb2.OwnedObject(
        name=objects_pb2.ObjectName(kind=value.kind, object_id=value.object_id),
        note=value.note,
        created_at_ms=value.created_at_ms,
        expires_at_ms=value.expires_at_ms,
    )

"""Asks the core whose objects at a provider are, and records new ones."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

import grpc
from mintgate.v1 import objects_pb2
from mintgate.v1.error_pb2 import ERROR_REASON_UNSPECIFIED

from mintgate_facade.dialects.base import Failure, FailureKind, ObjectName, RefusedRequest
from mintgate_facade.relay.core_calls import CALL_WAIT_S, refusal_of
from mintgate_facade.relay.failures import failure_of
from mintgate_facade.relay.recent_objects import RecentObjects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mintgate.v1.objects_pb2 import FindObjectsResponse, OwnedObject
    from mintgate.v1.objects_pb2_grpc import ObjectsServiceAsyncStub

    from mintgate_facade.relay.caller import Caller

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

_log = logging.getLogger("mintgate.relay")

PAGE_SIZE = 1_000
"""Of a list of a key's objects; the core has no larger one."""
USES_MAX = 256
"""Objects that one request may name."""


class Objects:
    """The calls of one worker, with the service's credential."""

    def __init__(self, stub: ObjectsServiceAsyncStub, service_token: str) -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {service_token}"),)
        self._recent = RecentObjects()
        self.heard = self._recent.heard

    async def run(self) -> None:
        """Record again what a failover may have lost, until cancelled."""
        await self._recent.run(lambda request: self._ask(self._stub.RecordObjects, request))

    async def find(
        self, secret_sha256: bytes, caller: Caller, provider: str, names: Iterable[ObjectName] = ()
    ) -> FindObjectsResponse:
        """Whose key it is, and which of `names` are its own.

        Raises `RefusedRequest` (401, 403, 503).
        """
        request = objects_pb2.FindObjectsRequest(
            secret_sha256=secret_sha256,
            provider=provider,
            names=map(_message, names),
            origin=caller.origin,
            client_address=caller.client_address,
        )
        return await self._ask(self._stub.FindObjects, request)

    async def require(
        self, secret_sha256: bytes, caller: Caller, provider: str, names: Iterable[ObjectName]
    ) -> FindObjectsResponse:
        """As `find`, and each name must be the key's: else `RefusedRequest` (404).

        Of another key's object the same is said as of one that never was.
        """
        found, missing = await self.split(secret_sha256, caller, provider, names)
        for name in missing:
            raise no_such(name)
        return found

    async def split(
        self, secret_sha256: bytes, caller: Caller, provider: str, names: Iterable[ObjectName]
    ) -> tuple[FindObjectsResponse, list[ObjectName]]:
        """As `find`, and those of the names that are not the key's.

        Raises `RefusedRequest` for too many names.
        """
        wanted = tuple(dict.fromkeys(names))
        if len(wanted) > USES_MAX:
            raise RefusedRequest(
                Failure(
                    FailureKind.BAD_REQUEST,
                    f"The request names {len(wanted)} stored objects; at most {USES_MAX} are read.",
                )
            )
        found = await self.find(secret_sha256, caller, provider, wanted)
        own = _names(found)
        return found, [name for name in wanted if name not in own]

    async def in_force(self, key_id: str, caller: Caller, provider: str) -> None:
        """Refuse (401, 403, 503) a key that may not be used any more."""
        request = objects_pb2.FindObjectsRequest(
            key_id=key_id,
            provider=provider,
            origin=caller.origin,
            client_address=caller.client_address,
        )
        await self._ask(self._stub.FindObjects, request)

    async def missing(
        self, key_id: str, provider: str, names: Sequence[ObjectName]
    ) -> list[ObjectName]:
        """Those of `names` that are not recorded as the key's. Raises `RefusedRequest` (503)."""
        if not names:
            return []
        request = objects_pb2.FindObjectsRequest(
            key_id=key_id,
            provider=provider,
            names=map(_message, names),
        )
        own = _names(await self._ask(self._stub.FindObjects, request))
        return [name for name in dict.fromkeys(names) if name not in own]

    async def all_of(
        self, secret_sha256: bytes, caller: Caller, provider: str, kind: str, *, newest: bool
    ) -> list[OwnedObject]:
        """Every object of a kind, newest first; `newest`: the first `PAGE_SIZE` of them are enough.

        Raises `RefusedRequest` (401, 403, 503).
        """
        owned: list[OwnedObject] = []
        token = ""
        while True:
            request = objects_pb2.ListObjectsRequest(
                secret_sha256=secret_sha256,
                provider=provider,
                kind=kind,
                page_size=PAGE_SIZE,
                page_token=token,
                origin=caller.origin,
                client_address=caller.client_address,
            )
            page = await self._ask(self._stub.ListObjects, request)
            owned.extend(page.objects)
            token = page.next_page_token
            # A key owns a bounded number of objects, so there is a last page.
            if newest or not token:
                return owned

    async def record(
        self, key_id: str, provider: str, name: ObjectName, *, note: str = "", ttl_ms: int = 0
    ) -> None:
        """Record a new object, before its id is told; `ttl_ms` 0: it does not expire.

        Raises `RefusedRequest` (403, 503).
        """
        new = objects_pb2.NewObject(
            key_id=key_id,
            provider=provider,
            name=_message(name),
            note=note,
            ttl_ms=ttl_ms,
        )
        request = objects_pb2.RecordObjectsRequest(objects=[new])
        epoch = self._recent.epoch
        answer = await self._ask(self._stub.RecordObjects, request)
        (result,) = answer.results
        if result.error.reason != ERROR_REASON_UNSPECIFIED:
            raise RefusedRequest(failure_of(result.error))
        self._recent.recorded(new, epoch)

    async def forget(self, key_id: str, provider: str, name: ObjectName) -> None:
        """Let go of an object that was deleted; one that stays by mistake is a 404 upstream."""
        self._recent.forgotten(provider, _message(name))
        request = objects_pb2.ForgetObjectsRequest(
            key_id=key_id, provider=provider, names=[_message(name)]
        )
        try:
            await self._stub.ForgetObjects(request, timeout=CALL_WAIT_S, metadata=self._metadata)
        except grpc.RpcError as failure:
            _log.warning("a deleted %s stays recorded: %s", name.kind, failure.code().name)

    async def _ask(
        self, call: grpc.aio.UnaryUnaryMultiCallable[Asked, Answered], request: Asked
    ) -> Answered:
        """Make a call. Raises `RefusedRequest` for whatever it is refused with."""
        try:
            return await call(request, timeout=CALL_WAIT_S, metadata=self._metadata)
        except grpc.RpcError as failure:
            raise RefusedRequest(refusal_of(failure)) from None


def no_such(name: ObjectName) -> RefusedRequest:
    """The 404 of an object that is not the key's, whoever else's it may be."""
    return RefusedRequest(
        Failure(FailureKind.NOT_FOUND, f"No such {name.kind}: {name.id[:200]!r}.")
    )


def _message(name: ObjectName) -> objects_pb2.ObjectName:
    return objects_pb2.ObjectName(kind=name.kind, object_id=name.id)


def _names(found: FindObjectsResponse) -> set[tuple[str, str]]:
    return {(each.name.kind, each.name.object_id) for each in found.objects}

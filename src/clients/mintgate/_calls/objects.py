"""Calls of the objects service: whose files, batches and voices at providers are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mintgate.errors import InvalidArgument, MintgateError, error_from_proto
from mintgate.v1 import objects_pb2
from mintgate.v1.objects_pb2_grpc import ObjectsServiceStub

from .base import Answer, Call, Paged, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.message import Message


def record(
    objects: Sequence[objects_pb2.NewObject],
    *,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[list[MintgateError | None]]:
    """Record who created which objects, 1..256, before anybody learns their ids.

    Answers each alone, in order: None when it is the key's, `IdReused` when it is another
    key's, `TooManyObjects`, or `NotFound` when there is no such key. A repeat by the same
    key sets note and time to live anew.
    """
    request = objects_pb2.RecordObjectsRequest(objects=objects)
    return _objects("RecordObjects", request, _answers, timeout_s, credential)


def find(
    provider: str,
    names: Iterable[tuple[str, str]] = (),
    *,
    secret_sha256: bytes | None = None,
    key_id: str | None = None,
    origin: str = "",
    client_address: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[objects_pb2.FindObjectsResponse]:
    """Say which of up to 1,000 (kind, object id) are one key's, and how many more it may own.

    The key is named by exactly one of `secret_sha256` and `key_id`, and must be in force.
    `origin` and `client_address` say where its secret was shown, for keys that may be used
    from some places only. Raises `Unauthenticated` and `PermissionDenied`, with those below.
    """
    request = objects_pb2.FindObjectsRequest(
        provider=provider,
        names=_names(names),
        origin=origin,
        client_address=client_address,
    )
    _name_key(request, secret_sha256, key_id)
    return _objects("FindObjects", request, whole, timeout_s, credential)


def list_page(
    provider: str,
    kind: str,
    *,
    secret_sha256: bytes | None = None,
    key_id: str | None = None,
    origin: str = "",
    client_address: str = "",
    oldest_first: bool = False,
    page_token: str = "",
    page_size: int = 0,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[objects_pb2.ListObjectsResponse]:
    """Return one page of a key's objects by creation, newest first; `page_size` 1..1,000."""
    request = objects_pb2.ListObjectsRequest(
        provider=provider,
        kind=kind,
        oldest_first=oldest_first,
        page_token=page_token,
        page_size=page_size,
        origin=origin,
        client_address=client_address,
    )
    _name_key(request, secret_sha256, key_id)
    return _objects("ListObjects", request, whole, timeout_s, credential)


def list_all(
    provider: str,
    kind: str,
    *,
    secret_sha256: bytes | None = None,
    key_id: str | None = None,
    origin: str = "",
    client_address: str = "",
    oldest_first: bool = False,
    page_size: int = 0,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Paged[objects_pb2.OwnedObject]:
    """Iterate over a key's objects of one kind by creation, newest first."""
    first = list_page(
        provider,
        kind,
        secret_sha256=secret_sha256,
        key_id=key_id,
        origin=origin,
        client_address=client_address,
        oldest_first=oldest_first,
        page_size=page_size,
        timeout_s=timeout_s,
        credential=credential,
    )
    return Paged(first, lambda response: response.objects, "page_token", "next_page_token")


def forget(
    key_id: str,
    provider: str,
    names: Iterable[tuple[str, str]],
    *,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[int]:
    """Let go of up to 1,000 (kind, object id) of a key and return how many were its own."""
    request = objects_pb2.ForgetObjectsRequest(
        key_id=key_id, provider=provider, names=_names(names)
    )
    return _objects(
        "ForgetObjects", request, lambda response: int(response.forgotten), timeout_s, credential
    )


def _names(names: Iterable[tuple[str, str]]) -> list[objects_pb2.ObjectName]:
    return [objects_pb2.ObjectName(kind=kind, object_id=object_id) for kind, object_id in names]


def _name_key(
    request: objects_pb2.FindObjectsRequest | objects_pb2.ListObjectsRequest,
    secret_sha256: bytes | None,
    key_id: str | None,
) -> None:
    if (secret_sha256 is None) == (key_id is None):
        raise InvalidArgument("give one of secret_sha256 and key_id", field="key_id")
    if secret_sha256 is not None:
        request.secret_sha256 = secret_sha256
    if key_id is not None:
        request.key_id = key_id


def _answers(response: objects_pb2.RecordObjectsResponse) -> list[MintgateError | None]:
    return [
        error_from_proto(result.error) if result.HasField("error") else None
        for result in response.results
    ]


def _objects(
    method: str,
    request: Message,
    read: Callable[[Any], Answer],
    timeout_s: float | None,
    credential: str | None,
) -> Call[Answer]:
    return Call(
        stub=ObjectsServiceStub,
        method=method,
        request=request,
        read=read,
        timeout_s=timeout_s,
        credential=credential,
    )

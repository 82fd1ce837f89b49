"""Calls of the keys service."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mintgate import ids, words
from mintgate.errors import InvalidArgument
from mintgate.types import Minted, Rotated
from mintgate.v1 import keys_pb2, ledger_pb2
from mintgate.v1.keys_pb2_grpc import KeysServiceStub

from .base import UNSET, Answer, Call, Paged, Unset, exact_nano_usd, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.protobuf.message import Message

    from mintgate.money import Usd
    from mintgate.types import (
        OnDisconnectWord,
        RateLimits,
        ScopeWord,
        StatusWord,
        UnboundedOutputWord,
        WindowCap,
    )

_FIELD_BY_ARGUMENT = {
    "name": keys_pb2.KEY_FIELD_NAME,
    "status": keys_pb2.KEY_FIELD_STATUS,
    "expires_at_ms": keys_pb2.KEY_FIELD_EXPIRES_AT,
    "external_user_id": keys_pb2.KEY_FIELD_EXTERNAL_USER_ID,
    "metadata": keys_pb2.KEY_FIELD_METADATA,
    "allowed_providers": keys_pb2.KEY_FIELD_ALLOWED_PROVIDERS,
    "allowed_models": keys_pb2.KEY_FIELD_ALLOWED_MODELS,
    "allowed_origins": keys_pb2.KEY_FIELD_ALLOWED_ORIGINS,
    "allowed_cidrs": keys_pb2.KEY_FIELD_ALLOWED_CIDRS,
    "unbounded_output": keys_pb2.KEY_FIELD_UNBOUNDED_OUTPUT,
    "on_disconnect": keys_pb2.KEY_FIELD_ON_DISCONNECT,
    "window_cap": keys_pb2.KEY_FIELD_WINDOW_CAP,
    "rate_limits": keys_pb2.KEY_FIELD_RATE_LIMITS,
}


def mint(
    name: str,
    *,
    cap_usd: Usd | None = None,
    cap_nano_usd: int | None = None,
    idempotency_key: str | None = None,
    scope: ScopeWord = "standard",
    expires_at_ms: int = 0,
    external_user_id: str = "",
    metadata: Mapping[str, str] | None = None,
    allowed_providers: Sequence[str] = (),
    allowed_models: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    allowed_cidrs: Sequence[str] = (),
    unbounded_output: UnboundedOutputWord = "fit",
    on_disconnect: OnDisconnectWord = "abort",
    window_cap: WindowCap | None = None,
    rate_limits: RateLimits | None = None,
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[Minted]:
    """Make a key; its secret is in this answer and nowhere else, ever.

    Without a cap only the account's wallet limits the key; a `window_cap` holds
    beside it. `allowed_origins` are browser origins such as
    "https://app.example.com" or "https://*.example.com", and requests without
    one are then refused; `allowed_cidrs` are ranges of client addresses. Give the id of the
    event that caused the call as `idempotency_key`: a repeat within 24 hours
    answers the same key and the same secret. Without one the client makes its
    own, so that a retry of this call does not make two keys. `account_id` is
    for the operator's credential only.

    Raises `InvalidArgument`, `PermissionDenied`, `IdempotencyConflict`.
    """
    request = keys_pb2.MintRequest(
        name=name,
        scope=words.number(keys_pb2.KeyScope, scope, field="scope"),
        cap_nano_usd=exact_nano_usd(cap_usd, cap_nano_usd, name="cap", required=False),
        expires_at_ms=expires_at_ms,
        external_user_id=external_user_id,
        metadata=metadata or {},
        allowed_providers=_listed(allowed_providers, "allowed_providers"),
        allowed_models=_listed(allowed_models, "allowed_models"),
        allowed_origins=_listed(allowed_origins, "allowed_origins"),
        allowed_cidrs=_listed(allowed_cidrs, "allowed_cidrs"),
        unbounded_output=words.number(
            keys_pb2.UnboundedOutput, unbounded_output, field="unbounded_output"
        ),
        on_disconnect=words.number(ledger_pb2.OnDisconnect, on_disconnect, field="on_disconnect"),
        window_cap=_window_cap(window_cap),
        rate_limits=_rate_limits(rate_limits),
        idempotency_key=idempotency_key or ids.id_text(ids.new_id()),
        account_id=account_id,
    )

    def read(response: keys_pb2.MintResponse) -> Minted:
        return Minted(response.key, response.secret, response.replayed)

    return _keys("Mint", request, read, timeout_s, credential)


def get(
    key_id: str, *, timeout_s: float | None = None, credential: str | None = None
) -> Call[keys_pb2.Key]:
    """Return one key of the account. Raises `NotFound`."""
    return _keys("Get", keys_pb2.GetRequest(key_id=key_id), _key, timeout_s, credential)


def list_page(
    *,
    page_size: int = 0,
    page_token: str = "",
    external_user_id: str = "",
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[keys_pb2.ListResponse]:
    """Return one page of keys, newest first; `page_size` 1..1,000, 0 means 100."""
    request = keys_pb2.ListRequest(
        page_size=page_size,
        page_token=page_token,
        external_user_id=external_user_id,
        account_id=account_id,
    )
    return _keys("List", request, whole, timeout_s, credential)


def list_all(
    *,
    page_size: int = 0,
    external_user_id: str = "",
    account_id: str = "",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Paged[keys_pb2.Key]:
    """Iterate over all keys, newest first; asks for a page when it is reached."""
    first = list_page(
        page_size=page_size,
        external_user_id=external_user_id,
        account_id=account_id,
        timeout_s=timeout_s,
        credential=credential,
    )
    return Paged(first, lambda response: response.keys, "page_token", "next_page_token")


def update(
    key_id: str,
    *,
    name: str | Unset = UNSET,
    cap_usd: Usd | Unset | None = UNSET,
    cap_nano_usd: int | Unset | None = UNSET,
    status: StatusWord | Unset = UNSET,
    expires_at_ms: int | Unset = UNSET,
    external_user_id: str | Unset = UNSET,
    metadata: Mapping[str, str] | Unset = UNSET,
    allowed_providers: Sequence[str] | Unset = UNSET,
    allowed_models: Sequence[str] | Unset = UNSET,
    allowed_origins: Sequence[str] | Unset = UNSET,
    allowed_cidrs: Sequence[str] | Unset = UNSET,
    unbounded_output: UnboundedOutputWord | Unset = UNSET,
    on_disconnect: OnDisconnectWord | Unset = UNSET,
    window_cap: WindowCap | Unset | None = UNSET,
    rate_limits: RateLimits | Unset | None = UNSET,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[keys_pb2.Key]:
    """Change what is given and nothing else; None lifts a cap, or all rate limits.

    A `window_cap` of another period or time zone begins a window of that kind.

    Raises `InvalidArgument` (also when nothing is given) and `NotFound`.
    """
    given: dict[str, Any] = {
        argument: value
        for argument, value in (
            ("name", name),
            ("status", status),
            ("expires_at_ms", expires_at_ms),
            ("external_user_id", external_user_id),
            ("metadata", metadata),
            ("allowed_providers", allowed_providers),
            ("allowed_models", allowed_models),
            ("allowed_origins", allowed_origins),
            ("allowed_cidrs", allowed_cidrs),
            ("unbounded_output", unbounded_output),
            ("on_disconnect", on_disconnect),
            ("window_cap", window_cap),
            ("rate_limits", rate_limits),
        )
        if not isinstance(value, Unset)
    }
    fields = [_FIELD_BY_ARGUMENT[argument] for argument in given]
    key = keys_pb2.Key(id=key_id, **_numbered(given))
    if not isinstance(cap_usd, Unset) or not isinstance(cap_nano_usd, Unset):
        fields.append(keys_pb2.KEY_FIELD_CAP)
        cap = exact_nano_usd(
            None if isinstance(cap_usd, Unset) else cap_usd,
            None if isinstance(cap_nano_usd, Unset) else cap_nano_usd,
            name="cap",
            required=False,
        )
        if cap is not None:
            key.cap_nano_usd = cap
    if not fields:
        raise InvalidArgument("nothing to change was given", field="fields")
    request = keys_pb2.UpdateRequest(key=key, fields=fields)
    return _keys("Update", request, _key, timeout_s, credential)


def rotate(
    key_id: str,
    *,
    grace_ms: int = 0,
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[Rotated]:
    """Replace a key's secret; the old one works for `grace_ms` more, 0..30 days.

    Raises `NotFound` and `InvalidArgument`.

    A key that rotates itself and loses the answer has lost both secrets; rotate
    it with another master key or as the operator.
    """

    def read(response: keys_pb2.RotateResponse) -> Rotated:
        return Rotated(response.key, response.secret)

    request = keys_pb2.RotateRequest(key_id=key_id, grace_ms=grace_ms)
    call = _keys("Rotate", request, read, timeout_s, credential)
    # A retry makes one more secret; the one that is answered is the one that works. With a
    # grace period it would spend that on the lost secret, which nobody has, instead of on
    # the one that users have: then the caller must decide.
    return replace(call, repeatable=not grace_ms)


def revoke(
    key_id: str, *, timeout_s: float | None = None, credential: str | None = None
) -> Call[keys_pb2.Key]:
    """End a key for good: its next request is refused, its running ones end within seconds.

    Raises `NotFound`, also for a key that was revoked before.
    """
    return _keys("Revoke", keys_pb2.RevokeRequest(key_id=key_id), _key, timeout_s, credential)


def authenticate(
    secret: str | None = None,
    *,
    secret_sha256: bytes = b"",
    timeout_s: float | None = None,
    credential: str | None = None,
) -> Call[keys_pb2.Key]:
    """Return whose key a secret is, without a hold; by default the caller's own.

    The secret itself does not leave this process, only its SHA-256. Raises
    `Unauthenticated` or the class below it that says why, and `PermissionDenied`
    when a user's key asks about another secret: that is for facades.
    """
    digest = hashlib.sha256(secret.encode()).digest() if secret is not None else secret_sha256
    request = keys_pb2.AuthenticateRequest(secret_sha256=digest)
    return _keys("Authenticate", request, _key, timeout_s, credential)


def _keys(
    method: str,
    request: Message,
    read: Callable[[Any], Answer],
    timeout_s: float | None,
    credential: str | None,
) -> Call[Answer]:
    return Call(
        stub=KeysServiceStub,
        method=method,
        request=request,
        read=read,
        timeout_s=timeout_s,
        credential=credential,
    )


def _key(response: Any) -> keys_pb2.Key:
    key: keys_pb2.Key = response.key
    return key


def _listed(values: Sequence[str], field: str) -> Sequence[str]:
    """Refuse a lone string, which would be taken for a list of its letters."""
    if isinstance(values, str):
        raise InvalidArgument(f"{field} must be a list of strings", field=field)
    return values


def _numbered(given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of `update` with words turned into the protocol's numbers."""
    enums = {
        "status": keys_pb2.KeyStatus,
        "unbounded_output": keys_pb2.UnboundedOutput,
        "on_disconnect": ledger_pb2.OnDisconnect,
    }
    numbered = dict(given)
    for argument, enum_type in enums.items():
        if argument in numbered:
            numbered[argument] = words.number(enum_type, numbered[argument], field=argument)
    for argument in ("allowed_providers", "allowed_models", "allowed_origins", "allowed_cidrs"):
        if argument in numbered:
            _listed(numbered[argument], argument)
    if "window_cap" in numbered:
        numbered["window_cap"] = _window_cap(numbered["window_cap"])
    if "rate_limits" in numbered:
        numbered["rate_limits"] = _rate_limits(numbered["rate_limits"])
    return numbered


def _window_cap(value: WindowCap | None) -> keys_pb2.WindowCap | None:
    if value is None:
        return None
    cap = exact_nano_usd(value.cap_usd, value.cap_nano_usd, name="window_cap.cap", required=True)
    return keys_pb2.WindowCap(
        period=words.number(keys_pb2.WindowPeriod, value.period, field="window_cap.period"),
        time_zone=value.time_zone,
        cap_nano_usd=cap or 0,
    )


def _rate_limits(value: RateLimits | None) -> keys_pb2.RateLimits | None:
    if value is None:
        return None
    return keys_pb2.RateLimits(
        requests_per_minute=value.requests_per_minute,
        tokens_per_minute=value.tokens_per_minute,
        open_requests=value.open_requests,
    )

"""`/v1/keys`: mint, list, read, change, rotate and revoke keys."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from mintgate.money import nano_usd
from mintgate.v1 import keys_pb2
from mintgate.v1.keys_pb2 import (
    GetRequest,
    Key,
    KeyField,
    KeyScope,
    KeyStatus,
    ListRequest,
    MintRequest,
    RateLimits,
    RevokeRequest,
    RotateRequest,
    UnboundedOutput,
    UpdateRequest,
    WindowCap,
    WindowPeriod,
)
from mintgate.v1.ledger_pb2 import OnDisconnect
from mintgate.words import number, word
from starlette.responses import Response

from mintgate_facade.control import schemas
from mintgate_facade.control.core import CoreDependency
from mintgate_facade.control.models import (
    ChangeKey,
    KeyPage,
    KeySettings,
    MintKey,
    RotateKey,
    WindowCapSettings,
)
from mintgate_facade.control.reading import credential, read_model
from mintgate_facade.control.writing import answer, to_micros, usd_number

router = APIRouter(tags=["keys"])

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255

_FIELDS = {
    "name": keys_pb2.KEY_FIELD_NAME,
    "max_spend_usd": keys_pb2.KEY_FIELD_CAP,
    "status": keys_pb2.KEY_FIELD_STATUS,
    "expires_at": keys_pb2.KEY_FIELD_EXPIRES_AT,
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

_RATE_LIMITS = ("requests_per_minute", "tokens_per_minute", "open_requests")


def key_view(key: Key) -> dict[str, Any]:
    """A key as REST shows it; never its secret."""
    capped = key.HasField("cap_nano_usd")
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scope": word(KeyScope, key.scope),
        "status": word(KeyStatus, key.status),
        "revoked": key.status == keys_pb2.KEY_STATUS_REVOKED,
        "max_spend_usd": usd_number(key.cap_nano_usd) if capped else None,
        **spend_view(key),
        "window_cap": _window_view(key.window_cap) if key.HasField("window_cap") else None,
        "rate_limits": {name: getattr(key.rate_limits, name) or None for name in _RATE_LIMITS},
        "previous_secret_until": key.previous_secret_until_ms or None,
        "created_at": key.created_at_ms,
        "expires_at": key.expires_at_ms or None,
        "last_used_at": key.last_used_at_ms or None,
        "revoked_at": key.revoked_at_ms or None,
        "external_user_id": key.external_user_id or None,
        "metadata": dict(key.metadata),
        "allowed_providers": list(key.allowed_providers),
        "allowed_models": list(key.allowed_models),
        "allowed_origins": list(key.allowed_origins),
        "allowed_cidrs": list(key.allowed_cidrs),
        "unbounded_output": word(UnboundedOutput, key.unbounded_output),
        "on_disconnect": word(OnDisconnect, key.on_disconnect),
    }


def spend_view(key: Key) -> dict[str, int | None]:
    """How far a key is from its cap; null where it has none."""
    cap = key.cap_nano_usd if key.HasField("cap_nano_usd") else None
    return _spend(key.spent_nano_usd, key.held_nano_usd, cap)


def _spend(spent: int, held: int, cap: int | None) -> dict[str, int | None]:
    amounts = {
        "spent": spent,
        "held": held,
        "max_spend": cap,
        "remaining": None if cap is None else max(cap - spent - held, 0),
    }
    view: dict[str, int | None] = {}
    for name, amount in amounts.items():
        view[f"{name}_micros"] = None if amount is None else to_micros(amount)
        view[f"{name}_nanos"] = amount
    return view


def _window_view(cap: WindowCap) -> dict[str, Any]:
    return {
        "period": word(WindowPeriod, cap.period),
        "time_zone": cap.time_zone,
        "max_spend_usd": usd_number(cap.cap_nano_usd),
        "start_ms": cap.start_ms,
        "end_ms": cap.end_ms,
        **_spend(cap.spent_nano_usd, cap.held_nano_usd, cap.cap_nano_usd),
    }


@router.post(
    "/v1/keys",
    status_code=201,
    openapi_extra=schemas.body(MintKey),
    responses=schemas.answers(201, schemas.MintedKey),
)
async def mint_key(
    request: Request,
    core: CoreDependency,
    idempotency_key: Annotated[str, Header(max_length=IDEMPOTENCY_KEY_CHARACTERS_MAX)] = "",
) -> Response:
    """Mint a key. Its secret is in this answer and nowhere else, ever.

    A repeat with the same `Idempotency-Key` within 24 hours gives the same answer.
    """
    caller = credential(request)
    body = await read_model(request, MintKey)
    response = await core.call(core.keys.Mint, _mint_request(body, idempotency_key), caller)
    view = key_view(response.key) | {"secret": response.secret}
    return answer(view | {"replayed": response.replayed}, 201)


@router.get("/v1/keys", responses=schemas.answers(200, schemas.KeyListAnswer))
async def list_keys(
    request: Request, core: CoreDependency, page: Annotated[KeyPage, Query()]
) -> Response:
    """List the account's keys, newest first."""
    response = await core.call(
        core.keys.List,
        ListRequest(
            page_size=page.limit,
            page_token=page.cursor,
            external_user_id=page.external_user_id,
        ),
        credential(request),
    )
    keys = [key_view(key) for key in response.keys]
    return answer({"keys": keys, "next_cursor": response.next_page_token or None})


@router.get("/v1/keys/{key_id}", responses=schemas.answers(200, schemas.KeyAnswer))
async def get_key(request: Request, core: CoreDependency, key_id: str) -> Response:
    """Read one key."""
    caller = credential(request)
    response = await core.call(core.keys.Get, GetRequest(key_id=key_id), caller)
    return answer(key_view(response.key))


@router.patch(
    "/v1/keys/{key_id}",
    openapi_extra=schemas.body(ChangeKey),
    responses=schemas.answers(200, schemas.KeyAnswer),
)
async def change_key(request: Request, core: CoreDependency, key_id: str) -> Response:
    """Change the fields that are there; they hold for the key's next request."""
    caller = credential(request)
    body = await read_model(request, ChangeKey)
    response = await core.call(core.keys.Update, _update_request(key_id, body), caller)
    return answer(key_view(response.key))


@router.post(
    "/v1/keys/{key_id}/rotate",
    openapi_extra=schemas.body(RotateKey, required=False),
    responses=schemas.answers(200, schemas.RotatedKey),
)
async def rotate_key(request: Request, core: CoreDependency, key_id: str) -> Response:
    """Replace a key's secret; the old one stops at once, or after a grace period."""
    caller = credential(request)
    body = await read_model(request, RotateKey, optional=True)
    asked = RotateRequest(key_id=key_id, grace_ms=body.grace_ms)
    response = await core.call(core.keys.Rotate, asked, caller)
    return answer(key_view(response.key) | {"secret": response.secret})


@router.delete("/v1/keys/{key_id}", responses=schemas.answers(200, schemas.DeletedAnswer))
async def revoke_key(request: Request, core: CoreDependency, key_id: str) -> Response:
    """End a key for good: its next request is refused, its running ones end within seconds."""
    caller = credential(request)
    await core.call(core.keys.Revoke, RevokeRequest(key_id=key_id), caller)
    return answer({"ok": True})


def _mint_request(body: MintKey, idempotency_key: str) -> MintRequest:
    scope = "master" if body.scope == "admin" else body.scope
    request = MintRequest(
        name=body.name,
        scope=number(KeyScope, scope, field="scope"),
        idempotency_key=idempotency_key,
        **_settings(body),
    )
    if body.max_spend_usd is not None:
        request.cap_nano_usd = nano_usd(body.max_spend_usd, field="max_spend_usd")
    return request


def _update_request(key_id: str, body: ChangeKey) -> UpdateRequest:
    key = Key(id=key_id, name=body.name or "", **_settings(body))
    if body.max_spend_usd is not None:
        key.cap_nano_usd = nano_usd(body.max_spend_usd, field="max_spend_usd")
    if body.status is not None:
        key.status = number(KeyStatus, body.status, field="status")
    fields: list[KeyField.ValueType] = [_FIELDS[name] for name in sorted(body.model_fields_set)]
    return UpdateRequest(key=key, fields=fields)


def _settings(body: KeySettings) -> dict[str, Any]:
    """What minting and changing have in common; null is the field's empty value."""
    unbounded, gone = body.unbounded_output, body.on_disconnect
    return {
        "expires_at_ms": body.expires_at or 0,
        "external_user_id": body.external_user_id or "",
        "metadata": body.metadata or {},
        "allowed_providers": body.allowed_providers or [],
        "allowed_models": body.allowed_models or [],
        "allowed_origins": body.allowed_origins or [],
        "allowed_cidrs": body.allowed_cidrs or [],
        "unbounded_output": number(UnboundedOutput, unbounded, field="unbounded_output")
        if unbounded
        else keys_pb2.UNBOUNDED_OUTPUT_UNSPECIFIED,
        "on_disconnect": number(OnDisconnect, gone, field="on_disconnect") if gone else 0,
        "window_cap": _window_cap(body.window_cap) if body.window_cap else None,
        "rate_limits": RateLimits(**body.rate_limits.model_dump()) if body.rate_limits else None,
    }


def _window_cap(settings: WindowCapSettings) -> WindowCap:
    return WindowCap(
        period=number(WindowPeriod, settings.period, field="window_cap.period"),
        time_zone=settings.time_zone,
        cap_nano_usd=nano_usd(settings.max_spend_usd, field="window_cap.max_spend_usd"),
    )

"""`KeysService` and `AccountsService`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from grpc import aio
from mintgate.v1 import keys_pb2, keys_pb2_grpc

from mintgate_core.ledger import allowed
from mintgate_core.ledger.errors import Forbidden, Invalid, NotFound
from mintgate_core.ledger.limits import ROTATION_GRACE_MS_MAX
from mintgate_core.ledger.types import Key, KeyStatus
from mintgate_core.secrets_of_keys import digest, display_prefix, new_secret
from mintgate_core.service import convert, minting, places, requests
from mintgate_core.service.interceptors import CALLER
from mintgate_core.service.minting import Mint
from mintgate_core.service.principal import Gatekeeper, Role
from mintgate_core.stores.base import Store

Context = aio.ServicerContext[Any, Any]


class KeysService(keys_pb2_grpc.KeysServiceServicer):
    """See proto/mintgate/v1/keys.proto."""

    def __init__(
        self, store: Store, gatekeeper: Gatekeeper, mint: Mint, changed: Callable[[Key], None]
    ) -> None:
        """`changed` hears of every key as it is after a change."""
        self._store = store
        self._gatekeeper = gatekeeper
        self._mint = mint
        self._changed = changed

    async def Mint(self, request: keys_pb2.MintRequest, context: Context) -> keys_pb2.MintResponse:
        caller = CALLER.get()
        account = await self._gatekeeper.account(caller, request.account_id)
        minted = await self._mint.key(caller, account, request)
        self._changed(minted.key)
        return keys_pb2.MintResponse(
            key=await self._message(minted.key), secret=minted.secret, replayed=minted.replayed
        )

    async def Get(self, request: keys_pb2.GetRequest, context: Context) -> keys_pb2.GetResponse:
        return keys_pb2.GetResponse(key=await self._message(await self._own(request.key_id)))

    async def List(self, request: keys_pb2.ListRequest, context: Context) -> keys_pb2.ListResponse:
        account = await self._gatekeeper.account(CALLER.get(), request.account_id)
        limit = requests.page_rows(request.page_size)
        found = await self._store.keys(
            account.account_id,
            external_user_id=request.external_user_id,
            before_id=request.page_token,
            limit=limit + 1,
        )
        keys, more = requests.page(found, limit)
        return keys_pb2.ListResponse(
            keys=await self._messages(keys), next_page_token=keys[-1].key_id if more else ""
        )

    async def Update(
        self, request: keys_pb2.UpdateRequest, context: Context
    ) -> keys_pb2.UpdateResponse:
        await self._own(request.key.id)
        change = key_change(request, await self._store.now_ms())
        key = await self._store.change_key(request.key.id, change)
        self._changed(key)
        return keys_pb2.UpdateResponse(key=await self._message(key))

    async def Rotate(
        self, request: keys_pb2.RotateRequest, context: Context
    ) -> keys_pb2.RotateResponse:
        await self._own(request.key_id)
        grace_ms = requests.number(request.grace_ms, "grace_ms", ROTATION_GRACE_MS_MAX)
        until_ms = await self._store.now_ms() + grace_ms if grace_ms else 0
        secret = new_secret()

        def change(key: Key) -> Key:
            if key.status is KeyStatus.REVOKED:
                raise NotFound("there is no such key", field="key_id")
            return replace(
                key,
                secret_sha256=digest(secret),
                prefix=display_prefix(secret),
                # One secret back at most: a second rotation ends the first one's grace.
                previous_secret_sha256=key.secret_sha256 if grace_ms else None,
                previous_secret_until_ms=until_ms,
            )

        key = await self._store.change_key(request.key_id, change)
        self._changed(key)
        return keys_pb2.RotateResponse(key=await self._message(key), secret=secret)

    async def Revoke(
        self, request: keys_pb2.RevokeRequest, context: Context
    ) -> keys_pb2.RevokeResponse:
        own = CALLER.get().key
        if own is not None and own.key_id == request.key_id:
            raise Forbidden("a key cannot revoke itself; use another master key", field="key_id")
        await self._own(request.key_id)
        now_ms = await self._store.now_ms()

        def change(key: Key) -> Key:
            if key.status is KeyStatus.REVOKED:
                raise NotFound("this key was revoked before", field="key_id")
            return replace(
                key,
                status=KeyStatus.REVOKED,
                revoked_at_ms=now_ms,
                previous_secret_sha256=None,
                previous_secret_until_ms=0,
            )

        key = await self._store.change_key(request.key_id, change)
        self._changed(key)
        return keys_pb2.RevokeResponse(key=await self._message(key))

    async def Authenticate(
        self, request: keys_pb2.AuthenticateRequest, context: Context
    ) -> keys_pb2.AuthenticateResponse:
        caller = CALLER.get()
        key = caller.key
        if request.secret_sha256:
            if caller.role not in {Role.OPERATOR, Role.SERVICE}:
                raise Forbidden("only a facade may ask about another credential")
            place = places.shown_at(request.origin, request.client_address)
            key = await self._gatekeeper.key_of(request.secret_sha256, place)
        if key is None:
            raise Invalid("name the credential to ask about", field="secret_sha256")
        if refusal := allowed(key, request.provider, request.model):
            raise refusal
        message = await self._message(key)
        if caller.role is Role.STANDARD:
            # The owner's notes on a user are not for the user.
            message.ClearField("metadata")
            message.ClearField("external_user_id")
        return keys_pb2.AuthenticateResponse(key=message)

    async def _own(self, key_id: str) -> Key:
        """A key that the caller may see. Another account's does not exist."""
        caller = CALLER.get()
        key = await self._store.key(key_id)
        if key is None:
            raise NotFound("there is no such key", field="key_id")
        if caller.key is not None and key.account_id != caller.key.account_id:
            raise NotFound("there is no such key", field="key_id")
        return key

    async def _message(self, key: Key) -> keys_pb2.Key:
        (message,) = await self._messages([key])
        return message

    async def _messages(self, keys: Sequence[Key]) -> list[keys_pb2.Key]:
        lines = await self._store.lines([i for key in keys for i in key.all_line_ids])
        used = await self._store.last_used_ms([key.key_id for key in keys])
        now_ms = await self._store.now_ms()
        return [convert.key(key, lines, now_ms, used.get(key.key_id, 0)) for key in keys]


def key_change(request: keys_pb2.UpdateRequest, now_ms: int) -> Callable[[Key], Key]:
    """The change that an update asks for. Raises `Invalid` naming the field."""
    if not 1 <= len(request.fields) <= len(FIELDS):
        raise Invalid(f"name 1 to {len(FIELDS)} fields to change", field="fields")
    values: dict[str, Any] = {}
    for field in request.fields:
        if field not in FIELDS:
            raise Invalid("this field cannot be changed", field="fields")
        name, read = FIELDS[field]
        values[name] = read(request.key, now_ms)

    def change(key: Key) -> Key:
        if key.status is KeyStatus.REVOKED:
            raise NotFound("this key was revoked", field="key_id")
        return replace(key, **values)

    return change


def _status(key: keys_pb2.Key) -> KeyStatus:
    if key.status not in {keys_pb2.KEY_STATUS_ACTIVE, keys_pb2.KEY_STATUS_PAUSED}:
        raise Invalid("status can be set to active or paused", field="status")
    return KeyStatus(key.status)


def _cap(key: keys_pb2.Key) -> int | None:
    if not key.HasField("cap_nano_usd"):
        return None
    return requests.amount(key.cap_nano_usd, "cap_nano_usd")


FIELDS: dict[int, tuple[str, Callable[[keys_pb2.Key, int], object]]] = {
    keys_pb2.KEY_FIELD_NAME: (
        "name",
        lambda key, _: requests.text(key.name, "name", requests.NAME_CHARACTERS_MAX, least=1),
    ),
    keys_pb2.KEY_FIELD_CAP: ("cap_nano_usd", lambda key, _: _cap(key)),
    keys_pb2.KEY_FIELD_STATUS: ("status", lambda key, _: _status(key)),
    keys_pb2.KEY_FIELD_EXPIRES_AT: (
        "expires_at_ms",
        lambda key, now_ms: minting.expiry_ms(key.expires_at_ms, now_ms),
    ),
    keys_pb2.KEY_FIELD_EXTERNAL_USER_ID: (
        "external_user_id",
        lambda key, _: requests.text(
            key.external_user_id, "external_user_id", requests.NAME_CHARACTERS_MAX
        ),
    ),
    keys_pb2.KEY_FIELD_METADATA: ("metadata", lambda key, _: requests.metadata(key.metadata)),
    keys_pb2.KEY_FIELD_ALLOWED_PROVIDERS: (
        "allowed_providers",
        lambda key, _: requests.allowed(key.allowed_providers, "allowed_providers"),
    ),
    keys_pb2.KEY_FIELD_ALLOWED_MODELS: (
        "allowed_models",
        lambda key, _: requests.allowed(key.allowed_models, "allowed_models"),
    ),
    keys_pb2.KEY_FIELD_ALLOWED_ORIGINS: (
        "allowed_origins",
        lambda key, _: places.allowed_origins(key.allowed_origins),
    ),
    keys_pb2.KEY_FIELD_ALLOWED_CIDRS: (
        "allowed_cidrs",
        lambda key, _: places.allowed_cidrs(key.allowed_cidrs),
    ),
    keys_pb2.KEY_FIELD_UNBOUNDED_OUTPUT: (
        "unbounded_output",
        lambda key, _: minting.unbounded_output(key.unbounded_output),
    ),
    keys_pb2.KEY_FIELD_ON_DISCONNECT: (
        "on_disconnect",
        lambda key, _: minting.on_disconnect(key.on_disconnect),
    ),
    keys_pb2.KEY_FIELD_WINDOW_CAP: ("window_cap", lambda key, _: minting.window_cap(key)),
    keys_pb2.KEY_FIELD_RATE_LIMITS: (
        "rate_limits",
        lambda key, _: requests.rate_limits(key.rate_limits),
    ),
}
"""What each field of an update changes, and how it is read."""


class AccountsService(keys_pb2_grpc.AccountsServiceServicer):
    """See proto/mintgate/v1/keys.proto."""

    def __init__(self, store: Store, mint: Mint) -> None:
        self._store = store
        self._mint = mint

    async def CreateAccount(
        self, request: keys_pb2.CreateAccountRequest, context: Context
    ) -> keys_pb2.CreateAccountResponse:
        account, master = await self._mint.create(CALLER.get(), request)
        return keys_pb2.CreateAccountResponse(
            account=convert.account(account),
            master_key=convert.key(master.key, {}, account.created_at_ms),
            master_secret=master.secret,
            replayed=master.replayed,
        )

    async def ListAccounts(
        self, request: keys_pb2.ListAccountsRequest, context: Context
    ) -> keys_pb2.ListAccountsResponse:
        limit = requests.page_rows(request.page_size)
        found = await self._store.accounts(request.page_token, limit + 1)
        accounts, more = requests.page(found, limit)
        return keys_pb2.ListAccountsResponse(
            accounts=[convert.account(account) for account in accounts],
            next_page_token=accounts[-1].account_id if more else "",
        )

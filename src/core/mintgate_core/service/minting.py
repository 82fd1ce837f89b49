"""Making keys: checks of what is asked, secrets, and repeats of the same mint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from mintgate.ids import new_id
from mintgate.v1 import keys_pb2

from mintgate_core.ids import new_account_id, new_key_id, new_line_id
from mintgate_core.ledger.errors import Bug, Conflict, IdempotencyConflict, Invalid
from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.ledger.operations import Grant
from mintgate_core.ledger.types import (
    Account,
    Key,
    KeyScope,
    KeyStatus,
    OnDisconnect,
    RateLimits,
    UnboundedOutput,
    WindowCap,
)
from mintgate_core.secrets_of_keys import (
    derived_secret,
    digest,
    display_prefix,
    new_salt,
    new_secret,
)
from mintgate_core.service import places, requests
from mintgate_core.service.principal import Principal
from mintgate_core.stores.base import MintReplay, Store

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255


@dataclass(frozen=True, slots=True)
class Minted:
    """A key and the one sight of its secret."""

    key: Key
    secret: str = field(repr=False)
    replayed: bool = False


class Mint:
    """Makes keys and accounts in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def key(
        self, caller: Principal, account: Account, request: keys_pb2.MintRequest
    ) -> Minted:
        """Mint, or repeat the answer of the same mint within a day.

        Raises `Invalid` naming a field, and `IdempotencyConflict` naming the
        first field in which a repeat differs.
        """
        if not request.idempotency_key:
            secret = new_secret()
            key = await self._build(account, request, secret)
            await self._store.add_key(key)
            return Minted(key, secret)
        requests.text(request.idempotency_key, "idempotency_key", IDEMPOTENCY_KEY_CHARACTERS_MAX)
        name = hashlib.sha256(request.idempotency_key.encode()).digest()
        earlier = await self._store.mint_replay(caller.minter_id, name)
        if earlier is None:
            salt = new_salt()
            secret = derived_secret(caller.secret, salt)
            key = await self._build(account, request, secret)
            replay = MintReplay(
                minter_key_id=caller.minter_id,
                idempotency_sha256=name,
                request_json=_canonical(account, request),
                salt=salt,
                key_id=key.key_id,
                created_at_ms=key.created_at_ms,
            )
            try:
                await self._store.add_key(key, replay)
                return Minted(key, secret)
            except Conflict:
                # The same webhook was delivered twice at once; the other won.
                earlier = await self._store.mint_replay(caller.minter_id, name)
                if earlier is None:
                    raise
        return await self._repeat(caller, _canonical(account, request), earlier)

    async def _repeat(self, caller: Principal, canonical: str, earlier: MintReplay) -> Minted:
        before = json.loads(earlier.request_json)
        now = json.loads(canonical)
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise IdempotencyConflict(
                    f"this idempotency key was used with another {name}", field=name
                )
        key = await self._store.key(earlier.key_id)
        secret = derived_secret(caller.secret, earlier.salt)
        if key is None or digest(secret) != key.secret_sha256:
            # The key or its minter got another secret since: the one that could be
            # told here opens nothing.
            raise IdempotencyConflict(
                "the secret of this mint was rotated since; use another idempotency key",
                field="idempotency_key",
            )
        return Minted(key, secret, replayed=True)

    async def _build(self, account: Account, request: keys_pb2.MintRequest, secret: str) -> Key:
        now_ms = await self._store.now_ms()
        cap = None
        if request.HasField("cap_nano_usd"):
            cap = requests.amount(request.cap_nano_usd, "cap_nano_usd")
        return Key(
            key_id=new_key_id(),
            account_id=account.account_id,
            wallet_id=account.wallet_id,
            line_ids=(new_line_id(now_ms),),
            secret_sha256=digest(secret),
            name=requests.text(request.name, "name", requests.NAME_CHARACTERS_MAX, least=1),
            prefix=display_prefix(secret),
            scope=KeyScope(requests.scope(request.scope)),
            status=KeyStatus.ACTIVE,
            created_at_ms=now_ms,
            cap_nano_usd=cap,
            expires_at_ms=expiry_ms(request.expires_at_ms, now_ms),
            external_user_id=requests.text(
                request.external_user_id, "external_user_id", requests.NAME_CHARACTERS_MAX
            ),
            metadata=requests.metadata(request.metadata),
            allowed_providers=requests.allowed(request.allowed_providers, "allowed_providers"),
            allowed_models=requests.allowed(request.allowed_models, "allowed_models"),
            allowed_origins=places.allowed_origins(request.allowed_origins),
            allowed_cidrs=places.allowed_cidrs(request.allowed_cidrs),
            unbounded_output=unbounded_output(request.unbounded_output),
            on_disconnect=on_disconnect(request.on_disconnect),
            window_cap=window_cap(request),
            rate_limits=requests.rate_limits(request.rate_limits),
        )

    async def create(
        self, caller: Principal, request: keys_pb2.CreateAccountRequest
    ) -> tuple[Account, Minted]:
        """Make an account, or repeat the answer of the same request within a day.

        Raises `Invalid` naming a field, and `IdempotencyConflict` naming the
        first field in which a repeat differs.
        """
        # A wallet's ceiling stays under UNLIMITED.
        first = requests.number(request.grant_nano_usd, "grant_nano_usd", UNLIMITED - 1)
        if first and request.postpaid:
            raise Invalid("a postpaid wallet takes no grants", field="grant_nano_usd")
        if not request.idempotency_key:
            return await self.account(request.name, postpaid=request.postpaid, first_nano_usd=first)
        requests.text(request.idempotency_key, "idempotency_key", IDEMPOTENCY_KEY_CHARACTERS_MAX)
        # Apart from the caller's mints, which may use the same text.
        name = hashlib.sha256(b"account\0" + request.idempotency_key.encode()).digest()
        earlier = await self._store.mint_replay(caller.minter_id, name)
        if earlier is None:
            salt = new_salt()

            def replay(master: Key) -> MintReplay:
                return MintReplay(
                    minter_key_id=caller.minter_id,
                    idempotency_sha256=name,
                    request_json=_canonical_account(request),
                    salt=salt,
                    key_id=master.key_id,
                    created_at_ms=master.created_at_ms,
                )

            try:
                return await self.account(
                    request.name,
                    postpaid=request.postpaid,
                    secret=derived_secret(caller.secret, salt),
                    first_nano_usd=first,
                    replay=replay,
                )
            except Conflict:
                earlier = await self._store.mint_replay(caller.minter_id, name)
                if earlier is None:
                    raise
        minted = await self._repeat(caller, _canonical_account(request), earlier)
        account = await self._store.account(minted.key.account_id)
        if account is None:
            raise Bug("a key has no account")
        return account, minted

    async def account(
        self,
        name: str,
        *,
        postpaid: bool,
        secret: str = "",
        account_id: str = "",
        first_nano_usd: int = 0,
        replay: Callable[[Key], MintReplay] | None = None,
    ) -> tuple[Account, Minted]:
        """Make an account with its first balance and its first master key, or nothing."""
        now_ms = await self._store.now_ms()
        account = Account(
            account_id=account_id or new_account_id(),
            name=requests.text(name, "name", requests.NAME_CHARACTERS_MAX, least=1),
            wallet_id=new_line_id(now_ms),
            postpaid=postpaid,
            created_at_ms=now_ms,
        )
        secret = secret or new_secret()
        request = keys_pb2.MintRequest(name="master", scope=keys_pb2.KEY_SCOPE_MASTER)
        master = await self._build(account, request, secret)
        first = None
        if first_nano_usd:
            first = Grant(new_id(), account.wallet_id, first_nano_usd, "first balance")
        await self._store.add_account(
            account, master, first=first, replay=replay(master) if replay else None
        )
        return account, Minted(master, secret)


def expiry_ms(value: int, now_ms: int) -> int:
    """When a key ends; 0 is never, and the past is a mistake."""
    if value == 0:
        return 0
    return requests.number(value, "expires_at_ms", 2**53, least=now_ms + 1)


def unbounded_output(value: int) -> UnboundedOutput:
    """The policy for requests without an output limit."""
    known = requests.number(value, "unbounded_output", UnboundedOutput.REJECT)
    return UnboundedOutput(known or UnboundedOutput.FIT)


def on_disconnect(value: int) -> OnDisconnect:
    """The policy for requests whose client has gone."""
    known = requests.number(value, "on_disconnect", OnDisconnect.DRAIN)
    return OnDisconnect(known or OnDisconnect.ABORT)


def window_cap(message: keys_pb2.MintRequest | keys_pb2.Key) -> WindowCap | None:
    """The cap by calendar, where one is given."""
    return requests.window_cap(message.window_cap) if message.HasField("window_cap") else None


def _canonical(account: Account, request: keys_pb2.MintRequest) -> str:
    """What makes two mints the same, in a text that can be compared field by field."""
    fields: dict[str, object] = {
        "account_id": account.account_id,
        "name": request.name,
        "scope": requests.scope(request.scope),
        "cap_nano_usd": request.cap_nano_usd if request.HasField("cap_nano_usd") else None,
        "expires_at_ms": request.expires_at_ms,
        "external_user_id": request.external_user_id,
        "metadata": dict(sorted(request.metadata.items())),
        "allowed_providers": list(request.allowed_providers),
        "allowed_models": list(request.allowed_models),
        "unbounded_output": unbounded_output(request.unbounded_output),
        "on_disconnect": on_disconnect(request.on_disconnect),
        "window_cap": _plain(window_cap(request)),
        "rate_limits": _plain(requests.rate_limits(request.rate_limits)),
    }
    # Left out when empty, as the release before, whose mints are repeated for a day, had none.
    if request.allowed_origins:
        fields["allowed_origins"] = list(request.allowed_origins)
    if request.allowed_cidrs:
        fields["allowed_cidrs"] = list(request.allowed_cidrs)
    return json.dumps(fields, sort_keys=True)


def _canonical_account(request: keys_pb2.CreateAccountRequest) -> str:
    fields = {
        "name": request.name,
        "postpaid": request.postpaid,
        "grant_nano_usd": request.grant_nano_usd,
    }
    return json.dumps(fields, sort_keys=True)


def _plain(value: WindowCap | RateLimits | None) -> dict[str, object] | None:
    return None if value is None else asdict(value)

"""Who calls: decided from the call's metadata, before anything else happens."""

from __future__ import annotations

import enum
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mintgate.channel import CALLER_FACADE
from mintgate.errors import CREDENTIAL_FIELD

from mintgate_core.ledger import elsewhere, opens, standing
from mintgate_core.ledger.errors import Forbidden, KeyRevoked, NotFound, Unauthenticated
from mintgate_core.ledger.places import Place
from mintgate_core.ledger.types import Account, Key, KeyScope
from mintgate_core.secrets_of_keys import SECRET_PATTERN, digest
from mintgate_core.service import places
from mintgate_core.stores.base import Store


class Role(enum.Enum):
    """What a caller may be."""

    OPERATOR = "operator"
    """Runs the gateway: every account, and money into wallets."""
    SERVICE = "service"
    """A facade: holds and charges for every key, nothing else."""
    MASTER = "master"
    """An app builder: everything within one account."""
    STANDARD = "standard"
    """One user's key: its own usage and balance."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller."""

    role: Role
    key: Key | None = None
    secret: str = ""
    """Kept for the length of the call only, to derive secrets of idempotent mints."""
    place: Place = field(default_factory=Place)
    """Where the caller is."""

    def __repr__(self) -> str:
        return f"Principal({self.role.value}, {self.key.key_id if self.key else '-'})"

    @property
    def minter_id(self) -> str:
        """Under which name idempotency keys of this caller are kept."""
        return self.key.key_id if self.key else self.role.value


REVOKED_REMEMBERED_MAX = 16_384
"""Digests; beyond it the oldest is forgotten, which costs one read."""


class Gatekeeper:
    """Turns credentials into principals. Holds digests of the tokens, not the tokens.

    Secrets of revoked keys are remembered, so that a leaked one that hammers does not reach the
    store with each call. Nothing makes a revoked key valid again, and no other refusal lasts, so
    no other is remembered. A failover may lose a revocation: another epoch forgets them all.
    """

    def __init__(self, store: Store, operator_token: str, service_token: str) -> None:
        self._store = store
        self._tokens = (
            (hashlib.sha256(operator_token.encode()).digest(), Role.OPERATOR),
            (hashlib.sha256(service_token.encode()).digest(), Role.SERVICE),
        )
        self._service_sha256 = self._tokens[1][0]
        self._revoked: dict[bytes, str] = {}
        """What was said of each, by the digest of its secret."""
        self._epoch = store.epoch

    async def authenticate(
        self, metadata: Sequence[tuple[str, str | bytes]], peer: str = ""
    ) -> Principal:
        """Find the caller; `peer` is the other end of the call's connection.

        Raises `Unauthenticated` or one of its kinds, and `Forbidden` when the key may not be
        used from where it is.
        """
        credential = bearer(metadata)
        secret_sha256 = digest(credential)
        for token_sha256, role in self._tokens:
            if hmac.compare_digest(token_sha256, secret_sha256):
                return Principal(role, secret=credential)
        if not SECRET_PATTERN.fullmatch(credential):
            # A facade must be able to tell this from a refusal of the key that it asks about.
            raise Unauthenticated(
                "the credential is neither a key (qlk_live_...) nor a token", field=CREDENTIAL_FIELD
            )
        place = self._place(dict(metadata), peer)
        key = await self.key_of(secret_sha256, place)
        role = Role.MASTER if key.scope is KeyScope.MASTER else Role.STANDARD
        return Principal(role, key, credential, place)

    def _place(self, metadata: Mapping[str, str | bytes], peer: str) -> Place:
        """Where the caller is. What a facade says counts only with the facade's own token."""
        proof = metadata.get(CALLER_FACADE)
        if proof is None:
            return places.of_peer(peer)
        if hmac.compare_digest(digest(str(proof)), self._service_sha256):
            return places.told_by_facade(metadata)
        # A facade with another token: neither what it says counts, nor where it stands itself.
        return Place()

    async def key_of(self, secret_sha256: bytes, place: Place) -> Key:
        """The key that a secret opens now, shown at a place.

        Raises `Unauthenticated` or one of its kinds, and `Forbidden`.
        """
        if said := self._said_of_revoked(secret_sha256):
            raise KeyRevoked(said)
        key = await self._store.key_by_secret(secret_sha256)
        now_ms = await self._store.now_ms()
        if key is None or not opens(key, secret_sha256, now_ms):
            raise Unauthenticated("there is no such key")
        if refusal := standing(key, now_ms) or elsewhere(key, place):
            if isinstance(refusal, KeyRevoked):
                self._remember(secret_sha256, refusal.message)
            raise refusal
        return key

    def _said_of_revoked(self, secret_sha256: bytes) -> str | None:
        if self._store.epoch != self._epoch:
            self._epoch = self._store.epoch
            self._revoked.clear()
        return self._revoked.get(secret_sha256)

    def _remember(self, secret_sha256: bytes, said: str) -> None:
        if len(self._revoked) >= REVOKED_REMEMBERED_MAX:
            del self._revoked[next(iter(self._revoked))]
        self._revoked[secret_sha256] = said

    async def renew(self, principal: Principal) -> None:
        """Check a caller again in a call that lasts: its key may have ended or changed since.

        Raises what `key_of` raises.
        """
        if principal.key is None:
            return
        await self.key_of(digest(principal.secret), principal.place)

    async def account(self, principal: Principal, account_id: str) -> Account:
        """The account that a call is about.

        Callers with a key have their own, and another's does not exist for
        them. The operator names one; without a name it is the first.
        """
        if principal.key is not None:
            if account_id not in ("", principal.key.account_id):
                raise NotFound("there is no such account", field="account_id")
            account_id = principal.key.account_id
        elif principal.role is not Role.OPERATOR:
            raise Forbidden("this credential has no account")
        if account_id:
            account = await self._store.account(account_id)
        else:
            account = next(iter(await self._store.accounts("", 1)), None)
        if account is None:
            raise NotFound("there is no such account", field="account_id")
        return account


def bearer(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The credential of a call: exactly one `authorization: Bearer ...`."""
    values = [value for name, value in metadata if name == "authorization"]
    if len(values) != 1 or not isinstance(values[0], str):
        raise Unauthenticated("send one 'authorization: Bearer <key>' in the call's metadata")
    scheme, _, credential = values[0].partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthenticated("the authorization metadata must read 'Bearer <key>'")
    return credential.strip()

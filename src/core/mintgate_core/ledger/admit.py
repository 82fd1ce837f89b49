"""Whether a key may reserve at all, decided on the row read under the wallet's lock.

Nothing is cached: a revoked key fails on its next request because this reads
what the revocation wrote.
"""

from __future__ import annotations

import hmac
from fnmatch import fnmatchcase

from mintgate_core.ledger.errors import (
    KeyExpired,
    KeyPaused,
    KeyRevoked,
    LedgerError,
    LimitsChanged,
    ModelNotAllowed,
    ProviderNotAllowed,
    Unauthenticated,
)
from mintgate_core.ledger.operations import Reserve
from mintgate_core.ledger.places import elsewhere
from mintgate_core.ledger.types import Key, KeyStatus


def admit_key(key: Key | None, op: Reserve, now_ms: int) -> LedgerError | None:
    """Why this key may not make this reserve, or None."""
    if key is None or key.wallet_id != op.wallet_id:
        return Unauthenticated("there is no such key")
    if op.secret_sha256 is not None and not opens(key, op.secret_sha256, now_ms):
        # The secret was rotated after the service looked it up.
        return Unauthenticated("there is no such key")
    return (
        standing(key, now_ms)
        or (elsewhere(key, op.place) if op.place is not None else None)
        or allowed(key, op.subject.provider, op.subject.model)
        or _checked(key, op)
    )


def _checked(key: Key, op: Reserve) -> LedgerError | None:
    """Whether the reserve was checked against the rate limits that the key has now.

    The service keeps them in memory and checks them before the transaction. Told here that they
    are others, it checks again: so a change counts from the key's next request, without a read.
    """
    if op.rate_limits is None or op.rate_limits == key.rate_limits:
        return None
    return LimitsChanged("the rate limits of this key change", rate_limits=key.rate_limits)


def opens(key: Key, secret_sha256: bytes, now_ms: int) -> bool:
    """Whether a secret is the key's own, or the one before it in its grace period."""
    if hmac.compare_digest(key.secret_sha256, secret_sha256):
        return True
    previous = key.previous_secret_sha256
    return (
        previous is not None
        and now_ms < key.previous_secret_until_ms
        and hmac.compare_digest(previous, secret_sha256)
    )


def standing(key: Key, now_ms: int) -> LedgerError | None:
    """Why a key is not in force, or None."""
    if key.status is KeyStatus.REVOKED:
        return KeyRevoked("this key was revoked")
    if key.status is KeyStatus.PAUSED:
        return KeyPaused("this key is paused")
    if key.expires_at_ms and key.expires_at_ms <= now_ms:
        return KeyExpired("this key has expired")
    return None


def allowed(key: Key, provider: str, model: str) -> LedgerError | None:
    """Why a key may not use this provider or model, or None; an empty one is not asked about."""
    if provider and key.allowed_providers and provider not in key.allowed_providers:
        return ProviderNotAllowed(f"this key may not use {provider}", field="provider")
    if not model or not key.allowed_models:
        return None
    if not any(fnmatchcase(model, p) for p in key.allowed_models):
        return ModelNotAllowed(f"this key may not use the model {model}", field="model")
    return None

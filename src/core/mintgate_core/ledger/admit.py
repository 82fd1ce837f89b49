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
    ModelNotAllowed,
    ProviderNotAllowed,
    Unauthenticated,
)
from mintgate_core.ledger.operations import Reserve
from mintgate_core.ledger.types import Key, KeyStatus


def admit_key(key: Key | None, op: Reserve, now_ms: int) -> LedgerError | None:
    """Why this key may not make this reserve, or None."""
    if key is None or key.wallet_id != op.wallet_id:
        return Unauthenticated("there is no such key")
    if op.secret_sha256 is not None and not hmac.compare_digest(
        key.secret_sha256, op.secret_sha256
    ):
        # The secret was rotated after the service looked it up.
        return Unauthenticated("there is no such key")
    return standing(key, now_ms) or allowed(key, op.subject.provider, op.subject.model)


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
    """Why a key may not use this provider or model, or None."""
    if key.allowed_providers and provider not in key.allowed_providers:
        return ProviderNotAllowed(f"this key may not use {provider}", field="provider")
    if key.allowed_models and not any(fnmatchcase(model, p) for p in key.allowed_models):
        return ModelNotAllowed(f"this key may not use the model {model}", field="model")
    return None

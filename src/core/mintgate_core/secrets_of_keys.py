"""Secrets of keys: how they look, how they are made, and what is kept of them.

Only the SHA-256 of a secret is stored. A secret has 256 random bits, so a plain
digest cannot be searched, and looking a key up by it is one indexed read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

SECRET_PREFIX = "qlk_live_"  # noqa: S105 - the visible start of every secret, not one itself
SECRET_PATTERN = re.compile(r"qlk_live_[0-9a-f]{64}")
SALT_BYTES = 32
PREFIX_CHARACTERS = 4

_MINT_LABEL = b"mintgate mint v1\x00"


def new_secret() -> str:
    """A fresh secret."""
    return SECRET_PREFIX + secrets.token_hex(32)


def new_salt() -> bytes:
    """The public half of a secret that a repeat of its mint must find again."""
    return secrets.token_bytes(SALT_BYTES)


def derived_secret(minter_secret: str, salt: bytes) -> str:
    """The secret of a mint with an idempotency key.

    It follows from the minting key's own secret, which the server does not
    keep, and a salt, which it does: a repeat of the mint can be answered with
    the same secret, and a copy of the database cannot.
    """
    digest = hmac.new(minter_secret.encode(), _MINT_LABEL + salt, hashlib.sha256)
    return SECRET_PREFIX + digest.hexdigest()


def digest(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def display_prefix(secret: str) -> str:
    """How a key is shown to people: its first and last four hexadecimal digits."""
    body = secret.removeprefix(SECRET_PREFIX)
    return f"{SECRET_PREFIX}{body[:PREFIX_CHARACTERS]}…{body[-PREFIX_CHARACTERS:]}"

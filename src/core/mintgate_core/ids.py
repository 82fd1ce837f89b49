"""Identifiers that the core makes. The only place for randomness besides key secrets."""

from __future__ import annotations

import secrets

from mintgate.ids import new_id

from mintgate_core.ledger.windows import LINE_ID_RANDOM_BITS, line_id_of


def new_key_id() -> str:
    """A key's public id, ordered by time."""
    return f"key_{new_id().hex()}"


def new_account_id() -> str:
    """An account's public id, ordered by time."""
    return f"acc_{new_id().hex()}"


def new_line_id(now_ms: int) -> int:
    """A line's id: 42 bits of milliseconds and 21 random ones, within int64.

    Made by the application and never by a sequence, so that any engine that
    speaks SQL can hold the table. Two in the same millisecond collide with a
    chance of one in two million, and the primary key then refuses the second.
    """
    return line_id_of(now_ms, secrets.randbits(LINE_ID_RANDOM_BITS))

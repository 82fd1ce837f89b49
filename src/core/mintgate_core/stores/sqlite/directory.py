"""Accounts and keys in the embedded store. Every writer runs inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from mintgate_core.ledger.errors import Conflict, NotFound
from mintgate_core.ledger.types import Account, Entry, Key, Line
from mintgate_core.ledger.windows import changed_caps, lifetime_line
from mintgate_core.stores import rows
from mintgate_core.stores.base import MINT_REPLAY_MS, KeyChange, MintReplay
from mintgate_core.stores.columns import ACCOUNT_COLUMNS, KEY_COLUMNS
from mintgate_core.stores.sqlite import sql


def add_account(
    connection: sqlite3.Connection,
    account: Account,
    master: Key,
    wallet: tuple[Line, list[Entry]],
    replay: MintReplay | None,
) -> None:
    """Create an account, its wallet and its first key. Raises `Conflict` when an id is taken."""
    line, entries = wallet
    try:
        connection.execute(
            sql.INSERT_ACCOUNT,
            rows.account_row(account),
        )
        _insert_line(connection, line)
        connection.executemany(sql.INSERT_JOURNAL, map(rows.entry_row, entries))
    except sqlite3.IntegrityError:
        raise Conflict("an id of the account is taken") from None
    add_key(connection, master, replay, account.created_at_ms)


def add_key(
    connection: sqlite3.Connection, key: Key, replay: MintReplay | None, now_ms: int
) -> None:
    """Create a key with its cap line; the replay row decides between two equal mints."""
    if replay is not None:
        connection.execute(sql.DELETE_OLD_REPLAYS, (now_ms - MINT_REPLAY_MS,))
        try:
            connection.execute(
                sql.INSERT_REPLAY,
                rows.replay_row(replay),
            )
        except sqlite3.IntegrityError:
            raise Conflict("the same mint was answered just now") from None
    try:
        connection.execute(sql.INSERT_KEY, rows.key_row(key))
        _insert_line(connection, lifetime_line(key))
    except sqlite3.IntegrityError:
        raise Conflict("an id of the key is taken") from None


def _insert_line(connection: sqlite3.Connection, line: Line) -> None:
    connection.execute(sql.INSERT_LINE, rows.line_row(line))


def change_key(connection: sqlite3.Connection, key_id: str, change: KeyChange) -> Key:
    """Read, change and write one key; changed caps move their lines."""
    before = key(connection, key_id)
    if before is None:
        raise NotFound("there is no such key", field="key_id")
    after, caps = changed_caps(before, change(before))
    connection.execute(sql.UPDATE_KEY, (*rows.key_row(after)[1:], key_id))
    for line in lines(connection, tuple(caps)).values():
        line.recap(caps[line.line_id])
        connection.execute(sql.UPDATE_LINE, rows.changed_line(line))
    return after


def key(connection: sqlite3.Connection, key_id: str) -> Key | None:
    """One key by its id."""
    return _one_key(connection, "key_id", key_id)


def keys_by_id(connection: sqlite3.Connection, key_ids: Sequence[str]) -> dict[str, Key]:
    """Keys by their ids."""
    return {row[0]: rows.key(row) for row in sql.rows_by(connection, sql.KEY, key_ids)}


def key_by_secret(connection: sqlite3.Connection, secret_sha256: bytes) -> Key | None:
    """One key by the digest of its secret, or else of the one before."""
    return _one_key(connection, "secret_sha256", secret_sha256) or _one_key(
        connection, "previous_secret_sha256", secret_sha256
    )


def _one_key(connection: sqlite3.Connection, column: str, value: object) -> Key | None:
    statement = sql.select_in(KEY_COLUMNS, "api_key", column, 1)
    row = connection.execute(statement, (value,)).fetchone()
    return rows.key(row) if row else None


def keys(
    connection: sqlite3.Connection,
    account_id: str,
    external_user_id: str,
    before_id: str,
    limit: int,
) -> list[Key]:
    """Keys of an account, newest first."""
    user, before = external_user_id, before_id
    found = connection.execute(sql.KEYS, (account_id, user, user, before, before, limit))
    return [rows.key(row) for row in found]


def account(connection: sqlite3.Connection, account_id: str) -> Account | None:
    """One account."""
    statement = sql.select_in(ACCOUNT_COLUMNS, "account", "account_id", 1)
    row = connection.execute(statement, (account_id,)).fetchone()
    return rows.account(row) if row else None


def accounts(connection: sqlite3.Connection, after_id: str, limit: int) -> list[Account]:
    """Accounts in order of their ids."""
    return [rows.account(row) for row in connection.execute(sql.ACCOUNTS, (after_id, limit))]


def lines(connection: sqlite3.Connection, line_ids: Sequence[int]) -> dict[int, Line]:
    """Lines by their ids."""
    return {row[0]: rows.line(row) for row in sql.rows_by(connection, sql.LINE, line_ids)}


def mint_replay(
    connection: sqlite3.Connection, minter_key_id: str, idempotency_sha256: bytes, now_ms: int
) -> MintReplay | None:
    """An earlier mint, unless it is older than a day."""
    row = connection.execute(
        sql.REPLAY, (minter_key_id, idempotency_sha256, now_ms - MINT_REPLAY_MS)
    ).fetchone()
    return MintReplay(*row) if row else None

"""Accounts and keys in PostgreSQL. Writers begin and commit a transaction of their own."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from mintgate_core.ledger.errors import Conflict, NotFound
from mintgate_core.ledger.types import Account, Entry, Key, Line
from mintgate_core.ledger.windows import changed_caps, lifetime_line
from mintgate_core.stores import rows
from mintgate_core.stores.base import MINT_REPLAY_MS, KeyChange, MintReplay
from mintgate_core.stores.columns import JOURNAL_COLUMNS
from mintgate_core.stores.postgres import sql
from mintgate_core.stores.postgres.arrays import bigints, columns, texts
from mintgate_core.stores.postgres.session import Session
from mintgate_core.stores.postgres.wire import Statement


async def add_account(
    session: Session,
    account: Account,
    master: Key,
    wallet: tuple[Line, list[Entry]],
    replay: MintReplay | None,
) -> None:
    """Create an account, its wallet and its first key. Raises `Conflict` when an id is taken."""
    line, entries = wallet
    statements: list[Statement] = [
        (sql.INSERT_ACCOUNT, rows.account_row(account)),
        (sql.INSERT_LINE, rows.line_row(line)),
    ]
    if entries:
        arrays = columns(sql.kinds(JOURNAL_COLUMNS), map(rows.entry_row, entries))
        statements.append((sql.INSERT_JOURNAL, arrays))
    statements += _remembered(replay, account.created_at_ms)
    try:
        await _insert(session, [*statements, *_key_and_line(master)])
    except psycopg.errors.UniqueViolation:
        raise Conflict(
            "an id of the account or of its key is taken, or the same request was answered"
        ) from None


async def add_key(session: Session, key: Key, replay: MintReplay | None, now_ms: int) -> None:
    """Create a key with its cap line; the replay row decides between two equal mints."""
    try:
        await _insert(session, [*_remembered(replay, now_ms), *_key_and_line(key)])
    except psycopg.errors.UniqueViolation:
        raise Conflict("an id of the key is taken, or the same mint was answered") from None


def _remembered(replay: MintReplay | None, now_ms: int) -> list[Statement]:
    if replay is None:
        return []
    return [
        (sql.DELETE_OLD_REPLAYS, [now_ms - MINT_REPLAY_MS]),
        (sql.INSERT_REPLAY, rows.replay_row(replay)),
    ]


def _key_and_line(key: Key) -> list[Statement]:
    return [
        (sql.INSERT_KEY, rows.key_row(key)),
        (sql.INSERT_LINE, rows.line_row(lifetime_line(key))),
    ]


async def _insert(session: Session, statements: Sequence[Statement]) -> None:
    await session.batch(session.beginning())
    # One by one, since a refused row is an answer here and not a failure.
    for statement, values in statements:
        await session.execute(statement, values)
    await session.commit()


async def change_key(session: Session, key_id: str, change: KeyChange) -> Key:
    """Lock the key's wallet, then read, change and write the key; changed caps move lines."""
    await session.batch(session.beginning())
    # A key never changes its wallet, so this may be read before the lock.
    found = await session.query(sql.WALLET_OF_KEY, [key_id])
    if not found:
        raise NotFound("there is no such key", field="key_id")
    await session.query(sql.LOCK_WALLETS, [bigints([found[0][0]])])
    before = await key(session, key_id)
    if before is None:
        raise NotFound("there is no such key", field="key_id")
    after, caps = changed_caps(before, change(before))
    statements: list[Statement] = [(sql.UPDATE_KEY, (*rows.key_row(after)[1:], key_id))]
    changed = await lines(session, tuple(caps))
    for line in changed.values():
        line.recap(caps[line.line_id])
    if changed:
        kinds = sql.kinds(f"{sql.CHANGED_LINE_COLUMNS}, line_id")
        arrays = columns(kinds, map(rows.changed_line, changed.values()))
        statements.append((sql.UPDATE_LINES, arrays))
    await session.commit(statements)
    return after


async def key(session: Session, key_id: str) -> Key | None:
    """One key by its id."""
    return await _one_key(session, sql.KEY_BY_ID, key_id)


async def keys_by_id(session: Session, key_ids: Sequence[str]) -> dict[str, Key]:
    """Keys by their ids."""
    found = await session.query(sql.KEYS_BY_ID, [texts(key_ids)])
    return {row[0]: rows.key(row) for row in found}


async def key_by_secret(session: Session, secret_sha256: bytes) -> Key | None:
    """One key by the digest of its secret, or else of the one before."""
    return await _one_key(session, sql.KEY_BY_SECRET, secret_sha256) or await _one_key(
        session, sql.KEY_BY_PREVIOUS_SECRET, secret_sha256
    )


async def _one_key(session: Session, statement: str, value: object) -> Key | None:
    found = await session.query(statement, [value])
    return rows.key(found[0]) if found else None


async def keys(
    session: Session, account_id: str, external_user_id: str, before_id: str, limit: int
) -> list[Key]:
    """Keys of an account, newest first."""
    user, before = external_user_id, before_id
    found = await session.query(sql.KEYS, [account_id, user, user, before, before, limit])
    return [rows.key(row) for row in found]


async def account(session: Session, account_id: str) -> Account | None:
    """One account."""
    found = await session.query(sql.ACCOUNT, [account_id])
    return rows.account(found[0]) if found else None


async def accounts(session: Session, after_id: str, limit: int) -> list[Account]:
    """Accounts in order of their ids."""
    return [rows.account(row) for row in await session.query(sql.ACCOUNTS, [after_id, limit])]


async def lines(session: Session, line_ids: Sequence[int]) -> dict[int, Line]:
    """Lines by their ids."""
    found = await session.query(sql.LINES_BY_ID, [bigints(line_ids)])
    return {row[0]: rows.line(row) for row in found}


async def mint_replay(
    session: Session, minter_key_id: str, idempotency_sha256: bytes, now_ms: int
) -> MintReplay | None:
    """An earlier mint, unless it is older than a day."""
    values = [minter_key_id, idempotency_sha256, now_ms - MINT_REPLAY_MS]
    found = await session.query(sql.REPLAY, values)
    return MintReplay(*found[0]) if found else None

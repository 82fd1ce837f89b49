"""Charges, their sums and prices in the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from mintgate_core.ledger.types import ChargeDetail
from mintgate_core.stores import rows
from mintgate_core.stores.base import EventQuery, StoredPrice, Usage, UsageRow
from mintgate_core.stores.event_queries import events_statement
from mintgate_core.stores.sqlite import sql
from mintgate_core.stores.usage_parts import usage_parts


def usage(
    connection: sqlite3.Connection, wallet_id: int, key_id: str, from_ms: int, to_ms: int
) -> list[UsageRow]:
    """Whole days and hours from the rollups, the edges from the charges, merged.

    All parts are read in one transaction by the caller, so that a charge made
    meanwhile is in each of them or in none.
    """
    sums: dict[tuple[str, str, str], Usage] = {}
    statements = sql.USAGE_OF_KEY if key_id else sql.USAGE
    of_key = (key_id,) if key_id else ()
    for table, span in usage_parts(from_ms, to_ms):
        for row in connection.execute(statements[table], (wallet_id, *span, *of_key)):
            group = (row[0], row[1], row[2])
            sums[group] = sums.get(group, _NOTHING) + Usage(*row[3:])
    return [UsageRow(*group, total) for group, total in sums.items()]


_NOTHING = Usage()


def fold_usage(connection: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Move rows of the open hours to the closed ones and to their days.

    Each statement picks the same rows: the first ones by the primary key, which nobody
    else changes within the caller's transaction.
    """
    due = (before_ms, limit)
    connection.execute(sql.CLOSE_HOURS, due)
    connection.execute(sql.ADD_TO_DAYS, due)
    return connection.execute(sql.DELETE_CLOSED, due).rowcount


def events(connection: sqlite3.Connection, query: EventQuery) -> list[ChargeDetail]:
    """Charges of a wallet or of one key."""
    statement, values = events_statement(query, "?")
    return [rows.detail(row) for row in connection.execute(statement, values)]


def last_used_ms(connection: sqlite3.Connection, key_ids: Sequence[str]) -> dict[str, int]:
    """Time of each key's newest charge."""
    found = {}
    for key_id in key_ids:
        row = connection.execute(sql.LAST_USED, (key_id,)).fetchone()
        if row:
            found[key_id] = row[0]
    return found


def keep_card(connection: sqlite3.Connection, version: str, card_json: str) -> None:
    """Keep a price card; the same digest is the same card."""
    connection.execute(
        "insert into price_card (version, card_json) values (?, ?) on conflict do nothing",
        (version, card_json),
    )


def card(connection: sqlite3.Connection, version: str) -> str | None:
    """A kept price card."""
    row = connection.execute(
        "select card_json from price_card where version = ?", (version,)
    ).fetchone()
    return str(row[0]) if row else None


def add_overrides(connection: sqlite3.Connection, prices: Sequence[StoredPrice]) -> None:
    """Keep prices set at run time, after all earlier ones."""
    connection.executemany(
        "insert into price_override (position, account_id, card_json, created_at)"
        " values ((select coalesce(max(position), 0) + 1 from price_override), ?, ?, ?)",
        [(price.account_id, price.card_json, price.created_at_ms) for price in prices],
    )


def overrides(connection: sqlite3.Connection, after_position: int) -> list[StoredPrice]:
    """Prices set at run time, in order."""
    found = connection.execute(
        "select account_id, card_json, created_at, position from price_override"
        " where position > ? order by position",
        (after_position,),
    )
    return [StoredPrice(*row) for row in found]

"""Charges, their sums and prices in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from mintgate_core.ledger.types import ChargeDetail
from mintgate_core.stores import rows
from mintgate_core.stores.base import EventQuery, StoredPrice, Usage, UsageRow
from mintgate_core.stores.event_queries import events_statement
from mintgate_core.stores.postgres import sql
from mintgate_core.stores.postgres.session import Session
from mintgate_core.stores.usage_parts import usage_parts


async def usage(
    session: Session, wallet_id: int, key_id: str, from_ms: int, to_ms: int
) -> list[UsageRow]:
    """Whole days and hours from the rollups, the edges from the charges, merged.

    All parts are read in one snapshot, so that a charge made meanwhile is in each of
    them or in none.
    """
    statements = sql.USAGE_OF_KEY if key_id else sql.USAGE
    of_key = [key_id] if key_id else []
    parts = usage_parts(from_ms, to_ms)
    begin = session.beginning("repeatable read, read only")
    results = await session.batch(
        [
            *begin,
            *((statements[table], [wallet_id, *span, *of_key]) for table, span in parts),
            ("commit", ()),
        ]
    )
    sums: dict[tuple[str, str, str], Usage] = {}
    for table in results[len(begin) : -1]:
        for row in table:
            group = (row[0], row[1], row[2])
            sums[group] = sums.get(group, _NOTHING) + Usage(*row[3:])
    return [UsageRow(*group, total) for group, total in sums.items()]


_NOTHING = Usage()


async def fold_usage(session: Session, before_ms: int, limit: int) -> int:
    """Move rows of the open hours to the closed ones and to their days."""
    settings = [(statement, ()) for statement in sql.BY_KEY_ONLY]
    await session.batch([*session.beginning(), *settings])
    ((count,),) = await session.query(sql.FOLD_USAGE, [before_ms, limit])
    await session.commit([(sql.NEEDS_FOLDED, ())] if count else ())
    return int(count)


async def events(session: Session, query: EventQuery) -> list[ChargeDetail]:
    """Charges of a wallet or of one key."""
    results = await session.batch(
        [*session.beginning(), (sql.WALK, ()), events_statement(query, "%s"), ("commit", ())]
    )
    return [rows.detail(row) for row in results[-2]]


async def last_used_ms(session: Session, key_ids: Sequence[str]) -> dict[str, int]:
    """Time of each key's newest charge."""
    results = await session.batch([(sql.LAST_USED, [key_id]) for key_id in key_ids])
    found = {}
    for key_id, table in zip(key_ids, results, strict=True):
        if table:
            found[key_id] = int(table[0][0])
    return found


async def keep_card(session: Session, version: str, card_json: str) -> None:
    """Keep a price card; the same digest is the same card."""
    await session.execute(sql.KEEP_CARD, [version, card_json])


async def card(session: Session, version: str) -> str | None:
    """A kept price card."""
    found = await session.query(sql.CARD, [version])
    return str(found[0][0]) if found else None


async def add_overrides(session: Session, prices: Sequence[StoredPrice]) -> None:
    """Keep prices set at run time, after all earlier ones."""
    for price in prices:
        values = [price.account_id, price.card_json, price.created_at_ms]
        await session.execute(sql.ADD_OVERRIDE, values)


async def overrides(session: Session, after_position: int) -> list[StoredPrice]:
    """Prices set at run time, in order."""
    found = await session.query(sql.OVERRIDES, [after_position])
    return [StoredPrice(*row) for row in found]

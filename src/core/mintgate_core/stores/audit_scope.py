"""How much of the books an audit reads: all of it, or what is new since its checkpoints.

A checkpoint says what a line had spent, and its ceiling, at a sequence number of its
wallet's journal; up to there an audit has found nothing. A line that spends no more
keeps its checkpoint while the wallet's goes on, so an audit rewrites only what moved.
Deleting checkpoints is always safe: the next audit then reads more.
"""

from __future__ import annotations

from dataclasses import dataclass

from mintgate_core.stores.base import HOUR_MS


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an engine calls things."""

    line_ids: str
    """A table function `x` with one `value` for each id in the text column `{table}.line_ids`."""
    hex: str
    """The text of the binary column `{}`."""
    kinds: str
    """The column `kind` of a group as one text."""
    greatest: str
    """The larger of two values."""
    each: str
    """Joins the rows of `{table}` as `{alias}` to those before it, found by an index for each of
    them. A planner left alone reads the whole table when it expects many, and it guesses."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What queries read, as texts that may stand where a table does."""

    base: str
    """(line_id, seq, spent, ceiling): where counting begins; no row means at nothing."""
    entries: str
    """Entries of the journal to look at."""
    related: str
    """All entries of the operations that those belong to."""
    details: str
    """Charge details to look at."""
    hours: str
    """Rows of the hourly rollups to look at, the open one and the closed one."""
    hour_details: str
    """All details of those hours."""


WHOLE = Scope(
    base="(select 0 as line_id, 0 as seq, 0 as spent, 0 as ceiling where 1 = 0)",
    entries="journal",
    related="journal",
    details="charge_detail",
    hours="(select * from usage_hour o union all select * from usage_closed_hour c)",
    hour_details="charge_detail",
)


def fresh(dialect: Dialect) -> Scope:
    """What came after the checkpoints. Its cost grows with that, and with lines and open holds."""
    entries = _after_checkpoints("journal", dialect)
    details = _after_checkpoints("charge_detail", dialect)
    operations = f"(select distinct op_id from {entries} o)"
    # New charges are in an hour that may have had others: it is added up whole.
    began = (
        f"(select wallet_id, min(at) / {HOUR_MS} * {HOUR_MS} as hour from {details} o"
        " group by wallet_id)"
    )
    return Scope(
        base="audit_checkpoint",
        entries=entries,
        related=_joined(operations, "journal", "r.op_id = b.op_id", dialect),
        details=details,
        hours=f"(select * from {_hours(began, 'usage_hour', dialect)} o"
        f" union all select * from {_hours(began, 'usage_closed_hour', dialect)} c)",
        hour_details=_joined(
            began, "charge_detail", "r.wallet_id = b.wallet_id and r.at >= b.hour", dialect
        ),
    )


def _after_checkpoints(table: str, dialect: Dialect) -> str:
    wallets = (
        "(select l.line_id, coalesce(c.seq, 0) as seq from line l"
        " left join audit_checkpoint c on c.line_id = l.line_id where l.kind = 1)"
    )
    return _joined(wallets, table, "r.wallet_id = b.line_id and r.seq > b.seq", dialect)


def _hours(began: str, table: str, dialect: Dialect) -> str:
    return _joined(began, table, "r.wallet_id = b.wallet_id and r.hour >= b.hour", dialect)


def _joined(base: str, table: str, on: str, dialect: Dialect) -> str:
    each = dialect.each.format(table=table, alias="r", on=on)
    return f"(select r.* from {base} b {each})"


CHECKPOINT_COLUMNS = "line_id, seq, spent, ceiling"

MOVED = (
    # Lines before their wallet: an audit that stops between two writes leaves a line's
    # checkpoint ahead of its wallet's, and each line counts from its own.
    "select l.line_id, w.seq, l.spent, l.ceiling, l.wallet_id from line l"
    " join line w on w.line_id = l.wallet_id"
    " left join audit_checkpoint c on c.line_id = l.line_id"
    " where l.spent <> coalesce(c.spent, 0) or (l.kind = 1 and w.seq <> coalesce(c.seq, 0))"
    " order by l.kind desc, l.line_id"
)
"""Checkpoints that are due, each with its wallet."""

ONLY_FORWARDS = (
    " on conflict (line_id) do update set seq = excluded.seq, spent = excluded.spent,"
    " ceiling = excluded.ceiling where audit_checkpoint.seq < excluded.seq"
)
"""Of two audits at once, the one that saw more counts."""

CLEAN_FULL_AUDIT = 1
"""The row of `audit_run` with the time at which an audit of everything last found nothing."""

CLEAN_FULL_AUDIT_AT = f"select at from audit_run where kind = {CLEAN_FULL_AUDIT}"
WAS_CLEAN = " on conflict (kind) do update set at = excluded.at where audit_run.at < excluded.at"

"""Every statement of the embedded store besides its schema and its audit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mintgate_core.stores.base import DAY_MS
from mintgate_core.stores.columns import (
    ACCOUNT_COLUMNS,
    DETAIL_COLUMNS,
    HOLD_COLUMNS,
    JOB_COLUMNS,
    JOURNAL_COLUMNS,
    KEY_COLUMNS,
    LINE_COLUMNS,
    OBJECT_COLUMNS,
    REPLAY_COLUMNS,
    USAGE_COLUMNS,
    USAGE_DAY_COLUMNS,
    USAGE_GROUP,
    USAGE_HOUR_COLUMNS,
)
from mintgate_core.stores.usage_parts import UsageTable


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def insert(table: str, columns: str) -> str:
    """Insert one row."""
    return f"insert into {table} ({columns}) values ({_marks(columns.count(',') + 1)})"


def select_in(columns: str, table: str, column: str, count: int) -> str:
    """Rows of a table by a list of ids; `count` comes from `padded`."""
    return f"select {columns} from {table} where {column} in ({_marks(count)})"


IN_LIST_MAX = 1_024
"""Ids in one statement; a batch has at most 512 operations."""

LINE = (LINE_COLUMNS, "line", "line_id")
HOLD = (HOLD_COLUMNS, "hold", "hold_id")
ENTRY = (JOURNAL_COLUMNS, "journal", "op_id")
KEY = (KEY_COLUMNS, "api_key", "key_id")
JOB = (JOB_COLUMNS, "job", "hold_id")
OBJECT_COUNT = ("key_id, n", "object_count", "key_id")


def rows_by(
    connection: sqlite3.Connection, source: tuple[str, str, str], ids: Iterable[object]
) -> Iterator[Sequence[Any]]:
    """Rows of `source` (columns, table, id column) by ids."""
    values = list(ids)
    for start in range(0, len(values), IN_LIST_MAX):
        part = _padded(values[start : start + IN_LIST_MAX])
        yield from connection.execute(select_in(*source, len(part)), part)


def _padded(values: list[object]) -> list[object]:
    """Repeat the last value up to the next power of two.

    The driver caches prepared statements by their text; padding keeps the
    number of texts at eleven.
    """
    size = 1
    while size < len(values):
        size *= 2
    return values + [values[-1]] * (size - len(values))


INSERT_LINE = insert("line", LINE_COLUMNS)
UPDATE_LINE = "update line set cap = ?, ceiling = ?, held = ?, spent = ?, seq = ? where line_id = ?"
INSERT_HOLD = insert("hold", HOLD_COLUMNS)
UPDATE_HOLD = (
    "update hold set amount = ?, metered = ?, metered_amount = ?, expires_at = ?, job = ?"
    " where hold_id = ?"
)
DELETE_HOLD = "delete from hold where hold_id = ?"
INSERT_JOB = insert("job", JOB_COLUMNS)
UPDATE_JOB = "update job set state = ?, due_at = ?, deadline = ? where hold_id = ?"
DELETE_JOB = "delete from job where hold_id = ?"
INSERT_JOURNAL = insert("journal", JOURNAL_COLUMNS)
INSERT_DETAIL = insert("charge_detail", DETAIL_COLUMNS)
ADD_OBJECT = insert("owned_object", OBJECT_COLUMNS) + " on conflict do nothing"


def _added(table: str, time: str) -> str:
    """What an insert into a rollup does where it has the row already."""
    sums = ", ".join(f"{c} = {table}.{c} + excluded.{c}" for c in USAGE_COLUMNS.split(", "))
    return f" on conflict ({USAGE_GROUP.format(time)}) do update set {sums}"


ADD_USAGE_HOUR = insert("usage_hour", USAGE_HOUR_COLUMNS) + _added("usage_hour", "hour")

INSERT_ACCOUNT = insert("account", ACCOUNT_COLUMNS)
INSERT_KEY = insert("api_key", KEY_COLUMNS)
UPDATE_KEY = (
    "update api_key set "
    + ", ".join(f"{c} = ?" for c in KEY_COLUMNS.split(", ")[1:])
    + " where key_id = ?"
)
ENTER_WINDOW = (
    "update api_key set window_line = ?, window_start = ?, window_end = ? where key_id = ?"
)
REVOKED_SINCE = (
    "select key_id, revoked_at from api_key where revoked_at > 0 and revoked_at >= ?"
    " order by revoked_at desc limit ?"
)
INSERT_REPLAY = insert("mint_replay", REPLAY_COLUMNS)
DELETE_OLD_REPLAYS = "delete from mint_replay where created_at < ?"

DUE_HOLDS = "select hold_id, wallet_id from hold where expires_at <= ? order by expires_at limit ?"
DUE_JOBS = f"select {JOB_COLUMNS} from job where due_at <= ? order by due_at limit ?"
LEASE_JOB = "update job set due_at = ?, attempt = ? where hold_id = ?"
HOLDS = f"select {HOLD_COLUMNS} from hold where wallet_id = ? order by reserved_at limit ?"
ALL_HOLDS = f"select {HOLD_COLUMNS} from hold order by reserved_at limit ?"
OPEN_HOLDS = (
    "select count(*), coalesce(sum(amount), 0), count(*) filter (where expires_at <= ?),"
    " count(*) filter (where job > 0),"
    " coalesce(? - min(reserved_at) filter (where job > 0), 0) from hold"
)
JOURNAL = (
    f"select {JOURNAL_COLUMNS} from journal where wallet_id = ? and seq > ? order by seq limit ?"
)
WALLET_OF_HOLD = "select wallet_id from hold where hold_id = ?"
WALLET_OF_ENTRY = "select wallet_id from journal where op_id = ? limit 1"
LAST_TIME = (
    # The newest entry of each wallet by the unique index, never the whole journal.
    "select max(coalesce((select max(j.at) from line l join journal j"
    " on j.wallet_id = l.line_id and j.seq = l.seq where l.kind = 1), 0),"
    " coalesce((select max(reserved_at) from hold), 0),"
    " coalesce((select max(created_at) from api_key), 0))"
)

KEYS = (
    f"select {KEY_COLUMNS} from api_key where account_id = ? and (? = '' or external_user_id = ?)"
    " and (? = '' or key_id < ?) order by key_id desc limit ?"
)
ACCOUNTS = f"select {ACCOUNT_COLUMNS} from account where account_id > ? order by account_id limit ?"
REPLAY = (
    f"select {REPLAY_COLUMNS} from mint_replay where minter_key_id = ?"
    " and idempotency_sha256 = ? and created_at >= ?"
)
LAST_USED = "select at from charge_detail where key_id = ? order by seq desc limit 1"

_USAGE_SUMS = ", ".join(f"sum({c})" for c in USAGE_COLUMNS.split(", "))
_DETAIL_SUMS = _USAGE_SUMS.replace("sum(request_count)", "sum(prior = 0)")


def _usage(table: UsageTable, time: str, where: str = "") -> str:
    sums = _DETAIL_SUMS if table is UsageTable.DETAILS else _USAGE_SUMS
    return (
        f"select key_id, provider, model, {sums} from {table.value}"
        f" where wallet_id = ? and {time} >= ? and {time} < ?{where}"
        " group by key_id, provider, model"
    )


_TIMES = {
    UsageTable.DETAILS: "at",
    UsageTable.HOURS: "hour",
    UsageTable.CLOSED_HOURS: "hour",
    UsageTable.DAYS: "day",
}
USAGE = {table: _usage(table, time) for table, time in _TIMES.items()}
USAGE_OF_KEY = {table: _usage(table, time, " and key_id = ?") for table, time in _TIMES.items()}
"""Statements of their own: a plan that serves all keys as well reads the rows of all keys."""

_GROUP = USAGE_GROUP.format("hour")
_DUE = f"from usage_hour where hour < ? order by {_GROUP} limit ?"
_DAY = f"hour / {DAY_MS} * {DAY_MS}"
CLOSE_HOURS = (
    f"insert into usage_closed_hour ({USAGE_HOUR_COLUMNS}) select {USAGE_HOUR_COLUMNS} {_DUE}"
    + _added("usage_closed_hour", "hour")
)
ADD_TO_DAYS = (
    f"insert into usage_day ({USAGE_DAY_COLUMNS})"
    f" select wallet_id, {_DAY}, key_id, provider, model, {_USAGE_SUMS}"
    # The condition parts `on conflict` from a join's `on`.
    f" from (select {USAGE_HOUR_COLUMNS} {_DUE}) where true"
    f" group by wallet_id, {_DAY}, key_id, provider, model" + _added("usage_day", "day")
)
DELETE_CLOSED = f"delete from usage_hour where ({_GROUP}) in (select {_GROUP} {_DUE})"

"""Every statement of the PostgreSQL store besides its schema and its audit.

Only what other engines of this protocol have too: no sequence, trigger, function,
advisory lock, savepoint or enum. What writes a set of rows through `unnest` is made
by `_from_arrays` and `_change`, so that an engine without it needs two functions.
"""

from __future__ import annotations

from functools import lru_cache

from mintgate_core.stores.audit_scope import CHECKPOINT_COLUMNS, ONLY_FORWARDS, WAS_CLEAN
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

KINDS_MAX = 128
"""Lists of columns whose types are remembered; there are a few dozen."""

BYTEA = frozenset({"hold_id", "op_id", "secret_sha256", "previous_secret_sha256", "state"})
TEXT = frozenset(
    {
        "line_ids",
        "key_id",
        "account_id",
        "provider",
        "model",
        "requested_model",
        "route",
        "request_id",
        "price_version",
        "hold_price_version",
        "metered",
        "measured",
        "note",
        "provider_request_id",
        "surface",
        "operation",
        "object_kind",
        "object_id",
    }
)


@lru_cache(KINDS_MAX)
@lru_cache(KINDS_MAX)
def kinds(columns: str) -> tuple[str, ...]:
    """The type of each column's array."""
    return tuple(
        "bytea" if name in BYTEA else "text" if name in TEXT else "bigint"
        for name in columns.split(", ")
    )


def _arrays(columns: str) -> str:
    return ", ".join(f"%s::{kind}[]" for kind in kinds(columns))


def _from_arrays(table: str, columns: str) -> str:
    return f"insert into {table} ({columns}) select * from unnest({_arrays(columns)})"


def _change(table: str, columns: str, key: str) -> str:
    """Set columns of many rows, each row once; the key comes last."""
    assignments = ", ".join(f"{name} = d.{name}" for name in columns.split(", "))
    names = f"{columns}, {key}"
    return (
        f"update {table} t set {assignments} from (select * from unnest({_arrays(names)})"
        f" as d ({names})) d where t.{key} = d.{key}"
    )


def _insert(table: str, columns: str) -> str:
    marks = ", ".join(["%s"] * (columns.count(",") + 1))
    return f"insert into {table} ({columns}) values ({marks})"


CHANGED_LINE_COLUMNS = "cap, ceiling, held, spent, seq"
CHANGED_HOLD_COLUMNS = "amount, metered, metered_amount, expires_at, job"
CHANGED_JOB_COLUMNS = "state, due_at, deadline"
ENTERED_WINDOW_COLUMNS = "window_line, window_start, window_end"

# Round trip 1. The lock comes first and alone: a statement that also read anything else
# would read it as it was before the wait.
LOCK_WALLETS = (
    f"select {LINE_COLUMNS} from line where line_id = any(%s) order by line_id for update"
)
KEYS_BY_ID = f"select {KEY_COLUMNS} from api_key where key_id = any(%s)"
HOLDS_BY_ID = f"select {HOLD_COLUMNS} from hold where hold_id = any(%s)"
ENTRIES_BY_ID = f"select {JOURNAL_COLUMNS} from journal where op_id = any(%s)"
# Locked too, since claims change jobs without a wallet's lock; they never wait for this one.
JOBS_BY_ID = f"select {JOB_COLUMNS} from job where hold_id = any(%s) order by hold_id for update"
LINES_BY_ID = f"select {LINE_COLUMNS} from line where line_id = any(%s)"

# Round trip 2. Each statement changes one table, and each row of it once.
INSERT_LINES = _from_arrays("line", LINE_COLUMNS)
ENTER_WINDOWS = _change("api_key", ENTERED_WINDOW_COLUMNS, "key_id")
UPDATE_LINES = _change("line", CHANGED_LINE_COLUMNS, "line_id")
INSERT_HOLDS = _from_arrays("hold", HOLD_COLUMNS)
UPDATE_HOLDS = _change("hold", CHANGED_HOLD_COLUMNS, "hold_id")
DELETE_HOLDS = "delete from hold where hold_id = any(%s)"
INSERT_JOBS = _from_arrays("job", JOB_COLUMNS)
UPDATE_JOBS = _change("job", CHANGED_JOB_COLUMNS, "hold_id")
DELETE_JOBS = "delete from job where hold_id = any(%s)"
INSERT_JOURNAL = _from_arrays("journal", JOURNAL_COLUMNS)
INSERT_DETAILS = _from_arrays("charge_detail", DETAIL_COLUMNS)
ADD_OBJECTS = _from_arrays("owned_object", OBJECT_COLUMNS) + " on conflict do nothing"


def _added(table: str, time: str) -> str:
    """What an insert into a rollup does where it has the row already."""
    sums = ", ".join(f"{c} = {table}.{c} + excluded.{c}" for c in USAGE_COLUMNS.split(", "))
    return f" on conflict ({USAGE_GROUP.format(time)}) do update set {sums}"


ADD_USAGE_HOURS = _from_arrays("usage_hour", USAGE_HOUR_COLUMNS) + _added("usage_hour", "hour")

INSERT_ACCOUNT = _insert("account", ACCOUNT_COLUMNS)
INSERT_KEY = _insert("api_key", KEY_COLUMNS)
INSERT_LINE = _insert("line", LINE_COLUMNS)
UPDATE_KEY = (
    "update api_key set "
    + ", ".join(f"{name} = %s" for name in KEY_COLUMNS.split(", ")[1:])
    + " where key_id = %s"
)
INSERT_REPLAY = _insert("mint_replay", REPLAY_COLUMNS)
DELETE_OLD_REPLAYS = "delete from mint_replay where created_at < %s"

WALLET_OF_KEY = "select wallet_id from api_key where key_id = %s"
KEY_BY_ID = f"select {KEY_COLUMNS} from api_key where key_id = %s"
KEY_BY_SECRET = f"select {KEY_COLUMNS} from api_key where secret_sha256 = %s"
KEY_BY_PREVIOUS_SECRET = f"select {KEY_COLUMNS} from api_key where previous_secret_sha256 = %s"
KEYS = (
    f"select {KEY_COLUMNS} from api_key where account_id = %s"
    " and (%s::text = '' or external_user_id = %s) and (%s::text = '' or key_id < %s)"
    " order by key_id desc limit %s"
)
REVOKED_SINCE = (
    "select key_id, revoked_at from api_key where revoked_at > 0 and revoked_at >= %s"
    " order by revoked_at desc limit %s"
)
ACCOUNT = f"select {ACCOUNT_COLUMNS} from account where account_id = %s"
ACCOUNTS = (
    f"select {ACCOUNT_COLUMNS} from account where account_id > %s order by account_id limit %s"
)
REPLAY = (
    f"select {REPLAY_COLUMNS} from mint_replay where minter_key_id = %s"
    " and idempotency_sha256 = %s and created_at >= %s"
)

DUE_HOLDS = (
    "select hold_id, wallet_id from hold where expires_at <= %s order by expires_at limit %s"
)
HOLDS = f"select {HOLD_COLUMNS} from hold where wallet_id = %s order by reserved_at limit %s"
ALL_HOLDS = f"select {HOLD_COLUMNS} from hold order by reserved_at limit %s"
OPEN_HOLDS = (
    "select count(*), coalesce(sum(amount), 0)::bigint,"
    " coalesce(sum(case when expires_at <= %s then 1 else 0 end), 0)::bigint,"
    " coalesce(sum(case when job > 0 then 1 else 0 end), 0)::bigint,"
    " coalesce(%s - min(case when job > 0 then reserved_at end), 0)::bigint from hold"
)
JOURNAL = (
    f"select {JOURNAL_COLUMNS} from journal where wallet_id = %s and seq > %s order by seq limit %s"
)
WALLET_OF_OPERATION = (
    "select wallet_id from hold where hold_id = %s union all"
    " select wallet_id from journal where op_id = %s limit 1"
)
LAST_TIME = (
    # The newest entry of each wallet by the unique index, never the whole journal.
    "select greatest(coalesce((select max(j.at) from line l join journal j"
    " on j.wallet_id = l.line_id and j.seq = l.seq where l.kind = 1), 0),"
    " coalesce((select max(reserved_at) from hold), 0),"
    " coalesce((select max(created_at) from api_key), 0))"
)

LAST_USED = "select at from charge_detail where key_id = %s order by seq desc limit 1"
_USAGE_SUMS = ", ".join(f"sum({name})::bigint" for name in USAGE_COLUMNS.split(", "))
_DETAIL_SUMS = _USAGE_SUMS.replace(
    "sum(request_count)", "sum(case when prior = 0 then 1 else 0 end)"
)


def _usage(table: UsageTable, time: str, where: str = "") -> str:
    sums = _DETAIL_SUMS if table is UsageTable.DETAILS else _USAGE_SUMS
    return (
        f"select key_id, provider, model, {sums} from {table.value}"
        f" where wallet_id = %s and {time} >= %s and {time} < %s{where}"
        " group by key_id, provider, model"
    )


_TIMES = {
    UsageTable.DETAILS: "at",
    UsageTable.HOURS: "hour",
    UsageTable.CLOSED_HOURS: "hour",
    UsageTable.DAYS: "day",
}
USAGE = {table: _usage(table, time) for table, time in _TIMES.items()}
USAGE_OF_KEY = {table: _usage(table, time, " and key_id = %s") for table, time in _TIMES.items()}
"""Statements of their own: a plan that serves all keys as well reads the rows of all keys."""

_GROUP = USAGE_GROUP.format("hour")
_DAY = f"hour / {DAY_MS} * {DAY_MS}"
FOLD_USAGE = (
    # One statement: what is deleted is what is added, as it was when its row was locked. Rows
    # that somebody else has in hand are passed over, and what is added to days is in one order,
    # so that folds never wait in a circle.
    f"with due as (select {_GROUP} from usage_hour where hour < %s limit %s"
    " for update skip locked),"
    " moved as (delete from usage_hour u using due d where "
    + " and ".join(f"u.{name} = d.{name}" for name in _GROUP.split(", "))
    + " returning u.*),"
    f" hours as (insert into usage_closed_hour ({USAGE_HOUR_COLUMNS})"
    f" select {USAGE_HOUR_COLUMNS} from moved order by {_GROUP}"
    f"{_added('usage_closed_hour', 'hour')}),"
    f" days as (insert into usage_day ({USAGE_DAY_COLUMNS})"
    f" select wallet_id, {_DAY}, key_id, provider, model, {_USAGE_SUMS} from moved"
    f" group by wallet_id, {_DAY}, key_id, provider, model order by 1, 2, 3, 4, 5"
    f"{_added('usage_day', 'day')})"
    " select count(*) from moved"
)
BY_KEY_ONLY = ("set local enable_hashjoin = off", "set local enable_mergejoin = off")
"""For a fold's transaction: it finds each row by its key, however many rows the table has."""
FOLDED_READABLE_FROM = 6
"""The first release that reads what was moved."""
NEEDS_FOLDED = (
    f"update schema_info set readable_from = {FOLDED_READABLE_FROM}"
    f" where id = 1 and readable_from < {FOLDED_READABLE_FROM}"
)

WALK = "set local enable_sort = off"
"""For pages of charges. A planner that guesses few rows between two numbers sorts them all; a
walk along the index ends with the page."""

KEEP_CARD = "insert into price_card (version, card_json) values (%s, %s) on conflict do nothing"
CARD = "select card_json from price_card where version = %s"
ADD_OVERRIDE = (
    "insert into price_override (position, account_id, card_json, created_at)"
    " values ((select coalesce(max(position), 0) + 1 from price_override), %s, %s, %s)"
)
"""Two at once take the same position; the second is refused and tried again."""
OVERRIDES = (
    "select account_id, card_json, created_at, position from price_override"
    " where position > %s order by position"
)

KEEP_CHECKPOINTS = _from_arrays("audit_checkpoint", CHECKPOINT_COLUMNS) + ONLY_FORWARDS
NOTE_CLEAN_AUDIT = _insert("audit_run", "kind, at") + WAS_CLEAN

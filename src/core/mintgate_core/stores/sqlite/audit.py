"""The invariants of the books, as queries. Each finding is a row that should not exist."""

from __future__ import annotations

import sqlite3

from mintgate_core.ledger.money import UNLIMITED, nano_from_pico_ceil
from mintgate_core.ledger.types import SettledBy
from mintgate_core.stores.base import HOUR_MS, Check
from mintgate_core.stores.sqlite import rows

_DRAWN = (
    "select wallet_id as line_id, amount as n from hold union all"
    " select x.value, amount from hold, json_each(hold.line_ids) x"
)
_SPENT = (
    "select wallet_id as line_id, charged as n from journal union all"
    " select x.value, charged from journal, json_each(journal.line_ids) x"
)

QUERIES: tuple[tuple[str, str, str], ...] = (
    (
        "what each line holds is the sum of the open holds that draw on it",
        "line",
        f"with d as (select line_id, sum(n) as n from ({_DRAWN}) group by line_id)"
        " select 'line ' || l.line_id || ' holds ' || l.held || ', its holds ' || coalesce(d.n, 0)"
        " from line l left join d on d.line_id = l.line_id where l.held <> coalesce(d.n, 0)",
    ),
    (
        "what each line has spent is the sum of the journal's charges to it",
        "line",
        f"with d as (select line_id, sum(n) as n from ({_SPENT}) group by line_id)"
        " select 'line ' || l.line_id || ' spent ' || l.spent || ', journal ' || coalesce(d.n, 0)"
        " from line l left join d on d.line_id = l.line_id where l.spent <> coalesce(d.n, 0)",
    ),
    (
        "a prepaid wallet's ceiling is the sum of its grants; a postpaid one has none",
        "account",
        "select 'wallet ' || l.line_id || ' ceiling ' || l.ceiling || ', granted ' ||"
        " coalesce(sum(j.granted), 0) from account a join line l on l.line_id = a.wallet_id"
        " left join journal j on j.wallet_id = l.line_id group by l.line_id having l.ceiling <>"
        f" case when a.postpaid then {UNLIMITED} else coalesce(sum(j.granted), 0) end",
    ),
    (
        "each wallet's journal is numbered 1, 2, 3 ... without a gap",
        "line",
        "select 'wallet ' || l.line_id || ' counts ' || l.seq || ', entries ' || count(j.seq)"
        " from line l left join journal j on j.wallet_id = l.line_id where l.kind = 1"
        " group by l.line_id having l.seq <> count(j.seq) or l.seq <> coalesce(max(j.seq), 0)",
    ),
    (
        "no hold is both open and resolved, and none is resolved twice",
        "journal",
        "select 'hold ' || hex(h.hold_id) || ' is open and resolved' from hold h"
        " join journal j on j.op_id = h.hold_id union all"
        " select 'hold ' || hex(op_id) || ' has entries ' || group_concat(kind) from journal"
        " where kind <> 1 group by op_id having sum(kind in (2, 3, 4)) > 1"
        " or sum(kind in (2, 5)) > 1",
    ),
    (
        "no line is below zero or above its ceiling, nor its ceiling above a lowered cap in vain",
        "line",
        "select 'line ' || line_id || ' held ' || held || ' spent ' || spent || ' ceiling ' ||"
        " ceiling from line where held < 0 or spent < 0 or held + spent > ceiling"
        " or ceiling > max(cap, held + spent)",
    ),
    (
        "money is conserved: granted minus charged is what the wallets have left, and every cost"
        " was charged or absorbed",
        "journal",
        "select 'wallets have ' || w || ', the journal says ' || j from ("
        "  select (select coalesce(sum(l.ceiling - l.spent), 0) from line l"
        "    join account a on a.wallet_id = l.line_id where not a.postpaid) as w,"
        "  (select coalesce(sum(j.granted - j.charged), 0) from journal j"
        "    join account a on a.wallet_id = j.wallet_id where not a.postpaid) as j) where w <> j"
        " union all select 'entry ' || hex(op_id) || ' actual ' || actual from journal"
        " where actual <> charged + absorbed",
    ),
    (
        "each charge has its detail and each detail its charge, with the same amounts",
        "charge_detail",
        "select 'charge ' || hex(j.op_id) || ' has no detail' from journal j left join"
        " charge_detail d on d.wallet_id = j.wallet_id and d.seq = j.seq where j.actual > 0"
        " and d.op_id is null union all"
        " select 'detail ' || hex(d.op_id) || ' differs from its charge' from charge_detail d"
        " left join journal j on j.wallet_id = d.wallet_id and j.seq = d.seq where j.op_id is null"
        " or j.op_id <> d.op_id or j.kind <> d.kind or j.charged <> d.charged"
        " or j.actual <> d.actual"
        " or j.key_id <> d.key_id",
    ),
    (
        "the hourly rollup is the sum of its charges",
        "usage_hour",
        "select 'hour ' || hour || ' of ' || key_id || ' ' || model || ' differs' from ("
        "  select wallet_id, hour, key_id, provider, model, request_count as n, charged as c,"
        "    absorbed as x, input_tokens as i, output_tokens as o from usage_hour union all"
        f"  select wallet_id, at / {HOUR_MS} * {HOUR_MS}, key_id, provider, model,"
        "    -sum(prior = 0), -sum(charged), -sum(absorbed), -sum(input_tokens),"
        f"    -sum(output_tokens) from charge_detail group by wallet_id, at / {HOUR_MS}, key_id,"
        "    provider, model)"
        " group by wallet_id, hour, key_id, provider, model"
        " having sum(n) <> 0 or sum(c) <> 0 or sum(x) <> 0 or sum(i) <> 0 or sum(o) <> 0",
    ),
)


def audit(connection: sqlite3.Connection) -> list[Check]:
    """Run every check in the caller's snapshot."""
    checks = [
        _query(connection, number, title, table, query)
        for number, (title, table, query) in enumerate(QUERIES, start=1)
    ]
    checks.append(_recompute(connection, len(checks) + 1))
    return checks


def _query(
    connection: sqlite3.Connection, number: int, title: str, table: str, query: str
) -> Check:
    (count,) = connection.execute(f"select count(*) from {table}").fetchone()
    return Check(number, title, count, tuple(row[0] for row in connection.execute(query)))


def _recompute(connection: sqlite3.Connection, number: int) -> Check:
    """Every charge follows from its own row: units times unit prices, rounded up once."""
    count = 0
    findings = []
    for op_id, text, actual, prior, settled_by, held in connection.execute(
        "select op_id, measured, actual, prior, settled_by, held from charge_detail"
    ):
        count += 1
        if settled_by == SettledBy.HOLD:
            whole = held
        else:
            measured = rows.measured(text)
            whole = recomputed(measured.units, measured.unit_prices)
        expected = max(0, whole - prior)
        if expected != actual:
            findings.append(f"charge {op_id.hex()} is {actual}, its row gives {expected}")
    title = "every charge can be computed again from its own row"
    return Check(number, title, count, tuple(findings))


def recomputed(units: tuple[tuple[int, int], ...], prices: tuple[tuple[int, int], ...]) -> int:
    """Sum of counts times unit prices, in nano-USD rounded up."""
    price_of = dict(prices)
    return nano_from_pico_ceil(sum(count * price_of[unit] for unit, count in units))

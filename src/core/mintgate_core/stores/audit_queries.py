"""The invariants of the books, as queries. Each finding is a row that should not exist.

The texts are the same for every engine and for both scopes: an audit of everything begins
at nothing, one of what is new begins at the checkpoints. A finding names its wallet, whose
checkpoints then stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mintgate_core.ledger.money import UNLIMITED, nano_from_pico_ceil
from mintgate_core.ledger.types import SettledBy
from mintgate_core.stores import rows
from mintgate_core.stores.audit_scope import WHOLE, Dialect, Scope
from mintgate_core.stores.base import DAY_MS, HOUR_MS
from mintgate_core.stores.columns import USAGE_COLUMNS

Found = tuple[str, int | None]
"""A finding and its wallet; None for one against all wallets together, which is one more view of
what other checks find against each."""


@dataclass(frozen=True, slots=True)
class Query:
    """One check."""

    title: str
    looked_at: str
    """The rows that it looks at, as a text that may stand where a table does."""
    findings: str
    """Selects the rows of `Found`."""


def queries(dialect: Dialect, scope: Scope) -> tuple[Query, ...]:
    """Every check but those that have functions of their own, by their numbers."""
    return (
        *_of_lines(dialect, scope),
        *_of_entries(dialect, scope),
        *_of_charges(dialect, scope),
    )


def _of_lines(dialect: Dialect, scope: Scope) -> tuple[Query, ...]:
    """Counters against the holds and entries that they add up."""
    drawn = _drawing("hold", "amount", "0", dialect)
    spent = _drawing(scope.entries, "charged", "t.seq", dialect)
    base = scope.base
    return (
        Query(
            "what each line holds is the sum of the open holds that draw on it",
            "line",
            f"with d as (select line_id, sum(n) as n from ({drawn}) y group by line_id)"
            " select 'line ' || l.line_id || ' holds ' || l.held || ', its holds ' ||"
            " coalesce(d.n, 0), l.wallet_id"
            " from line l left join d on d.line_id = l.line_id where l.held <> coalesce(d.n, 0)",
        ),
        Query(
            "what each line has spent is the sum of the journal's charges to it",
            "line",
            f"with d as (select y.line_id, sum(y.n) as n from ({spent}) y left join {base} c"
            " on c.line_id = y.line_id where y.seq > coalesce(c.seq, 0) group by y.line_id)"
            " select 'line ' || l.line_id || ' spent ' || l.spent || ', journal ' ||"
            " (coalesce(c.spent, 0) + coalesce(d.n, 0)), l.wallet_id"
            f" from line l left join d on d.line_id = l.line_id left join {base} c"
            " on c.line_id = l.line_id"
            " where l.spent <> coalesce(c.spent, 0) + coalesce(d.n, 0)",
        ),
        Query(
            "a prepaid wallet's ceiling is the sum of its grants; a postpaid one has none",
            "account",
            "with d as (select wallet_id, sum(granted) as n from"
            f" {scope.entries} j group by wallet_id)"
            " select 'wallet ' || l.line_id || ' ceiling ' || l.ceiling || ', granted ' ||"
            " (coalesce(c.ceiling, 0) + coalesce(d.n, 0)), l.line_id"
            f" from account a join line l on l.line_id = a.wallet_id left join {base} c"
            " on c.line_id = l.line_id left join d on d.wallet_id = l.line_id where l.ceiling <>"
            f" case when a.postpaid <> 0 then {UNLIMITED}"
            " else coalesce(c.ceiling, 0) + coalesce(d.n, 0) end",
        ),
        Query(
            "each wallet's journal is numbered 1, 2, 3 ... without a gap",
            "line",
            "with d as (select wallet_id, count(*) as n, max(seq) as top from"
            f" {scope.entries} j group by wallet_id)"
            " select 'wallet ' || l.line_id || ' counts ' || l.seq || ', entries ' ||"
            " (coalesce(c.seq, 0) + coalesce(d.n, 0)), l.line_id"
            f" from line l left join {base} c on c.line_id = l.line_id left join d"
            " on d.wallet_id = l.line_id where l.kind = 1 and"
            " (l.seq <> coalesce(c.seq, 0) + coalesce(d.n, 0)"
            " or l.seq <> coalesce(d.top, c.seq, 0))",
        ),
    )


def _of_entries(dialect: Dialect, scope: Scope) -> tuple[Query, ...]:
    """Entries against holds and each other, and lines against their bounds."""
    hex_ = dialect.hex.format
    reopened = dialect.each.format(table="journal", alias="j", on="j.op_id = h.hold_id")
    base, entries = scope.base, scope.entries
    return (
        Query(
            "no hold is both open and resolved, and none is resolved twice",
            entries,
            f"select 'hold ' || {hex_('h.hold_id')} || ' is open and resolved', h.wallet_id"
            f" from hold h {reopened} union all"
            f" select 'hold ' || {hex_('op_id')} || ' has entries ' || {dialect.kinds},"
            f" min(wallet_id) from {scope.related} j"
            " where kind <> 1 group by op_id having"
            " sum(case when kind in (2, 3, 4) then 1 else 0 end) > 1"
            " or sum(case when kind in (2, 5) then 1 else 0 end) > 1",
        ),
        Query(
            "no line is below zero or above its ceiling, nor its ceiling above a"
            " lowered cap in vain",
            "line",
            "select 'line ' || line_id || ' held ' || held || ' spent ' || spent || ' ceiling ' ||"
            " ceiling, wallet_id from line where held < 0 or spent < 0 or held + spent > ceiling"
            f" or ceiling > {dialect.greatest}(cap, held + spent)",
        ),
        Query(
            "money is conserved: granted minus charged is what the wallets have left, and every"
            " cost was charged or absorbed",
            entries,
            "select 'wallets have ' || w || ', the journal says ' || j, null from ("
            "  select (select coalesce(sum(l.ceiling - l.spent), 0) from line l"
            "    join account a on a.wallet_id = l.line_id where a.postpaid = 0) as w,"
            "  (select coalesce(sum(c.ceiling - c.spent), 0) from account a"
            f"    join {base} c on c.line_id = a.wallet_id where a.postpaid = 0) +"
            f"  (select coalesce(sum(j.granted - j.charged), 0) from {entries} j"
            "    join account a on a.wallet_id = j.wallet_id where a.postpaid = 0) as j) y"
            " where w <> j"
            f" union all select 'entry ' || {hex_('op_id')} || ' actual ' || actual, wallet_id"
            f" from {entries} j where actual <> charged + absorbed",
        ),
    )


def _of_charges(dialect: Dialect, scope: Scope) -> tuple[Query, ...]:
    """Details and rollups against the entries that they tell of."""
    hex_ = dialect.hex.format
    entries, details = scope.entries, scope.details
    return (
        Query(
            "each charge has its detail and each detail its charge, with the same amounts",
            details,
            f"select 'charge ' || {hex_('j.op_id')} || ' has no detail', j.wallet_id"
            f" from {entries} j left join {details} d"
            " on d.wallet_id = j.wallet_id and d.seq = j.seq where j.actual > 0"
            " and d.op_id is null union all"
            f" select 'detail ' || {hex_('d.op_id')} || ' differs from its charge', d.wallet_id"
            f" from {details} d"
            f" left join {entries} j on j.wallet_id = d.wallet_id and j.seq = d.seq"
            " where j.op_id is null or j.op_id <> d.op_id or j.kind <> d.kind"
            " or j.charged <> d.charged"
            " or j.actual <> d.actual"
            " or j.key_id <> d.key_id",
        ),
        Query(
            "the hourly rollups are the sum of their charges",
            scope.hours,
            "select 'hour ' || hour || ' of ' || key_id || ' ' || model || ' differs', wallet_id"
            " from (select wallet_id, hour, key_id, provider, model, request_count as n,"
            "    charged as c, absorbed as x, input_tokens as i, output_tokens as o"
            f"    from {scope.hours} u union all"
            f"  select wallet_id, at / {HOUR_MS} * {HOUR_MS}, key_id, provider, model,"
            "    -sum(case when prior = 0 then 1 else 0 end), -sum(charged), -sum(absorbed),"
            "    -sum(input_tokens),"
            f"    -sum(output_tokens) from {scope.hour_details} d"
            f"    group by wallet_id, at / {HOUR_MS}, key_id, provider, model) y"
            " group by wallet_id, hour, key_id, provider, model"
            " having sum(n) <> 0 or sum(c) <> 0 or sum(x) <> 0 or sum(i) <> 0 or sum(o) <> 0",
        ),
    )


def of_checkpoints(dialect: Dialect) -> Query:
    """What an audit of everything checks besides: the checkpoints that others begin at."""
    spent = _drawing(WHOLE.entries, "charged", "t.seq", dialect)
    return Query(
        "each checkpoint is what the journal adds up to at its sequence number",
        "audit_checkpoint",
        f"with d as (select y.line_id, sum(y.n) as n from ({spent}) y join audit_checkpoint c"
        " on c.line_id = y.line_id where y.seq <= c.seq group by y.line_id),"
        " g as (select c.line_id, sum(j.granted) as n, count(*) as entries from audit_checkpoint c"
        " join journal j on j.wallet_id = c.line_id and j.seq <= c.seq group by c.line_id)"
        " select 'checkpoint of line ' || c.line_id || ' at ' || c.seq || ' has spent ' ||"
        " c.spent || ', journal ' || coalesce(d.n, 0) || ', ceiling ' || c.ceiling || ', granted '"
        " || coalesce(g.n, 0) || ', entries ' || coalesce(g.entries, 0), w.line_id"
        " from audit_checkpoint c left join line l on l.line_id = c.line_id"
        " left join line w on w.line_id = l.wallet_id"
        " left join account a on a.wallet_id = c.line_id"
        " left join d on d.line_id = c.line_id left join g on g.line_id = c.line_id"
        " where w.line_id is null or c.seq > w.seq or c.spent <> coalesce(d.n, 0)"
        " or (l.kind = 1 and (c.seq <> coalesce(g.entries, 0)"
        " or (a.postpaid = 0 and c.ceiling <> coalesce(g.n, 0))))",
    )


def of_days() -> Query:
    """What an audit of everything checks besides: the days that closed hours were added to."""
    columns = USAGE_COLUMNS.split(", ")
    negated = ", ".join(f"-{name}" for name in columns)
    differs = " or ".join(f"sum({name}) <> 0" for name in columns)
    return Query(
        "each day of usage is the sum of its closed hours",
        "usage_day",
        "select 'day ' || day || ' of ' || key_id || ' ' || model || ' differs', wallet_id"
        f" from (select wallet_id, day, key_id, provider, model, {USAGE_COLUMNS} from usage_day d"
        f" union all select wallet_id, hour / {DAY_MS} * {DAY_MS}, key_id, provider, model,"
        f" {negated} from usage_closed_hour h) y"
        f" group by wallet_id, day, key_id, provider, model having {differs}",
    )


def _drawing(source: str, column: str, seq: str, dialect: Dialect) -> str:
    """Each amount once for the wallet and once for every other line that it draws on."""
    line_ids = dialect.line_ids.format(table="t")
    return (
        f"select t.wallet_id as line_id, {seq} as seq, t.{column} as n from {source} t union all"
        f" select cast(x.value as bigint), {seq}, t.{column} from {source} t, {line_ids}"
    )


def counting(query: Query) -> str:
    """How many rows a query looks at."""
    return f"select count(*) from {query.looked_at} q"


def charges(scope: Scope) -> str:
    """The rows that `recompute` takes."""
    columns = "op_id, measured, actual, prior, settled_by, held, wallet_id"
    return f"select {columns} from {scope.details} d"


def recompute(charges: Iterable[Sequence[Any]]) -> tuple[int, list[Found]]:
    """Every charge follows from its own row: units times unit prices, rounded up once.

    Returns how many there were, and the findings.
    """
    count = 0
    found: list[Found] = []
    for op_id, text, actual, prior, settled_by, held, wallet_id in charges:
        count += 1
        if settled_by == SettledBy.HOLD:
            whole = held
        else:
            measured = rows.measured(text)
            whole = recomputed(measured.units, measured.unit_prices)
        expected = max(0, whole - prior)
        if expected != actual:
            found.append((f"charge {op_id.hex()} is {actual}, its row gives {expected}", wallet_id))
    return count, found


RECOMPUTE_TITLE = "every charge can be computed again from its own row"


def recomputed(units: tuple[tuple[int, int], ...], prices: tuple[tuple[int, int], ...]) -> int:
    """Sum of counts times unit prices, in nano-USD rounded up."""
    price_of = dict(prices)
    return nano_from_pico_ceil(sum(count * price_of[unit] for unit, count in units))

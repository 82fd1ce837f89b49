"""The invariants of the books, as queries. Each finding is a row that should not exist.

The texts are the same for every engine; a `Dialect` names the few functions that are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mintgate_core.ledger.money import UNLIMITED, nano_from_pico_ceil
from mintgate_core.ledger.types import SettledBy
from mintgate_core.stores import rows
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


Query = tuple[str, str, str]
"""What holds, the table that was looked at, and the rows that break it."""


def queries(dialect: Dialect) -> tuple[Query, ...]:
    """Every check but the one that takes arithmetic, in order of their numbers."""
    return (*_of_lines(dialect), *_of_records(dialect))


def _of_lines(dialect: Dialect) -> tuple[Query, ...]:
    """Counters against the holds and entries that they add up."""
    drawn = _drawing("hold", "amount", dialect)
    spent = _drawing("journal", "charged", dialect)
    return (
        (
            "what each line holds is the sum of the open holds that draw on it",
            "line",
            f"with d as (select line_id, sum(n) as n from ({drawn}) y group by line_id)"
            " select 'line ' || l.line_id || ' holds ' || l.held || ', its holds ' ||"
            " coalesce(d.n, 0)"
            " from line l left join d on d.line_id = l.line_id where l.held <> coalesce(d.n, 0)",
        ),
        (
            "what each line has spent is the sum of the journal's charges to it",
            "line",
            f"with d as (select line_id, sum(n) as n from ({spent}) y group by line_id)"
            " select 'line ' || l.line_id || ' spent ' || l.spent || ', journal ' ||"
            " coalesce(d.n, 0)"
            " from line l left join d on d.line_id = l.line_id where l.spent <> coalesce(d.n, 0)",
        ),
        (
            "a prepaid wallet's ceiling is the sum of its grants; a postpaid one has none",
            "account",
            "select 'wallet ' || l.line_id || ' ceiling ' || l.ceiling || ', granted ' ||"
            " coalesce(sum(j.granted), 0) from account a join line l on l.line_id = a.wallet_id"
            " left join journal j on j.wallet_id = l.line_id group by"
            " l.line_id, a.account_id having l.ceiling <>"
            f" case when a.postpaid <> 0 then {UNLIMITED} else coalesce(sum(j.granted), 0) end",
        ),
        (
            "each wallet's journal is numbered 1, 2, 3 ... without a gap",
            "line",
            "select 'wallet ' || l.line_id || ' counts ' || l.seq || ', entries ' || count(j.seq)"
            " from line l left join journal j on j.wallet_id = l.line_id where l.kind = 1"
            " group by l.line_id having l.seq <> count(j.seq) or l.seq <> coalesce(max(j.seq), 0)",
        ),
    )


def _of_records(dialect: Dialect) -> tuple[Query, ...]:
    """Entries, details and rollups against each other, and lines against their bounds."""
    hex_ = dialect.hex.format
    return (
        (
            "no hold is both open and resolved, and none is resolved twice",
            "journal",
            f"select 'hold ' || {hex_('h.hold_id')} || ' is open and resolved' from hold h"
            " join journal j on j.op_id = h.hold_id union all"
            f" select 'hold ' || {hex_('op_id')} || ' has entries ' || {dialect.kinds}"
            " from journal"
            " where kind <> 1 group by op_id having"
            " sum(case when kind in (2, 3, 4) then 1 else 0 end) > 1"
            " or sum(case when kind in (2, 5) then 1 else 0 end) > 1",
        ),
        (
            "no line is below zero or above its ceiling, nor its ceiling above a"
            " lowered cap in vain",
            "line",
            "select 'line ' || line_id || ' held ' || held || ' spent ' || spent || ' ceiling ' ||"
            " ceiling from line where held < 0 or spent < 0 or held + spent > ceiling"
            f" or ceiling > {dialect.greatest}(cap, held + spent)",
        ),
        (
            "money is conserved: granted minus charged is what the wallets have left, and every"
            " cost was charged or absorbed",
            "journal",
            "select 'wallets have ' || w || ', the journal says ' || j from ("
            "  select (select coalesce(sum(l.ceiling - l.spent), 0) from line l"
            "    join account a on a.wallet_id = l.line_id where a.postpaid = 0) as w,"
            "  (select coalesce(sum(j.granted - j.charged), 0) from journal j"
            "    join account a on a.wallet_id = j.wallet_id where a.postpaid = 0) as j) y"
            " where w <> j"
            f" union all select 'entry ' || {hex_('op_id')} || ' actual ' || actual from journal"
            " where actual <> charged + absorbed",
        ),
        (
            "each charge has its detail and each detail its charge, with the same amounts",
            "charge_detail",
            f"select 'charge ' || {hex_('j.op_id')} || ' has no detail' from journal j left join"
            " charge_detail d on d.wallet_id = j.wallet_id and d.seq = j.seq where j.actual > 0"
            " and d.op_id is null union all"
            f" select 'detail ' || {hex_('d.op_id')} || ' differs from its charge'"
            " from charge_detail d"
            " left join journal j on j.wallet_id = d.wallet_id and j.seq = d.seq"
            " where j.op_id is null or j.op_id <> d.op_id or j.kind <> d.kind"
            " or j.charged <> d.charged"
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
            "    -sum(case when prior = 0 then 1 else 0 end), -sum(charged), -sum(absorbed),"
            "    -sum(input_tokens),"
            f"    -sum(output_tokens) from charge_detail group by wallet_id, at / {HOUR_MS},"
            "    key_id, provider, model) y"
            " group by wallet_id, hour, key_id, provider, model"
            " having sum(n) <> 0 or sum(c) <> 0 or sum(x) <> 0 or sum(i) <> 0 or sum(o) <> 0",
        ),
    )


def _drawing(table: str, column: str, dialect: Dialect) -> str:
    """Each amount once for the wallet and once for every other line that it draws on."""
    line_ids = dialect.line_ids.format(table=table)
    return (
        f"select wallet_id as line_id, {column} as n from {table} union all"
        f" select cast(x.value as bigint), {column} from {table}, {line_ids}"
    )


CHARGES = "select op_id, measured, actual, prior, settled_by, held from charge_detail"


def recompute(charges: Iterable[Sequence[Any]]) -> tuple[int, list[str]]:
    """Every charge follows from its own row: units times unit prices, rounded up once.

    Takes rows of `CHARGES`; returns how many there were, and the findings.
    """
    count = 0
    findings = []
    for op_id, text, actual, prior, settled_by, held in charges:
        count += 1
        if settled_by == SettledBy.HOLD:
            whole = held
        else:
            measured = rows.measured(text)
            whole = recomputed(measured.units, measured.unit_prices)
        expected = max(0, whole - prior)
        if expected != actual:
            findings.append(f"charge {op_id.hex()} is {actual}, its row gives {expected}")
    return count, findings


RECOMPUTE_TITLE = "every charge can be computed again from its own row"


def recomputed(units: tuple[tuple[int, int], ...], prices: tuple[tuple[int, int], ...]) -> int:
    """Sum of counts times unit prices, in nano-USD rounded up."""
    price_of = dict(prices)
    return nano_from_pico_ceil(sum(count * price_of[unit] for unit, count in units))

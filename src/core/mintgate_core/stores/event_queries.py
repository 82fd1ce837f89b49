"""How a page of charges is asked for: along one index, from where it begins, without a sort.

The texts are the same for every engine but for the mark of a value. A condition that is not
asked for is not in the text: a plan for one that may be off cannot begin at its value, and
walks there from the newest charge. What is written as an expression is only a filter, so
that no planner takes its index and sorts what it finds.
"""

from __future__ import annotations

from mintgate_core.stores.base import EventQuery
from mintgate_core.stores.columns import DETAIL_COLUMNS

DISORDER_MS = 10 * 60_000
"""How far times of a wallet's journal may go back against its numbers, at most. A store's clock
does not go back at all; two cores may still differ by a step of their database's clock."""

_NONE_BEFORE, _NONE_AFTER = 0, 2**63 - 1


def events_statement(query: EventQuery, mark: str) -> tuple[str, list[object]]:
    """The statement for a page of charges, and its values in their order."""
    parts: list[str] = []
    values: list[object] = []

    def where(text: str, *given: object) -> None:
        parts.append(text.format(mark=mark))
        values.extend(given)

    if query.key_id:
        where("key_id = {mark} and wallet_id + 0 = {mark}", query.key_id, query.wallet_id)
    else:
        where("wallet_id = {mark}", query.wallet_id)
    if query.before_seq:
        where("seq < {mark}", query.before_seq)
    elif query.to_ms:
        where(_first_after(_NONE_AFTER), query.wallet_id, query.to_ms + DISORDER_MS)
    if query.after_seq:
        where("seq > {mark}", query.after_seq)
    elif query.from_ms:
        where(_last_before(_NONE_BEFORE), query.wallet_id, query.from_ms - DISORDER_MS)
    if query.to_ms:
        where("at + 0 < {mark}", query.to_ms)
    if query.from_ms:
        where("at + 0 >= {mark}", query.from_ms)
    order = "seq" if query.ascending or query.after_seq else "seq desc"
    values.append(query.limit)
    return (
        f"select {DETAIL_COLUMNS} from charge_detail where {' and '.join(parts)}"
        f" order by {order} limit {mark}",
        values,
    )


def _first_after(otherwise: int) -> str:
    """Numbers that are surely beyond a span's end are left out, by the index of times."""
    return (
        "seq < coalesce((select e.seq from charge_detail e where e.wallet_id = {mark}"
        f" and e.at >= {{mark}} order by e.at limit 1), {otherwise})"
    )


def _last_before(otherwise: int) -> str:
    return (
        "seq > coalesce((select e.seq from charge_detail e where e.wallet_id = {mark}"
        f" and e.at < {{mark}} order by e.at desc limit 1), {otherwise})"
    )

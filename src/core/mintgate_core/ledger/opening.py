"""The wallet of a new account with its first balance, by the rules that every grant follows."""

from __future__ import annotations

from mintgate_core.ledger.books import Books
from mintgate_core.ledger.decide import decide
from mintgate_core.ledger.errors import LedgerError
from mintgate_core.ledger.operations import Grant
from mintgate_core.ledger.types import Account, Entry, Line, LineKind


def opened(account: Account, first: Grant | None) -> tuple[Line, list[Entry]]:
    """The wallet's line, and the journal that explains its ceiling.

    Raises what refuses a grant: a postpaid wallet takes none, and a balance has a bound.
    """
    ceiling = account.first_ceiling
    wallet = Line(account.wallet_id, account.wallet_id, LineKind.WALLET, ceiling, ceiling)
    if first is None:
        return wallet, []
    lines = {wallet.line_id: wallet}
    books = Books(account.created_at_ms, lines, keys={}, holds={}, entries={})
    (answer,) = decide(books, [first])
    if isinstance(answer, LedgerError):
        raise answer
    return wallet, books.new_entries

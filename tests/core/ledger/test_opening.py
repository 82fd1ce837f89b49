"""The wallet of a new account."""

from __future__ import annotations

import pytest
from mintgate_core.ledger.errors import Invalid
from mintgate_core.ledger.money import UNLIMITED
from mintgate_core.ledger.opening import opened
from mintgate_core.ledger.operations import Grant
from mintgate_core.ledger.types import Account, JournalKind, Line, LineKind

GRANT_ID = bytes(6) + b"\x70" + bytes(9)


def account(*, postpaid: bool = False) -> Account:
    """An account whose wallet is line 7."""
    return Account("acc_1", "acme", 7, postpaid=postpaid, created_at_ms=1_000)


@pytest.mark.parametrize(("postpaid", "ceiling"), [(False, 0), (True, UNLIMITED)])
def test_wallet_without_a_balance(*, postpaid: bool, ceiling: int) -> None:
    """A prepaid wallet begins empty, a postpaid one without a bound; neither has an entry."""
    wallet, entries = opened(account(postpaid=postpaid), None)
    assert wallet == Line(7, 7, LineKind.WALLET, ceiling, ceiling)
    assert entries == []


def test_first_balance_is_an_entry() -> None:
    """The ceiling is what the journal's first entry granted, at the account's own time."""
    wallet, (entry,) = opened(account(), Grant(GRANT_ID, 7, 25, "first"))
    assert (wallet.cap, wallet.ceiling, wallet.held, wallet.spent, wallet.seq) == (25, 25, 0, 0, 1)
    assert (entry.operation_id, entry.kind) == (GRANT_ID, JournalKind.GRANT)
    assert (entry.seq, entry.granted, entry.at_ms, entry.note) == (1, 25, 1_000, "first")


@pytest.mark.parametrize(("postpaid", "amount"), [(True, 1), (False, UNLIMITED)])
def test_balance_that_no_wallet_takes(*, postpaid: bool, amount: int) -> None:
    """What a later grant would be refused for refuses the account."""
    with pytest.raises(Invalid):
        opened(account(postpaid=postpaid), Grant(GRANT_ID, 7, amount, ""))

"""`mintgate holds`: whose, how old, and what is refused before anybody is asked."""

from __future__ import annotations

import pytest
from mintgate.v1 import ledger_pb2

from tests.clients.conftest import FakeCore

from .conftest import Mintgate

FAR_MS = 4_000_000_000_000
OLD = ledger_pb2.OpenHold(
    hold_id=b"o" * 16, account_id="acc_1", key_id="key_1", reserved_at_ms=1, request_id="req_o"
)
NEW = ledger_pb2.OpenHold(hold_id=b"n" * 16, account_id="acc_2", reserved_at_ms=FAR_MS, job=True)


def test_the_operator_sees_every_account(against: Mintgate, core: FakeCore) -> None:
    """`--all` asks for all accounts; the table names account, request, and the hold of a job."""
    core.will(
        "ListHolds",
        ledger_pb2.ListHoldsResponse(holds=[OLD, NEW]),
        ledger_pb2.ListHoldsResponse(holds=[OLD, NEW]),
    )

    shown = against("holds", "--all", "--json").json
    table = against("holds", "--all").out

    assert [hold["account_id"] for hold in shown["holds"]] == ["acc_1", "acc_2"]
    assert "acc_1" in table
    assert "req_o" in table
    assert [line.split()[-1] == "yes" for line in table.splitlines()[-2:]] == [False, True]
    assert core.requests("ListHolds")[0].every_account


def test_only_those_that_are_old(against: Mintgate, core: FakeCore) -> None:
    """`--older-than` keeps what was reserved before that long ago."""
    core.will("ListHolds", ledger_pb2.ListHoldsResponse(holds=[OLD, NEW]))

    shown = against("holds", "--account", "acc_1", "--older-than", "5m", "--json").json

    assert [hold["request_id"] for hold in shown["holds"]] == ["req_o"]
    assert core.requests("ListHolds")[0].account_id == "acc_1"
    assert not core.requests("ListHolds")[0].every_account


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--older-than", "5"), "--older-than"),
        (("--older-than", "-5m"), "--older-than"),
        (("--all", "--account", "acc_1"), "not both"),
    ],
)
def test_what_makes_no_sense_is_refused(
    against: Mintgate, core: FakeCore, arguments: tuple[str, ...], said: str
) -> None:
    """A bad age, or an account beside all of them, is one clear line."""
    ran = against("holds", *arguments)
    assert ran.status == 1
    assert said in ran.err
    assert core.requests("ListHolds") == []

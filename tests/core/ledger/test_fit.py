"""The limit that is fitted to a request which states none, and what a denial tells."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate_core.ledger import Books, decide
from mintgate_core.ledger.errors import CapExceeded, Denied
from mintgate_core.ledger.limits import FIT_OUTPUT_TOKENS_FLOOR, FIT_SHARE_DIVISOR
from mintgate_core.ledger.money import PICO_PER_NANO, UNLIMITED
from mintgate_core.ledger.operations import Answer, Price, Reserve, Reserved
from mintgate_core.ledger.types import Account, Line, LineKind, Subject, UnboundedOutput
from mintgate_core.stores.conformance.builders import build_key, expect

NANO = PICO_PER_NANO
MOST = 64_000
"""The model's largest output, unless a row says otherwise."""


@dataclass(frozen=True)
class Row:
    """A rule: the cap's room in nano-USD, the price, the tokens that are fitted."""

    rule: str
    room: int
    input_nano_usd: int = 0
    token_nano_usd: int = 1
    most: int = MOST
    least: int = 1
    tokens: int | None = None
    """None: denied."""


FITTED = (
    Row("an eighth of the room", 80_000, tokens=10_000),
    Row("the input comes off the eighth", 80_000, input_nano_usd=1_000, tokens=9_000),
    Row("never more than the model's largest output", 8_000_000, tokens=MOST),
    Row("never under 4096 where the room has them", 8_000, tokens=4_096),
    Row("even when the input takes the whole eighth", 8_000, input_nano_usd=3_000, tokens=4_096),
    Row("an eighth from where it passes 4096", 8 * 4_097, tokens=4_097),
    Row("less than 4096 where the room has no more", 3_000, tokens=3_000),
    Row("after the input", 3_000, input_nano_usd=2_900, tokens=100),
    Row("4096 is no floor for a smaller model", 80_000, most=1_000, tokens=1_000),
    Row("down to the provider's smallest limit", 16, least=16, tokens=16),
    Row("and not below it", 15, least=16),
    Row("one token is the smallest", 101, input_nano_usd=100, tokens=1),
    Row("no room for the first token", 100, input_nano_usd=100),
    Row("no room for the input", 99, input_nano_usd=100),
    Row("no room at all", 0),
    Row("a free output is not limited", 80, input_nano_usd=10, token_nano_usd=0, tokens=MOST),
    Row("dear tokens count as whole ones", 29, token_nano_usd=10, tokens=2),
)


def ask(room: int, price: Price, **key: object) -> Answer:
    """Reserve on a key with this room in a wallet without a limit."""
    account = Account("acc", "tenant", 1, postpaid=True, created_at_ms=0)
    books = Books(
        now_ms=1,
        lines={
            1: Line(1, 1, LineKind.WALLET, UNLIMITED, UNLIMITED),
            2: Line(2, 1, LineKind.KEY_CAP, room, room),
        },
        keys={"K": build_key(account, key_id="K", line_ids=(2,), **key)},
        holds={},
        entries={},
    )
    subject = Subject("K", "acc", "openai", "gpt", "chat", "", "card")
    (answer,) = decide(books, [Reserve(b"H" * 16, 1, subject, price)])
    assert books.lines[1].held == books.lines[2].held <= room
    return answer


@pytest.mark.parametrize("row", FITTED, ids=lambda row: row.rule)
def test_fitted(row: Row) -> None:
    """The row's limit is fitted and paid for, or the smallest limit is what is missing."""
    price = Price(
        row.input_nano_usd * NANO,
        row.token_nano_usd * NANO,
        row.most,
        stated=False,
        output_tokens_min=row.least,
    )
    answer = ask(row.room, price)
    if row.tokens is None:
        denial = expect(answer, CapExceeded)
        least = row.input_nano_usd + row.token_nano_usd * row.least
        assert (denial.required_nano_usd, denial.remaining_nano_usd) == (least, row.room)
        return
    reserved = expect(answer, Reserved)
    assert (reserved.output_tokens, reserved.fitted) == (row.tokens, True)
    cost = row.input_nano_usd + row.token_nano_usd * row.tokens
    assert reserved.token.amount_nano_usd == cost


amounts = st.integers(0, 10**9)
prices = st.builds(
    Price,
    fixed_pico_usd=st.integers(0, 10**9),
    unit_pico_usd=st.integers(0, 10**6),
    output_tokens=st.integers(1, 200_000),
    stated=st.just(False),
    output_tokens_min=st.integers(1, 64),
)


@given(room=amounts, price=prices)
def test_fitted_limit_is_the_largest_that_obeys(room: int, price: Price) -> None:
    """For any price: affordable, at least the floor where affordable, at most the share above."""
    answer = ask(room, price)

    def fits(tokens: int, budget: int) -> bool:
        return price.amount_nano_usd(tokens) <= budget

    floor = min(FIT_OUTPUT_TOKENS_FLOOR, price.output_tokens)
    if isinstance(answer, Denied):
        assert not fits(price.output_tokens_min, room) or price.output_tokens_min > floor
        return
    tokens = expect(answer, Reserved).output_tokens
    assert price.output_tokens_min <= tokens <= price.output_tokens
    assert fits(tokens, room)
    if tokens > floor:
        assert fits(tokens, room // FIT_SHARE_DIVISOR)
    if tokens < price.output_tokens:
        assert not fits(tokens + 1, room // FIT_SHARE_DIVISOR)
    if tokens < floor:
        assert not fits(tokens + 1, room)


@given(room=amounts, price=prices)
def test_denial_tells_a_limit_that_would_have_fitted(room: int, price: Price) -> None:
    """The affordable limit of a denial is the largest that a stated request could have had."""
    stated = Price(price.fixed_pico_usd, price.unit_pico_usd, price.output_tokens, stated=True)
    answer = ask(room, stated)
    if isinstance(answer, Reserved):
        assert not answer.fitted
        assert answer.token.amount_nano_usd == stated.amount_nano_usd(stated.output_tokens) <= room
        return
    denial = expect(answer, CapExceeded)
    assert denial.required_nano_usd == stated.amount_nano_usd(stated.output_tokens) > room
    assert denial.remaining_nano_usd == room
    tokens = denial.affordable_output_tokens
    assert tokens == 0 or stated.amount_nano_usd(tokens) <= room
    assert stated.amount_nano_usd(tokens + 1) > room


@given(room=amounts, price=prices)
def test_rejecting_key_is_never_fitted(room: int, price: Price) -> None:
    """Under `reject` the model's maximum is held, or nothing."""
    answer = ask(room, price, unbounded_output=UnboundedOutput.REJECT)
    if isinstance(answer, Reserved):
        assert (answer.output_tokens, answer.fitted) == (price.output_tokens, False)
    else:
        assert expect(answer, CapExceeded).required_nano_usd > room

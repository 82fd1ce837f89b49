from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mintgate import InvalidArgument, format_usd, nano_usd
from mintgate.money import NANO_USD_MAX, usd


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        ("5.00", 5_000_000_000),
        (" 0.1 ", 100_000_000),
        (3, 3_000_000_000),
        (0, 0),
        ("0.000000001", 1),
        (Decimal("1e-9"), 1),
        ("1e3", 1_000_000_000_000),
        ("4611686018.427387904", NANO_USD_MAX),
        ("5.0000000000000000000", 5_000_000_000),
    ],
)
def test_is_exact(amount: Decimal | int | str, nano: int) -> None:
    """Text, Decimal and int become exactly their nano-dollars."""
    assert nano == nano_usd(amount)


@pytest.mark.parametrize("amount", [0.1, 5.0, True, None, b"5"])
def test_refuses_what_is_not_exact(amount: object) -> None:
    """A float is refused whatever its value, and so is what only looks like a number."""
    with pytest.raises(TypeError, match="cap_usd"):
        nano_usd(amount, field="cap_usd")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "amount",
    ["", "five", "0.0000000001", "-1", "NaN", "Infinity", "1e99999999", "4611686018.427387905"],
)
def test_refuses_what_is_no_amount(amount: str) -> None:
    """Text that is no amount in range is refused by the name of its field."""
    with pytest.raises(InvalidArgument) as refused:
        nano_usd(amount, field="cap_usd")

    assert refused.value.field == "cap_usd"
    assert "cap_usd" in str(refused.value)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (5_000_000_000, "$5.00"),
        (100_000_000, "$0.10"),
        (123_456, "$0.000123456"),
        (1_234_567_890_000_000_000, "$1,234,567,890.00"),
        (-100_000_000, "-$0.10"),
    ],
)
def test_formats_without_rounding(nano: int, text: str) -> None:
    """Amounts show at least two decimals and as many more as they have."""
    assert text == format_usd(nano)


@given(st.integers(min_value=0, max_value=NANO_USD_MAX))
def test_round_trips(nano: int) -> None:
    """Every amount survives the way to text and to Decimal and back."""
    assert nano == nano_usd(usd(nano))
    assert nano == nano_usd(format_usd(nano).replace("$", "").replace(",", ""))

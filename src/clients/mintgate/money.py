"""Money at the edge: exact text and Decimal on the outside, nano-USD inside.

Inside the gateway money is an integer number of nano-USD (10^-9 USD). A float
cannot hold most prices exactly and is refused, whatever its value.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation, localcontext
from typing import Final

from .errors import InvalidArgument

Usd = Decimal | int | str
"""Amounts in USD that are exact: `Decimal("0.25")`, `5`, `"0.25"`."""

NANO_USD_PER_USD: Final = 1_000_000_000
NANO_USD_MAX: Final = 2**62
"""The largest amount that the protocol carries, about 4.6 billion USD."""

_DECIMALS: Final = 9
_DECIMALS_SHOWN_MIN: Final = 2
_DIGITS_MAX: Final = 64  # Longer input is not an amount of money.


def nano_usd(amount_usd: Usd, *, field: str = "amount_usd") -> int:
    """Return an amount in USD as nano-USD, exactly.

    Raises `TypeError` for a float, and `InvalidArgument` naming `field` for
    text that is no number, more than nine decimals, or an amount outside of
    0..2^62 nano-USD.
    """
    if isinstance(amount_usd, bool) or not isinstance(amount_usd, Decimal | int | str):
        raise TypeError(f"{field} must be a Decimal, an int or a str, for example '5.00'")
    try:
        amount = Decimal(amount_usd.strip() if isinstance(amount_usd, str) else amount_usd)
    except (InvalidOperation, ValueError):
        raise InvalidArgument(f"{field} is not an amount in USD", field=field) from None
    if not amount.is_finite() or len(amount.as_tuple().digits) > _DIGITS_MAX:
        raise InvalidArgument(f"{field} is not an amount in USD", field=field)
    # Compared before scaling, so that an exponent of a million costs nothing.
    if not 0 <= amount <= Decimal(NANO_USD_MAX) / NANO_USD_PER_USD:
        raise InvalidArgument(f"{field} must be from 0 to 4,611,686,018 USD", field=field)
    with localcontext(prec=_DIGITS_MAX + _DECIMALS):
        scaled = amount.scaleb(_DECIMALS)
        if scaled != scaled.to_integral_value():
            raise InvalidArgument(f"{field} has more than nine decimals", field=field)
        return int(scaled)


def usd(amount_nano_usd: int) -> Decimal:
    """Return nano-USD as USD, exactly."""
    return Decimal(amount_nano_usd).scaleb(-_DECIMALS)


def format_usd(amount_nano_usd: int) -> str:
    """Return nano-USD for a person: "$5.00", "$0.000123456", "-$0.10".

    Nothing is rounded: at least two decimals, and as many more as there are.
    """
    sign = "-" if amount_nano_usd < 0 else ""
    whole, nano = divmod(abs(amount_nano_usd), NANO_USD_PER_USD)
    decimals = f"{nano:09d}".rstrip("0").ljust(_DECIMALS_SHOWN_MIN, "0")
    return f"{sign}${whole:,}.{decimals}"

"""Amounts of money: exact decimals, read from and written as the text that the wire carries.

No result depends on the precision of a decimal context: what would be rounded raises.
"""

from __future__ import annotations

import decimal
import re
from decimal import Decimal
from typing import Any, Final

MAX_INTEGER_DIGITS: Final = 30
MAX_FRACTION_DIGITS: Final = 8

UNIT: Final = 10**MAX_FRACTION_DIGITS
"""How many of the smallest parts of money are one: as a whole number of these every amount, sum and difference is exact."""

_AMOUNT = re.compile(
    rf"(0|[1-9][0-9]{{0,{MAX_INTEGER_DIGITS - 1}}})(?:\.([0-9]{{1,{MAX_FRACTION_DIGITS}}}))?"
)
_HALF = Decimal("0.5")
# Sums of amounts need 40 digits; Inexact makes any loss an error instead of a wrong figure.
_EXACT = decimal.Context(prec=100, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow])


class NotAnAmount(ValueError):
    """The value is no amount."""


def parse_amount(value: Any) -> Decimal:
    """Read an amount as it stands in a payload.

    Args:
        value: A string such as "12.5", or an integer >= 0; at most 30 digits before the point and 8 behind it.

    Raises:
        NotAnAmount: If it is a boolean, a float, or has an exponent, a sign, a leading zero, white space or more digits.

    Source:
        `reading.md` section 6.

    Example:
        >>> parse_amount("0.10")
        Decimal('0.10')

    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**MAX_INTEGER_DIGITS:
        return Decimal(value)
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return Decimal(value)
    raise NotAnAmount(f"not an amount: {type(value).__name__}")


def parse_units(value: Any) -> int:
    """Read an amount as it stands in a payload, as `parse_amount` does, in units of 1 / `UNIT`.

    Raises:
        NotAnAmount: Where `parse_amount` does.

    Example:
        >>> parse_units("0.10"), parse_units(2)
        (10000000, 200000000)

    """
    if isinstance(value, str):
        match = _AMOUNT.fullmatch(value)
        if match is not None:
            whole, fraction = match.groups("")
            return int(whole + fraction.ljust(MAX_FRACTION_DIGITS, "0"))
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**MAX_INTEGER_DIGITS:
        return value * UNIT
    raise NotAnAmount(f"not an amount: {type(value).__name__}")


def format_units(units: int) -> str:
    """Write units of 1 / `UNIT` as money in its shortest form; a difference may be negative.

    Example:
        >>> format_units(10000000), format_units(-200000000)
        ('0.1', '-2')

    """
    whole, fraction = divmod(abs(units), UNIT)
    text = f"{whole}.{fraction:0{MAX_FRACTION_DIGITS}}".rstrip("0").rstrip(".")
    return f"-{text}" if units < 0 else text


def format_amount(amount: Decimal) -> str:
    """Write an amount in its shortest form: no exponent, no trailing zeros.

    Raises:
        NotAnAmount: If it is negative, infinite or not a number.

    Example:
        >>> format_amount(Decimal("1E+2")), format_amount(Decimal("0.50"))
        ('100', '0.5')

    """
    if not amount.is_finite() or amount < 0:
        raise NotAnAmount("an amount is finite and not negative")
    text = f"{amount.copy_abs():f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def add(a: Decimal, b: Decimal) -> Decimal:
    """Add exactly. Raises `decimal.Inexact` beyond 100 digits, which amounts never need."""
    return _EXACT.add(a, b)


def subtract(a: Decimal, b: Decimal) -> Decimal:
    """Subtract exactly; the difference may be negative. Raises `decimal.Inexact` beyond 100 digits."""
    return _EXACT.subtract(a, b)


def average(a: Decimal, b: Decimal) -> Decimal:
    """Average exactly; of two amounts it may have one fraction digit more than an amount may.

    Source:
        `reading.md` section 6.

    Example:
        >>> average(Decimal("10"), Decimal("12.5"))
        Decimal('11.25')

    """
    return _EXACT.multiply(add(a, b), _HALF)

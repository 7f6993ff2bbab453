"""Tests of amounts."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specs.amounts import (
    UNIT,
    NotAnAmount,
    add,
    average,
    format_amount,
    format_units,
    parse_amount,
    parse_units,
    subtract,
)

amounts = st.builds(
    lambda whole, part, places: Decimal(f"{whole}.{part % 10**places:0{places}d}"),
    st.integers(0, 10**30 - 1),
    st.integers(0, 10**8 - 1),
    st.integers(1, 8),
)


@pytest.mark.parametrize(
    "value", ["0", "0.5", "12.50", "0.00000001", "9" * 30 + ".99999999", 0, 7, 10**30 - 1]
)
def test_a_decimal_text_or_a_whole_number_is_an_amount(value):
    """It is taken exactly."""
    assert parse_amount(value) == Decimal(str(value))
    assert Fraction(parse_units(value), UNIT) == Fraction(str(value))


@pytest.mark.parametrize(
    "value",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "+1",
        "-1",
        "01",
        "00",
        ".5",
        "5.",
        "1e5",
        "1E5",
        "NaN",
        "Infinity",
        "1,5",
        "1_0",
        "٣",
        "0x1",
        "0.000000001",
        "9" * 31,
        10**30,
        -1,
        True,
        False,
        1.0,
        1.5,
        None,
        [],
        {},
        b"1",
    ],
)
def test_anything_else_is_not_an_amount(value):
    """Floats, booleans, signs, exponents, leading zeros, white space and too many digits are refused."""
    with pytest.raises(NotAnAmount):
        parse_amount(value)
    with pytest.raises(NotAnAmount):
        parse_units(value)


@pytest.mark.parametrize(
    ("text", "shortest"),
    [("10", "10"), ("0.10", "0.1"), ("1E+2", "100"), ("0.00", "0"), ("1E-8", "0.00000001")],
)
def test_an_amount_is_written_in_its_shortest_form(text, shortest):
    """No exponent and no trailing zeros."""
    assert format_amount(Decimal(text)) == shortest


@pytest.mark.parametrize("text", ["-1", "NaN", "Infinity"])
def test_what_is_no_amount_is_not_written(text):
    """Negative and non-finite decimals raise."""
    with pytest.raises(NotAnAmount):
        format_amount(Decimal(text))


@given(amounts, amounts)
def test_arithmetic_is_exact_whatever_the_context(a, b):
    """Sums, differences, averages and texts agree with fractions also where the context has three digits."""
    with decimal.localcontext() as context:
        context.prec = 3
        results = (add(a, b), subtract(a, b), average(a, b), parse_amount(format_amount(a)))
    assert [Fraction(result) for result in results] == [
        Fraction(a) + Fraction(b),
        Fraction(a) - Fraction(b),
        (Fraction(a) + Fraction(b)) / 2,
        Fraction(a),
    ]


@given(amounts)
def test_units_are_written_as_the_amount_that_they_are(amount):
    """In its shortest form, with a sign where they are a difference below nothing."""
    units = parse_units(f"{amount:f}")
    assert format_units(units) == format_amount(amount)
    assert format_units(-units) == (f"-{format_amount(amount)}" if amount else "0")

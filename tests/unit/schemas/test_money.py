from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InexactAmountError, UnknownCurrencyError
from schemas.money import _MINOR_UNITS, MAX_MINOR, format_minor, minor_units, to_minor

CURRENCIES = st.sampled_from(sorted(_MINOR_UNITS))


@pytest.mark.parametrize(
    ("currency", "digits"), [("GBP", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("ISK", 0), ("HUF", 2)]
)
def test_each_currency_has_its_own_minor_unit(currency: str, digits: int) -> None:
    assert minor_units(currency) == digits


def test_the_table_is_iso_4217s_list_of_currencies_with_a_minor_unit() -> None:
    assert len(_MINOR_UNITS) == 165
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in _MINOR_UNITS)


@pytest.mark.parametrize("currency", ["", "gbp", "XAU", "XTS", "GBPX", "£"])
def test_what_is_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(UnknownCurrencyError, match="ISO 4217"):
        minor_units(currency)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.34", "GBP", 1234),
        ("12.3400", "GBP", 1234),
        ("500", "JPY", 500),
        ("-0.001", "KWD", -1),
        ("1E+3", "JPY", 1000),
    ],
)
def test_an_amount_becomes_whole_minor_units(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("12.345", "GBP"),
        ("0.5", "JPY"),
        ("NaN", "GBP"),
        ("sNaN", "GBP"),
        ("Infinity", "GBP"),
        ("1E+999999", "GBP"),
        ("1E-999999", "GBP"),
        ("92233720368547758.08", "GBP"),
    ],
)
def test_an_amount_that_is_not_exact_is_refused_not_rounded(amount: str, currency: str) -> None:
    with pytest.raises(InexactAmountError):
        to_minor(Decimal(amount), currency)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1234, "GBP", "GBP 12.34"),
        (5, "GBP", "GBP 0.05"),
        (-5, "GBP", "GBP -0.05"),
        (500, "JPY", "JPY 500"),
        (0, "JPY", "JPY 0"),
        (-1001, "KWD", "KWD -1.001"),
    ],
)
def test_an_amount_is_written_with_its_currency(minor: int, currency: str, text: str) -> None:
    assert format_minor(minor, currency) == text


@given(st.integers(-MAX_MINOR, MAX_MINOR), CURRENCIES)
def test_what_is_written_can_be_read_back(minor: int, currency: str) -> None:
    code, amount = format_minor(minor, currency).split()
    assert (code, to_minor(Decimal(amount), currency)) == (currency, minor)

"""Money: integers of the currency's minor unit, named by ISO 4217.

The table is the standard's list one as of 2026-01-01. Codes without a minor unit (gold, SDR, testing) are no money
here; currencies withdrawn since the log began stay in it, because the log does.
"""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from types import MappingProxyType
from typing import Final

from schemas.errors import InexactAmountError, UnknownCurrencyError

_CODES: Final = MappingProxyType(
    {
        0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
        2: (
            "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW "
            "CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
            "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
            "MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP "
            "SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG "
            "YER ZAR ZMW ZWG"
        ),
        3: "BHD IQD JOD KWD LYD OMR TND",
        4: "CLF UYW",
    }
)
_MINOR_UNITS: Final = MappingProxyType({code: digits for digits, codes in _CODES.items() for code in codes.split()})
CURRENCIES: Final = frozenset(_MINOR_UNITS)
"""The codes of all currencies that money may have here, in capitals as ISO 4217 writes them."""
_EXACT: Final = Context(prec=28, traps=[Inexact, InvalidOperation])
MAX_MINOR: Final = 2**63 - 1
"""Amounts travel as Avro longs."""


def minor_units(currency: str) -> int:
    """Return how many decimal digits the currency's minor unit has: GBP 2, JPY 0, KWD 3. Raises UnknownCurrencyError."""
    digits = _MINOR_UNITS.get(currency)
    if digits is None:
        raise UnknownCurrencyError(
            f"{currency[:16]!r} is no ISO 4217 currency with a minor unit; give three capital letters such as GBP"
        )
    return digits


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount in minor units, exactly: Decimal("12.34") GBP is 1234.

    Never rounds: raises InexactAmountError for a fraction of a minor unit, for NaN or infinity, and beyond 64 bits.
    """
    digits = minor_units(currency)
    try:
        minor = int(amount.quantize(Decimal((0, (1,), -digits)), context=_EXACT).scaleb(digits, context=_EXACT))
    except (DecimalException, ValueError) as error:
        raise InexactAmountError(f"{amount} {currency} is no whole number of minor units ({digits} digits)") from error
    if abs(minor) > MAX_MINOR:
        raise InexactAmountError(f"{amount} {currency} does not fit into 64 bits of minor units")
    return minor


def shown_minor(amount_minor: int, currency: str) -> str:
    """Return an amount for people whatever its currency says: what is no currency is shown with its minor units."""
    try:
        return format_minor(amount_minor, currency)
    except UnknownCurrencyError:
        return f"{currency or '(no currency)'} {amount_minor} minor units"


def format_minor(amount_minor: int, currency: str) -> str:
    """Return an amount of minor units for people: 1234 GBP is "GBP 12.34", 500 JPY is "JPY 500"."""
    digits = minor_units(currency)
    sign = "-" if amount_minor < 0 else ""
    major, minor = divmod(abs(amount_minor), 10**digits)
    return f"{currency} {sign}{major}.{minor:0{digits}}" if digits else f"{currency} {sign}{major}"

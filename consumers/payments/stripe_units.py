"""The units that Stripe counts money in, where they differ from ISO 4217's minor units. Pure.

From https://docs.stripe.com/currencies: amounts have two decimals "unless otherwise noted"; MINOR_UNITS_AT_STRIPE holds the
two lists that note otherwise. Three facts there contradict ISO 4217 or narrow it:

- MGA has no decimals at Stripe (ISO: two), so a fraction of an ariary cannot be charged.
- ISK and UGX have none in fact, yet are sent with two, which are always 00 (the page's special cases). ISO gives them none.
- Currencies with three decimals are accepted only with a last digit 0.

An amount that Stripe cannot take is refused before it is sent. It is never rounded: our books and Stripe's would differ.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from schemas.errors import UnknownCurrencyError
from schemas.money import minor_units

_ZERO_DECIMALS: Final = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_THREE_DECIMALS: Final = "BHD JOD KWD OMR TND"
MINOR_UNITS_AT_STRIPE: Final = MappingProxyType(
    {**dict.fromkeys(_ZERO_DECIMALS.split(), 0), **dict.fromkeys(_THREE_DECIMALS.split(), 3)}
)
"""Decimals of the currencies that do not have two."""
SENT_WITH_TWO_DECIMALS: Final = frozenset({"ISK", "UGX"})

NOT_REPRESENTABLE: Final = "amount_not_representable"
NOT_SUPPORTED: Final = "currency_not_supported"


class UnitsError(ValueError):
    """An amount cannot be sent to Stripe, or read from it. `reason` is the short word that a refused operation carries."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def to_stripe(amount_minor: int, currency: str) -> int:
    """Return an amount in the units that Stripe counts in, from minor units of the ISO 4217 currency.

    Raises UnitsError for an amount or a currency that Stripe does not take.
    """
    factor, divisor = _ratio(currency)
    step = 10 if MINOR_UNITS_AT_STRIPE.get(currency) == 3 else divisor  # noqa: PLR2004  decimals
    if amount_minor % step:
        raise UnitsError(
            NOT_REPRESENTABLE, f"Stripe takes {currency} in steps of {step} minor units, not {amount_minor}"
        )
    return amount_minor * factor // divisor


def from_stripe(amount: int, currency: str) -> int:
    """Return an amount in minor units of the ISO 4217 currency (in either case), from the units that Stripe counts in.

    Raises UnitsError for a currency that Stripe does not take, and for a fraction of a minor unit.
    """
    factor, divisor = _ratio(currency.upper())
    if amount % factor:
        raise UnitsError(
            NOT_REPRESENTABLE, f"{amount} of Stripe's units of {currency} is no whole number of minor units"
        )
    return amount // factor * divisor


def _ratio(currency: str) -> tuple[int, int]:
    """Return by what minor units are multiplied, and by what divided, to become Stripe's units; one of them is 1."""
    try:
        decimals = minor_units(currency)
    except UnknownCurrencyError as error:
        raise UnitsError(NOT_SUPPORTED, str(error)) from error
    stripe_decimals = MINOR_UNITS_AT_STRIPE.get(currency, 2)
    if decimals != stripe_decimals and currency not in _KNOWN_TO_DIFFER:
        raise UnitsError(NOT_SUPPORTED, f"{currency} has {decimals} decimals in ISO 4217, and Stripe does not list it")
    return 10 ** max(0, stripe_decimals - decimals), 10 ** max(0, decimals - stripe_decimals)


_KNOWN_TO_DIFFER: Final = SENT_WITH_TWO_DECIMALS | {"MGA"}

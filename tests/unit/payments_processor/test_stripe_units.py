"""Amounts at Stripe: its published list beside ISO 4217, what it cannot take, and that nothing is lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consumers.payments.processor import OperationKind, ProcessorResult
from consumers.payments.stripe_processor import StripeProcessor
from consumers.payments.stripe_units import NOT_REPRESENTABLE, NOT_SUPPORTED, UnitsError, from_stripe, to_stripe
from schemas.money import MAX_MINOR, to_minor
from tests.unit.payments_processor.asked import asked

# docs.stripe.com/currencies as published: presentment currencies, each with the decimals in which it is sent.
_PUBLISHED: Final = {
    2: (
        "USD AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC CVE CZK "
        "DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES KGS KHR KYD KZT LAK "
        "LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR "
        "RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX UYU UZS WST XCD XCG YER ZAR "
        "ZMW"
    ),
    0: "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF",
    3: "BHD JOD KWD OMR TND",
}
DECIMALS: Final = {code: digits for digits, codes in _PUBLISHED.items() for code in codes.split()}
LISTED: Final = sorted(DECIMALS)


@pytest.mark.parametrize("currency", LISTED)
def test_one_whole_unit_of_each_listed_currency_is_sent_in_stripes_decimals(currency: str) -> None:
    sent = 5 * 10 ** DECIMALS[currency]
    assert to_stripe(to_minor(Decimal(5), currency), currency) == sent
    assert from_stripe(sent, currency.lower()) == to_minor(Decimal(5), currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0.50", "MGA"), ("5000.10", "MGA"), *(("5.124", code) for code, digits in DECIMALS.items() if digits == 3)],
)
def test_an_amount_that_stripe_does_not_take_is_refused_and_not_rounded(amount: str, currency: str) -> None:
    with pytest.raises(UnitsError) as refused:
        to_stripe(to_minor(Decimal(amount), currency), currency)
    assert refused.value.reason == NOT_REPRESENTABLE


@pytest.mark.parametrize("currency", ["IQD", "LYD", "CLF", "UYI", "UYW", "XXX", "gbp", ""])
def test_a_currency_whose_units_at_stripe_are_not_known_is_refused(currency: str) -> None:
    with pytest.raises(UnitsError) as refused:
        to_stripe(500, currency)
    assert refused.value.reason == NOT_SUPPORTED


@pytest.mark.parametrize("currency", ["ISK", "UGX"])
def test_a_fraction_that_our_books_cannot_hold_is_not_read(currency: str) -> None:
    with pytest.raises(UnitsError):
        from_stripe(550, currency)


@given(st.integers(0, MAX_MINOR), st.sampled_from(LISTED))
def test_what_can_be_sent_is_read_back_to_the_unit(amount_minor: int, currency: str) -> None:
    try:
        sent = to_stripe(amount_minor, currency)
    except UnitsError:
        assume(False)
    assert from_stripe(sent, currency) == amount_minor


@given(st.integers(0, MAX_MINOR), st.sampled_from(LISTED))
def test_what_stripe_reports_is_what_would_be_sent(amount: int, currency: str) -> None:
    try:
        amount_minor = from_stripe(amount, currency)
        sent = to_stripe(amount_minor, currency)
    except UnitsError:
        assume(False)
    assert sent == amount


@pytest.fixture
async def unreachable() -> AsyncIterator[StripeProcessor]:
    """A processor at an address where nothing listens: a request would be an error, and no answer."""
    processor = StripeProcessor("sk_test_1", address="http://127.0.0.1:9")
    yield processor
    await processor.close()


@pytest.mark.parametrize(
    ("kind", "result"),
    [(OperationKind.AUTHORIZE, "declined"), (OperationKind.CAPTURE, "failed"), (OperationKind.REFUND, "failed")],
)
@pytest.mark.parametrize("currency", ["MGA", "KWD"])
async def test_what_stripe_cannot_express_is_refused_before_it_is_sent(
    unreachable: StripeProcessor, kind: OperationKind, result: Any, currency: str
) -> None:
    operation = asked(kind, authorization_id="pi_1", amount_minor=1, currency=currency)
    assert await unreachable.perform(operation) == ProcessorResult(result, "pi_1", NOT_REPRESENTABLE)

"""The negative controls of what protects money: each protection is taken away, and the test that is to notice does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pytest

from consumers.fulfilment import evolve as fulfilment_evolve
from consumers.fulfilment.evolve_by_message import BY_MESSAGE
from consumers.inventory import decide as inventory_decide
from consumers.payments import call, external, refunds, results, stripe_units, webhooks
from consumers.payments.state import NOTHING_EXTERNAL
from schemas import messages as m
from schemas.money import CURRENCIES
from tests.unit.fulfilment import test_money_that_is_gone as gone
from tests.unit.inventory import test_placing as placing
from tests.unit.payments import test_external_refunds as outside
from tests.unit.payments import test_refunds as giving_back
from tests.unit.payments import test_waits as waits
from tests.unit.payments_processor import test_effects as effects
from tests.unit.payments_processor import test_stripe_units as units
from tests.unit.payments_processor import test_webhooks as received

FIRST_STEP: Final = call._first_step
UNITS: Final = stripe_units.MINOR_UNITS_AT_STRIPE


class Control(NamedTuple):
    """What stands where, and what takes its place; the test that fails then."""

    owner: Any
    name: str
    instead: Any
    notices: Callable[[], Any]


CONTROLS: Final = {
    "MGA has two decimals": Control(
        stripe_units,
        "MINOR_UNITS_AT_STRIPE",
        {code: digits for code, digits in UNITS.items() if code != "MGA"},
        lambda: units.test_one_whole_unit_of_each_listed_currency_is_sent_in_stripes_decimals("MGA"),
    ),
    "what moved without us is not booked": Control(
        external,
        "beyond_ours",
        lambda *_: NOTHING_EXTERNAL,
        outside.test_a_cancellation_after_a_partial_refund_outside_pays_exactly_the_rest,
    ),
    "what was paid back by hand is counted twice": Control(
        external,
        "_counted_twice",
        lambda *_: [],
        outside.test_what_was_resolved_and_turns_out_to_be_done_at_the_processor_is_not_counted_twice,
    ),
    "a dispute holds nothing back": Control(
        fulfilment_evolve,
        "BY_MESSAGE",
        {kind: write for kind, write in BY_MESSAGE.items() if kind is not m.PaymentChangedExternally},
        lambda: gone.test_nothing_is_shipped_while_its_money_is_disputed_or_gone((gone.DISPUTED,), "payment_disputed"),
    ),
    "what an earlier owner may have performed is performed": Control(
        call,
        "_first_step",
        lambda operation, **_: FIRST_STEP(operation, resumed=False),
        effects.test_what_an_earlier_owner_may_have_performed_is_looked_up_first,
    ),
    "the first word about an authorisation's end is the last": Control(
        results,
        "_noted_expiry",
        lambda *_: [],
        waits.test_a_webhook_that_comes_before_our_own_answer_and_names_no_end_is_completed_by_it,
    ),
    "one refund id is paid twice": Control(
        refunds,
        "_asked_minor",
        lambda *_: 0,
        giving_back.test_an_exact_repeat_of_a_refund_is_ignored_and_another_amount_refused,
    ),
    "no limit of a webhook": Control(
        webhooks,
        "_checked",
        lambda result: result,
        lambda: received.test_a_webhook_that_makes_no_sense_is_named_as_such({"authorization_id": "x" * 1_001}),
    ),
    "any currency is one": Control(
        inventory_decide,
        "CURRENCIES",
        CURRENCIES | {"XXX"},
        lambda: placing.test_what_is_no_currency_in_capitals_is_rejected_with_the_reason("XXX"),
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
async def test_a_protection_that_is_missing_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    control = CONTROLS[name]
    monkeypatch.setattr(control.owner, control.name, control.instead)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await _outcome_of(control.notices)


async def _outcome_of(test: Callable[[], Any]) -> None:
    if (waiting := test()) is not None:
        await waiting

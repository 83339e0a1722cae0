"""Which money at the processor is nobody's, and what gives it back."""

from __future__ import annotations

import msgspec
import pytest

from consumers.payments.processor import OperationKind, ProcessorPayment
from infra.ops.reconciliation.plan import Known, orphan_of
from schemas.ids import new_order_id

A = new_order_id()
HELD = ProcessorPayment("auth_1", A, "GBP", 500, 0, 0, 0, 1_000)
TAKEN = msgspec.structs.replace(HELD, captured_minor=500, refunded_minor=200)
OURS = {A: Known(frozenset({"auth_1"}), is_asking=False)}
ANOTHER = {A: Known(frozenset({"auth_0"}), is_asking=False)}


@pytest.mark.parametrize(
    ("payment", "known", "why", "kind", "amount_minor"),
    [
        (HELD, {}, "its order is not known", OperationKind.VOID, 500),
        (TAKEN, {}, "its order is not known", OperationKind.REFUND, 300),
        (HELD, ANOTHER, "its order does not stand for it", OperationKind.VOID, 500),
        (
            HELD,
            {A: Known(frozenset(), is_asking=False)},
            "its order does not stand for it",
            OperationKind.VOID,
            500,
        ),
    ],
)
def test_money_that_nobody_stands_for_goes_back(
    payment: ProcessorPayment, known: dict[str, Known], why: str, kind: OperationKind, amount_minor: int
) -> None:
    orphan = orphan_of(payment, known)
    assert orphan is not None
    assert (orphan.why, orphan.operation.kind, orphan.operation.amount_minor) == (why, kind, amount_minor)
    assert orphan.operation == orphan_of(payment, known).operation  # type: ignore[union-attr]  # found again, asked once


@pytest.mark.parametrize(
    ("payment", "known"),
    [
        (HELD, OURS),
        (TAKEN, OURS),
        (HELD, {A: Known(frozenset(), is_asking=True)}),
        (msgspec.structs.replace(HELD, voided_minor=500), {}),
        (msgspec.structs.replace(TAKEN, refunded_minor=500), {}),
        (msgspec.structs.replace(HELD, authorized_minor=0), {}),
        (msgspec.structs.replace(HELD, order_id=""), {}),
        (msgspec.structs.replace(HELD, order_id="another shop's"), {}),
    ],
)
def test_what_is_ours_or_may_be_or_moved_nothing_is_left_alone(
    payment: ProcessorPayment, known: dict[str, Known]
) -> None:
    assert orphan_of(payment, known) is None

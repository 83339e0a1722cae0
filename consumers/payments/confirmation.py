"""Whether a customer has confirmed an authorisation without a confirmation here: its webhook may be late, or lost.

A customer who has paid must not be treated as one who has not. So an authorisation is looked up before it is cancelled for want of a
confirmation, and stays if it has one. A customer may also confirm in the very moment in which it is cancelled: then the money
was held, and given back. So it is looked up once more afterwards, and our books show both, as the processor's do.

Decision: docs/decisions, 011.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from consumers.payments.processor import OperationKind, ProcessorResult

if TYPE_CHECKING:
    from consumers.payments.processor import Operation, PaymentProcessor

CONFIRMED: Final = "confirmed_meanwhile"
"""Why an authorisation is not cancelled."""


def authorization_of(void: Operation) -> Operation:
    """Return the operation that asked for what a void is to cancel."""
    return msgspec.structs.replace(
        void, operation_id=void.unconfirmed_id, kind=OperationKind.AUTHORIZE, unconfirmed_id=""
    )


async def confirmation_of(processor: PaymentProcessor, void: Operation) -> ProcessorResult | None:
    """Return the processor's word that a customer has confirmed what is to be cancelled, None where they have not.

    Raises the errors of PaymentProcessor.look_up.
    """
    result = await processor.look_up(authorization_of(void))
    return result if result is not None and result.result == "succeeded" else None


async def confirmation_instead(processor: PaymentProcessor, void: Operation) -> ProcessorResult | None:
    """Return the same where it is not too late: None too where the processor has executed the void already.

    Raises the errors of PaymentProcessor.look_up.
    """
    return None if await processor.look_up(void) is not None else await confirmation_of(processor, void)


def not_voided(void: Operation) -> ProcessorResult:
    """Return what a void came to that was not asked for, since the customer has confirmed."""
    return ProcessorResult("failed", void.authorization_id, CONFIRMED)

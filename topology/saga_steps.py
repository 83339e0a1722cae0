"""The steps of the saga: each is small enough for one picture, and `step=` of a reaction (topology/saga.py) puts it there."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class SagaStep(StrEnum):
    """The steps in the order of their pictures; the value is the title."""

    RESERVE = "Reserve"
    AUTHORIZE = "Authorize"
    COMMIT = "Commit"
    CAPTURE = "Capture"
    CANCEL = "Cancel"
    SHIP = "Ship and deliver"
    SEND_BACK = "Send back"
    REFUND = "Refund, and what waits"
    NOTIFY = "Notify"
    STOCK = "Stock itself"
    CATALOGUE = "Catalogue"


EXPLAINED: Final[Mapping[SagaStep, str]] = MappingProxyType(
    {
        SagaStep.RESERVE: "Each line is held or refused; orders gathers the answers. Holds that are over give the units "
        "back; an order whose lines do not come is given up.",
        SagaStep.AUTHORIZE: "Money is set aside, once the customer has confirmed it where the bank wants that. Its time "
        "can run out.",
        SagaStep.COMMIT: "What was held is allocated to the order. One line that is not there any more takes the others "
        "back.",
        SagaStep.CAPTURE: "The money is taken: at placing, or for each parcel. Fulfilment begins.",
        SagaStep.CANCEL: "Orders ends the order; once fulfilment has it, fulfilment is asked first. Each undoes what is "
        "its own.",
        SagaStep.SHIP: "Lines leave in parcels, which arrive or are lost. A line that inventory has no more is withdrawn.",
        SagaStep.SEND_BACK: "Delivered lines come back, if that is asked for in time and granted.",
        SagaStep.REFUND: "Money goes back once for each reason. What waits for a person ends by time, or by a person's "
        "word.",
        SagaStep.NOTIFY: "What customers and other systems are notified of, under the names of `NOTIFIED` in "
        "`topology/saga.py`.",
        SagaStep.STOCK: "Commands about a SKU without any order.",
        SagaStep.CATALOGUE: "Commands about a product, its prices and whether it is in the shop, apart from all orders.",
    }
)

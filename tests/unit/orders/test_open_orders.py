"""Which orders the index of open ones has is written by `save`; it is what the table of states says."""

from __future__ import annotations

import re

from consumers.orders.store import QUERIES
from topology.states import FINAL_ORDER_STATES, OrderState


def test_an_order_is_open_in_each_state_that_is_not_final() -> None:
    written = re.findall(r"[nc]\.state IN \(([^)]*)\)", QUERIES["save"])
    waiting = set(OrderState) - FINAL_ORDER_STATES - {OrderState.UNKNOWN}
    assert [set(re.findall(r"'(\w+)'", states)) for states in written] == [waiting, waiting]

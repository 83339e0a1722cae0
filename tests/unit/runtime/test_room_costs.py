"""What rooms cost is counted by the step, in buckets that tell how long steps take."""

from __future__ import annotations

import math

from consumers.runtime.room_costs import STEP_SECONDS, RoomCost


def test_steps_are_counted_in_the_bucket_that_bounds_them() -> None:
    cost = RoomCost()
    for seconds in (0.0, 0.001, 0.0011, 0.3, 5.0, 6.0):
        cost.took(seconds)
    assert dict(zip((*STEP_SECONDS, math.inf), cost.within, strict=True)) == {
        **dict.fromkeys(STEP_SECONDS, 0),
        0.001: 2,
        0.002: 1,
        0.5: 1,
        5.0: 1,
        math.inf: 1,
    }
    assert (cost.steps, round(cost.step_seconds, 4)) == (6, 11.3021)


def test_a_share_of_the_steps_is_within_a_bound() -> None:
    cost = RoomCost()
    assert cost.quantile(0.99) == 0.0
    for seconds in [0.0015] * 98 + [0.15, 7.0]:
        cost.took(seconds)
    assert [cost.quantile(share) for share in (0.5, 0.98, 0.99, 1.0)] == [0.002, 0.002, 0.2, math.inf]

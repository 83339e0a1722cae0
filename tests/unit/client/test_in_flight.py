"""No more records wait for Kafka than may, and nobody is forgotten."""

from __future__ import annotations

import asyncio

from lastunit_client.client import _parts
from lastunit_client.in_flight import InFlight
from tests.harness.waiting import one_turn


async def test_as_many_as_may_are_held_at_once_in_the_order_of_asking() -> None:
    bound, begun, now, most = InFlight(10), [], 0, 0

    async def hold(name: int, records: int) -> None:
        nonlocal now, most
        async with bound.hold(records):
            begun.append(name)
            now += records
            most = max(most, now)
            await one_turn()
            now -= records

    await asyncio.gather(*(hold(name, name % 7 + 1) for name in range(50)))
    assert (begun, most <= 10) == (list(range(50)), True)


async def test_who_gives_up_waiting_frees_the_way_and_a_larger_one_goes_alone() -> None:
    bound = InFlight(10)
    async with bound.hold(8):
        large = asyncio.create_task(_pass(bound, 20))
        small = asyncio.create_task(_pass(bound, 2))
        await one_turn()
        large.cancel()
        await small
    await _pass(bound, 20)


async def _pass(bound: InFlight, records: int) -> None:
    async with bound.hold(records):
        pass


def test_bulk_is_cut_into_parts_that_fit() -> None:
    assert list(_parts([3, 3, 3, 20, 1], 6)) == [(0, 2, 6), (2, 3, 9), (3, 4, 29), (4, 5, 30)]
    assert list(_parts([], 6)) == []

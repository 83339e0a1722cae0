"""An owner at rest is woken when operations that wait in the database can begin."""

from __future__ import annotations

from typing import cast

from consumers.payments.room import PaymentsRoom
from consumers.runtime.background import BackgroundTasks
from producers.publisher import Publisher
from tests.unit.payments_processor.fakes import FakeNetwork, operation


async def test_the_end_of_an_operation_wakes_an_owner_while_others_wait_in_the_database() -> None:
    woken: list[int] = []
    room = PaymentsRoom(FakeNetwork(), cast("Publisher", None))
    room.start(BackgroundTasks(lambda _: None), lambda: woken.append(1))
    room._runner.submit(0, [operation("alone")])
    room._runner.forget(0)
    assert woken == []
    room._waiting[1] = False
    room._runner.submit(0, [operation("beside others")])
    room._runner.forget(0)
    assert woken == [1]
    await room.stop()

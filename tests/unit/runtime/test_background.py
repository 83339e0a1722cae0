import asyncio

from structlog.testing import capture_logs

from consumers.runtime.background import BackgroundTasks
from tests.harness.waiting import one_turn


async def test_a_task_that_fails_is_logged_and_reported_at_once_though_nobody_awaits_it() -> None:
    failures: list[Exception] = []
    reported = asyncio.Event()

    def on_failure(error: Exception) -> None:
        failures.append(error)
        reported.set()

    async def broken() -> None:
        raise ValueError("boom")

    with capture_logs() as logs:
        kept = [BackgroundTasks(on_failure).start(broken(), "deliveries")]
        await asyncio.wait_for(reported.wait(), 5)
    assert kept[0].done()
    assert [str(error) for error in failures] == ["boom"]
    assert [(log["event"], log["task"]) for log in logs] == [("background_task_failed", "deliveries")]


async def test_what_ends_or_is_cancelled_is_no_failure() -> None:
    failures: list[Exception] = []
    background = BackgroundTasks(failures.append)
    ended = background.start(one_turn(), "short")
    lasting = background.start(asyncio.Event().wait(), "lasting")
    await ended
    await background.cancel()
    assert lasting.cancelled()
    assert failures == []

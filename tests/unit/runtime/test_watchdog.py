import asyncio
from collections.abc import Callable

from consumers.errors import OwnerStoppedError, StuckError
from consumers.runtime.watchdog import Watchdog

SECONDS = 0.1
DEADLINE_SECONDS = 20.0


async def barked(lag: Callable[[], int], progress: Callable[[], int], within_seconds: float) -> list[Exception]:
    """Return what the watchdog said within that time, or at once when it says something."""
    errors: list[Exception] = []
    dog = Watchdog("inventory", SECONDS, lag=lag, progress=progress, on_stuck=errors.append)
    try:
        async with asyncio.timeout(within_seconds):
            await dog.watch()
    except TimeoutError:
        pass
    return errors


async def test_a_frozen_position_with_lag_is_reported_once_and_ends_the_watch() -> None:
    errors = await barked(lambda: 7, lambda: 42, DEADLINE_SECONDS)
    assert [type(error) for error in errors] == [StuckError]
    assert isinstance(errors[0], OwnerStoppedError), "so that the process starts afresh"


async def test_a_frozen_position_is_reported_no_sooner_than_the_time_is_over() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await barked(lambda: 7, lambda: 42, DEADLINE_SECONDS)
    assert loop.time() - began >= SECONDS


async def test_a_frozen_position_without_lag_is_rest() -> None:
    assert await barked(lambda: 0, lambda: 42, SECONDS * 5) == []


async def test_a_position_that_moves_is_work_however_great_the_lag() -> None:
    positions = iter(range(1_000_000))
    assert await barked(lambda: 7, lambda: next(positions), SECONDS * 5) == []


async def test_a_position_that_stalls_after_it_moved_is_reported_all_the_same() -> None:
    positions = iter([1, 2, 3])
    assert await barked(lambda: 7, lambda: next(positions, 3), DEADLINE_SECONDS)


async def test_lag_that_went_away_begins_a_new_time() -> None:
    lags = iter([7, 7, 0] * 1_000_000)
    assert await barked(lambda: next(lags), lambda: 42, SECONDS * 5) == []

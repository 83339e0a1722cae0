"""Cases of tests/model, played by the real rooms on the real stack at a processor with faults, come to lawful ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from infra.base.settings import Settings
from tests.harness.model_cases import FAULTS, Case, at_work, end_of, hasty, play
from tests.harness.shop import Shop, in_miniature, open_shop
from tests.model.end import End
from tests.model.facts import facts_of
from tests.model.faults import KeepsTheMoney, LosesReturns
from tests.model.money import StrandedError
from tests.model.verdict import WrongEndError, judge
from topology.saga import OF_ANY_RECORD
from topology.states import CLOSED_ORDER_STATES
from topology.topics import ORDER_EVENTS

SEED = 20_263
FEW, MANY, AT_ONCE = 40, 500, 100
RARE = {"PaymentLapsed", *(kind.__name__ for kind in OF_ANY_RECORD)}
"""What these cases need not come to: authorisations last for days, and what dead letters say of orders is no room's decision."""


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    faults = [str(word) for pair in {**FAULTS, "--seed": SEED}.items() for word in pair]
    async with open_shop(in_miniature(settings, batch_records=50), tmp_path, faults, webhooks=True) as opened:
        yield opened


async def ended(shop: Shop, numbers: range, **planted: Any) -> End:
    """Play these cases, `AT_ONCE` side by side, and return what is left of them."""
    rooms = hasty(shop, **planted)
    meddled = set()
    async with at_work(shop, rooms):
        for first in numbers[::AT_ONCE]:
            cases = [Case(SEED, number) for number in range(first, min(first + AT_ONCE, numbers.stop))]
            meddled |= await play(shop, cases)
    if not planted:
        await shop.assert_sound([*rooms, shop.room("notifications")])
    return await end_of(shop, rooms, meddled)


def counts(end: End) -> tuple[Counter[str], Counter[str]]:
    """Return in which state how many orders ended, and what was said how often."""
    states = Counter(facts.order.state.value for facts in facts_of(end).values() if facts.order is not None)
    published = Counter(
        type(outputs).__name__ for owner in end.owners.values() for _, message in owner.history for outputs in message
    )
    return states, published


@pytest.mark.release
async def test_a_sample_of_the_models_cases_comes_to_lawful_ends_on_the_real_stack(
    shop: Shop, record_property: Callable[[str, object], None]
) -> None:
    end = await ended(shop, range(FEW))
    judge(end)
    states, published = counts(end)
    record_property("ends", dict(states))
    assert states.keys() >= {"rejected", "cancelled", "delivered"}
    assert published.keys() >= {"PaymentCaptured", "PaymentVoided", "ShipmentDelivered"}


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_many_of_the_models_cases_come_to_lawful_ends_on_the_real_stack(
    shop: Shop, record_property: Callable[[str, object], None]
) -> None:
    end = await ended(shop, range(FEW, FEW + MANY))
    judge(end)
    states, published = counts(end)
    record_property("ends", dict(states))
    assert states.keys() >= CLOSED_ORDER_STATES
    assert {kind.__name__ for kind in ORDER_EVENTS.carries} - published.keys() <= RARE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("planted", "error"), [({"orders": LosesReturns}, WrongEndError), ({"payments": KeepsTheMoney}, StrandedError)]
)
async def test_a_planted_fault_is_found_on_the_real_stack_too(
    shop: Shop, planted: dict[str, Any], error: type[Exception]
) -> None:
    end = await ended(shop, range(AT_ONCE), **planted)
    with pytest.raises(error):
        judge(end)


def test_two_cases_never_share_a_name() -> None:
    names = [
        {getattr(message, name, "") for message in Case(SEED, n).unsent for name in ("order_id", "sku")} for n in (1, 2)
    ]
    assert not (names[0] & names[1]) - {""}

"""What the tests of processors share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from consumers.payments.stripe_processor import StripeProcessor
from tests.unit.payments_processor.stripe_script import Script, Stripe


@pytest.fixture
async def stripe() -> AsyncIterator[Stripe]:
    script = Script()
    runner = web.ServerRunner(web.Server(script.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    processor = StripeProcessor("sk_test_1", address=address, return_url="https://shop.example/back")
    yield Stripe(script, processor)
    await processor.close()
    await runner.cleanup()

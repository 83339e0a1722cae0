"""Places an order and waits for how it comes out."""

import asyncio

from lastunit_client import Client, OrderLine, OrderRequest


async def main() -> None:
    order = OrderRequest(
        customer_id="c-7",
        currency="GBP",
        payment_token="tok_ok",
        lines=(OrderLine("MUG", 1, 1295), OrderLine("TEA", 2, 450)),  # SKU, units, price of one in pence
    )
    async with Client() as client:  # to LASTUNIT_KAFKA_BOOTSTRAP
        await client.place(order)  # acknowledged by Kafka; placing it again is harmless
        outcome = await client.outcome(order.order_id)
    print(order.order_id, outcome.state.value, outcome.reason)


asyncio.run(main())

"""`python -m tests.harness.spooling_program FOLDER`: places orders without end and prints each that was taken, with how.

Kafka is where LASTUNIT_KAFKA_BOOTSTRAP says; the test kills this program.
"""

from __future__ import annotations

import asyncio
import sys

import structlog

from lastunit_client import Client, OrderLine, OrderRequest


async def main(folder: str) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    async with Client(spool=folder) as client:
        while True:
            order = OrderRequest(customer_id="c", lines=(OrderLine("MUG", 1, 100),))
            delivery = await client.place(order)
            sys.stdout.write(f"{order.order_id} {delivery.value}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

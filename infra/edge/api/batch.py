"""The route of many orders in one request: one key, one publication, a result for each order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Request
from msgspec import Meta

from infra.edge.access.scopes import ORDERS_WRITE
from infra.edge.api.answers import Answer
from infra.edge.api.batch_ids import id_in_batch, new_batch_id
from infra.edge.api.bodies import Body, OrderBody
from infra.edge.api.operations import REQUIRED, command
from infra.edge.api.orders import EXAMPLE, TAG, request_of, require_sums
from infra.edge.api.problems import Problem, ProblemError
from infra.edge.api.reading import read
from infra.edge.api.requests import body_of, count_as

if TYPE_CHECKING:
    from infra.edge.api.service import Service

MAX_ORDERS: Final = 1_000


class BatchBody(Body, frozen=True):
    """Orders, each as it would be sent alone."""

    orders: Annotated[
        list[msgspec.Raw],
        Meta(
            min_length=1,
            max_length=MAX_ORDERS,
            extra_json_schema={"items": {"$ref": "#/components/schemas/OrderBody"}},
        ),
    ]


class OrderResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one order of a batch: it is on the log under its id, or it has faults and is not."""

    status: int
    order_id: str | None = None
    problem: Problem | None = None


class BatchAccepted(msgspec.Struct, frozen=True):
    """The results in the order of the orders. `accepted` of them are on the log."""

    accepted: int
    results: list[OrderResult]


def batch_routes(service: Service) -> list[Any]:
    """Return the route of batches."""

    @command(
        "/v1/orders:batch",
        "placeOrders",
        ORDERS_WRITE,
        BatchBody,
        tag=TAG,
        example={"orders": [EXAMPLE, EXAMPLE]},
        key=REQUIRED,
        answer=BatchAccepted,
    )
    async def place(request: Request[Any, Any, Any]) -> Answer[BatchAccepted]:
        """Place many orders at once.

        Each has a result: 202 and its id, or 422 and its problem. Those without faults are on the log, whatever the others
        are. Sent again with the same key, the batch is the same orders under the same ids. It counts as one request for each order.
        """
        body = body_of(request, BatchBody)
        await count_as(request, len(body.orders))
        read_orders = [_read(bytes(raw)) for raw in body.orders]
        async with service.keyed(request, body, new_batch_id, is_required=True) as claim:
            wanted = [
                request_of(order, id_in_batch(claim.subject_id, number), service.hold_seconds)
                for number, order in enumerate(read_orders)
                if isinstance(order, OrderBody)
            ]
            if wanted and not claim.is_done:
                await service.published(service.orders.place(wanted))
        results = [
            OrderResult(202, order_id=id_in_batch(claim.subject_id, number))
            if isinstance(order, OrderBody)
            else OrderResult(order.status, problem=order)
            for number, order in enumerate(read_orders)
        ]
        return Answer(BatchAccepted(len(wanted), results), status_code=202, headers={})

    return [place]


def _read(raw: bytes) -> OrderBody | Problem:
    try:
        order = read(raw, OrderBody)
        require_sums(order)
    except ProblemError as error:
        return error.problem
    return order

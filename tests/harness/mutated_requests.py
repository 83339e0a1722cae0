"""HTTP requests with something wrong about their bytes: good ones, changed at random by a seed."""

from __future__ import annotations

import json
import random
from typing import Final

from tests.harness.api import order_body

ODD: Final = (
    *(b"\r\n", b"\n", b"\0", b"%00", b"%ff", b"%2F", b"..", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b": ", b";", b'"', b"\\u0000", b"\\ud800"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 1\r\n", b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\nConnection: upgrade\r\n"),
    *(b"Idempotency-Key: \r\n", b"Authorization: Bearer \r\n", b"traceparent: 00-0-0-0\r\n", b"Host: localhost\r\n"),
    *(b"[" * 40, b"{" * 40, b"1e400", b"-0", b"NaN", b"9" * 30, b"18446744073709551616", b"null", b"true"),
)  # fmt: skip
MOST_CHANGES: Final = 4


def mutated_request(dice: random.Random) -> bytes:
    """Return one request that was good before up to MOST_CHANGES changes; one in ten is as it was."""
    request = bytearray(_good(dice))
    for _ in range(dice.randrange(MOST_CHANGES + 1) if dice.random() < 0.9 else 0):
        at = dice.randrange(len(request) + 1)
        until = min(len(request), at + dice.choice((1, 1, 2, 8, 40)))
        match dice.randrange(5):
            case 0:
                request[at:until] = dice.randbytes(until - at)
            case 1:
                del request[at:until]
            case 2:
                request[at:at] = request[at:until] * dice.choice((1, 2, 50))
            case 3:
                request[at:at] = dice.choice(ODD)
            case _:
                request[at:until] = dice.choice(ODD)
    return bytes(request)


def _good(dice: random.Random) -> bytes:
    order = order_body(("MUG", dice.randrange(1, 9)), reference="INV-1", terms=["ship_available"])
    document: object
    match dice.randrange(4):
        case 0:
            return b"GET /v1/orders?customer=customer-1&state=paid&limit=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        case 1:
            path, document = b"/v1/orders:batch", {"orders": [order, order]}
        case 2:
            path, document = b"/v1/stock/MUG%2Fred/receipts", {"quantity": 3}
        case _:
            path, document = b"/v1/orders", order
    body = json.dumps(document).encode()
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: %d\r\n" % (
        path,
        dice.randrange(10**9),
    )
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

"""What can go wrong for a client. A request that is not as it must be raises InvalidRequestError of producers.errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from consumers.views.timeline import OrderView


class ClientError(Exception):
    """Base of the errors of this package."""


class UnknownOutcomeError(ClientError):
    """Kafka did not acknowledge in time: whether it has the requests in `unknown` is not known.

    Send those in `unknown` again, then those in `unsent`, which it does not have; the same ids are harmless.
    """

    def __init__(self, unknown: Sequence[Any], unsent: Sequence[Any], reason: object) -> None:
        super().__init__(
            f"Whether Kafka has {len(unknown)} requests is unknown, {len(unsent)} more were not sent ({reason}). "
            "Send them again as they are: `error.unknown`, then `error.unsent`."
        )
        self.unknown, self.unsent = tuple(unknown), tuple(unsent)


class OrderPendingError(ClientError):
    """An order is not decided yet; `order` is what is known of it. Ask again, now or later."""

    def __init__(self, order: OrderView, seconds: float) -> None:
        super().__init__(
            f"Order {order.order_id} is {order.state.value} after {seconds:g} s of waiting; ask again. An order that stays "
            "unknown was not placed, or by a clock that is further ahead than `clock_margin_seconds`."
        )
        self.order = order


class SpoolError(ClientError):
    """Base of the errors of the spool."""


class SpoolFullError(SpoolError):
    """The spool has as many bytes as it may; what was to be sent was not taken."""

    def __init__(self, folder: Path, most: int) -> None:
        super().__init__(
            f"The spool in {folder} holds {most:,} bytes, as many as it may, and Kafka is away. Send later."
        )


class SpoolInUseError(SpoolError):
    """Another process has the spool."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"Another process uses the spool in {folder}; give each process a folder of its own.")


class SpoolDamagedError(SpoolError):
    """A file of the spool has a damaged entry in its middle, which no crash of this program leaves."""

    def __init__(self, file: Path, offset: int) -> None:
        super().__init__(
            f"{file} is damaged from byte {offset} on. Keep a copy, then cut it there: truncate -s {offset}."
        )

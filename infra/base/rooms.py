"""The rooms: one entry for each, from which the supervisor, the audit, the command line and the tests take theirs.

A new room is its folder under `consumers/` and an entry here. Each entry imports what it needs when it is built, since a
process loads only the rooms that it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, cast

from infra.base.settings import Settings
from topology.saga import INTAKE

if TYPE_CHECKING:
    from consumers.payments.processor import PaymentProcessor
    from consumers.runtime.room import Room
    from producers.outage import Readiness
    from producers.publisher import Publisher

Server: TypeAlias = Literal["kafka_bootstrap", "postgres_dsn", "redis_url", "processor_url"]
"""The setting that names a server."""


class Resources(Protocol):
    """What a room may be built with; each is opened at first use."""

    @property
    def settings(self) -> Settings:
        """The settings of the process, with every server's address."""

    @property
    def publisher(self) -> Publisher:
        """The process's publisher."""

    @property
    def processor(self) -> PaymentProcessor:
        """The payment processor that the settings choose."""

    @property
    def readiness(self) -> Readiness:
        """What keeps the process from its work."""


@dataclass(frozen=True, slots=True)
class RoomEntry:
    """One room that decides. `needs` are the servers without which it cannot work.

    The audit decides the whole log of a room again that `is_replayed`. One that `keeps_books` has rows about orders or
    stock; weeks are made and dropped by the process of the room that `keeps_weeks`.
    """

    name: str
    build: Callable[[Resources], Room[Any]]
    needs: tuple[Server, ...] = ("kafka_bootstrap", "postgres_dsn")
    is_replayed: bool = True
    keeps_books: bool = True
    keeps_weeks: bool = False


def _inventory(_: Resources) -> Room[Any]:
    from consumers.inventory.room import InventoryRoom  # noqa: PLC0415

    return InventoryRoom()


def _intake(_: Resources) -> Room[Any]:
    from consumers.intake.room import IntakeRoom  # noqa: PLC0415

    return IntakeRoom()


def _orders(_: Resources) -> Room[Any]:
    from consumers.orders.room import OrdersRoom  # noqa: PLC0415

    return OrdersRoom()


def _payments(resources: Resources) -> Room[Any]:
    from consumers.payments.room import PaymentsRoom  # noqa: PLC0415

    return PaymentsRoom(resources.processor, resources.publisher)


def _fulfilment(_: Resources) -> Room[Any]:
    from consumers.fulfilment.room import FulfilmentRoom  # noqa: PLC0415

    return FulfilmentRoom()


def _notifications(resources: Resources) -> Room[Any]:
    from consumers.notifications.delivery import Deliverer  # noqa: PLC0415
    from consumers.notifications.room import NotificationsRoom  # noqa: PLC0415
    from consumers.runtime.postgres.database import Database  # noqa: PLC0415

    database = Database(resources.settings.postgres_dsn or "", "webhooks", resources.readiness)
    return NotificationsRoom(Deliverer(database))


def _catalogue(_: Resources) -> Room[Any]:
    from consumers.catalogue.room import CatalogueRoom  # noqa: PLC0415

    return CatalogueRoom()


ROOMS: Final[dict[str, RoomEntry]] = {
    entry.name: entry
    for entry in (
        RoomEntry("inventory", _inventory, keeps_weeks=True),
        RoomEntry(INTAKE, _intake, keeps_books=False),
        RoomEntry("orders", _orders),
        RoomEntry("payments", _payments, needs=("kafka_bootstrap", "postgres_dsn", "processor_url")),
        RoomEntry("fulfilment", _fulfilment),
        RoomEntry("notifications", _notifications, keeps_books=False),
        RoomEntry("catalogue", _catalogue, is_replayed=False, keeps_books=False),
    )
}
"""In the order of the saga."""

READERS: Final[dict[str, tuple[Server, ...]]] = {"views": ("kafka_bootstrap", "postgres_dsn", "redis_url")}
"""Processes that keep read models: they decide nothing, and have no claims. Name -> the servers that each needs."""

RECEIVER: Final = "receiver"
"""The process that takes the processors' webhooks."""

SHOP: Final = "shop"
"""The process that serves the shop's pages."""
TRENDS: Final = "trends"
"""The process that counts what is in demand in the shop."""
CONSOLE: Final = "console"
"""The process that serves the operator console and the metrics of the whole system."""

API: Final = "api"
"""The process that serves the HTTP API."""

SAGA: Final = "saga"
"""The process of the rooms that follow an order's log together, behind one reader, and of intake beside them."""
FOLLOWERS: Final = ("orders", "payments", "fulfilment", "notifications")
"""The rooms that share the reader of order.events in it."""
HOSTS: Final[dict[str, tuple[str, ...]]] = {SAGA: (INTAKE, *FOLLOWERS)}
"""Processes of several rooms: name -> the rooms. Each of them can run alone as well, but not in both ways at once."""

REPLAYED: Final = tuple(name for name, entry in ROOMS.items() if entry.is_replayed)
BOOKKEEPERS: Final = tuple(name for name, entry in ROOMS.items() if entry.keeps_books)
"""The rooms whose rows hold where orders and stock stand."""
SYSTEM: Final = (*ROOMS, *READERS)
"""What runs in every system; the receiver joins where a processor has a secret to sign with, the API, the console and those of the shop
where they are asked for."""
TOGETHER: Final = tuple(
    dict.fromkeys(next((host for host, rooms in HOSTS.items() if name in rooms), name) for name in SYSTEM)
)
"""The processes of a system whose rooms share readers where they can."""


class _Replaying:
    """Resources of rooms that decide a log again: they reach nobody."""

    settings = Settings.model_construct()
    publisher = cast("Publisher", None)
    processor = cast("PaymentProcessor", None)
    readiness = cast("Readiness", None)


def replayed_rooms() -> tuple[Room[Any], ...]:
    """Return the rooms whose decisions an audit takes again, in the order of the saga, without a way to the outside.

    They commit nothing, so they keep no event for their commit to confirm.
    """
    rooms = tuple(entry.build(_Replaying()) for entry in ROOMS.values() if entry.is_replayed)
    for room in rooms:
        room.confirms_in_commit = frozenset()
    return rooms


def bookkeepers() -> tuple[Room[Any], ...]:
    """Return those of them that keep books."""
    return tuple(room for room in replayed_rooms() if room.name in BOOKKEEPERS)


def needs_of(name: str) -> tuple[Server, ...]:
    """Return the servers that a process of this name needs. Raises KeyError for a name that is none."""
    if name in HOSTS:
        return tuple(dict.fromkeys(server for room in HOSTS[name] for server in needs_of(room)))
    if name == RECEIVER:
        return ("kafka_bootstrap",)
    if name == CONSOLE:
        return ("kafka_bootstrap", "postgres_dsn")
    if name == TRENDS:
        return ("kafka_bootstrap", "redis_url")
    if name in (API, SHOP):
        return ("kafka_bootstrap", "postgres_dsn", "redis_url")
    return READERS[name] if name in READERS else ROOMS[name].needs

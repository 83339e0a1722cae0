"""Which groups' positions may be set at all. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from consumers.lag.hosted import SEPARATOR
from infra.base.rooms import READERS, ROOMS, TRENDS
from topology.topics import TOPICS, log_read_by

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.lag.model import GroupSnapshot, LagSnapshot

_PROJECTIONS: Final = frozenset({*READERS, TRENDS})
_EMPTY: Final = "Empty"
_SHOWN_OWNERS: Final = 3


class Parts(NamedTuple):
    """A group's name taken apart: the namespace, and the rooms or the projection that it stands for."""

    namespace: str
    names: tuple[str, ...]


def refusal(group: str, namespace: str, look: LagSnapshot) -> str:
    """Return why the positions of this group cannot be set, as a sentence with what to do instead; "" where they can.

    A room's group is refused in whatever state it is, and in whatever namespace. The views' may be running, as their
    process looks its positions up again by itself.
    """
    if look.listed is None:
        return f"{'; '.join(look.errors) or 'Kafka does not answer'}."
    snapshot = look.groups.get(group)
    topics = {topic for topic, _ in (snapshot.committed or ())} if snapshot is not None else set()
    if (system := _system_of(group, namespace, topics)) is not None and (why := _why_never(group, namespace, system)):
        return why
    if snapshot is None or snapshot.state == "Dead":
        return f"There is no group {group}; `lastunit lag` lists all."
    if snapshot.committed is None:
        return f"The positions of {group} could not be read: {'; '.join(look.errors)}."
    return "" if projection_of(group, namespace) in READERS else _why_not_now(group, snapshot)


def _why_never(group: str, namespace: str, system: Parts) -> str:
    if any(name in ROOMS for name in system.names):
        return (
            f"{group} is the group of {', '.join(system.names)}, whose position is in PostgreSQL, with what was decided "
            "up to there: an offset in Kafka moves nothing, and no room ever decides a record twice or leaves one out. "
            f"`lastunit room pause {system.names[0]}` stops one; `lastunit letters redrive` sends a record again."
        )
    if system.namespace != namespace:
        return f"{group} belongs to the system in the namespace {system.namespace!r}: set LASTUNIT_NAMESPACE to it."
    return ""


def _why_not_now(group: str, snapshot: GroupSnapshot) -> str:
    if snapshot.state == _EMPTY and not snapshot.members:
        return ""
    owners = sorted({*snapshot.owners.values()})
    named = f" ({', '.join(owners[:_SHOWN_OWNERS])})" if owners else ""
    return (
        f"{group} is at work: {snapshot.state}, with {snapshot.members} of it connected{named}. They would go on from where they "
        "are and commit over it: stop them all first, until `lastunit lag` shows the group as Empty."
    )


def projection_of(group: str, namespace: str) -> str:
    """Return which projection of this system a group is; "" where it is none."""
    name = group.removeprefix(namespace)
    return name if group == namespace + name and name in _PROJECTIONS else ""


def _system_of(group: str, namespace: str, topics: Iterable[str]) -> Parts | None:
    """Return what a group stands for in this system, or in one whose topics it has read; None where it is foreign."""
    read = set(topics)
    for parts in _readings(group):
        if parts.namespace == namespace or read & _topics_of(parts):
            return parts
    return None


def _readings(group: str) -> Iterable[Parts]:
    """Yield each way to read a group's name as one of ours: of `ns.orders+payments` it is the rooms `orders`, `payments`."""
    first, *others = group.split(SEPARATOR)
    if not all(other in ROOMS for other in others):
        return
    for name in (*ROOMS, *(() if others else _PROJECTIONS)):
        if first.endswith(name):
            yield Parts(first.removesuffix(name), (name, *others))


def _topics_of(parts: Parts) -> set[str]:
    known = [topic for name in parts.names for topic in ([log_read_by(name)] if name in ROOMS else TOPICS)]
    return {parts.namespace + topic.name for topic in known}

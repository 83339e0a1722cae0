"""What the page of one consumer group shows: where it stands in each partition, who has it, and what was done about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from consumers.lag.model import Verdict
from infra.base.rooms import ROOMS
from infra.edge.console.actions import action_of_room
from infra.edge.console.plotting import svg_of
from infra.ops.offsets.resetting import subject_of
from infra.ops.pausing import Place

if TYPE_CHECKING:
    from consumers.lag.model import GroupLag
    from infra.base.settings import Settings
    from infra.edge.console.watching import Watch


def group_values(settings: Settings, watch: Watch, name: str) -> dict[str, Any] | None:
    """Return what a group's page shows; None where there is none of this name."""
    lag = watch.observed.lag
    group = next((group for group in lag.groups if group.group == name), None) if lag else None
    if group is None:
        return None
    room = name.removeprefix(settings.namespace)
    can_pause = group.ours and room in ROOMS
    places = [Place(room), *(Place(room, part.partition) for part in group.partitions)] if can_pause else []
    return {
        "group": group,
        "paths": svg_of(watch.history.lag_of(name, time.time_ns() // 1_000_000)),
        "room": room if can_pause else "",
        "whole": _action(group, None) if can_pause else None,
        "parts": [(part, _action(group, part.partition) if can_pause else None) for part in group.partitions],
        "did": watch.actions_about(subject_of(name), *(place.subject for place in places)),
    }


def _action(group: GroupLag, partition: int | None) -> Any:
    """Return what can be done: a room whose partitions are all paused is resumed as one."""
    paused = [part.partition for part in group.partitions if part.verdict is Verdict.PAUSED]
    is_whole = len(paused) == len(group.partitions) > 0
    if partition is None:
        return action_of_room(is_paused=is_whole)
    return None if is_whole else action_of_room(is_paused=partition in paused)

"""Run rooms as one process, pause and resume them."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from infra.cli.commands.room import pausing, running
from infra.cli.groups import Group, add, new_group


class _Rooms(Group):
    """A group in which whatever is none of its commands is a room to run: `lastunit room inventory`."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = [each for each in args if not each.startswith("-")]
        is_room = bool(words) and words[0] not in self.commands
        return super().parse_args(ctx, ["run", *args] if is_room else args)


app = new_group("room", "Run rooms as one process, pause and resume them.", _Rooms)
add(app, running.run, pausing.pause, pausing.resume, pausing.paused)

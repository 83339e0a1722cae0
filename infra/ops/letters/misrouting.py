"""Which partitioner put records where their keys do not belong, as far as the dead letters of a topic tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topology.foreign_partitioners import Suspect, suspect
from topology.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.ops.letters.reading import Letter
    from infra.ops.log import Log

WRONG_PARTITION = "wrong_partition"


async def find_suspect(log: Log, letters: Iterable[Letter], about: Letter) -> Suspect | None:
    """Return who misrouted the record of a letter, judged by all letters of its topic; None where it was not misrouted.

    Raises UnreadableError.
    """
    topic = next((declared for declared in TOPICS if declared.name == about.source.topic), None)
    if about.source.reason != WRONG_PARTITION or topic is None:
        return None
    places = {
        (source.key, source.partition)
        for source in (letter.source for letter in letters)
        if source.reason == WRONG_PARTITION and source.topic == topic.name and source.key is not None
    }
    return suspect(places, len(await log.ends(topic)))

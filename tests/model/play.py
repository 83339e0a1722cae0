"""Plays cases one after the other, and tells of a failure the shortest story that still fails."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, NamedTuple

from schemas import messages as m
from tests.model.dice import Pick, recorded, scripted, seeded, shrunk
from tests.model.orders import ORDER_IDS, sendings
from tests.model.rooms import Rooms
from tests.model.shop import Shop
from tests.model.verdict import judge, judge_before_time_passes


class Failure(NamedTuple):
    """Case `case` of seed `seed` failed; `story` is its log, made as short as it gets."""

    seed: int
    case: int
    why: str
    story: list[str]

    def __str__(self) -> str:
        head = f"case {self.case} of seed {self.seed}: {self.why}; this is all it takes:"
        return "\n".join([head, *self.story, f"again: python -m tests.model --seed {self.seed} --case {self.case}"])


class Played(NamedTuple):
    """How many cases were played, in which time, and the first that failed."""

    cases: int
    seconds: float
    failure: Failure | None


def play_one(pick: Pick, unsent: Iterable[m.Message], rooms: Rooms, trace: Callable[[str], None] | None = None) -> Shop:
    """Play one case to its end. Raises AssertionError where an invariant is broken, or whatever a room raises."""
    shop = Shop(pick, list(unsent), rooms, trace)
    shop.run()
    judge_before_time_passes(shop.end)
    shop.let_all_time_pass()
    judge(shop.end)
    return shop


def play(seed: int, cases: range, rooms: Rooms | None = None) -> Played:
    """Play the cases of a seed until one fails."""
    rooms = rooms or Rooms()
    began = time.perf_counter()
    for case in cases:
        pick = seeded(_seed_of(seed, case))
        try:
            play_one(pick, sendings(pick), rooms)
        except Exception as error:  # noqa: BLE001  a room that raises has failed the case too
            seconds = time.perf_counter() - began
            return Played(case - cases.start + 1, seconds, _reported(seed, case, rooms, error))
    return Played(len(cases), time.perf_counter() - began, None)


def _seed_of(seed: int, case: int) -> int:
    return seed << 40 | case


def _reported(seed: int, case: int, rooms: Rooms, why: Exception) -> Failure:
    """Make a failed case as small as it gets while it fails in the same way, and write it down."""
    story = _Story(seed, case, rooms, why)
    sent = shrunk(story.sent, story.fails_somehow)
    choices = shrunk(story.choices, lambda chosen: story.fails(chosen, sent), blank=0)
    sent = shrunk(sent, partial(story.fails, choices))
    lines: list[str] = []
    why = _failure_of(scripted(choices), sent, rooms, lines.append) or why
    return Failure(seed, case, _short(repr(why)), [*map(_short, lines)])


class _Story:
    """A failed case while it is made smaller; `choices` are those that lead to the failure with the fewest sendings."""

    def __init__(self, seed: int, case: int, rooms: Rooms, why: Exception) -> None:
        self._rooms = rooms
        self._kind = _kind_of(why)
        self._luck = random.Random(case)
        self.choices: list[int] = []
        pick = seeded(_seed_of(seed, case))
        self.sent = sendings(pick)
        _failure_of(recorded(pick, self.choices), self.sent, rooms)

    def fails(self, choices: list[int], sent: list[m.Message]) -> bool:
        """Tell whether these choices lead to the same failure."""
        return _kind_of(_failure_of(scripted(choices), sent, self._rooms)) == self._kind

    def fails_somehow(self, sent: list[m.Message]) -> bool:
        """Tell whether some choices do: with fewer sendings each choice is about something else."""
        if self.fails(self.choices, sent):
            return True
        for _ in range(LUCKY_TRIES):
            choices: list[int] = []
            why = _failure_of(recorded(seeded(self._luck.getrandbits(60)), choices), sent, self._rooms)
            if _kind_of(why) == self._kind:
                self.choices = choices
                return True
        return False


def _kind_of(why: Exception | None) -> tuple[type, str]:
    """Return what makes two failures the same: their words, but for names and numbers."""
    return type(why), _NAMES.sub("", str(why))[:SAME_WORDS]


def _failure_of(
    pick: Pick, unsent: Iterable[m.Message], rooms: Rooms, trace: Callable[[str], None] | None = None
) -> Exception | None:
    try:
        play_one(pick, unsent, rooms, trace)
    except Exception as error:  # noqa: BLE001  see play
        return error
    return None


def _short(text: str) -> str:
    """Leave out what hardly ever matters to a failure."""
    return _TEDIOUS.sub("", text.replace(ORDER_IDS[0][:-1], "order "))


_NAMES: Final = re.compile(r"[-\w]*\d[-\w]*|\b(?:MUG|TEE|HAT)\b")
SAME_WORDS: Final = 40
LUCKY_TRIES: Final = 60
_TEDIOUS: Final = re.compile(r", (?:unit_price_minor|currency|customer_id|payment_token|authorization_id)=[^,)]*")

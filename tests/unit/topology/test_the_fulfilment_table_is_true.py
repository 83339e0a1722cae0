"""Fulfilment's table against the code: orders walk at random, and what they do must be what the table says.

Seeded, so a failure comes back. 6,000 orders of up to 40 messages each visit every arrow many times.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import Final

import pytest

from consumers.diagrams import arrows
from consumers.errors import RefusedError
from consumers.fulfilment.evolve import evolve
from consumers.fulfilment.state import Fulfilment
from consumers.fulfilment.transitions import TRANSITIONS, decide
from consumers.runtime.deciding.now import Deadlines, Now
from schemas import messages as m
from tests.unit.fulfilment.message_generator import ORDER_ID, START_MS, next_message
from topology.saga import REACTIONS
from topology.states import FulfilmentState

SEED: Final = 20_240_607
WALKS: Final = 6_000
STEPS: Final = 40
DEADLINES: Final = Deadlines(*(12,) * 7)

Move = tuple[FulfilmentState, type[m.Message], FulfilmentState]


class Walked:
    """How often which (state, message, other state) was seen, and what was said on hearing what."""

    def __init__(self) -> None:
        self.moves: Counter[Move] = Counter()
        self.outputs: defaultdict[type[m.Message], set[type[m.Message]]] = defaultdict(set)

    def walk(self, dice: random.Random) -> None:
        state, now_ms = Fulfilment(ORDER_ID), START_MS
        for _ in range(dice.randrange(1, STEPS)):
            now_ms += dice.choice((0, 0, 1, 1, 1, 2, 2, 15))
            received = next_message(state, dice, now_ms)
            try:
                outcomes = decide(state, received, Now(now_ms, DEADLINES))
            except RefusedError:
                continue
            before = state.state
            evolve(state, received, outcomes, Now(now_ms, DEADLINES))
            if state.state != before:
                self.moves[before, type(received), state.state] += 1
            self.outputs[type(received)].update(map(type, outcomes))


@pytest.fixture(scope="module")
def seen() -> Walked:
    dice, walked = random.Random(SEED), Walked()
    for _ in range(WALKS):
        walked.walk(dice)
    return walked


def test_a_fulfilment_moves_exactly_along_the_arrows_that_are_drawn(seen: Walked) -> None:
    moves = arrows(TRANSITIONS)
    drawn = {(source, cause, target) for (source, target), all_ in moves.items() for cause in all_ if source != target}
    assert set(seen.moves) == drawn


def test_fulfilment_publishes_exactly_what_the_saga_declares(seen: Walked) -> None:
    declared = {reaction.on: set(reaction.outputs) for reaction in REACTIONS if reaction.room == "fulfilment"}
    undeclared = {
        on.__name__: [kind.__name__ for kind in seen.outputs[on] ^ outputs] for on, outputs in declared.items()
    }
    assert {on: difference for on, difference in undeclared.items() if difference} == {}

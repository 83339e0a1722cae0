"""Cutting what was read into steps loses nothing, keeps each partition's order and puts every barrier by itself."""

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import RefusedError
from consumers.runtime.deciding.batch import BatchStep, DecodedSlice, steps
from consumers.runtime.deciding.record import Reading
from schemas import messages as m
from tests.given_when_then import ExpireHolds, ReceiveStock
from tests.samples import samples
from tests.unit.runtime.records import ARecord

PLAIN, BARRIER, REFUSED, NOT_ACCEPTED = "plain", "barrier", "refused", "unheard"
READ_AS: dict[str, m.Message | RefusedError] = {
    PLAIN: ReceiveStock(),
    BARRIER: ExpireHolds(),
    REFUSED: RefusedError("key_mismatch", "for a test"),
}


def is_barrier(message: type) -> bool:
    return message is m.ExpireHolds


def a_run(partition: int, first: int, kinds: list[str]) -> DecodedSlice:
    readings: list[Reading] = [
        (ARecord(partition, first + n, 0, None, None), READ_AS[kind])
        for n, kind in enumerate(kinds)
        if kind != NOT_ACCEPTED
    ]
    return DecodedSlice(partition, first, first + len(kinds), readings)


KINDS = st.lists(st.sampled_from((PLAIN, PLAIN, BARRIER, REFUSED, NOT_ACCEPTED)), min_size=1, max_size=12)


@st.composite
def polls(draw: st.DrawFn) -> list[DecodedSlice]:
    """Return what one poll of several partitions brings: one run each."""
    return [a_run(partition, draw(st.integers(0, 50)), kinds) for partition, kinds in enumerate(draw(st.lists(KINDS)))]


def offsets(runs: list[DecodedSlice]) -> list[int]:
    return [record.offset for run in runs for record, _ in run.readings]


def barriers(step: BatchStep) -> list[bool]:
    return [is_barrier(type(read_as)) for run in step.slices for _, read_as in run.readings]


@settings(max_examples=samples(300), deadline=None, derandomize=True)
@given(polls())
def test_cutting_loses_nothing_and_keeps_every_partitions_order(runs: list[DecodedSlice]) -> None:
    cut = steps(runs, is_barrier)
    for run in runs:
        pieces = [piece for step in cut for piece in step.slices if piece.partition == run.partition]
        assert [piece.partition for piece in pieces] == [run.partition] * len(pieces)
        assert offsets(pieces) == offsets([run])
        assert [read_as for piece in pieces for _, read_as in piece.readings] == [
            read_as for _, read_as in run.readings
        ]
        seams = [run.first, *[piece.next for piece in pieces]]
        assert [piece.first for piece in pieces] == seams[:-1], "each piece begins where the one before it ends"
        assert seams[-1] == run.next


@settings(max_examples=samples(300), deadline=None, derandomize=True)
@given(polls())
def test_a_barrier_is_decided_by_itself_and_nothing_else_is_a_barrier(runs: list[DecodedSlice]) -> None:
    for step in steps(runs, is_barrier):
        flags = barriers(step)
        assert flags == [True] if step.barrier else not any(flags)


@settings(max_examples=samples(300), deadline=None, derandomize=True)
@given(polls())
def test_no_step_is_empty_and_no_partition_comes_twice_in_one(runs: list[DecodedSlice]) -> None:
    for step in steps(runs, is_barrier):
        partitions = [run.partition for run in step.slices]
        assert partitions
        assert len(set(partitions)) == len(partitions)
        assert all(run.first < run.next for run in step.slices)


def test_what_needs_no_barrier_is_decided_together_first() -> None:
    runs = [a_run(0, 0, [PLAIN, BARRIER, PLAIN]), a_run(1, 7, [PLAIN, PLAIN])]
    cut = steps(runs, is_barrier)
    assert [[(run.partition, run.first, run.next) for run in step.slices] for step in cut] == [
        [(0, 0, 1), (1, 7, 9)],
        [(0, 1, 2)],
        [(0, 2, 3)],
    ]
    assert [step.barrier for step in cut] == [False, True, False]


def test_skipped_records_around_a_barrier_still_count_as_decided() -> None:
    cut = steps([a_run(0, 5, [NOT_ACCEPTED, BARRIER, NOT_ACCEPTED])], is_barrier)
    assert [(step.slices[0].first, step.slices[0].next, step.barrier) for step in cut] == [
        (5, 6, False),
        (6, 7, True),
        (7, 8, False),
    ]


def test_nothing_read_is_no_step() -> None:
    assert steps([], is_barrier) == []

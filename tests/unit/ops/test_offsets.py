"""Which groups' positions may be set, and what a reset has read again or left out."""

from __future__ import annotations

import pytest

from consumers.lag.model import GroupSnapshot, LagSnapshot, LogRange
from infra.base.rooms import ROOMS
from infra.ops.offsets.guard import projection_of, refusal
from infra.ops.offsets.plan import Move, Target, detail_of, moves_of
from topology.topics import log_read_by

NAMESPACE = "shop."


def look(name: str, *topics: str, state: str = "Empty", members: int = 0) -> LagSnapshot:
    committed = {(topic, 0): 5 for topic in topics}
    group = GroupSnapshot(
        state=state, members=members, committed=committed, owners=dict.fromkeys(committed, "c at here")
    )
    return LagSnapshot(at_ms=0, listed=frozenset({name}), groups={name: group})


def why_not(name: str, *topics: str, namespace: str = NAMESPACE, state: str = "Empty", members: int = 0) -> str:
    return refusal(name, namespace, look(name, *topics, state=state, members=members))


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("namespace", ["", NAMESPACE])
def test_a_rooms_group_is_refused_even_where_nobody_is_in_it(room: str, namespace: str) -> None:
    topic = namespace + log_read_by(room).name
    assert "position is in PostgreSQL" in why_not(f"{namespace}{room}", topic, namespace=namespace)
    assert "position is in PostgreSQL" in why_not(f"{namespace}{room}", namespace=namespace)


def test_the_group_of_rooms_that_share_a_reader_is_refused() -> None:
    assert "orders, payments" in why_not("shop.orders+payments", "shop.order.events")


def test_a_room_of_another_namespace_is_recognised_by_what_it_reads() -> None:
    assert "position is in PostgreSQL" in why_not("other.inventory", "other.inventory.commands")
    assert "namespace 'other.'" in why_not("other.views", "other.order.events")
    assert why_not("other.inventory", "stock-takes") == ""
    assert why_not("my-orders", "shop.order.events") == ""


def test_a_foreign_group_is_refused_while_somebody_is_in_it() -> None:
    assert why_not("reports", "shop.order.events") == ""
    at_work = why_not("reports", "shop.order.events", state="Stable", members=2)
    assert "at work: Stable, with 2 of it connected (c at here)" in at_work
    assert "stop them all first" in at_work
    assert why_not("reports", "shop.order.events", state="PreparingRebalance")


def test_trends_are_refused_while_they_count_and_the_views_never_are() -> None:
    assert why_not("shop.views", "shop.order.events", state="Stable", members=1) == ""
    assert why_not("shop.trends", "shop.order.events") == ""
    assert "at work" in why_not("shop.trends", "shop.order.events", state="Stable", members=1)
    assert [projection_of(name, NAMESPACE) for name in ("shop.views", "shop.trends", "views", "shop.orders")] == [
        "views",
        "trends",
        "",
        "",
    ]


def test_a_group_that_is_not_there_or_cannot_be_read_is_refused() -> None:
    assert "There is no group" in refusal("gone", NAMESPACE, look("reports", "t"))
    assert "There is no group" in why_not("gone", state="Dead")
    unread = LagSnapshot(at_ms=0, listed=frozenset({"g"}), groups={"g": GroupSnapshot(state="Empty", committed=None)})
    assert "could not be read" in refusal("g", NAMESPACE, unread)
    assert refusal("g", NAMESPACE, LagSnapshot(at_ms=0, listed=None, errors=["Kafka does not answer: timed out"]))


LOG = LogRange(10, 100)


@pytest.mark.parametrize(
    ("target", "since", "to"),
    [
        (Target("earliest"), None, 10),
        (Target("latest"), None, 100),
        (Target("offset", 42), None, 42),
        (Target("offset", 3), None, 10),
        (Target("offset", 300), None, 100),
        (Target("time", 1), 60, 60),
        (Target("time", 1), None, 100),
    ],
)
def test_a_target_is_kept_within_the_log_and_counted(target: Target, since: int | None, to: int) -> None:
    offsets_at = {} if since is None else {("t", 0): since}
    [move] = moves_of({("t", 0): 50}, {("t", 0): LOG}, target, offsets_at)
    assert move == Move("t", 0, 50, to)
    assert (move.redone, move.skipped) == (max(0, 50 - to), max(0, to - 50))


def test_what_stands_there_already_is_left_alone() -> None:
    assert moves_of({("t", 0): 10, ("t", 1): 11}, {("t", 0): LOG, ("t", 1): LOG}, Target("earliest"), {}) == [
        Move("t", 1, 11, 10)
    ]


def test_the_note_names_as_many_moves_as_fit_and_counts_the_rest() -> None:
    moves = [Move("t", number, 9, 1) for number in range(100)]
    assert detail_of(moves[:2], 1_000) == "t/0: 9 -> 1, t/1: 9 -> 1"
    cut = detail_of(moves, 100)
    assert len(cut) <= 100
    assert cut.startswith("t/0: 9 -> 1, ")
    assert cut.endswith(f", and {100 - cut.count('->')} more")

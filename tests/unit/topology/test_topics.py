import re
from collections import Counter
from typing import Any

import msgspec
import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from producers.publisher import Outgoing, fill
from schemas import messages as m
from schemas.codec.items import ITEM_RECORDS
from schemas.codec.lock import read_current
from schemas.codec.sizes import largest_value_bytes
from schemas.codec.validation import RANGES
from schemas.codec.wire import encode
from schemas.errors import EncodeError
from schemas.limits import LONG_TEXTS, MAX_ADDRESS_BYTES, MAX_ITEMS, MAX_LINES, MAX_TEXT_BYTES
from topology.saga import REACTIONS, messages_accepted_by
from topology.topics import (
    _ROOMS,
    ADDRESSED_TO_A_PARTITION,
    CO_PARTITIONED,
    DAY_MS,
    DEAD_LETTERS,
    INVENTORY_COMMANDS,
    LETTER_TO_SOURCE,
    MAX_ENVELOPE_BYTES,
    MAX_RECORD_BYTES,
    ORDER_COMMANDS,
    ORDER_EVENTS,
    STOCK_LEVELS,
    TOPIC_NAMES,
    TOPICS,
    Topic,
    key_of,
    log_of,
    log_read_by,
    topic_of,
)

LETTER = m.DeadLetter(
    room="orders",
    topic="order.events",
    partition=3,
    offset=7,
    key=b"A",
    value=b"?",
    headers={},
    reason="undecodable",
    detail="",
    at_ms=0,
)


def test_every_message_is_carried_by_exactly_one_topic() -> None:
    carried = [message for message in m.MESSAGES if message is not m.AdoptRules]
    assert Counter(message for topic in TOPICS for message in topic.carries) == Counter(carried)


@pytest.mark.parametrize("message", TOPIC_NAMES)
def test_every_message_has_the_field_that_keys_its_topic(message: type[m.Message]) -> None:
    assert (topic_of(message).key in message.__struct_fields__) is (message not in ADDRESSED_TO_A_PARTITION)


def test_all_that_is_about_an_order_is_co_partitioned() -> None:
    by_order = tuple(topic for topic in TOPICS if topic.key == "order_id")
    assert by_order == CO_PARTITIONED
    assert len({topic.partitions for topic in by_order}) == 1


@pytest.mark.parametrize("room", sorted({reaction.room for reaction in REACTIONS}))
def test_every_room_reads_one_log_and_accepts_nothing_that_stands_elsewhere(room: str) -> None:
    assert {log_of(message) for message in messages_accepted_by(room)} == {log_read_by(room)}


def test_intake_alone_reads_what_the_outside_asks_of_an_order() -> None:
    for room in ("orders", "payments", "fulfilment", "notifications"):
        assert log_read_by(room) is ORDER_EVENTS
    assert log_read_by("intake") is ORDER_COMMANDS
    assert log_read_by("inventory") is INVENTORY_COMMANDS


def test_a_stock_command_is_keyed_by_its_sku_and_an_order_fact_by_its_order() -> None:
    assert key_of(m.ReceiveStock(command_id="c", sku="Tee/ß", quantity=1)) == "Tee/ß".encode()
    assert key_of(m.OrderRejected(order_id="A", reason="cancelled")) == b"A"


def test_expire_holds_goes_to_its_partition_without_a_key() -> None:
    assert key_of(m.ExpireHolds(as_of_ms=1, limit=100)) is None


def test_a_dead_letter_keeps_the_key_of_its_source() -> None:
    assert key_of(LETTER) == b"A"


def test_what_no_topic_carries_has_no_key_to_guess() -> None:
    class Stranger(m.Message, frozen=True):
        sku: str

    with pytest.raises(KeyError):
        key_of(Stranger(sku="MUG"))


def test_a_namespace_stands_before_the_name() -> None:
    assert STOCK_LEVELS.in_namespace("") == "stock.levels"
    assert STOCK_LEVELS.in_namespace("t1.") == "t1.stock.levels"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_name_is_one_that_kafka_takes(topic: Topic) -> None:
    # Kafka's metrics turn dots into underscores, so a name with both could collide with another.
    assert re.fullmatch(r"[a-z]+(\.[a-z]+)*", topic.name)
    assert len(topic.name) <= 249 - 100  # Kafka's limit, less the longest namespace that settings allow


@pytest.mark.parametrize("topic", [INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS], ids=lambda topic: topic.name)
def test_the_log_that_decisions_are_replayed_from_is_never_deleted_and_dated_by_the_broker(topic: Topic) -> None:
    configs = topic.kafka_configs()
    assert configs["cleanup.policy"] == "delete"
    assert configs["retention.ms"] == configs["retention.bytes"] == "-1"
    assert configs["message.timestamp.type"] == "LogAppendTime"
    assert configs["unclean.leader.election.enable"] == "false"


@pytest.mark.parametrize(("replication_factor", "in_sync"), [(1, "1"), (2, "1"), (3, "2")])
def test_one_broker_may_be_away_without_losing_a_write(replication_factor: int, in_sync: str) -> None:
    assert ORDER_EVENTS.kafka_configs(replication_factor)["min.insync.replicas"] == in_sync


def largest(message: type[m.Message]) -> m.Message:
    """Return the largest message of a kind that can lawfully be written."""

    def value(avro_type: Any, name: str) -> Any:
        if avro_type == "string":
            return "é" * ((MAX_ADDRESS_BYTES if name in LONG_TEXTS else MAX_TEXT_BYTES) // 2)
        if isinstance(avro_type, str):
            return RANGES[avro_type].start
        if avro_type["type"] == "record":
            struct = next(record for record in ITEM_RECORDS if record.__name__ == avro_type["name"])
            return struct(**{field["name"]: value(field["type"], "") for field in avro_type["fields"]})
        return (value(avro_type["items"], ""),) * MAX_ITEMS.get(name, MAX_LINES)

    fields = read_current()[message.__name__]["fields"]
    return message(**{field["name"]: value(field["type"], f"{message.__name__}.{field['name']}") for field in fields})


@pytest.mark.parametrize(
    "message", [message for message in TOPIC_NAMES if message is not m.DeadLetter], ids=lambda message: message.__name__
)
def test_the_largest_lawful_message_of_each_kind_fits_its_topic(message: type[m.Message]) -> None:
    value = encode(largest(message))
    assert len(value) == largest_value_bytes([message])
    assert len(value) + MAX_ENVELOPE_BYTES <= topic_of(message).max_message_bytes


@pytest.mark.parametrize("field", MAX_ITEMS)
def test_a_list_of_its_own_limit_takes_no_item_more(field: str) -> None:
    record, name = field.split(".")
    message = next(
        (candidate for candidate in m.MESSAGES if candidate.__name__ == record and name in candidate.__struct_fields__),
        None,
    )
    if message is not None:
        full = largest(message)
        longer = msgspec.structs.replace(full, **{name: getattr(full, name) + getattr(full, name)[:1]})
        with pytest.raises(EncodeError, match=rf"{field} has {MAX_ITEMS[field] + 1} items"):
            encode(longer)


def test_the_envelope_of_a_record_fits_its_allowance() -> None:
    cause = b"x" * 249 + b"/1023/9223372036854775807/99999"
    record = Outgoing("t", 0, b"k" * MAX_TEXT_BYTES, b"", cause, headers=(("ce_id", cause),))
    builder = BatchBuilder(MAX_RECORD_BYTES, 0, is_transactional=False, key_serializer=None, value_serializer=None)
    assert fill(builder, [record]) == 1
    assert len(builder._build()) <= MAX_ENVELOPE_BYTES


def test_a_dead_letter_holds_the_largest_record_whole() -> None:
    sources = [log_read_by(room) for room in _ROOMS]
    assert set(sources) <= set(DEAD_LETTERS.holds_whole)
    assert all(topic.kafka_configs()["compression.type"] == "uncompressed" for topic in sources)
    assert DEAD_LETTERS.max_message_bytes > LETTER_TO_SOURCE * max(topic.max_message_bytes for topic in sources)
    assert DEAD_LETTERS.kafka_configs()["max.message.bytes"] == str(DEAD_LETTERS.max_message_bytes)


def test_only_the_latest_level_of_a_sku_is_kept_and_soon() -> None:
    configs = STOCK_LEVELS.kafka_configs()
    assert configs["cleanup.policy"] == "compact"
    assert configs["max.compaction.lag.ms"] == str(DAY_MS)

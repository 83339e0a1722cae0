import numpy as np
import pytest
from aiokafka.partitioner import DefaultPartitioner, murmur2
from hypothesis import given
from hypothesis import strategies as st

from topology.murmur2_of_many import hashes_of_length
from topology.partitioner import partition_of, partitions_of

# Kafka's own test: org.apache.kafka.common.utils.UtilsTest.testMurmur2
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "java"), JAVA.items())
@pytest.mark.parametrize("count", [1, 20])
def test_a_hash_is_the_one_that_java_publishes(key: bytes, java: int, count: int) -> None:
    assert hashes_of_length([key] * count, len(key)).view(np.int32).tolist() == [java] * count


@pytest.mark.parametrize(("key", "java"), JAVA.items())
def test_a_partition_drops_the_sign_bit_as_java_does(key: bytes, java: int) -> None:
    assert partition_of(key, 12) == (java & 0x7FFFFFFF) % 12
    assert partitions_of([key], 12) == [partition_of(key, 12)]


@given(length=st.integers(0, 70), data=st.data(), partitions=st.integers(1, 1000))
def test_a_batch_of_one_length_agrees_with_aiokafka(length: int, data: st.DataObject, partitions: int) -> None:
    keys = data.draw(st.lists(st.binary(min_size=length, max_size=length), min_size=8, max_size=20))
    assert hashes_of_length(keys, length).tolist() == [murmur2(key) for key in keys]
    assert partitions_of(keys, partitions) == [partition_of(key, partitions) for key in keys]


@given(keys=st.lists(st.binary(max_size=9), max_size=100), partitions=st.integers(1, 1000))
def test_a_batch_of_many_lengths_keeps_its_order(keys: list[bytes], partitions: int) -> None:
    partitioner, all_partitions = DefaultPartitioner(), list(range(partitions))
    assert partitions_of(keys, partitions) == [partitioner(key, all_partitions, []) for key in keys]


@given(count=st.integers(1, 40))
def test_an_empty_key_has_a_partition_too(count: int) -> None:
    assert partitions_of([b""] * count, 12) == [partition_of(b"", 12)] * count


def test_no_keys_have_no_partitions() -> None:
    assert partitions_of([], 12) == []


def test_a_topic_without_partitions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        partitions_of([b"MUG"], 0)

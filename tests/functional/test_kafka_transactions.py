"""Transactions over Kafka's protocol: librdkafka (confluent-kafka) and Tarn's coordinator."""

import time
import uuid

import pytest
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from test_kafka import consume, login, produce


def transactional(tarn, name, **settings):
    producer = Producer({**login(tarn), "transactional.id": name, "linger.ms": 2, **settings})
    producer.init_transactions(20)
    return producer


def write(producer, topic, values, partition=0):
    for value in values:
        producer.produce(topic, value, partition=partition)
        producer.poll(0)
    assert producer.flush(20) == 0


def read(tarn, topic, partition=0, isolation="read_committed", seconds=2):
    """What a consumer sees until nothing comes any more."""
    consumer = Consumer({**login(tarn), "group.id": uuid.uuid4().hex, "isolation.level": isolation,
                         "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0)])
    values, quiet = [], time.monotonic() + seconds
    while time.monotonic() < quiet:
        for message in consumer.consume(500, 0.2):
            assert not message.error(), message.error()
            values.append(message.value())
            quiet = time.monotonic() + seconds
    consumer.close()
    return values


def make(tarn, name):
    admin = AdminClient(login(tarn))
    admin.create_topics([NewTopic(name, 3, 1)])[name].result(10)


def end_of(tarn, topic, isolation):
    admin = AdminClient(login(tarn))
    asked = TopicPartition(topic, 0)
    found = admin.list_offsets({asked: OffsetSpec.latest()}, isolation_level=isolation, request_timeout=10)
    return found[asked].result(10).offset


@pytest.fixture
def topic(small):
    name = "x-" + uuid.uuid4().hex[:8]
    make(small, name)
    return name


def test_what_is_committed_is_seen_and_what_is_aborted_is_not(small, topic):
    producer = transactional(small, topic)
    for number in range(6):
        producer.begin_transaction()
        for partition in range(3):
            write(producer, topic, [f"{number}.{i}".encode() for i in range(5)], partition)
        producer.commit_transaction(20) if number % 2 == 0 else producer.abort_transaction(20)
    committed = [f"{number}.{i}".encode() for number in (0, 2, 4) for i in range(5)]
    for partition in range(3):
        assert read(small, topic, partition) == committed
    assert len(read(small, topic, 0, "read_uncommitted")) == 30
    # Markers take an offset each.
    assert end_of(small, topic, IsolationLevel.READ_UNCOMMITTED) == 36


def test_an_open_transaction_holds_back_what_follows(small, topic):
    producer = transactional(small, topic)
    producer.begin_transaction()
    write(producer, topic, [b"open"])
    assert produce(small, topic, [b"plain"], **{"partitioner": "consistent"}) == []
    other = Producer(login(small))
    other.produce(topic, b"behind", partition=0)
    assert other.flush(10) == 0
    assert end_of(small, topic, IsolationLevel.READ_COMMITTED) == 0
    assert end_of(small, topic, IsolationLevel.READ_UNCOMMITTED) >= 2
    assert read(small, topic) == []
    assert b"open" in read(small, topic, 0, "read_uncommitted")
    waiting = Consumer({**login(small), "group.id": topic, "isolation.level": "read_committed",
                        "fetch.wait.max.ms": 60_000, "socket.timeout.ms": 90_000})
    waiting.assign([TopicPartition(topic, 0, 0)])
    assert waiting.poll(1) is None
    producer.commit_transaction(20)
    began = time.monotonic()
    seen = waiting.poll(20)
    assert seen is not None and seen.value() == b"open"
    assert time.monotonic() - began < 10  # the end wakes who waits, it is not found by chance
    waiting.close()


def test_a_later_producer_fences_the_one_before(small, topic):
    first = transactional(small, topic)
    first.begin_transaction()
    write(first, topic, [b"of the first"])
    second = transactional(small, topic)  # its start aborts what was open
    with pytest.raises(KafkaException) as refused:
        first.commit_transaction(20)
    assert refused.value.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED,
                                            KafkaError.INVALID_PRODUCER_EPOCH)
    second.begin_transaction()
    write(second, topic, [b"of the second"])
    second.commit_transaction(20)
    assert read(small, topic) == [b"of the second"]


def test_a_transaction_that_takes_too_long_is_aborted(small, topic):
    producer = transactional(small, topic, **{"transaction.timeout.ms": 1500})
    producer.begin_transaction()
    write(producer, topic, [b"late"])
    end = time.monotonic() + 20
    while end_of(small, topic, IsolationLevel.READ_COMMITTED) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert read(small, topic) == []
    with pytest.raises(KafkaException):
        producer.commit_transaction(10)
    too_long = Producer({**login(small), "transactional.id": topic + "-2", "transaction.timeout.ms": 1_000_000})
    with pytest.raises(KafkaException, match="transaction_timeout_max|timeout"):
        too_long.init_transactions(10)


def chain(tarn, source, target, group, name):
    """Copies, doubled, exactly once."""
    consumer = Consumer({**login(tarn), "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "isolation.level": "read_committed",
                         "session.timeout.ms": 6000})
    consumer.subscribe([source])
    return consumer, transactional(tarn, name), target


def step(link, seconds=10.0, upto=20):
    consumer, producer, target = link
    messages = [one for one in consumer.consume(upto, seconds) if not one.error()]
    if not messages:
        return 0
    producer.begin_transaction()
    for message in messages:
        producer.produce(target, str(int(message.value()) * 2), partition=message.partition())
    producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata(),
                                         20)
    return len(messages)


def test_consume_process_produce_exactly_once_over_a_fence(small, topic):
    target = topic + "-out"
    make(small, target)
    total = 300
    feeder = transactional(small, topic + "-feed")
    feeder.begin_transaction()
    for partition in range(3):
        write(feeder, topic, [str(i).encode() for i in range(partition, total, 3)], partition)
    feeder.commit_transaction(20)

    group, name = topic + "-group", topic + "-copy"
    first = chain(small, topic, target, group, name)
    done = 0
    for number in range(4):
        count = step(first)
        assert count > 0
        # Every other is given up: its records and its offsets are read again.
        if number % 2 == 1:
            first[1].abort_transaction(20)
            committed = first[0].committed(first[0].assignment(), 10)
            for one in committed:
                first[0].seek(TopicPartition(topic, one.partition, max(one.offset, 0)))
        else:
            first[1].commit_transaction(20)
            done += count
    assert step(first) > 0  # left open: another takes over
    second = chain(small, topic, target, group, name)
    with pytest.raises(KafkaException):
        first[1].commit_transaction(20)
    first[0].close()
    while done < total:
        done += step(second, 10)
        second[1].commit_transaction(20)
    assert done == total
    got = sorted(int(value) for partition in range(3) for value in read(small, target, partition))
    assert got == [2 * i for i in range(total)]
    committed = second[0].committed([TopicPartition(topic, partition) for partition in range(3)], 10)
    # A hundred records and the marker of their transaction, which a consumer may or may not have gone over.
    assert all(one.offset in (100, 101) for one in committed)
    second[0].close()


def test_offsets_of_an_open_transaction_are_not_told(small, topic):
    produce(small, topic, [b"x"] * 9)
    group = topic + "-group"
    consumer = Consumer({**login(small), "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe([topic])
    assert consumer.consume(9, 20)
    producer = transactional(small, topic)
    producer.begin_transaction()
    positions = consumer.position(consumer.assignment())
    producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), 20)
    asking = Consumer({**login(small), "group.id": group, "isolation.level": "read_committed"})
    # Kafka answers UNSTABLE_OFFSET_COMMIT, and the client asks again until its time is over.
    with pytest.raises(KafkaException):
        asking.committed([TopicPartition(topic, 0)], 2)
    loose = Consumer({**login(small), "group.id": group, "isolation.level": "read_uncommitted"})
    assert loose.committed([TopicPartition(topic, 0)], 10)[0].offset < 0
    producer.commit_transaction(20)
    after = {one.partition: one.offset for one in asking.committed(positions, 10)}
    assert after == {one.partition: one.offset for one in positions}
    for one in (consumer, asking, loose):
        one.close()


def test_a_member_of_an_old_generation_commits_nothing(small, topic):
    produce(small, topic, [b"x"] * 9)
    group = topic + "-group"
    settings = {**login(small), "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                "session.timeout.ms": 6000}
    old = Consumer(settings)
    old.subscribe([topic])
    assert old.consume(1, 20)
    metadata, positions = old.consumer_group_metadata(), old.position(old.assignment())
    old.close()
    new = Consumer(settings)
    new.subscribe([topic])
    assert new.consume(1, 20)
    producer = transactional(small, topic)
    producer.begin_transaction()
    with pytest.raises(KafkaException) as refused:
        producer.send_offsets_to_transaction(positions, metadata, 20)
    assert refused.value.args[0].txn_requires_abort()
    producer.abort_transaction(20)
    new.close()


def test_who_may_transact(small, topic):
    small.post("/api/v1/users", {"name": "tess"})
    token = small.post("/api/v1/tokens", {"name": "kafka", "user": "tess"})["token"]
    producer = Producer({**login(small, "tess", token), "transactional.id": topic})
    with pytest.raises(KafkaException) as refused:
        producer.init_transactions(10)
    assert refused.value.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    denied = small.query("SELECT DISTINCT phase FROM system.audit WHERE operation = 'InitProducerId' AND "
                         f"resource = 'transaction:{topic}' AND status <> 'ok'")
    assert denied == [("denied",)]


def test_transactions_are_in_the_audit_log(small, topic):
    producer = transactional(small, topic)
    producer.begin_transaction()
    write(producer, topic, [b"x"])
    producer.commit_transaction(20)
    rows = small.query("SELECT DISTINCT operation FROM system.audit WHERE resource = "
                       f"'transaction:{topic}' AND status = 'ok' ORDER BY 1")
    assert [row[0] for row in rows] == ["AddPartitionsToTxn", "EndTxn", "FindCoordinator", "InitProducerId"]


def test_plain_consumers_read_what_transactions_wrote(small, topic):
    producer = transactional(small, topic, **{"compression.type": "zstd"})
    producer.begin_transaction()
    write(producer, topic, [b"1", b"2", b"3"])
    producer.commit_transaction(20)
    got = consume(small, topic, 3, **{"isolation.level": "read_uncommitted"})
    assert [one.value() for one in got] == [b"1", b"2", b"3"]

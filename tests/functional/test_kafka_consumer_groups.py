"""Groups of the newer protocol (KIP-848), with librdkafka's own consumer."""

import time
import uuid

import pytest
from confluent_kafka import Consumer, ConsumerGroupType, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from test_kafka import consume, login, produce


@pytest.fixture
def topic(small):
    name = "t-" + uuid.uuid4().hex[:8]
    admin = AdminClient(login(small))
    admin.create_topics([NewTopic(name, 4, 1)])[name].result(10)
    return name


def member(small, group, topic, **settings):
    consumer = Consumer({**login(small), "group.id": group, "group.protocol": "consumer",
                         "auto.offset.reset": "earliest", **settings})
    consumer.subscribe([topic])
    return consumer


def poll_until(consumers, holds, seconds=40):
    got, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        got += [one.value() for consumer in consumers for one in consumer.consume(100, 0.2)]
        if holds(got):
            return got
    raise AssertionError([len(got), [len(one.assignment()) for one in consumers]])


def test_members_share_the_work_and_go_on(small, topic):
    group = "g-" + topic
    produce(small, topic, [b"%d" % i for i in range(400)])
    first = member(small, group, topic)
    poll_until([first], lambda got: len(set(got)) == 400)
    assert len(first.assignment()) == 4
    second = member(small, group, topic)
    poll_until([first, second], lambda _: (len(first.assignment()), len(second.assignment())) == (2, 2))
    admin = AdminClient(login(small))
    described = admin.describe_consumer_groups([group])[group].result(10)
    assert described.state.name == "STABLE"
    assert described.type == ConsumerGroupType.CONSUMER
    assert sorted(len(one.assignment.topic_partitions) for one in described.members) == [2, 2]
    listed = {one.group_id: one.type for one in admin.list_consumer_groups().result(10).valid}
    assert listed[group] == ConsumerGroupType.CONSUMER
    shown = small.get(f"/api/v1/consumer-groups/{group}")
    assert [len(one["share"][0]["partitions"]) for one in shown["members"]] == [2, 2]
    with pytest.raises(KafkaException, match="NON_EMPTY_GROUP"):
        admin.delete_consumer_groups([group])[group].result(10)
    # A topic that grows is seen by itself; who leaves leaves its work.
    second.close()
    poll_until([first], lambda _: len(first.assignment()) == 4)
    first.close()
    produce(small, topic, [b"new"])
    third = member(small, group, topic)
    assert poll_until([third], lambda got: len(got) > 0) == [b"new"]
    third.close()
    reader = Consumer({**login(small), "group.id": group})
    committed = reader.committed([TopicPartition(topic, partition) for partition in range(4)], 10)
    reader.close()
    assert sum(one.offset for one in committed if one.offset > 0) == 401


def test_the_range_assignor_and_static_members(small, topic):
    group = "g-" + topic
    produce(small, topic, [b"x"] * 40)
    settings = {"group.remote.assignor": "range", "group.instance.id": "one"}
    first = member(small, group, topic, **settings)
    poll_until([first], lambda got: len(got) == 40)
    admin = AdminClient(login(small))
    described = admin.describe_consumer_groups([group])[group].result(10)
    assert described.partition_assignor == "range"
    assert described.members[0].group_instance_id == "one"
    first.close()
    again = member(small, group, topic, **settings)
    poll_until([again], lambda _: len(again.assignment()) == 4)
    again.close()


def test_protocols_are_not_mixed_and_groups_change_over_when_empty(small, topic):
    group = "g-" + topic
    produce(small, topic, [b"x"] * 5)
    classic = Consumer({**login(small), "group.id": group, "auto.offset.reset": "earliest"})
    classic.subscribe([topic])
    poll_until([classic], lambda got: len(got) == 5)
    classic.commit(asynchronous=False)
    newer = member(small, group, topic)
    problems = []
    end = time.monotonic() + 15
    while not problems and time.monotonic() < end:
        classic.consume(1, 0.1)
        problems += [str(one.error()) for one in newer.consume(1, 0.5) if one.error()]
    assert problems and "group" in problems[0].lower()
    newer.close()
    classic.close()
    produce(small, topic, [b"later"])
    changed = member(small, group, topic)
    assert poll_until([changed], lambda got: len(got) > 0) == [b"later"]
    changed.close()


def test_an_assignor_that_is_not_there(small, topic):
    consumer = member(small, "g-" + topic, topic, **{"group.remote.assignor": "mine"})
    end, problems = time.monotonic() + 15, []
    while not problems and time.monotonic() < end:
        problems += [str(one.error()) for one in consumer.consume(1, 0.5) if one.error()]
    assert problems and "assignor" in problems[0].lower()
    consumer.close()


def test_classic_groups_are_as_before(small, topic):
    produce(small, topic, [b"x"] * 10)
    assert len(consume(small, topic, 10)) == 10

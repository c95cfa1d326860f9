"""Kafka's clients against the program, unmodified: librdkafka (confluent-kafka), kafka-python, kcat."""

import shutil
import subprocess
import time
import uuid

import kafka
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic


def login(tarn, user="admin", password=None):
    return {"bootstrap.servers": tarn.ready["kafka"], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
            "sasl.username": user, "sasl.password": password or tarn.token}


def produce(tarn, topic, values, **settings):
    failed = []
    producer = Producer({**login(tarn), "linger.ms": 5, **settings})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None)
        producer.poll(0)
    assert producer.flush(30) == 0
    return failed


def consume(tarn, topic, count, group=None, seconds=30, **settings):
    consumer = Consumer({**login(tarn), "group.id": group or uuid.uuid4().hex, "auto.offset.reset": "earliest",
                         **settings})
    consumer.subscribe([topic])
    got, end = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        for message in consumer.consume(500, 0.5):
            assert not message.error(), message.error()
            got.append(message)
    consumer.close()
    return got


@pytest.fixture
def topic():
    return "t-" + uuid.uuid4().hex[:8]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_is_produced_is_consumed(small, topic, codec):
    values = [f"{i} ".encode() * 20 for i in range(3000)]
    assert produce(small, topic, values, **{"compression.type": codec}) == []
    got = consume(small, topic, len(values))
    assert [message.value() for message in got] == values
    assert [message.offset() for message in got] == list(range(len(values)))


def test_kafka_python(small, topic):
    settings = {"bootstrap_servers": small.ready["kafka"], "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "PLAIN", "sasl_plain_username": "admin", "sasl_plain_password": small.token}
    producer = kafka.KafkaProducer(**settings, compression_type="gzip")
    for i in range(100):
        producer.send(topic, b"%d" % i, key=b"k", headers=[("of", b"test")])
    producer.flush()
    consumer = kafka.KafkaConsumer(topic, **settings, group_id=uuid.uuid4().hex, auto_offset_reset="earliest",
                                   consumer_timeout_ms=15000)
    got = [next(consumer) for _ in range(100)]
    assert [message.value for message in got] == [b"%d" % i for i in range(100)]
    assert got[0].headers == [("of", b"test")]
    consumer.close()


@pytest.mark.skipif(not shutil.which("kcat"), reason="kcat is not installed")
def test_kcat(small, topic):
    settings = [part for name, value in login(small).items() if name != "bootstrap.servers"
                for part in ("-X", f"{name}={value}")]
    kcat = ["kcat", "-b", small.ready["kafka"], *settings]
    lines = "".join(f"{i}\n" for i in range(1000))
    subprocess.run([*kcat, "-P", "-t", topic, "-z", "snappy"], input=lines, text=True, check=True, timeout=30)
    read = subprocess.run([*kcat, "-C", "-t", topic, "-e", "-q"], capture_output=True, text=True, check=True,
                          timeout=30)
    assert read.stdout == lines
    listed = subprocess.run([*kcat, "-L"], capture_output=True, text=True, check=True, timeout=30)
    assert topic in listed.stdout


def test_times_find_offsets(small, topic):
    producer = Producer(login(small))
    for i in range(10):
        producer.produce(topic, b"x", timestamp=1_700_000_000_000 + i * 1000)
        producer.flush(10)  # a batch each
    consumer = Consumer({**login(small), "group.id": "times"})

    def at(time_ms):
        return consumer.offsets_for_times([TopicPartition(topic, 0, time_ms)], 10)[0].offset
    assert at(1_700_000_000_000) == 0
    assert at(1_700_000_004_500) == 5
    assert at(1_700_000_009_000) == 9
    assert at(1_700_000_009_001) == -1  # the end
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0)) == (0, 10)
    consumer.close()


def test_a_group_shares_the_work_and_goes_on(small, topic):
    admin = AdminClient(login(small))
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(10)
    produce(small, topic, [b"%d" % i for i in range(400)])
    group = "g-" + topic
    settings = {**login(small), "group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 6000}
    first, second = Consumer(settings), Consumer(settings)
    first.subscribe([topic])
    second.subscribe([topic])
    got, end = [], time.monotonic() + 40
    while time.monotonic() < end:
        got += [one.value() for consumer in (first, second) for one in consumer.consume(100, 0.2)]
        shares = (len(first.assignment()), len(second.assignment()))
        if len(set(got)) == 400 and shares == (2, 2):
            break
    assert shares == (2, 2)
    assert len(set(got)) == 400
    described = admin.describe_consumer_groups([group])[group].result(10)
    assert described.state.name == "STABLE"
    assert len(described.members) == 2
    first.commit(asynchronous=False)
    second.commit(asynchronous=False)
    first.close()
    second.close()
    produce(small, topic, [b"new"])
    assert [one.value() for one in consume(small, topic, 1, group=group)] == [b"new"]
    assert group in [one.group_id for one in admin.list_consumer_groups().result(10).valid]
    admin.delete_consumer_groups([group])[group].result(10)
    with pytest.raises(KafkaException, match="GROUP_ID_NOT_FOUND"):
        admin.delete_consumer_groups([group])[group].result(10)


def test_topics_and_their_settings(small, topic):
    admin = AdminClient(login(small))
    admin.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "1000"})])[topic].result(10)
    with pytest.raises(KafkaException, match="TOPIC_ALREADY_EXISTS"):
        admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(10)
    with pytest.raises(KafkaException, match="can't be"):
        admin.create_topics([NewTopic("no/name", 1, 1)])["no/name"].result(10)
    with pytest.raises(KafkaException, match="no setting retention.mss"):
        admin.create_topics([NewTopic("other", 1, 1, config={"retention.mss": "1"})])["other"].result(10)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    settings = admin.describe_configs([resource])[resource].result(10)
    assert settings["retention.ms"].value == "1000"
    assert settings["cleanup.policy"].value == "delete"
    assert len(settings) > 25
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
    assert len(admin.list_topics(topic, 10).topics[topic].partitions) == 5
    changed = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config={"retention.ms": "2000"})
    admin.alter_configs([changed])[changed].result(10)
    assert admin.describe_configs([resource])[resource].result(10)["retention.ms"].value == "2000"
    admin.delete_topics([topic])[topic].result(10)
    del admin  # it asks for what it knows, which would make the topic anew
    assert topic not in AdminClient(login(small)).list_topics(timeout=10).topics


def test_who_may_what(small, topic):
    small.post("/api/v1/users", {"name": "kim"})
    token = small.post("/api/v1/tokens", {"name": "kafka", "user": "kim"})["token"]
    produce(small, topic, [b"secret"])
    kim = login(small, "kim", token)
    failed = []
    producer = Producer({**kim, "message.timeout.ms": 5000})
    producer.produce(topic, b"x", on_delivery=lambda error, _: failed.append(error))
    producer.flush(10)
    assert failed[0] and failed[0].name() == "TOPIC_AUTHORIZATION_FAILED"
    admin = AdminClient(kim)
    assert topic not in admin.list_topics(timeout=10).topics
    with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED|may not"):
        admin.create_topics([NewTopic("kims", 1, 1)])["kims"].result(10)
    wrong = AdminClient(login(small, "kim", "tarn_wrong"))
    with pytest.raises(KafkaException):
        wrong.list_topics(timeout=3)
    # A token of somebody else does not log in.
    with pytest.raises(KafkaException):
        AdminClient(login(small, "admin", token)).list_topics(timeout=3)


def test_bad_batches_are_refused(small, topic):
    admin = AdminClient(login(small))
    admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "1000", "cleanup.policy": "compact"})])[
        topic].result(10)
    large = produce(small, topic, [b"x" * 5000])
    assert large[0].name() == "MSG_SIZE_TOO_LARGE"
    without_key = produce(small, topic, [b"x"])
    assert without_key[0].name() == "INVALID_RECORD"
    # Of a batch it is told which records it was (KIP-467).
    errors = {}
    producer = Producer({**login(small), "linger.ms": 500})
    for number in range(10):
        producer.produce(topic, b"%d" % number, None if number in (3, 7) else b"key",
                         on_delivery=lambda error, message: errors.update({int(message.value()): error.name()}))
    assert producer.flush(30) == 0
    assert [number for number in range(10) if errors[number] == "INVALID_RECORD"] == [3, 7]
    assert errors[0] == "_INVALID_DIFFERENT_RECORD"


def test_a_topic_made_by_asking_is_in_the_audit_log(small, topic):
    produce(small, topic, [b"x"])
    made = small.query("SELECT status, details->>'asked_by' FROM system.audit WHERE operation = 'CreateTopics' AND "
                       f"resource = 'topic:{topic}' AND phase = 'end'")
    assert made == [("ok", "Metadata")]


def test_it_is_in_the_audit_log(small, topic):
    produce(small, topic, [b"x"] * 10)
    assert len(consume(small, topic, 10)) == 10
    end = time.monotonic() + 10
    while time.monotonic() < end:
        rows = small.query("SELECT operation, sum(\"rows\") FROM system.audit WHERE protocol = 'kafka' AND resource = "
                         f"'topic:{topic}' AND status = 'ok' GROUP BY ALL ORDER BY ALL")
        found = dict(rows)
        if int(found.get("Produce") or 0) == 10 and "Fetch" in found:
            return
        time.sleep(0.2)
    pytest.fail(f"only {found}")

"""Topics in backups: made while records come in, of one instant with the rest, restored and gone on with; and what
`verify` and `doctor` say of a damaged log."""

import shutil
import subprocess
import threading
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from tarn_program import PROGRAM, Tarn, until, write_files
from test_doctor import findings, of

PARTITIONS = 3
FILES = {"tarn.yaml": "buffer: {segment: 128KiB}\n"}
PIECE = b"x" * 400


@pytest.fixture
def tarn(tmp_path):
    write_files(tmp_path / "w", FILES)
    with Tarn(tmp_path / "w") as started:
        started.start()
        yield started


def client(tarn):
    return {"bootstrap.servers": tarn.ready["kafka"], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
            "sasl.username": "admin", "sasl.password": tarn.token}


def create(tarn, topic, partitions=PARTITIONS):
    admin = AdminClient(client(tarn))
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(10)


def produce(tarn, topic, numbers, **settings):
    failed = []
    producer = Producer({**client(tarn), "linger.ms": 1, **settings})
    for number in numbers:
        producer.produce(topic, b"%d " % number + PIECE, partition=number % PARTITIONS,
                         on_delivery=lambda error, _: failed.append(error) if error else None)
        producer.poll(0)
    assert producer.flush(30) == 0 and failed == []


def everything(tarn, topic):
    """Each partition's numbers, in order; every offset from the first on is there."""
    consumer = Consumer({**client(tarn), "group.id": "reader", "enable.auto.commit": False})
    found = {}
    for partition in range(PARTITIONS):
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), 20)
        consumer.assign([TopicPartition(topic, partition, 0)])
        numbers = []
        while len(numbers) < end:
            for message in consumer.consume(1000, 5):
                assert not message.error(), message.error()
                assert message.offset() == len(numbers)
                numbers.append(int(message.value().split()[0]))
        found[partition] = numbers
    consumer.close()
    return found


def restored(tarn, place, folder, *options):
    """A second platform out of a backup, with the same root key."""
    write_files(folder, FILES)
    done = subprocess.run([PROGRAM, "restore", place, folder / ".tarn", "--root-key",
                           tarn.environment["TARN_ROOT_KEY_FILE"], *options], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout, done.stderr)
    shutil.copy(tarn.environment["TARN_ROOT_KEY_FILE"], folder.parent / f"{folder.name}.key")
    return Tarn(folder)


class Load(threading.Thread):
    """Records one after another, and now and then a topic; remembers when each was sent and acknowledged."""

    def __init__(self, tarn):
        super().__init__()
        self.producer = Producer({**client(tarn), "enable.idempotence": True, "linger.ms": 1})
        self.admin = AdminClient(client(tarn))
        self.sent, self.acknowledged, self.topics = [], {}, {}
        self.failed = []
        self.over = threading.Event()

    def delivered(self, number):
        def on_delivery(error, _):
            if error:
                self.failed.append(error)
            self.acknowledged[number] = time.time()
        return on_delivery

    def run(self):
        while not self.over.is_set():
            for _ in range(20):
                number = len(self.sent)
                self.sent.append(time.time())
                self.producer.produce("numbers", b"%d " % number + PIECE, partition=number % PARTITIONS,
                                      on_delivery=self.delivered(number))
            self.producer.poll(0.01)
            if len(self.sent) % 400 == 0:
                name = f"young{len(self.sent)}"
                self.admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)
                self.producer.produce(name, b"1")
                self.topics[name] = time.time()
        assert self.producer.flush(30) == 0

    def stop(self):
        self.over.set()
        self.join()
        assert self.failed == []


def test_the_drill(tarn, tmp_path):
    place = tmp_path / "backups"
    create(tarn, "numbers")
    load = Load(tarn)
    load.start()
    until(lambda: len(load.acknowledged) > 2000, "records")
    group = Consumer({**client(tarn), "group.id": "sums"})
    group.commit(offsets=[TopicPartition("numbers", 0, 77)], asynchronous=False)
    first = tarn.json("backup", place)
    until(lambda: len(load.acknowledged) > 4000, "more records")
    before = time.time()
    second = tarn.json("backup", place)
    after = time.time()
    group.commit(offsets=[TopicPartition("numbers", 0, 99)], asynchronous=False)
    until(lambda: len(load.acknowledged) > 6000, "records behind it")
    load.stop()
    last = tarn.json("backup", place)
    idle = tarn.json("backup", place)
    # What was there before is not copied again.
    assert last["bytes_new"] < 0.7 * last["bytes"] and idle["bytes_new"] < last["bytes_new"]
    assert tarn.json("backup", "verify", place)["issues"] == []
    expected = everything(tarn, "numbers")
    assert sum(map(len, expected.values())) == len(load.sent)

    with restored(tarn, place, tmp_path / "again") as again:
        again.start()
        assert everything(again, "numbers") == expected
        assert again.json("verify")["issues"] == []
        committed = Consumer({**client(again), "group.id": "sums"}).committed([TopicPartition("numbers", 0)])
        assert committed[0].offset == 99
        # It goes on where it ended, and a second backup into the same place holds both.
        produce(again, "numbers", range(len(load.sent), len(load.sent) + 300))
        assert sum(map(len, everything(again, "numbers").values())) == len(load.sent) + 300
        again.json("backup", place)
    with restored(tarn, place, tmp_path / "third") as third:
        third.start()
        assert sum(map(len, everything(third, "numbers").values())) == len(load.sent) + 300
        assert third.json("verify")["issues"] == []

    # One made under load: all that was acknowledged before it, nothing sent after it.
    with restored(tarn, place, tmp_path / "loaded", "--name", second["name"]) as loaded:
        loaded.start()
        found = everything(loaded, "numbers")
        for partition, numbers in found.items():
            assert numbers == expected[partition][:len(numbers)]
        there = {number for numbers in found.values() for number in numbers}
        assert {number for number, at in load.acknowledged.items() if at < before} <= there
        assert all(load.sent[number] < after + 1 for number in there)
        committed = Consumer({**client(loaded), "group.id": "sums"}).committed([TopicPartition("numbers", 0)])
        assert committed[0].offset == 77
        topics = AdminClient(client(loaded)).list_topics(timeout=10).topics
        assert {name for name, at in load.topics.items() if at < before} <= set(topics)
        # Nothing of a topic of later turns up in one that is made now and gets its number.
        create(loaded, "fresh", 50)
        watermarks = Consumer({**client(loaded), "group.id": "look"})
        assert {watermarks.get_watermark_offsets(TopicPartition("fresh", i), 10) for i in range(50)} == {(0, 0)}
        assert loaded.json("verify")["issues"] == []
    assert first["name"] < second["name"] < last["name"] < idle["name"]


def test_of_a_stopped_platform(tarn, tmp_path):
    create(tarn, "numbers")
    produce(tarn, "numbers", range(2000))
    expected = everything(tarn, "numbers")
    tarn.kill()
    place = tmp_path / "backups"
    tarn.json("backup", place, environment={"TARN_ROOT_KEY_FILE": "/nonexistent"})
    with restored(tarn, place, tmp_path / "again") as again:
        again.start()
        assert everything(again, "numbers") == expected
        assert again.json("verify")["issues"] == []


def test_nothing_goes_while_it_is_copied(tarn, tmp_path):
    """Retention drops segments all the time; a backup's are all there, whole."""
    admin = AdminClient(client(tarn))
    admin.create_topics([NewTopic("short", PARTITIONS, 1, config={"retention.bytes": "1000"})])[
        "short"].result(10)
    for turn in range(6):
        produce(tarn, "short", range(turn * 900, turn * 900 + 900))
        tarn.json("backup", tmp_path / "backups")
    assert tarn.json("backup", "verify", tmp_path / "backups")["issues"] == []
    with restored(tarn, tmp_path / "backups", tmp_path / "again") as again:
        again.start()
        assert again.json("verify")["issues"] == []
        produce(again, "short", range(30))


def test_damage_is_told(tarn, tmp_path):
    create(tarn, "numbers")
    produce(tarn, "numbers", range(3000))
    expected = everything(tarn, "numbers")
    place = tmp_path / "backups"
    tarn.json("backup", place)
    log = tarn.folder / ".tarn/buffer/log"
    assert {"buffer"} <= {finding["check"] for finding in findings(tarn, wrong=False)}
    assert "topics: " in str(tarn.json("verify")["checked"])
    victim = sorted(log.glob("*.log"))[1]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:50_000] + bytes(100) + whole[50_100:])
    # While it runs, and of a stopped one.
    for stop in (False, True):
        if stop:
            tarn.stop()
        issues = [issue for issue in tarn.run("verify", "--json").stdout.splitlines() if "topics: " in issue]
        told = " ".join(issues)
        assert "topic numbers, partition " in told and str(victim) in told and "is damaged at byte " in told
        assert " are lost: " in told
        finding = of(findings(tarn), "buffer")
        assert "topic numbers" in finding["text"] and "backup" in finding["action"]
    # What doctor says to do is done.
    with restored(tarn, place, tmp_path / "again"):
        shutil.copy(tmp_path / "again/.tarn/buffer/log" / victim.name, victim)
    tarn.start()
    assert tarn.json("verify")["issues"] == []
    assert everything(tarn, "numbers") == expected
    # One that is gone altogether.
    tarn.stop()
    victim.unlink()
    told = tarn.run("verify", "--json").stdout
    assert "topic numbers, partition " in told and f"{victim} is missing" in told
    (tarn.folder / ".tarn/buffer/checkpoint").write_bytes(b"nothing")
    shutil.copy(tmp_path / "again/.tarn/buffer/log" / victim.name, victim)
    tarn.start()
    assert "checkpoint is damaged" in of(findings(tarn), "buffer")["text"]
    tarn.stop()
    tarn.start()
    assert {finding["check"] for finding in findings(tarn)} & {"buffer"} == set()
    assert everything(tarn, "numbers") == expected

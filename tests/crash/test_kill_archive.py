"""kill -9 while a topic is archived: the archive is the log, byte for byte, each offset once."""

import base64
import io
import json
import random
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent.parent / "functional"))
from conftest import s3_client
from tarn_program import Tarn, until, write_files
from test_kafka import login

PARTITIONS, KILLS = 3, 4
FILES = {"sources/events.yaml": "kind: kafka\nstreams: {clicks: {every: 1s}}\n",
         "use_cases/shop/clicks.sql": "/* tarn\nkeep: append\nsince: _load\n*/\n"
                                    "SELECT _partition, _offset, n, _load FROM raw_events.clicks\n"}


def record(chance, number):
    value = json.dumps({"n": number, "text": "é\n" * chance.randrange(20)}, indent=chance.choice([None, 1])).encode()
    if number % 100 == 7:
        value = chance.randbytes(30)
    if number % 100 == 8:
        value = None
    headers = [("a", chance.randbytes(5)), ("a", None), ("b", b"")][:number % 4]
    return {"key": chance.choice([None, b"", chance.randbytes(4)]), "value": value, "headers": headers,
            "partition": chance.randrange(PARTITIONS), "timestamp": 1_700_000_000_000 + number}


class Sender(threading.Thread):
    """Produces until told to stop; the client sends again what a kill left without an answer."""

    def __init__(self, tarn, seed):
        super().__init__(daemon=True)
        token = tarn.post("/api/v1/tokens", {"user": "admin", "name": "sender"})["token"]  # outlives a start
        self.producer = Producer({**login(tarn, password=token), "enable.idempotence": True, "linger.ms": 5,
                                  "message.timeout.ms": 120_000, "reconnect.backoff.max.ms": 300})
        self.chance, self.stop, self.sent, self.failed = random.Random(seed), threading.Event(), 0, []

    def run(self):
        while not self.stop.is_set():
            try:
                self.producer.produce("clicks", **record(self.chance, self.sent),
                                      on_delivery=lambda error, _: self.failed.append(error) if error else None)
                self.sent += 1
            except BufferError:
                time.sleep(0.05)
            if self.sent % 50 == 0:
                self.producer.poll(0)
                time.sleep(0.01)
        assert self.producer.flush(120) == 0


def is_object(value):
    try:
        return value is None or isinstance(json.loads(value), dict)
    except ValueError:
        return False


def log_of(tarn, count):
    """All of the topic as Kafka's own client reads it."""
    consumer = Consumer({**login(tarn), "group.id": "check"})
    consumer.assign([TopicPartition("clicks", partition, 0) for partition in range(PARTITIONS)])
    found, end = {}, time.monotonic() + 60
    while len(found) < count and time.monotonic() < end:
        for message in consumer.consume(1000, 1):
            assert not message.error(), message.error()
            found[(message.partition(), message.offset())] = (
                message.key(), message.value(), message.headers() or [], message.timestamp()[1])
    consumer.close()
    return found


def archive_of(tarn):
    """All of the Parquet files that committed loads name, and how often each offset is there."""
    client = s3_client(tarn, tarn.json("s3-key", "create"))
    keys = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="raw", Prefix="events/clicks/_loads/"):
        for item in page.get("Contents", []):
            manifest = json.loads(client.get_object(Bucket="raw", Key=item["Key"])["Body"].read())
            keys += [one["key"] for one in manifest["objects"] if one["format"] == "parquet"]
    found, rows = {}, 0
    for key in keys:
        table = pyarrow.parquet.read_table(io.BytesIO(client.get_object(Bucket="raw", Key=key)["Body"].read()))
        for row in table.to_pylist():
            headers = [(name, None if value is None else base64.b64decode(value))
                       for name, value in json.loads(row["_headers"] or "[]")]
            time_ms = round(row["_timestamp"].timestamp() * 1000)
            found[(row["_partition"], row["_offset"])] = (row["_key"], row["_value"], headers, time_ms)
            rows += 1
    return found, rows


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_archive_is_the_log(tmp_path, seed):
    chance = random.Random(seed)
    write_files(tmp_path / "w", FILES)
    with Tarn(tmp_path / "w") as tarn:
        tarn.start()
        tarn.http("PUT", "/api/v1/topics/clicks", {"partitions": PARTITIONS})
        sender = Sender(tarn, seed)
        sender.start()
        tarn.arguments[tarn.arguments.index("--kafka") + 1] = tarn.ready["kafka"]  # clients come back to where it was
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.5, 4))
            tarn.kill()
            tarn.start()
        time.sleep(1)
        sender.stop.set()
        sender.join(150)
        assert not sender.is_alive() and not sender.failed, (seed, sender.failed[:3])
        log = log_of(tarn, sender.sent)
        assert len(log) == sender.sent, f"seed {seed}"
        until(lambda: archive_of(tarn)[1] >= sender.sent, f"seed {seed}: the archive", 60)
        archive, rows = archive_of(tarn)
        assert rows == len(archive) == len(log), f"seed {seed}"
        wrong = {place: (archive[place], log[place]) for place in log if archive.get(place) != log[place]}
        assert not wrong, f"seed {seed}: {dict(list(wrong.items())[:3])}"
        # What is JSON is shown once; what is none waits in quarantine.
        objects = sum(1 for _, value, _, _ in log.values() if is_object(value))
        counts = "SELECT count(*)::int, count(DISTINCT (_partition, _offset))::int FROM shop.clicks"
        until(lambda: tarn.query(counts) == [(objects, objects)], f"seed {seed}: {objects} rows in shop.clicks", 60)
        broken = tarn.value("SELECT count(*) FROM system.quarantine")
        assert broken == len(log) - objects, f"seed {seed}"
        print(f"seed {seed}: {len(log)} records in {len(log)} rows, {broken} in quarantine")

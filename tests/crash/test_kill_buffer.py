"""kill -9 under an idempotent producer and a consumer group: what was acknowledged is there once and in order, and the
group goes on where it had committed. Under transactions: each is there in all its partitions or in none."""

import os
import random
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tarn_program import Tarn, free_port, write_files

KILLS = 3
PARTITIONS = 3


def settings(address, token):
    return {"bootstrap.servers": address, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
            "sasl.username": "admin", "sasl.password": token, "reconnect.backoff.max.ms": 500}


def everything(client):
    """Each partition's values, in its order."""
    consumer = Consumer({**client, "group.id": "reader", "enable.auto.commit": False})
    found = {}
    for partition in range(PARTITIONS):
        _, end = consumer.get_watermark_offsets(TopicPartition("numbers", partition), 20)
        consumer.assign([TopicPartition("numbers", partition, 0)])
        values = []
        while len(values) < end:
            for message in consumer.consume(1000, 5):
                assert not message.error(), message.error()
                assert message.offset() == len(values)
                values.append(int(message.value()))
        found[partition] = values
    consumer.close()
    return found


@pytest.mark.slow
def test_no_acknowledged_record_is_lost_or_doubled(tmp_path):
    seed = int(os.environ.get("TARN_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}: TARN_SEED={seed}")
    chance = random.Random(seed)
    write_files(tmp_path / "w", {"tarn.yaml": "buffer: {segment: 256KiB}\n"})
    address = f"127.0.0.1:{free_port()}"
    ports = [part for name in ("web", "s3", "sql") for part in (f"--{name}", "127.0.0.1:0")] + ["--kafka", address]
    with Tarn(tmp_path / "w", ports=ports) as tarn:
        tarn.start()
        client = settings(address, tarn.post("/api/v1/tokens", {"name": "kills"})["token"])
        admin = AdminClient(client)
        admin.create_topics([NewTopic("numbers", PARTITIONS, 1)])["numbers"].result(10)
        acknowledged, failed = set(), []

        def on_delivery(error, message):
            failed.append(error) if error else acknowledged.add(int(message.value()))
        producer = Producer({**client, "enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": 120_000})
        consumer = Consumer({**client, "group.id": "sums", "auto.offset.reset": "earliest",
                             "enable.auto.commit": False, "session.timeout.ms": 6000})
        consumer.subscribe(["numbers"])
        seen, sent = [], 0
        for _ in range(KILLS):
            end = time.monotonic() + chance.uniform(0.5, 2.5)
            while time.monotonic() < end:
                for _ in range(50):
                    producer.produce("numbers", str(sent), partition=sent % PARTITIONS, on_delivery=on_delivery)
                    sent += 1
                producer.poll(0.005)
                batch = [message for message in consumer.consume(200, 0.005) if not message.error()]
                if batch:
                    seen += [int(message.value()) for message in batch]
                    try:
                        consumer.commit(asynchronous=False)
                    except Exception:  # noqa: BLE001: killed, or it has to join again: it reads them twice
                        pass
            tarn.kill()
            time.sleep(chance.uniform(0, 0.5))
            tarn.start()
        assert producer.flush(120) == 0
        assert failed == []
        assert acknowledged == set(range(sent))
        found = everything(client)
        for partition, values in found.items():
            assert values == list(range(partition, sent, PARTITIONS)), f"partition {partition}"
        end = time.monotonic() + 60
        while set(seen) != set(range(sent)) and time.monotonic() < end:
            seen += [int(message.value()) for message in consumer.consume(1000, 0.5) if not message.error()]
        assert set(seen) == set(range(sent))
        consumer.close()
        assert tarn.http("GET", "/health").status == 200
        print(f"{sent} records, {len(seen)} read by the group")


def transaction(producer, number, chance):
    """What became of it: committed, aborted, or nobody knows."""
    producer.begin_transaction()
    fate = "aborted"
    try:
        for partition in range(PARTITIONS):
            for _ in range(chance.randrange(1, 4)):
                producer.produce("numbers", str(number), partition=partition)
        if chance.random() < 0.3:
            producer.abort_transaction(60)
            return fate
        fate = "unknown"
        producer.commit_transaction(60)
        return "committed"
    except KafkaException as refused:
        if refused.args[0].fatal():
            raise
        producer.abort_transaction(60)
        return "aborted"


def committed(client):
    """Each partition's numbers as read_committed sees them: how often each."""
    consumer = Consumer({**client, "group.id": "reader", "enable.auto.commit": False, "enable.partition.eof": True,
                         "isolation.level": "read_committed"})
    found = []
    for partition in range(PARTITIONS):
        consumer.assign([TopicPartition("numbers", partition, 0)])
        counts, ended = {}, False
        while not ended:
            for message in consumer.consume(1000, 5):
                if message.error():
                    ended = True
                    continue
                counts[int(message.value())] = counts.get(int(message.value()), 0) + 1
        found.append(counts)
    consumer.close()
    return found


@pytest.mark.slow
def test_transactions_are_whole(tmp_path):
    seed = int(os.environ.get("TARN_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}: TARN_SEED={seed}")
    chance = random.Random(seed)
    write_files(tmp_path / "w", {"tarn.yaml": "buffer: {segment: 256KiB}\n"})
    address = f"127.0.0.1:{free_port()}"
    ports = [part for name in ("web", "s3", "sql") for part in (f"--{name}", "127.0.0.1:0")] + ["--kafka", address]
    fates = {}
    with Tarn(tmp_path / "w", ports=ports) as tarn:
        tarn.start()
        client = settings(address, tarn.post("/api/v1/tokens", {"name": "kills"})["token"])
        admin = AdminClient(client)
        admin.create_topics([NewTopic("numbers", PARTITIONS, 1)])["numbers"].result(10)
        stop = threading.Event()

        def write(name):
            producer = None
            while not stop.is_set():
                number = name + 2 * len(fates)
                fates[number] = "unknown"
                try:
                    if producer is None:
                        producer = Producer({**client, "transactional.id": f"w{name}", "linger.ms": 2})
                        producer.init_transactions(60)
                    fates[number] = transaction(producer, number, random.Random(seed + number))
                except KafkaException:
                    producer = None  # its successor aborts what it had open, if that was not committed
        writers = [threading.Thread(target=write, args=(name,)) for name in range(2)]
        for writer in writers:
            writer.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.5, 2.5))
            tarn.kill()
            time.sleep(chance.uniform(0, 0.5))
            tarn.start()
        time.sleep(1)
        stop.set()
        for writer in writers:
            writer.join()
        found = committed(client)
        for number, fate in fates.items():
            sizes = random.Random(seed + number)
            wanted = [sizes.randrange(1, 4) for _ in range(PARTITIONS)]
            counts = [partition.get(number, 0) for partition in found]
            assert counts in (wanted, [0] * PARTITIONS), f"transaction {number} ({fate}) is torn: {counts} of {wanted}"
            assert fate != "committed" or counts == wanted, f"transaction {number} is lost"
            assert fate != "aborted" or counts != wanted, f"transaction {number} was aborted and is seen"
        assert tarn.http("GET", "/health").status == 200
        told = list(fates.values())
        print({fate: told.count(fate) for fate in set(told)})
        assert told.count("committed") > 10

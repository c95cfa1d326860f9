"""kill -9 under an idempotent producer and a consumer group: what was acknowledged is there once and in order, and the
group goes on where it had committed."""

import os
import random
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
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

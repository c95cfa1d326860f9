"""Topics as tables: what clients of Kafka produce is read in SQL, by whom the policies let, and only where it must."""

import json
import re
import time
import uuid

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from tarn_program import until, write_files
from test_kafka import login, produce


@pytest.fixture
def topic(small):
    name = "sql_" + uuid.uuid4().hex[:8]
    small.http("PUT", f"/api/v1/topics/{name}", {"partitions": 3})
    yield name
    small.http("DELETE", f"/api/v1/topics/{name}")


def pieces_read(tarn, sql):
    """How many pieces and rows a statement took from topics."""
    plan = "\n".join(row[-1] for row in tarn.query("EXPLAIN ANALYZE " + sql))
    return [int(re.search(rf"{name} Read:\s+(\d+)", plan).group(1)) for name in ("Pieces", "Rows")]


def test_records_are_rows(small, topic):
    producer = Producer(login(small))
    now = int(time.time() * 1000)
    producer.produce(topic, '{"carrier": "UA", "delay": 5}', key="k", partition=1, timestamp=now,
                     headers=[("h", b"1"), ("h", b"2"), ("none", None)])
    producer.produce(topic, b"\xff\x00", key=b"\xfe", partition=1, timestamp=now)
    producer.produce(topic, None, partition=0, timestamp=now)
    assert producer.flush(10) == 0
    rows = small.query(f'SELECT partition, "offset", key, value, headers, epoch_ms(timestamp) '
                       f'FROM topic.{topic} ORDER BY 1, 2')
    assert [row[:4] for row in rows] == [(0, 0, None, None), (1, 0, "k", '{"carrier": "UA", "delay": 5}'),
                                         (1, 1, "\\xfe", "\\xff00")]
    assert [json.loads(row[4]) for row in rows] == [{}, {"h": "2", "none": None}, {}]
    assert all(row[5] == now for row in rows)
    # A value's members as columns.
    assert small.query(f"SELECT value->>'carrier', (value->>'delay')::int FROM topic.{topic} "
                       "WHERE json_valid(value)") == [("UA", 5)]
    answer = small.post("/api/v1/sql", {"sql": f"SELECT count(*) FROM topic.{topic}"})
    assert int(answer["rows"][0][0]) == 3 and answer["reads"][0]["schema"] == "topic"


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_read(small, topic, codec):
    produce(small, topic, [f"value {i}" for i in range(5000)], **{"compression.type": codec})
    assert small.query("SELECT count(*), count(DISTINCT value), min(value), max(length(value)) "
                       f"FROM topic.{topic}") == [(5000, 5000, "value 0", 10)]


def test_what_is_looked_for_is_read_and_little_else(small, topic):
    """Some 40 MB in one partition: a filter on place or time, or the last hundred, read a part of it."""
    values = [b"%07d" % i + b"x" * 200 for i in range(200_000)]
    half = len(values) // 2
    producer = Producer({**login(small), "queue.buffering.max.messages": 1_000_000, "linger.ms": 20})
    for i, value in enumerate(values):
        producer.produce(topic, value, partition=0, timestamp=1_700_000_000_000 + (0 if i < half else 86_400_000))
        if i % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0
    everything = f"SELECT count(*), sum(length(value)) FROM topic.{topic}"
    assert small.query(everything) == [(200_000, 200_000 * 207)]
    pieces, rows = pieces_read(small, everything)
    assert rows == 200_000 and pieces >= 6
    for where, found in (('"offset" >= 199900', 100), ('partition = 0 AND "offset" BETWEEN 50 AND 59', 10)):
        sql = f"SELECT count(*) FROM topic.{topic} WHERE {where}"
        assert small.value(sql) == found
        assert pieces_read(small, sql)[0] <= 2, where
    assert pieces_read(small, f"SELECT count(*) FROM topic.{topic} WHERE partition = 2") == [0, 0]
    since = f"SELECT count(*) FROM topic.{topic} WHERE timestamp >= '2023-11-15 20:00:00+00'"
    assert small.value(since) == half
    assert pieces_read(small, since)[1] < 0.75 * len(values)
    last = f'SELECT "offset" FROM topic.{topic} ORDER BY "offset" DESC LIMIT 100'
    assert [row[0] for row in small.query(last)] == list(range(199_999, 199_899, -1))
    assert pieces_read(small, last)[1] < 0.5 * len(values)
    with small.connect() as connection:
        prepared = connection.execute(f'SELECT value FROM topic.{topic} WHERE "offset" = %s AND partition = %s',
                                      (123_456, 0), prepare=True)
        assert prepared.fetchall()[0][0].startswith("0123456")


def test_a_long_scan_is_cancelled(small, topic):
    produce(small, topic, [b"x" * 100] * 20_000)
    with small.connect(options="-c statement_timeout=300") as connection:
        begin = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(f"SELECT count(*) FROM topic.{topic} a, topic.{topic} b, topic.{topic} c "
                               f"WHERE a.value || b.value || c.value = ''")
        assert time.monotonic() - begin < 20


def test_a_topic_is_a_table_wherever_tables_are_listed(small, topic):
    found = small.query("SELECT table_schema FROM information_schema.tables WHERE table_name = %s", (topic,))
    assert found == [("topic",)]
    columns = small.query("SELECT column_name FROM information_schema.columns WHERE table_name = %s "
                          "ORDER BY ordinal_position", (topic,))
    assert [row[0] for row in columns] == ["partition", "offset", "timestamp", "key", "value", "headers"]
    assert small.get(f"/api/v1/catalog/topic/{topic}")["kind"] == "topic"
    assert any(one["name"] == topic for one in small.get(f"/api/v1/catalog?search={topic}")["datasets"])
    versioned = small.http("POST", "/api/v1/sql", {"sql": f"SELECT * FROM topic.{topic} AT (VERSION => 1)"})
    assert versioned.status >= 400 and "no versions" in versioned.json["error"]["message"]


POLICY = """roles:
  streams:
    members: [user:tia]
    allow:
      - {{actions: ["topic:Read", "topic:Describe"], resources: ["{0}", "{0}_*"]}}
      - {{actions: ["table:*"], resources: ["*"]}}
  describer:
    members: [user:dee]
    allow: [{{actions: ["topic:Describe"], resources: ["{0}"]}}]
row_filters:
  - {{role: streams, table: "topic.{0}_filtered", where: "value LIKE 'a%'"}}
masks:
  - {{role: streams, column: topic.{0}_masked.value, with: "'***'"}}
"""


def test_policies_hold_for_topics(small):
    name = "pol_" + uuid.uuid4().hex[:8]
    topics = [name, name + "_filtered", name + "_masked"]
    write_files(small.folder, {"policies/streams.yaml": POLICY.format(name)})
    small.run("apply")
    tokens = {}
    for user in ("tia", "dee", "nia"):
        small.http("POST", "/api/v1/users", {"name": user})
        tokens[user] = small.post("/api/v1/tokens", {"name": "t", "user": user})["token"]
    for one in topics:
        produce(small, one, ["apple", "banana"])

    def ask(user, sql):
        answer = small.http("POST", "/api/v1/sql", {"sql": sql}, token=tokens[user])
        return answer.json["rows"] if answer.status == 200 else answer.json["error"]["message"]

    assert ask("tia", f"SELECT value FROM topic.{name} ORDER BY 1") == [["apple"], ["banana"]]
    assert ask("tia", f"SELECT value FROM topic.{name}_filtered") == [["apple"]]
    assert ask("tia", f"SELECT DISTINCT value FROM topic.{name}_masked") == [["***"]]
    # Who may only see that it is there reads nothing; who may do nothing is told that there is nothing.
    for user in ("dee", "nia"):
        assert "there is no table" in ask(user, f"SELECT * FROM topic.{name}")
    listed = {user: [row[0] for row in ask(user, "SELECT table_name FROM information_schema.tables "
                                                 f"WHERE table_name LIKE '{name}%' ORDER BY 1")] for user in tokens}
    assert listed == {"tia": topics, "dee": [name], "nia": []}
    assert "kind" in small.http("GET", f"/api/v1/catalog/topic/{name}", token=tokens["dee"]).json
    assert small.http("GET", f"/api/v1/catalog/topic/{name}", token=tokens["nia"]).status == 404
    # A filtered topic does not tell how many records it has; and Kafka's protocol, which can't filter, reads neither.
    told = small.http("GET", f"/api/v1/catalog/topic/{name}_filtered", token=tokens["tia"]).json
    assert told.get("rows") in (None, -1)

    def fetched(one):
        consumer = Consumer({**login(small, "tia", tokens["tia"]), "group.id": "g", "enable.auto.commit": False})
        consumer.assign([TopicPartition(one, 0, 0)])
        got = []
        until(lambda: got.extend(consumer.consume(1, 1)) or got, "an answer")
        consumer.close()
        return got[0].error().code() if got[0].error() else got[0].value()

    assert fetched(name) == b"apple"
    assert {fetched(one) for one in topics[1:]} == {KafkaError.TOPIC_AUTHORIZATION_FAILED}

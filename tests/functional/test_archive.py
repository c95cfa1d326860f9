"""Sources of kind kafka: topics of the program's own buffer, kept in the raw zone and as a table."""

import json
import uuid

from tarn_program import until, write_files
from test_kafka import consume, produce


def events(count, start=0, **more):
    return [json.dumps({"id": i, "city": f"c{i % 3}", "born": "2026-01-01T05:00:00", **more})
            for i in range(start, start + count)]


def asked(tarn, sql):
    """The rows; none before the first load."""
    answer = tarn.http("POST", "/api/v1/sql", {"sql": sql})
    return [[int(cell) for cell in row] for row in answer.json["rows"]] if answer.status == 200 else None


def archive(make, stream="{every: 1s}", more=None, yaml=""):
    return make({"sources/events.yaml": f"kind: kafka\nstreams:\n  clicks: {stream}\n{yaml}", **(more or {})})


def test_a_topic_becomes_a_dataset_and_a_table(make):
    tarn = archive(make, more={"use_cases/shop/clicks.sql": "/* tarn\nkeep: append\nsince: _load\n*/\n"
                                                            "SELECT id, city, _load FROM raw_events.clicks\n"})
    produce(tarn, "clicks", events(1000))
    until(lambda: asked(tarn, "SELECT count(*), sum(id) FROM shop.clicks") == [[1000, 499500]], "the table")
    rows = tarn.query("SELECT id, city, born, _partition, _offset, _timestamp > now()::timestamp - INTERVAL 1 HOUR "
                      "FROM raw_events.clicks ORDER BY id LIMIT 1")
    assert rows[0][:2] == (0, "c0") and str(rows[0][2]) == "2026-01-01 05:00:00" and rows[0][3:] == (0, 0, True)
    # More comes, with a column more: what was there is not loaded or appended again.
    produce(tarn, "clicks", events(500, 1000, price=1.5))
    until(lambda: asked(tarn, "SELECT count(*) FROM shop.clicks") == [[1500]], "the rest")
    assert tarn.query("SELECT count(*)::int, count(DISTINCT _offset)::int, count(price)::int, sum(price)::float8 "
                      "FROM raw_events.clicks") == [(1500, 1500, 500, 750.0)]
    graph = tarn.get("/api/v1/catalog/raw_events/clicks/lineage?depth=2")
    assert {"topic.clicks", "shop.clicks"} <= {node["id"] for node in graph["nodes"]}
    # A second start goes on where it was.
    tarn.stop()
    tarn.start()
    produce(tarn, "clicks", events(1, 1500))
    until(lambda: asked(tarn, "SELECT count(*) FROM shop.clicks") == [[1501]], "what came after the start")
    assert tarn.value("SELECT count(DISTINCT _offset) FROM raw_events.clicks") == 1501


def test_without_a_beat_it_is_loaded_soon(make):
    tarn = archive(make, "{}")
    for round_ in range(3):
        produce(tarn, "clicks", events(10, round_ * 10))
        until(lambda: asked(tarn, "SELECT count(*) FROM raw_events.clicks") == [[round_ * 10 + 10]],
              f"round {round_}", 30)


def test_what_is_no_json_waits_in_quarantine(make):
    tarn = archive(make, "{every: 1s, types: {id: BIGINT}}")
    produce(tarn, "clicks", [*events(10), "nonsense", '{"id": 7', "[1]", b"\xff", json.dumps({"id": "x"})])
    until(lambda: asked(tarn, "SELECT count(*) FROM system.quarantine") == [[5]], "quarantine")
    assert tarn.value("SELECT count(*) FROM raw_events.clicks") == 10
    reasons = [row[0] for row in tarn.query("SELECT reason FROM system.quarantine")]
    assert sum("no JSON" in reason for reason in reasons) == 3 and sum("no object" in reason for reason in reasons) == 1
    # What is declared otherwise now can be read.
    write_files(tarn.folder, {"sources/events.yaml": "kind: kafka\nstreams:\n  clicks: {every: 1s}\n"})
    tarn.run("apply")
    tarn.run("quarantine", "replay", "events.clicks")
    assert tarn.value("SELECT count(*) FROM raw_events.clicks") == 11
    assert tarn.value("SELECT count(DISTINCT _offset) FROM raw_events.clicks") == 11


def test_a_dead_letter_topic(make):
    tarn = archive(make, "{every: 1s, dead_letter: clicks.dead}")
    produce(tarn, "clicks", [*events(5), "nonsense", "more"])
    until(lambda: tarn.http("GET", "/api/v1/topics/clicks.dead").status == 200, "the topic")
    dead = consume(tarn, "clicks.dead", 2)
    assert sorted(message.value() for message in dead) == [b"more", b"nonsense"]
    headers = dict(dead[0].headers())
    assert b"no JSON" in headers["tarn.error"] and headers["tarn.origin"].startswith(b"clicks-0@")
    until(lambda: asked(tarn, "SELECT count(*) FROM raw_events.clicks") == [[5]], "the rest")
    assert tarn.value("SELECT count(*) FROM system.quarantine") == 0


def test_values_as_bytes(make):
    tarn = archive(make, "{every: 1s, values: bytes}")
    produce(tarn, "clicks", [b"\xff\x00", b"text"])
    until(lambda: asked(tarn, "SELECT count(*) FROM raw_events.clicks") == [[2]], "a load")
    assert [bytes(row[0]) for row in tarn.query("SELECT _value FROM raw_events.clicks ORDER BY _offset")] == [
        b"\xff\x00", b"text"]
    assert tarn.value("SELECT count(*) FROM system.quarantine") == 0


def test_a_topic_that_was_made_anew_begins_anew(make):
    tarn = archive(make)
    produce(tarn, "clicks", events(20))
    until(lambda: asked(tarn, "SELECT count(*) FROM raw_events.clicks") == [[20]], "the first")
    tarn.http("DELETE", "/api/v1/topics/clicks")
    produce(tarn, "clicks", events(5, 100))
    until(lambda: asked(tarn, "SELECT count(*) FROM raw_events.clicks") == [[25]], "both")
    assert tarn.value("SELECT max(id) FROM raw_events.clicks") == 104


def test_retention_waits_for_the_archive(make):
    """Segments of 1 MiB and a topic that keeps 1 MiB: what a paused archive has not taken stays, and health tells."""
    tarn = make({"sources/events.yaml": "kind: kafka\nstreams: {clicks: {every: 1000d}}\n",
                 "tarn.yaml": "buffer: {segment: 1MiB, held: 1MiB}\n"})
    tarn.http("PUT", "/api/v1/topics/clicks", {"settings": {"retention.bytes": 1 << 20}})
    produce(tarn, "clicks", [json.dumps({"id": i, "pad": uuid.uuid4().hex * 30}) for i in range(8000)])

    def held():
        text = tarn.http("GET", "/metrics").body.decode()
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("tarn_buffer_held_bytes"))
    until(lambda: held() > 3 << 20, "retention", 90)
    assert tarn.value('SELECT min("offset") FROM topic.clicks') == 0
    health = tarn.get("/api/v1/health")
    assert "wait for an archive" in json.dumps(health)
    tarn.run("run", "source:events.clicks")
    until(lambda: asked(tarn, "SELECT count(*) FROM raw_events.clicks") == [[8000]], "the archive")
    until(lambda: held() == 0 and tarn.value('SELECT min("offset") FROM topic.clicks') > 0, "retention", 90)

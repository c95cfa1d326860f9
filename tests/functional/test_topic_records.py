"""Records of topics over HTTP and by the command line: looking, following, producing."""

import base64
import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
import uuid

import pytest
from confluent_kafka import Producer
from test_kafka import consume, login, produce

from tarn_program import PROGRAM


@pytest.fixture
def topic(small):
    name = "r-" + uuid.uuid4().hex[:8]
    small.http("PUT", f"/api/v1/topics/{name}", {"partitions": 3})
    yield name
    small.http("DELETE", f"/api/v1/topics/{name}")


def records(tarn, topic, **query):
    answer = tarn.http("GET", f"/api/v1/topics/{topic}/records?{urllib.parse.urlencode(query)}")
    assert answer.status == 200, answer.json
    return answer.json


def values(page):
    return [one["value"] for one in page["records"]]


def put(tarn, topic, *some):
    return tarn.http("POST", f"/api/v1/topics/{topic}/records", {"records": list(some)})


def spread(tarn, topic, count, start=1_700_000_000_000):
    """Records 0 to count over three partitions, a second apart."""
    producer = Producer(login(tarn))
    for i in range(count):
        producer.produce(topic, b"%d" % i, partition=i % 3, timestamp=start + i * 1000)
    assert producer.flush(20) == 0


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_go_through_everything_once_and_in_order(small, topic, order):
    spread(small, topic, 500)
    got, page = [], {"next": None, "more": True}
    while page["more"]:
        page = records(small, topic, order=order, limit=77, **({"positions": page["next"]} if page["next"] else {}))
        got += values(page)
    wanted = [str(i) for i in range(500)]
    assert got == (wanted if order == "oldest" else wanted[::-1])


def test_a_page_begins_at_an_offset_a_time_or_the_end(small, topic):
    spread(small, topic, 90)
    assert values(records(small, topic, order="oldest", partition=1, offset=5, limit=2)) == ["16", "19"]
    assert values(records(small, topic, order="oldest", time="2023-11-14T22:13:50Z", limit=3)) == ["30", "31", "32"]
    assert values(records(small, topic, order="oldest", **{"from": "end"})) == []
    assert values(records(small, topic, order="oldest", partition="0,2", limit=4)) == ["0", "2", "3", "5"]
    assert values(records(small, topic, limit=1))[0] == "89"
    assert values(records(small, topic, order="oldest", offset=10**15)) == []
    for wrong in ("order=up", "limit=x", "offset=-1", "time=noon", "partition=7", "partition=x", "positions=1",
                  "positions=0:x", "from=here"):
        answer = small.http("GET", f"/api/v1/topics/{topic}/records?{wrong}")
        assert answer.status == 400, wrong


def test_text_is_found_in_values_keys_and_headers(small, topic):
    put(small, topic, *[{"value": f"nothing {i}"} for i in range(3000)])
    put(small, topic, {"value": "the Needle"}, {"key": "needle-1", "value": "x"},
        {"value": "y", "headers": [{"key": "of", "value": "a needle"}]}, {"value": "z"})
    put(small, topic, *[{"value": f"nothing {i}"} for i in range(3000)])
    page = records(small, topic, filter="nEEdle")
    assert sorted(values(page)) == ["the Needle", "x", "y"] and not page["more"]
    assert page["scanned"] == 6004
    assert sorted(values(records(small, topic, filter="needle", order="oldest"))) == ["the Needle", "x", "y"]
    assert len(values(records(small, topic, filter="needle", limit=2))) == 2


def test_bytes_headers_and_what_is_not_there(small, topic):
    raw = bytes(range(256))
    producer = Producer(login(small))
    producer.produce(topic, raw, key=b"\xff\x00", headers=[("h", b"\xfe"), ("t", b"text"), ("n", None)], partition=0)
    producer.produce(topic, None, key="schlüssel", partition=0)
    producer.produce(topic, "ü" * 100_000, partition=0)
    assert producer.flush(10) == 0
    first, second, third = records(small, topic, order="oldest")["records"]
    assert base64.b64decode(first["value"]) == raw and first["value_is_base64"]
    assert base64.b64decode(first["key"]) == b"\xff\x00"
    assert first["headers"] == [{"key": "h", "value": "/g==", "value_is_base64": True},
                                {"key": "t", "value": "text"}, {"key": "n", "value": None}]
    assert second["value"] is None and second["key"] == "schlüssel" and "value_is_base64" not in second
    assert third["value_bytes"] == 200_000 and third["value"] == "ü" * 32768
    cut = records(small, topic, order="oldest", shown_bytes=1001)["records"][2]
    assert cut["value"] == "ü" * 500 and "value_is_base64" not in cut  # not in the middle of a character
    whole = records(small, topic, order="oldest", partition=0, offset=2, limit=1, shown_bytes=10**6)["records"][0]
    assert whole["value"] == "ü" * 100_000 and "value_bytes" not in whole


def test_records_are_produced_over_http(small, topic):
    done = put(small, topic, {"key": "k", "value": "v", "time": "2026-01-02T03:04:05.678Z",
                              "headers": [{"key": "a", "value": "b"}]},
               {"key_base64": "/w==", "value": {"deep": [1, 2]}}, {"value": None, "partition": 2})
    assert done.status == 200 and done.json["places"][2]["partition"] == 2
    got = {one.partition(): one for one in consume(small, topic, 3) if one.key() == b"k"}
    (one,) = got.values()
    assert one.value() == b"v" and one.headers() == [("a", b"b")] and one.timestamp()[1] == 1767323045678
    # The same key goes where Kafka's clients put it.
    assert put(small, topic, {"key": "k", "value": "again"}).json["places"][0]["partition"] == one.partition()
    page = records(small, topic, order="oldest")
    assert {json.dumps({"deep": [1, 2]}, separators=(",", ":")), None} <= set(values(page))
    for wrong in ({"vale": 1}, [], {"value_base64": "%"}, {"key": "a", "key_base64": "YQ=="}, {"time": "noon"},
                  {"headers": {"a": "b"}}, {"headers": [{"value": "b"}]}, {"partition": 3}, {"partition": "0"}):
        refused = put(small, topic, wrong)
        assert refused.status == 400, (wrong, refused.json)
    assert small.http("POST", f"/api/v1/topics/{topic}/records", {"records": []}).status == 400
    assert put(small, "nosuch-topic", {"value": "x"}).status == 404
    assert "record 1" in put(small, topic, {"value": "x"}, {"partition": "0"}).json["error"]["message"]


def test_who_follows_waits_for_what_comes(small, topic):
    end = records(small, topic, order="oldest", **{"from": "end"})["next"]
    threading.Timer(0.5, lambda: put(small, topic, {"value": "late"})).start()
    begun = time.monotonic()
    page = records(small, topic, order="oldest", positions=end, wait_ms=9000)
    assert values(page) == ["late"] and 0.3 < time.monotonic() - begun < 5


def test_few_are_waited_for_the_others_are_answered_at_once(small, topic):
    """Who waits holds a thread: many at once must not take them all."""
    end = records(small, topic, order="oldest", **{"from": "end"})["next"]
    took = []

    def wait():
        begun = time.monotonic()
        records(small, topic, order="oldest", positions=end, wait_ms=3000)
        took.append(time.monotonic() - begun)
    threads = [threading.Thread(target=wait) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [seconds > 2.5 for seconds in sorted(took)] == [False] * 3 + [True] * 3, took


class Events:
    """A stream of server-sent events, as (name, data)."""

    def __init__(self, tarn, path, token=None):
        request = urllib.request.Request(tarn.web + path, headers={"Authorization": f"Bearer {token or tarn.token}"})
        self.stream = urllib.request.urlopen(request, timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def __iter__(self):
        name = None
        for line in self.stream:
            line = line.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])


def test_the_live_tail(small, topic):
    put(small, topic, {"value": "before"})
    with Events(small, f"/api/v1/topics/{topic}/tail") as events:
        assert next(iter(events))[0] == "tick"
        put(small, topic, {"value": "one"}, {"value": "two"})
        got = []
        for name, data in events:
            got += [data["value"]] if name == "record" else []
            if len(got) == 2:
                break
        assert got == ["one", "two"]
        # Who can't keep up is told what was left out.
        produce(small, topic, [b"%d" % i for i in range(30_000)])
        skipped = shown = 0
        for name, data in events:
            skipped += data["records"] if name == "skipped" else 0
            shown += name == "record"
            if skipped + shown >= 30_000:
                break
        assert skipped + shown == 30_000 and skipped > 0
    with Events(small, f"/api/v1/topics/{topic}/tail?filter=wanted&partition=1") as events:
        next(iter(events))
        put(small, topic, {"value": "other", "partition": 1}, {"value": "wanted", "partition": 0},
            {"value": "the WANTED", "partition": 1})
        assert next(data["value"] for name, data in events if name == "record") == "the WANTED"


def test_reading_needs_its_right_and_is_recorded(small, topic):
    user = "u" + uuid.uuid4().hex[:6]
    small.post("/api/v1/users", {"name": user})
    token = small.post("/api/v1/tokens", {"name": "t", "user": user})["token"]
    put(small, topic, {"value": "secret"})
    for method, path in (("GET", "records"), ("GET", "tail"), ("POST", "records")):
        body = {"records": [{"value": "x"}]} if method == "POST" else None
        assert small.http(method, f"/api/v1/topics/{topic}/{path}", body, token=token).status == 403
    role = f"/api/v1/roles/{user}"
    small.http("PUT", role, {"members": [f"user:{user}"], "allow": [{"actions": ["topic:Read"], "resources": [topic]}]})
    seen = small.http("GET", f"/api/v1/topics/{topic}/records", token=token)
    assert values(seen.json) == ["secret"]
    with Events(small, f"/api/v1/topics/{topic}/tail", token) as events:
        next(iter(events))
        small.http("PUT", role, {"members": [f"user:{user}"], "allow": []})
        put(small, topic, {"value": "after"})
        assert not [data for name, data in events if name == "record"]  # and it ends
    rows = small.query("SELECT operation, phase, status, rows FROM system.audit WHERE resource = "
                       f"'topic:{topic}' AND principal = 'user:{user}' AND operation LIKE 'GET%records' ORDER BY time")
    assert [(row[1], row[2]) for row in rows] == [("denied", "permission_denied"), ("begin", None), ("end", "ok")]
    assert int(rows[-1][3]) == 1


# ---- the command line


def test_topics_by_the_command_line(small):
    name = "c-" + uuid.uuid4().hex[:8]
    assert "with 2 partitions" in small.run("topic", "create", name, "-p", "2", "--set", "retention.ms=5000").stdout
    again = small.run("topic", "create", name)
    assert again.returncode == 1 and "already" in again.stderr
    assert "2 records produced" in small.run("topic", "produce", name, "-k", "a", "-H", "h:1", input="x\ny\n").stdout
    listed = small.run("topic", "list").stdout
    row = next(line for line in listed.splitlines() if name in line).split()
    assert row[1:3] == ["2", "2"]
    shown = small.run("topic", "describe", name).stdout
    assert "2 partitions, 2 records" in shown and "retention.ms" in shown and "cleanup.policy" not in shown
    assert "cleanup.policy" in small.run("topic", "describe", name, "--settings").stdout
    assert small.json("topic", "describe", name)["records"] == 2
    altered = small.run("topic", "alter", name, "--set", "max.message.bytes=2000", "--reset", "retention.ms", "-p", "3")
    assert "max.message.bytes=2000" in altered.stdout and "retention" not in altered.stdout
    assert len(small.json("topic", "describe", name)["partitions"]) == 3
    assert small.run("topic", "alter", name).returncode != 0
    wrong = small.run("topic", "alter", name, "--set", "retention.mss=1")
    assert wrong.returncode != 0 and "no setting retention.mss" in wrong.stderr
    assert small.run("topic", "trim", name).returncode != 0
    assert "2 records deleted" in small.run("topic", "trim", name, "--all").stdout
    assert small.run("topic", "describe", "nosuch").returncode == 5
    assert "deleted, with 0 records" in small.run("topic", "delete", name).stdout
    assert name not in small.run("topic", "list").stdout


def test_records_by_the_command_line(small, topic):
    lines = "".join(f"k{i % 7}:value {i}\n" for i in range(2500))
    done = small.run("topic", "produce", topic, "--key-separator", ":", "--json", input=lines)
    assert json.loads(done.stdout)["records"] == 2500
    # What is printed is what Kafka's clients read, and the other way round.
    got = consume(small, topic, 2500)
    printed = small.run("topic", "consume", topic, "--until-end", "-f", "%p %o %k %v\\n").stdout.splitlines()
    assert sorted(printed) == sorted(f"{one.partition()} {one.offset()} {one.key().decode()} {one.value().decode()}"
                                     for one in got)
    last = small.run("topic", "consume", topic, "-o", "-1", "--until-end").stdout.splitlines()
    assert len(last) == len({one.partition() for one in got}) and json.loads(last[0])["key"]
    assert len(small.run("topic", "consume", topic, "-n", "5", "-f", "%v\\n").stdout.splitlines()) == 5
    found = small.run("topic", "consume", topic, "--filter", "VALUE 77", "--until-end", "-f", "%v,").stdout
    assert sorted(found.split(",")) == ["", "value 77", *(f"value {i}" for i in range(770, 780))]
    for wrong in (["-f", "%q"], ["-o", "noon"], ["-n", "x"], ["-p", "9"]):
        assert small.run("topic", "consume", topic, *wrong).returncode not in (0, 3), wrong
    # A copy has the same keys, values, headers and times, whatever their bytes.
    raw = Producer(login(small))
    raw.produce(topic, bytes(range(256)), key=b"\xff", headers=[("h", b"\xfe")])
    raw.produce(topic, None, key=b"gone")
    raw.flush(10)
    other = topic + "-copy"
    small.run("topic", "create", other)
    everything = small.run("topic", "consume", topic, "--until-end").stdout
    small.run("topic", "produce", other, "--records", input=everything)

    def content(some):
        return sorted((one.key(), one.value() or b"", one.headers() or [], one.timestamp()[1]) for one in some)
    assert content(consume(small, other, 2502)) == content(consume(small, topic, 2502))
    small.run("topic", "delete", other)


def test_consuming_follows_and_producing_sends_at_once(small, topic):
    there = ["--dir", str(small.folder)]
    reader = subprocess.Popen([PROGRAM, "topic", "consume", topic, "-f", "%v\\n", *there], stdout=subprocess.PIPE,
                              text=True)
    writer = subprocess.Popen([PROGRAM, "topic", "produce", topic, *there], stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE)
    try:
        for word in ("one", "two"):
            writer.stdin.write(word + "\n")
            writer.stdin.flush()
            assert reader.stdout.readline() == word + "\n"
        assert "2 records produced" in writer.communicate(timeout=20)[0]
    finally:
        for process in (reader, writer):
            process.kill()
            process.wait()


def test_groups_by_the_command_line(small, topic):
    produce(small, topic, [b"%d" % i for i in range(30)])
    group = "g-" + topic
    consume(small, topic, 30, group=group)
    assert group in small.run("group", "list").stdout
    shown = small.run("group", "describe", group).stdout
    assert f"{group}: Empty, 0 members, lag 0" in shown and topic in shown
    assert "nothing was changed" in small.run("group", "seek", group, "--to", "start", "--dry-run").stdout
    moved = small.json("group", "seek", group, "--to=-2", "--topic", topic, "-p", "0")["offsets"]
    assert moved[0]["after"] == max(0, moved[0]["before"] - 2)
    small.run("group", "seek", group, "--to", "start")
    assert small.json("group", "describe", group)["lag"] == 30
    small.run("group", "seek", group, "--to", "2099-01-01T00:00:00Z")
    assert small.json("group", "describe", group)["lag"] == 0
    assert small.run("group", "seek", group, "--to", "noon").returncode != 0
    assert "deleted" in small.run("group", "delete", group).stdout
    assert small.run("group", "describe", group).returncode == 5

"""Records pushed by HTTP: what a client is told, who may, and what the dataset and tables then show."""

import gzip
import json
import subprocess
import threading
import time

import psycopg
from tarn_program import request, until

POLICY = """roles:
  collector: {members: [user:collector], allow: [{actions: ["source:Push"], resources: [events]}]}
"""
FILES = {
    "sources/events.yaml": "kind: push\nstreams: {clicks: {}, strict: {types: {id: BIGINT}, broken_max: 50%}}\n",
    "sources/other.yaml": "kind: push\nstreams: {clicks: {}}\n",
    "use_cases/web/clicks.sql": "/* tarn\nkeep: full\n*/\n"
                              "SELECT page, count(*) AS n FROM raw_events.clicks GROUP BY 1\n",
    "policies/collector.yaml": POLICY,
}


def push(tarn, path, body, token, **headers):
    body = body if isinstance(body, bytes) else body.encode()
    return request("POST", f"{tarn.web}/api/v1/push/{path}", body,
                   {"Authorization": f"Bearer {token}", **{k.replace("_", "-"): v for k, v in headers.items()}})


def rows(tarn, sql):
    """None while there is nothing yet."""
    try:
        return tarn.query(sql)
    except psycopg.Error:
        return None


def collector(tarn):
    tarn.post("/api/v1/users", {"name": "collector"})
    return tarn.post("/api/v1/tokens", {"user": "collector", "name": "push"})["token"]


def test_pushes_reach_the_tables_under_one_right(make):
    tarn = make(FILES)
    token = collector(tarn)
    # The line of the documentation, with the client everybody has.
    told = subprocess.run(
        ["curl", "-sS", "-X", "POST", f"{tarn.web}/api/v1/push/events/clicks", "-H", f"Authorization: Bearer {token}",
         "-H", "Idempotency-Key: one", "--data-binary", "@-"], capture_output=True, text=True, check=True,
        input='{"page": "/a", "who": 1}\n{"page": "/b", "who": 1}\n')
    assert json.loads(told.stdout) == {"accepted": 2, "quarantined": 0}, told
    again = push(tarn, "events/clicks", '{"page": "/a", "who": 1}\n{"page": "/b", "who": 1}\n', token,
                 Idempotency_Key="one")
    assert (again.status, again.json) == (200, {"accepted": 2, "quarantined": 0})
    assert again.headers["Idempotent-Replayed"] == "true"
    assert push(tarn, "events/clicks", '{"page": "/c"}', token, Idempotency_Key="one").status == 409
    packed = gzip.compress(b'[{"page": "/a", "who": 2}]')
    assert push(tarn, "events/clicks", packed, token, Content_Encoding="gzip").status == 200
    until(lambda: rows(tarn, "SELECT page, n FROM web.clicks ORDER BY 1") == [("/a", 2), ("/b", 1)], "the table")

    assert push(tarn, "other/clicks", '{"page": "/a"}', token).status == 403
    assert push(tarn, "events/clicks", '{"page": "/a"}', "").status == 401
    assert tarn.http("GET", "/api/v1/sources", token=token).status == 403
    assert push(tarn, "events/nothing", '{"page": "/a"}', token).status == 404
    broken = push(tarn, "events/clicks", '{"page": "/a"}\n{oops', token)
    assert broken.status == 400 and "record 2 of 2 is broken" in broken.error["message"]
    assert push(tarn, "events/clicks", b"x" * (17 << 20), token).status == 413
    assert push(tarn, "events/clicks", gzip.compress(b"[" + b" " * (40 << 20) + b"]"), token,
                Content_Encoding="gzip").status in (413, 429)
    seen = tarn.get("/api/v1/audit?principal=user:collector&action=source:Push&limit=100")["entries"]
    assert {"one"} == {entry["details"].get("idempotency_key") for entry in seen if entry["rows"] == 2}, seen


def test_broken_records_wait_in_quarantine(make):
    tarn = make(FILES)
    token = collector(tarn)
    answer = push(tarn, "events/strict", '{"id": 1}\n{oops\n', token)
    assert answer.json == {"accepted": 1, "quarantined": 1}
    assert push(tarn, "events/strict", '{"id": "x"}\n{"id": 2}', token).json == {"accepted": 2, "quarantined": 0}
    until(lambda: len(tarn.get("/api/v1/sources/events/quarantine")["entries"]) == 2, "the load")
    entries = tarn.get("/api/v1/sources/events/quarantine")["entries"]
    assert sorted(entry["content"] for entry in entries) == ['{"id": "x"}', "{oops"]
    assert tarn.query("SELECT id FROM raw_events.strict ORDER BY 1") == [(1,), (2,)]


def test_many_small_pushes_are_few_loads_and_few_commits(make):
    tarn = make(FILES)
    token = collector(tarn)
    clients, each = 16, 25
    times = []

    def client(number):
        for i in range(each):
            begin = time.monotonic()
            answer = push(tarn, "events/clicks", json.dumps({"page": f"/{number}", "i": i}), token,
                          Idempotency_Key=f"{number}-{i}")
            times.append(time.monotonic() - begin)
            assert answer.status == 200, answer.body
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    until(lambda: rows(tarn, "SELECT sum(n)::int FROM web.clicks") == [(clients * each,)], "the table")
    assert len(times) == clients * each
    loads = len(tarn.get("/api/v1/catalog/raw_events/clicks/versions?limit=1000")["versions"])
    commits = len(tarn.get("/api/v1/catalog/web/clicks/versions?limit=1000")["versions"])
    print(f"{len(times)} pushes in {seconds:.1f} s, {len(times) / seconds:.0f} a second, median "
          f"{sorted(times)[len(times) // 2] * 1000:.0f} ms; {loads} loads, {commits} commits of the table")
    assert loads <= seconds / 2 + 3 and commits <= loads + 1

"""What the people of a role may take: at once, of memory, of rows, bytes and time, at each door; two roles at once."""

import statistics
import threading
import time

import botocore.exceptions
import psycopg
import pytest

from conftest import s3_client
from tarn_program import Tarn, until, write_files

POLICY = """roles:
  crowd:
    members: [user:carl, user:cora]
    allow:
      - {actions: ["table:Read", "sql:Query", "lake:*"], resources: ["*"]}
  quiet:
    members: [user:quinn]
    allow:
      - {actions: ["table:Read", "sql:Query", "lake:*"], resources: ["*"]}
"""
LIMITS = """limits:
  crowd: {queries: 2, memory: 200MiB, rows: 5000, bytes: 300KiB, time: 4s, calls: 2}
"""
WORKSPACE = {
    "tarn.yaml": "name: small\n" + LIMITS,
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
    "use_cases/shop/sales.sql": "/* tarn\nkeep: full\n*/\nSELECT id, name FROM raw_things.things\n",
    "policies/roles.yaml": POLICY,
    "inbox/a.csv": "id,name\n" + "".join(f"{n},thing {n}\n" for n in range(20_000)),
}
SLOW = "SELECT count(*) FROM range(100000000) a(i), range(1000000) b(j) WHERE (i * j) % 7 = 3"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits") / "workspace"
    write_files(folder, WORKSPACE)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        tarn.tokens = {}
        for name in ("carl", "cora", "quinn"):
            tarn.post("/api/v1/users", {"name": name})
            tarn.tokens[name] = tarn.post("/api/v1/tokens", {"user": name, "name": "test"})["token"]
        yield tarn


def connect(tarn, name):
    return tarn.connect(f"token:{name}", tarn.tokens[name])


def ask(tarn, name, sql, **more):
    return tarn.http("POST", "/api/v1/sql", {"sql": sql, **more}, token=tarn.tokens[name])


def test_rows(shop):
    sql = "SELECT * FROM shop.sales"
    with connect(shop, "carl") as carl, pytest.raises(psycopg.Error) as caught:
        carl.execute(sql).fetchall()
    assert caught.value.sqlstate == "53400" and "5000 rows" in str(caught.value)
    assert "limits.crowd.rows" in caught.value.diag.message_hint
    with connect(shop, "carl") as carl:
        assert len(carl.execute(sql + " LIMIT 5000").fetchall()) == 5000
    # Over HTTP a part is asked for: as much as one may have is answered, more is refused.
    some = ask(shop, "carl", sql, limit=100)
    assert some.status == 200 and some.json["row_count"] == 100 and some.json["truncated"]
    refused = ask(shop, "carl", sql, limit=20_000)
    assert refused.status == 429 and refused.error["detail_code"] == "53400", refused.body[:300]
    with connect(shop, "quinn") as quinn:
        assert len(quinn.execute(sql).fetchall()) == 20_000


def test_bytes(shop):
    sql = "SELECT repeat('x', 1000) AS t FROM range(4000)"
    with connect(shop, "carl") as carl, pytest.raises(psycopg.Error) as caught:
        carl.execute(sql).fetchall()
    assert caught.value.sqlstate == "53400" and "300" in str(caught.value) and "bytes" in caught.value.diag.message_hint
    with connect(shop, "quinn") as quinn:
        assert len(quinn.execute(sql).fetchall()) == 4000


def test_time(shop):
    started = time.monotonic()
    with connect(shop, "carl") as carl, pytest.raises(psycopg.Error) as caught:
        carl.execute(SLOW)
    assert caught.value.sqlstate == "57014" and "4s" in str(caught.value), caught.value
    assert 3 < time.monotonic() - started < 15
    late = ask(shop, "cora", SLOW)
    assert late.status == 504 and "limits.crowd.time" in late.error["hint"], late.body


def test_memory(shop):
    """The role's engine has its own: what does not fit nor spill is told, and others have theirs."""
    sql = "SELECT sum(length(l)) FROM (SELECT string_agg(range::VARCHAR || repeat('x', 100)) AS l FROM range(4000000))"
    with connect(shop, "carl") as carl, pytest.raises(psycopg.Error) as caught:
        carl.execute(sql).fetchone()
    assert caught.value.sqlstate in ("53200", "57014"), caught.value


def flood(tarn, names, until_set):
    """Clients that ask for slow things without end, by the SQL wire and HTTP; a refusal is a reason to ask again."""
    outcomes = []

    def by_wire(name):
        while not until_set.is_set():
            try:
                with connect(tarn, name) as connection:
                    connection.execute(SLOW)
            except psycopg.Error as error:
                outcomes.append(error.sqlstate)

    def by_http(name):
        while not until_set.is_set():
            outcomes.append(ask(tarn, name, SLOW).status)

    clients = [threading.Thread(target=what, args=(name,)) for name in names for what in [by_wire] * 8 + [by_http] * 8]
    for client in clients:
        client.start()
    return clients, outcomes


def test_ones_flood_does_not_starve_the_other(shop):
    def seconds():
        started = time.monotonic()
        with connect(shop, "quinn") as quinn:
            assert quinn.execute("SELECT count(*) FROM shop.sales").fetchone() == (20_000,)
        assert ask(shop, "quinn", "SELECT sum(id::BIGINT) FROM shop.sales").json["rows"][0][0]
        return time.monotonic() - started

    stop = threading.Event()
    clients, outcomes = flood(shop, ("carl", "cora"), stop)
    try:
        time.sleep(3)
        taken = [seconds() for _ in range(10)]
        running = [line for line in shop.http("GET", "/metrics").body.decode().splitlines()
                   if line.startswith("tarn_limits_refused_total")]
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert set(outcomes) <= {"53300", "57014", 429, 504}, set(outcomes)
    assert "53300" in outcomes and 429 in outcomes
    assert any('of="queries"' in line and 'role="crowd"' in line for line in running)
    # 32 clients with two at once: the other's statements wait for processors, never for places.
    assert statistics.median(taken) < 5, taken


def test_calls_of_s3(shop):
    made = shop.post("/api/v1/s3-keys", {"user": "carl"})
    s3 = s3_client(shop, made)
    s3.create_bucket(Bucket="files")
    s3.put_object(Bucket="files", Key="large", Body=bytes(32 << 20))
    bodies = [s3.get_object(Bucket="files", Key="large")["Body"] for _ in range(2)]  # open, not read
    try:
        with pytest.raises(botocore.exceptions.ClientError, match="role crowd") as caught:
            s3.list_objects_v2(Bucket="files")
        assert caught.value.response["Error"]["Code"] == "SlowDown"
    finally:
        for body in bodies:
            body.close()
    until(lambda: s3.list_objects_v2(Bucket="files")["KeyCount"] == 1, "a place")


def test_limits_are_reloaded(shop):
    file = shop.folder / "tarn.yaml"
    file.write_text("name: small\n" + LIMITS.replace("rows: 5000", "rows: 7"))
    assert shop.json("reload")["taken"] == ["limits"]
    with connect(shop, "carl") as carl, pytest.raises(psycopg.Error, match="7 rows"):
        carl.execute("SELECT * FROM shop.sales").fetchall()
    file.write_text("name: small\n" + LIMITS.replace("200MiB", "300MiB"))
    changed = shop.json("reload")
    assert changed["taken"] == ["limits"] and changed["need_restart"] == ["limits.*.memory"]

"""The audit log of the whole program: everything is in it, soon, and nothing can be taken out of it unseen."""

import json
import shutil
import struct
import time

import psycopg
import pytest

from conftest import SMALL, s3_client
from tarn_program import until

HEADER_BYTES, PREFIX_BYTES = 88, 44  # docs/formats/audit.md
WITHIN_SECONDS = 1.0


def entries(tarn, **filters):
    query = "&".join(f"{name}={value}" for name, value in {"limit": 1000, **filters}.items())
    return tarn.get(f"/api/v1/audit?{query}")["entries"]


def entry(tarn, wanted, **filters):
    """The newest record for which `wanted` is true."""
    found = [one for one in entries(tarn, **filters) if wanted(one)]
    assert found, f"no such record: {filters}"
    return found[0]


# ---- what is in it


def test_what_the_program_does_by_itself_is_in_it(make):
    small = make(SMALL)  # of its own: others ask the shared one for runs that end in thin air
    small.wait_fresh()
    load = entry(small, lambda one: one["phase"] == "end", action="source:Load", resource="source:things.things")
    assert (load["principal"], load["protocol"], load["status"]) == ("system:ingestion", "internal", "ok")
    assert load["rows"] == 3 and load["bytes"] > 0 and load["class"] == "change"
    assert load["details"]["version"] == "1" and load["details"]["file"] == "sources/things.yaml"
    build = entry(small, lambda one: one["phase"] == "end", action="table:Write", resource="table:shop.by_name")
    assert (build["principal"], build["rows"], build["status"]) == ("system:batch", 2, "ok")
    assert "shop.sales" in build["details"]["inputs"]
    # The opening record lies before what the run published.
    begin = entry(small, lambda one: one["phase"] == "begin" and one["call_id"] == build["call_id"])
    published = small.get("/api/v1/catalog/shop/by_name/versions")["versions"][0]["committed_at"]
    assert begin["sequence"] < build["sequence"] and begin["time"] <= published <= build["time"]
    assert entry(small, lambda one: one["principal"] == "system:app", action="workspace:Apply")["status"] == "ok"
    assert entry(small, lambda one: one["principal"] == "system:app", action="token:Create")["details"]["name"]


def test_a_load_that_failed_is_in_it(make):
    broken = {"sources/gone.yaml": "kind: sqlite\nconnection: {path: ./gone.db}\nstreams: {a: {}}\nretries: 0\n"}
    tarn = make(broken)
    tarn.wait_failed("source:gone.a")
    load = entry(tarn, lambda one: one["phase"] == "end", action="source:Load")
    assert load["status"] != "ok" and "gone.db" in load["details"]["error"]


def test_logins_on_the_sql_wire_are_in_it(small, reader_token):
    small.connect("rita", reader_token).close()
    login = entry(small, lambda one: one["details"].get("user") == "user:rita", status="ok")
    assert (login["protocol"], login["operation"], login["class"]) == ("sql", "Login", "administration")
    assert login["details"]["credential"] == "token:tests" and login["remote"].startswith("127.0.0.1:")
    with pytest.raises(psycopg.OperationalError):
        small.connect("rita", "tarn_wrong")
    failed = entry(small, lambda one: one["operation"] == "Login", status="unauthenticated")
    assert failed["phase"] == "denied" and failed["principal"] == "anonymous"


def test_a_cancel_is_in_it_and_wrong_keys_do_not_fill_it(small):
    import socket
    before = len(entries(small, status="unauthenticated"))
    for _ in range(200):
        with socket.create_connection(tuple(small.sql_address.values())) as connection:
            connection.sendall(struct.pack("!iiii", 16, 80877102, 1 << 30, 7))
            connection.recv(1)
    assert len(entries(small, status="unauthenticated")) - before < 100


@pytest.fixture(scope="module")
def hidden_from(small, reader_token):
    """What rita asks for and may not see: (protocol, how, what she is told)."""
    def sql(statement):
        with small.connect("rita", reader_token) as connection, pytest.raises(psycopg.errors.UndefinedTable) as told:
            connection.execute(statement)
        return str(told.value)

    def http(method, path, body=None, status=404):
        answer = small.http(method, path, body, token=reader_token)
        assert answer.status == status, answer.body
        return answer.error["message"]
    return {
        "sql": lambda: sql("SELECT * FROM raw_things.things"),
        "explain": lambda: sql("EXPLAIN SELECT 1 FROM shop.sales JOIN raw_things.things USING (id)"),
        "http": lambda: http("POST", "/api/v1/sql", {"sql": "SELECT * FROM raw_things.things"}),
        "describe": lambda: http("GET", "/api/v1/catalog/raw_things/things"),
        "versions": lambda: http("GET", "/api/v1/catalog/raw_things/things/versions"),
        "lineage": lambda: http("GET", "/api/v1/catalog/raw_things/things/lineage"),
        "preview": lambda: http("GET", "/api/v1/catalog/raw_things/things/preview", status=403),
    }


@pytest.mark.parametrize("way", ["sql", "explain", "http", "describe", "versions", "lineage", "preview"])
def test_a_hidden_table_is_absent_to_the_user_and_a_denial_in_the_log(small, hidden_from, way):
    newest = entries(small, limit=1)[0]["sequence"]
    told = hidden_from[way]()
    if way != "preview":
        assert "there is no table raw_things.things that you may read" in told
    denied = entry(small, lambda one: one["phase"] == "denied" and one["sequence"] > newest, principal="user:rita")
    assert denied["status"] == "permission_denied" and denied["details"]["reason"]


def test_what_is_not_there_is_told_in_the_same_words(small, reader_token):
    answers = [small.http("POST", "/api/v1/sql", {"sql": f"SELECT * FROM {table}"}, token=reader_token)
               for table in ("raw_things.things", "raw_things.nothing")]
    hidden, missing = [(answer.status, answer.body.replace(b"nothing", b"things")) for answer in answers]
    assert hidden == missing


def test_the_statement_stands_in_the_opening_record(small):
    def opening(action, text):
        return entry(small, lambda one: one["phase"] == "begin" and one["details"].get("sql") == text, action=action)
    small.post("/api/v1/sql", {"sql": "SELECT 42 AS opened"})
    assert opening("sql:Query", "SELECT 42 AS opened")["operation"] == "POST /api/v1/sql"
    small.get("/api/v1/catalog/shop/sales/preview?limit=7")
    assert opening("table:Read", 'SELECT * FROM "shop"."sales" LIMIT 7')["resource"] == "table:shop.sales"
    assert small.http("POST", "/api/v1/sql", {"sql": "SELECT FROM WHERE"}).status == 400
    assert opening("sql:Query", "SELECT FROM WHERE")
    long = "SELECT '" + "x" * 200_000 + "' AS long"
    assert len(small.query(long)[0][0]) == 200_000
    small.post("/api/v1/sql", {"sql": long})
    cut = [one for one in entries(small, action="sql:Query") if "(200017 bytes)" in one["details"].get("sql", "")]
    assert {one["protocol"] for one in cut} == {"http", "sql"}
    assert all(len(one["details"]["sql"]) < 66_000 for one in cut)


def test_a_tile_s_statement_stands_in_the_opening_record(make):
    dashboard = 'title: Sales\ntiles: [{number: "SELECT count(*) FROM shop.sales", title: Sold}]\n'
    tarn = make({**SMALL, "use_cases/shop/sales.dashboard.yaml": dashboard})
    tarn.wait_fresh()
    assert tarn.get("/api/v1/dashboards/shop/sales/tiles/0")["rows"] == [[3]]
    begin = entry(tarn, lambda one: one["phase"] == "begin" and "tiles" in one["operation"])
    assert begin["details"]["sql"] == "SELECT count(*) FROM shop.sales"


# ---- soon


def seconds_until_seen(tarn, connection, operate, mark):
    operate()
    done = time.monotonic()
    until(lambda: connection.execute("SELECT 1 FROM system.audit WHERE " + mark).fetchone(), mark, 10)
    return time.monotonic() - done


def test_system_audit_shows_a_record_within_a_second(small, s3, admin_key):
    s3.create_bucket(Bucket="soon")
    ways = {
        "s3": (lambda: s3.put_object(Bucket="soon", Key="object-of-now", Body=b"1"),
               "protocol = 's3' AND resource = 'lake:soon/object-of-now' AND phase = 'end'"),
        "sql": (lambda: small.query("SELECT 'seen' || '-by-sql'"),
                "protocol = 'sql' AND details LIKE '%''seen'' || ''-by-sql''%' AND operation = 'Query' "
                "AND phase = 'end' AND status = 'ok' AND rows = 1"),
        "http": (lambda: small.post("/api/v1/tokens", {"name": "soon"}),
                 "protocol = 'http' AND action = 'self' AND operation = 'POST /api/v1/tokens' AND phase = 'end' "
                 "AND details LIKE '%\"soon\"%'"),
    }
    with small.connect() as connection:
        took = {way: seconds_until_seen(small, connection, *how) for way, how in ways.items()}
    print("seconds until a record shows in system.audit:", json.dumps(took))
    assert max(took.values()) < WITHIN_SECONDS, took
    done = small.run("verify", "audit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is as it was written" in done.stdout


# ---- whole


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The state of a program that has worked and stopped; give(damage) is a copy to damage."""
    from tarn_program import Tarn, write_files
    folder = tmp_path_factory.mktemp("audit") / "workspace"
    write_files(folder, SMALL)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        for number in range(20):
            tarn.query(f"SELECT {number}")
    return tarn


def frames_of(content):
    """[(begin, end)] of each record of a segment."""
    found, at = [], HEADER_BYTES
    while at < len(content):
        sealed = struct.unpack_from("<I", content, at)[0]
        found.append((at, at + PREFIX_BYTES + sealed))
        at = found[-1][1]
    return found


def changed(content):
    begin, end = frames_of(content)[10]
    middle = (begin + PREFIX_BYTES + end) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]


def dropped(content):
    begin, end = frames_of(content)[10]
    return content[:begin] + content[end:]


def inserted(content):
    begin, end = frames_of(content)[10]
    return content[:end] + content[begin:end] + content[end:]


def reordered(content):
    (first, middle), (_, last) = frames_of(content)[10:12]
    return content[:first] + content[middle:last] + content[first:middle] + content[last:]


def cut(content):
    return content[:frames_of(content)[-3][0]]


def torn(content):
    return content[:-7]


@pytest.mark.parametrize("damage", [changed, dropped, inserted, reordered, cut, torn])
def test_verify_of_a_stopped_program_finds(stopped, tmp_path, damage):
    folder = tmp_path / "workspace"
    shutil.copytree(stopped.folder, folder)
    segment, = (folder / ".tarn/audit").glob("*.seg")
    content = segment.read_bytes()
    assert len(frames_of(content)) > 30
    whole = stopped.run("verify", "audit", "--dir", str(folder))
    assert whole.returncode == 0, whole.stdout + whole.stderr
    segment, = (folder / ".tarn/audit").glob("*.seg")
    segment.write_bytes(damage(segment.read_bytes()))
    found = stopped.run("verify", "audit", "--dir", str(folder))
    assert found.returncode == 1, found.stdout + found.stderr
    assert "WRONG audit: " in found.stdout, found.stdout
    again = stopped.run("verify", "audit", "--dir", str(folder), "--json").stdout
    report, _ = json.JSONDecoder().raw_decode(again)
    assert report["issues"], "a second look still finds it"


def test_verify_finds_a_segment_that_is_gone(stopped, tmp_path):
    folder = tmp_path / "workspace"
    shutil.copytree(stopped.folder, folder)
    for segment in (folder / ".tarn/audit").glob("*.seg"):
        segment.unlink()
    found = stopped.run("verify", "audit", "--dir", str(folder))
    assert found.returncode == 1 and "WRONG" in found.stdout, found.stdout + found.stderr


# ---- dropped by rule

KEPT_SHORT = {**SMALL, "tarn.yaml": "name: small\naudit: {segment: 8KiB, keep: 2s}\n"}


def segments_of(folder):
    return sorted((folder / ".tarn/audit").glob("*.seg"))


def copy_of(tarn, tmp_path, name):
    shutil.copytree(tarn.folder, tmp_path / name)
    return tmp_path / name


def test_old_records_are_dropped_by_rule_and_verify_says_so(make, tmp_path):
    tarn = make(KEPT_SHORT)
    tarn.wait_fresh()
    for number in range(60):
        tarn.query(f"SELECT {number}")
    report = until(lambda: (found := tarn.get("/api/v1/audit/verify"))["dropped"] and found, "a drop", 60)
    assert report["issue_count"] == 0, report["issues"]
    assert report["dropped"]["rule"] == "audit.keep 2s" and report["dropped"]["set_by"] == "tarn.yaml"
    assert report["records"] + report["dropped"]["records"] >= report["head"]["sequence"]
    told = entry(tarn, lambda one: one["action"] == "audit:Drop")
    assert told["details"]["sequence"] == report["dropped"]["records"] and told["principal"] == "system:audit"
    words = f"audit: {report['dropped']['records']} records up to {report['dropped']['newest']} dropped by rule"
    running = tarn.run("verify", "audit")
    assert running.returncode == 0 and words in running.stdout, running.stdout + running.stderr
    tarn.kill()
    whole = copy_of(tarn, tmp_path, "whole")
    assert segments_of(whole)[0].name != "00000001.seg" and len(segments_of(whole)) > 2
    stopped = tarn.run("verify", "audit", "--dir", str(whole))
    assert stopped.returncode == 0 and words in stopped.stdout, stopped.stdout + stopped.stderr
    # The rule does not cover what it did not name.
    damaged = copy_of(tarn, tmp_path, "damaged")
    segments_of(damaged)[0].unlink()
    found = tarn.run("verify", "audit", "--dir", str(damaged))
    assert found.returncode == 1 and "WRONG audit: dropped" in found.stdout, found.stdout + found.stderr

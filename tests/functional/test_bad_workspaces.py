"""Wrong workspaces and sick sources: a clear error that says what to do, what was there stays, the next run heals."""

import gzip
import http.server
import json
import threading

import pytest

from tarn_program import until, write_files

TABLE = "/* tarn\nkeep: full\n*/\nSELECT * FROM raw_things.things\n"
GOOD = {
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
    "use_cases/shop/things.sql": TABLE,
    "inbox/a.csv": "id,name\n1,pen\n2,ink\n",
}

WRONG_FILES = {
    "unknown key": ("sources/more.yaml", "kind: files\npath: ./x/*.csv\nstreams: {a: {fromat: csv}}\n",
                    ["sources/more.yaml:3", "fromat", "format"]),
    "unknown key at the top": ("tarn.yaml", "nam: x\n", ["tarn.yaml", "nam", "name"]),
    "wrong type": ("sources/more.yaml", "kind: files\npath: ./x/*.csv\nretries: many\nstreams: {a: {}}\n",
                   ["sources/more.yaml:3", "retries", "many"]),
    "unknown kind": ("sources/more.yaml", "kind: postgres\nconnection: {}\nstreams: {a: {}}\n",
                     ["sources/more.yaml:1", "postgresql"]),
    "values of a topic": ("sources/more.yaml", "kind: kafka\nstreams: {a: {values: xml}}\n",
                          ["sources/more.yaml", "values", "json or bytes"]),
    "a cursor over a topic": ("sources/more.yaml", "kind: kafka\nstreams: {a: {cursor: id}}\n",
                              ["sources/more.yaml", "cursor", "kafka"]),
    "dead letters of bytes": ("sources/more.yaml", "kind: kafka\nstreams: {a: {values: bytes, dead_letter: b}}\n",
                              ["sources/more.yaml", "dead_letter"]),
    "brokers": ("sources/more.yaml", "kind: kafka\nbrokers: [a:9092]\nstreams: {a: {}}\n",
                ["sources/more.yaml:2", "brokers"]),
    "a secret in the file": (
        "sources/more.yaml",
        "kind: rest\nbase_url: http://127.0.0.1:1\nauth: {bearer: hunter2hunter2}\nstreams: {a: {path: /a}}\n",
        ["sources/more.yaml:3", "secret:"]),
    "no YAML": ("sources/more.yaml", "kind: [files\n", ["sources/more.yaml"]),
    "a key of a later version": ("tarn.yaml", "lake: {}\n", ["tarn.yaml:1", "lake", "later"]),
    "no SQL": ("use_cases/shop/more.sql", "/* tarn\nkeep: full\n*/\nSELECT a FROM WHERE\n",
               ["use_cases/shop/more.sql:4"]),
    "an unknown table": ("use_cases/shop/more.sql", "SELECT *\nFROM shop.thinks\n",
                         ["use_cases/shop/more.sql:2", "shop.thinks"]),
    "merge without a key": ("use_cases/shop/more.sql", "/* tarn\nkeep: merge\n*/\nSELECT 1 AS a\n",
                            ["use_cases/shop/more.sql", "key"]),
    "files named by SQL": ("use_cases/shop/more.sql", "SELECT * FROM read_csv('/etc/passwd')\n",
                           ["use_cases/shop/more.sql"]),
    "a reserved name": ("use_cases/system/more.sql", "SELECT 1 AS a\n", ["use_cases/system", "reserved"]),
    "a wrong policy": ("policies/more.yaml", "roles: {a: {alow: []}}\n", ["policies/more.yaml:1", "alow", "allow"]),
    "a broken dashboard": ("use_cases/shop/more.dashboard.yaml", "title: x\ntiles:\n  - {numbr: SELECT 1}\n",
                           ["use_cases/shop/more.dashboard.yaml:3", "numbr", "number"]),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    from tarn_program import Tarn
    folder = tmp_path_factory.mktemp("bad") / "shop"
    write_files(folder, GOOD)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        yield tarn


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_file_is_named_and_nothing_changes(shop, name):
    file, text, words = WRONG_FILES[name]
    write_files(shop.folder, {file: text})
    try:
        plan = shop.run("plan")
        apply = shop.run("apply")
        assert plan.returncode != 0 and apply.returncode != 0, plan.stdout
        for word in words:
            assert word in plan.stdout + plan.stderr, plan.stdout + plan.stderr
        assert "hunter2" not in plan.stdout + plan.stderr + apply.stdout + apply.stderr
        assert shop.value("SELECT count(*) FROM shop.things") == 2
    finally:
        (shop.folder / file).unlink()
    assert shop.run("apply").returncode == 0


def test_a_circle_is_named_with_its_members(shop):
    circle = {"use_cases/shop/one.sql": "SELECT * FROM two\n", "use_cases/shop/two.sql": "SELECT * FROM one\n"}
    write_files(shop.folder, circle)
    try:
        plan = shop.run("plan").stdout
        assert "shop.one" in plan and "shop.two" in plan and "use_cases/shop/" in plan
    finally:
        for file in circle:
            (shop.folder / file).unlink()


def test_a_start_with_wrong_files_runs_what_was_applied(make):
    tarn = make(GOOD)
    tarn.wait_fresh()
    tarn.stop()
    broken = tarn.folder / "use_cases/shop/things.sql"
    broken.write_text("SELEC 1\n")
    tarn.start()
    assert "use_cases/shop/things.sql:1" in until(tarn.output.read_text, "a line")
    assert tarn.value("SELECT count(*) FROM shop.things") == 2
    broken.write_text(TABLE)
    assert tarn.run("apply").returncode == 0


def test_a_secret_that_is_not_there_is_asked_for(make):
    tarn = make({"sources/far.yaml": "kind: rest\nbase_url: http://127.0.0.1:9\nauth: {bearer: secret:far}\n"
                                     "retries: 0\nstreams: {a: {path: /a}}\n"})
    error = tarn.wait_failed("source:far.a")["error"]
    assert "far" in error and "secret" in error


def test_an_unreachable_database(make):
    tarn = make({"sources/far.yaml": "kind: postgresql\nconnection: {host: 127.0.0.1, port: 9, database: a, user: b}\n"
                                     "retries: 0\nstreams: {a: {}}\n"})
    error = tarn.wait_failed("source:far.a")["error"]
    assert "127.0.0.1" in error and "9" in error
    assert tarn.run("doctor").returncode == 1


# ---- a REST API that is ill in many ways


class Sick(http.server.BaseHTTPRequestHandler):
    mode = "well"

    def log_message(self, *_):
        pass

    def do_GET(self):
        body, status, declared = json.dumps({"items": [{"id": 1}, {"id": 2}], "next": None}).encode(), 200, None
        mode = type(self).mode
        if mode == "html":
            body = b"<html><body>Please log in</body></html>"
        elif mode == "500":
            body, status = b"boom", 500
        elif mode == "truncated":
            declared = len(body) + 100
        elif mode == "cut json":
            body = body[:-5]
        elif mode == "loop":
            body = json.dumps({"items": [{"id": 1}], "next": "again"}).encode()
        elif mode == "no records":
            body = json.dumps({"data": []}).encode()
        elif mode == "401":
            body, status = b'{"message": "who are you"}', 401
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if mode == "html" else "application/json")
        self.send_header("Content-Length", str(declared or len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture(scope="module")
def sick_api():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sick)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture(scope="module")
def rest(tmp_path_factory, sick_api):
    from tarn_program import Tarn
    folder = tmp_path_factory.mktemp("sick") / "rest"
    write_files(folder, {
        "sources/api.yaml": f"kind: rest\nbase_url: http://127.0.0.1:{sick_api}\nretries: 0\ntimeout: 8s\nstreams:\n"
                            "  items: {path: /items, records: $.items, pagination: {cursor: $.next, param: after}}\n",
        "use_cases/shop/items.sql": "SELECT id FROM raw_api.items\n"})
    with Tarn(folder) as tarn:
        Sick.mode = "well"
        tarn.start()
        tarn.wait_fresh()
        yield tarn


@pytest.mark.parametrize("mode, words", [
    ("html", ["JSON"]), ("500", ["500"]), ("truncated", []), ("cut json", ["JSON"]), ("loop", []),
    ("no records", ["items"]), ("401", ["401"])])
@pytest.mark.slow
def test_a_sick_api_and_its_recovery(rest, mode, words):
    Sick.mode = mode
    run = rest.post("/api/v1/runs", {"target": "source:api.items"})["runs"][0]
    ended = rest.wait_run(run, 90)
    assert ended["state"] == "failed", ended
    for word in words:
        assert word in ended["error"], ended["error"]
    assert rest.value("SELECT count(*) FROM shop.items") == 2
    assert rest.value("SELECT count(*) FROM raw_api.items") == 2
    Sick.mode = "well"
    run = rest.post("/api/v1/runs", {"target": "source:api.items"})["runs"][0]
    assert rest.wait_run(run)["state"] in ("succeeded", "unchanged")
    assert rest.run("verify").returncode == 0


# ---- files

def test_broken_rows_of_a_csv_file_do_not_pass_silently(make):
    """The bytes are kept as they came; who reads them hears of the row, and a mended file heals."""
    tarn = make(GOOD)
    tarn.wait_fresh()
    bad = tarn.folder / "inbox/b.csv"
    bad.write_text('id,name\n3,cup\n4,"open quote\n5,box,too,many,columns\n')

    def told():
        warned = any(run["warnings"] or run["error"] for run in tarn.get("/api/v1/runs")["runs"])
        return warned and all(not task["current"] for task in tarn.tasks().values())
    until(told, "the news of a broken file", 60)
    assert tarn.value("SELECT count(*) FROM shop.things") >= 2
    bad.write_text("id,name\n3,cup\n4,bag\n")
    until(lambda: tarn.value("SELECT count(*) FROM shop.things") == 4, "healing", 60)
    tarn.wait_fresh()


def test_a_broken_gzip_is_named_and_heals(make):
    tarn = make({**GOOD, "sources/things.yaml": GOOD["sources/things.yaml"].replace("*.csv", "*.csv*")})
    tarn.wait_fresh()
    bad = tarn.folder / "inbox/b.csv.gz"
    whole = gzip.compress(b"id,name\n" + b"".join(b"%d,name%d\n" % (n, n) for n in range(3, 2000)))
    bad.write_bytes(whole[:len(whole) // 2])
    def told():
        return [run for run in tarn.get("/api/v1/runs")["runs"] if run["error"] or run["warnings"]]
    first = until(told, "the news of a broken file", 60)[0]
    assert "b.csv.gz" in (first["error"] or "") + " ".join(first["warnings"])
    assert tarn.value("SELECT count(*) FROM shop.things") == 2
    bad.write_bytes(whole)
    until(lambda: tarn.value("SELECT count(*) FROM shop.things") == 1999, "healing", 90)


def test_a_failed_check_publishes_nothing(make):
    checked = TABLE.replace("keep: full", "keep: full\nchecks: [{unique: id}]")
    tarn = make({**GOOD, "use_cases/shop/things.sql": checked})
    tarn.wait_fresh()
    (tarn.folder / "inbox/b.csv").write_text("id,name\n2,again\n")
    error = tarn.wait_failed("table:shop.things")["error"]
    assert "unique" in error and "id" in error
    assert tarn.value("SELECT count(*) FROM shop.things") == 2
    (tarn.folder / "inbox/b.csv").write_text("id,name\n3,new\n")
    until(lambda: tarn.value("SELECT count(*) FROM shop.things") == 3, "healing", 60)


def test_a_missing_folder_of_files_is_said(make):
    tarn = make({"sources/gone.yaml": "kind: files\npath: ./nowhere/*.csv\nretries: 0\nstreams: {a: {}}\n"})
    error = tarn.wait_failed("source:gone.a")["error"]
    assert "nowhere" in error
    write_files(tarn.folder, {"nowhere/a.csv": "a\n1\n"})
    run = tarn.post("/api/v1/runs", {"target": "source:gone.a"})["runs"][0]
    assert tarn.wait_run(run)["state"] == "succeeded"
    assert tarn.value("SELECT a FROM raw_gone.a") == 1

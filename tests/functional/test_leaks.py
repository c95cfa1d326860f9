"""The leak matrix: each door × each way to ask × each kind of policy, made from the operations that the program lists.

Every person here may do nearly everything; what a policy hides from each is known (HIDDEN), and so is how many rows
there are, which is a number that nothing else has.
"""

import json
import re
import subprocess

import botocore.exceptions
import psycopg
import pytest
import requests

from conftest import s3_client
from tarn_program import Tarn, until, write_files
from test_policies import ASKED, ask

ROWS = 17_931
COUNT = re.compile(r"\b17,?931\b")
IN_ROWS = ["Quentin", "hidden-town", "eve@example"]
IN_COLUMNS = ["Quentin", "Bruno", "eve@example", "bob@example"]
FILTERED = {"values": IN_ROWS, "count": True}
MASKED = {"values": IN_COLUMNS, "count": False}
HIDDEN = {
    "role_filter": FILTERED, "user_filter": FILTERED, "tag_filter": FILTERED,
    "role_mask": MASKED, "user_mask": MASKED, "tag_mask": MASKED,
    "denied": {"values": IN_ROWS + IN_COLUMNS, "count": True},
}
DATASETS = ["shop.people", "raw_people.people", "shop.cached", "shop.contacts"]


def roles():
    denied = '{actions: ["table:*"], resources: ["shop.*", "raw_people.*"]}, ' \
             '{actions: ["lake:*"], resources: ["lakehouse/shop/*", "raw/people/*"]}'
    for person in HIDDEN:
        more = denied if person == "denied" else ""
        # Who may read an alert is shown what its owner sees (docs/alerts.md): so everybody their own.
        others = ", ".join(f'"all.*_{other}"' for other in HIDDEN if other != person)
        # And who may read a run of a job, what the job printed (docs/jobs.md).
        jobs = ", ".join(f'"job:jobs.{other}"' for other in HIDDEN if other != person)
        yield f"""  {person}:
    members: [user:{person}]
    allow: [{{actions: ["*"], resources: ["*"]}}]
    deny: [{{actions: ["audit:*", "platform:*", "workspace:Apply", "user:Create"], resources: ["*"]}},
           {{actions: ["alert:*"], resources: [{others}]}},
           {{actions: ["run:*"], resources: [{jobs}]}}, {more}]
"""


def restrictions():
    yield "row_filters:\n"
    for whom, what in (("role: role_filter", 'table: "shop.*"'), ("role: role_filter", 'table: "raw_people.*"'),
                       ("user: user_filter", 'table: "shop.*"'), ("user: user_filter", 'table: "raw_people.*"'),
                       ("role: tag_filter", "tag: people")):
        yield f"  - {{{whom}, {what}, where: \"city = 'Bern'\"}}\n"
    yield "masks:\n  - {role: tag_mask, tag: personal, with: \"NULL\"}\n"
    columns = ["shop.people.name", "shop.people.contact", "shop.cached.name", "shop.cached.contact",
               "shop.contacts.name", "shop.contacts.label", "raw_people.people.name", "raw_people.people.email"]
    for whom in ("role: role_mask", "user: user_mask"):
        for column in columns:
            yield f"  - {{{whom}, column: {column}, with: \"NULL\"}}\n"


def table(header, sql):
    return f"/* tarn\n{header}*/\n{sql}\n"


def inbox():
    named = "id,name,city,email,score\n1,Alma,Bern,alma@example,10\n2,Bruno,Bern,bob@example,7\n" \
            "3,Quentin,hidden-town,eve@example,0\n4,\"Quentin\"x,hidden-town,eve@example,0\n"
    return named + "".join(f"{100_000 + i},x,Bern,y,{i % 7}\n" for i in range(ROWS - 3))


PEOPLE = "SELECT id, name, city, email AS contact, score FROM raw_people.people"
PRINTS = 'shell: |\n  tarn sql "SELECT name, city, email FROM raw_people.people ORDER BY id LIMIT 3" || true\n' \
         '  tarn sql "SELECT count(*) FROM shop.people" || true\n  tarn runs --json\n'
FILES = {
    "tarn.yaml": "name: leaks\n",
    "sources/people.yaml": "kind: files\npath: ./inbox/*.csv\ntags: [people]\nstreams:\n"
                           "  people: {column_tags: {name: [personal], email: [personal]}, broken_max: 10}\n",
    "use_cases/shop/people.sql": table("tags: [people]\nkeep: merge\nkey: [id]\n", PEOPLE),
    "use_cases/shop/cached.sql": table("tags: [people]\nkeep: merge\nkey: [id]\ncache: yes\n", PEOPLE),
    "use_cases/shop/contacts.sql": table("tags: [people]\n", "SELECT id, city, name, upper(contact) || '!' AS label "
                                                              "FROM people WHERE id < 10"),
    "use_cases/shop/broken.sql": table("retries: 0\n", "SELECT CAST(name || email AS INTEGER) AS n "
                                                       "FROM raw_people.people WHERE id = 3"),
    "use_cases/shop/refused.sql": table("retries: 0\nchecks: [{rows: '> 90000'}]\n", PEOPLE),
    "use_cases/shop/prints.job.yaml": "owner: admin\nreads: [shop.people]\n" + PRINTS,
    "use_cases/shop/shop.dashboard.yaml": """title: Shop
filters: {name: {column: shop.people.name}}
tiles:
  - {table: "SELECT * FROM shop.people ORDER BY id LIMIT 10", title: People}
  - {number: "SELECT count(*) FROM shop.cached", title: How many}
  - {bar: "SELECT name, sum(score) AS score FROM shop.people GROUP BY name ORDER BY 2 LIMIT 5", title: Score}
""",
    "use_cases/shop/people.test.yaml": "tests:\n  - name: nothing of nothing\n    given: {raw_people.people: []}\n"
                                       "    expect: {rows: []}\n",
    "policies/people.yaml": "roles:\n" + "".join(roles()) + "".join(restrictions()),
    "inbox/a.csv": inbox(),
    "alerts/all.yaml": "owner: admin\nrules:\n" + "".join(
        f"  sees_{person}: {{sql: {{query: \"SELECT name, city, score FROM shop.people WHERE id < 4\"}}, "
        f"owner: {person}, every: 1s}}\n"
        f"  runs_{person}: {{runs: {{tasks: [\"table:shop.*\"]}}, owner: {person}, every: 1s}}\n"
        for person in HIDDEN),
    **{f"destinations/{person}.yaml": f"kind: files\nowner: {person}\npath: ./out_{person}\nretries: 0\n"
                                      "tables: {people: {from: shop.people}}\n" for person in HIDDEN},
    **{f"use_cases/jobs/{person}.job.yaml": f"owner: {person}\n" + PRINTS for person in HIDDEN},
}


@pytest.fixture(scope="module")
def tarn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leaks") / "workspace"
    write_files(folder, FILES)
    with Tarn(folder) as started:
        started.start()
        started.tokens = {}
        for person in HIDDEN:
            started.post("/api/v1/users", {"name": person})
            started.tokens[person] = started.post("/api/v1/tokens", {"user": person, "name": "leaks"})["token"]
        for task in ("table:shop.broken", "table:shop.refused"):
            started.wait_failed(task)
        ended = [*started.post("/api/v1/runs", {"target": "destination:*"})["runs"],
                 *started.post("/api/v1/runs", {"target": "job:*"})["runs"]]
        for run in ended:
            started.wait_run(run)
        until(lambda: started.query("SELECT state FROM system.caches WHERE cached_version = version") == [("ready",)],
              "building the cache")
        for tile in range(3):  # what is kept of answers was first the admin's
            started.get(f"/api/v1/dashboards/shop/shop/tiles/{tile}")
        yield started


def told(person, text):
    """What of it a person should not have been told."""
    text = text if isinstance(text, str) else json.dumps(text, default=str, ensure_ascii=False)
    found = [value for value in HIDDEN[person]["values"] if value.lower() in text.lower()]
    return found + (["how many rows"] if HIDDEN[person]["count"] and COUNT.search(text) else [])


def assert_nothing_leaks(person, what, text):
    leaked = told(person, text)
    place = text.lower().find(leaked[0].lower()) if leaked and leaked[0] != "how many rows" else 0
    assert not leaked, (person, what, leaked, text[max(0, place - 300):place + 300])


def test_there_is_something_to_leak(tarn):
    assert tarn.query("SELECT count(*), max(city) FROM shop.people") == [(ROWS, "hidden-town")]
    runs = {run["task"]: run for run in reversed(tarn.get("/api/v1/runs?limit=1000")["runs"])}
    assert "Quentin" in runs["table:shop.broken"]["error"] and str(ROWS) in runs["table:shop.refused"]["error"]
    assert runs["table:shop.people"]["rows"] == ROWS
    assert "hidden-town" in json.dumps(tarn.get(f"/api/v1/runs/{runs['job:shop.prints']['id']}")["log"])
    assert "Quentin" in json.dumps(tarn.get("/api/v1/sources/people/quarantine"))
    assert "Quentin" in json.dumps(tarn.get("/api/v1/dashboards/shop/shop/tiles/0"))
    assert str(ROWS) in json.dumps(tarn.get("/api/v1/audit?limit=1000"))
    for person, hidden in HIDDEN.items():
        seen = tarn.http("POST", "/api/v1/sql", {"sql": "SELECT count(*) FROM shop.people"}, token=tarn.tokens[person])
        expected = {"denied": None, True: ROWS - 1, False: ROWS}["denied" if person == "denied" else hidden["count"]]
        assert (seen.json["rows"][0][0] if seen.status == 200 else None) == expected, person


# ---- every route that reads

def places(tarn):
    """What stands for each parameter of a path."""
    keys = [f"{bucket}/{one['key']}" for bucket in ("lakehouse", "raw")
            for one in tarn.get(f"/api/v1/lake/{bucket}?delimiter=")["objects"]]
    return {
        "{schema}/{name}": [dataset.replace(".", "/") for dataset in [*DATASETS, "shop.broken", "shop.refused"]],
        "{use_case}/{name}": ["shop/shop"], "{index}": ["0", "1", "2"], "{version}": ["0", "1", "2"],
        "{filter}": ["name"], "{shapes}": ["none"], "{group}": ["none"], "{name}": ["people", "admin", *HIDDEN],
        "{id}": [run["id"] for run in tarn.get("/api/v1/runs?limit=1000")["runs"]],
        "{format}": ["csv", "pdf"], "{bucket}/{key...}": keys, "{bucket}": ["lakehouse", "raw", "inbox"],
    }


def filled(pattern, known):
    for parameter, values in known.items():
        if parameter in pattern:
            return [path for value in values for path in filled(pattern.replace(parameter, value, 1), known)]
    return [pattern]


def readable(answer):
    if answer.headers.get("Content-Type") != "application/pdf":
        return answer.body.decode(errors="replace")
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=answer.body, capture_output=True, check=True)
    text = done.stdout.decode()
    assert "with what they may see" in text, text
    return text


STREAMS = ("GET /api/v1/events", "GET /api/v1/topics/{name}/tail")
QUERIES = {"GET /api/v1/lake/{bucket}": ["?delimiter=", "?delimiter=/"],
           "GET /api/v1/catalog": ["?q=people"], "GET /api/v1/runs": ["?limit=1000", "?state=failed"],
           "GET /api/v1/why": ["?target=shop.broken", "?target=shop.refused", "?target=shop.people"]}


@pytest.mark.parametrize("person", HIDDEN)
def test_no_route_that_reads_leaks(tarn, person):
    known = places(tarn)
    answered = 0
    for row in tarn.get("/api/v1/operations")["operations"]:
        if row["protocol"] != "http" or not row["name"].startswith("GET /api") or row["name"] in STREAMS:
            continue
        for path in filled(row["name"].split(" ", 1)[1], known):
            assert "{" not in path, f"say what stands for the parameters of {row['name']}"
            for query in ["", *QUERIES.get(row["name"], [])]:
                answer = tarn.http("GET", path + query, token=tarn.tokens[person])
                answered += answer.status == 200
                assert_nothing_leaks(person, path + query, readable(answer))
    assert answered > 60


@pytest.mark.parametrize("person", HIDDEN)
def test_no_route_that_asks_leaks(tarn, person):
    tile = {"tiles": [{"table": "SELECT * FROM shop.people WHERE id < 5", "title": "T"}], "title": "D"}
    asked = {"/api/v1/workspace/plan": {}, "/api/v1/workspace/test": {"sample_rows": 100_000},
             "/api/v1/dashboards/shop/shop/preview": {"definition": tile, "tile": 0},
             "/api/v1/policy/explain": {"who": person, "action": "table:Read", "resource": "table:shop.people"},
             "/api/v1/policy/who-can": {"action": "table:Read", "resource": "table:shop.people"},
             "/api/v1/sources/people/check": {}, f"/api/v1/alerts/all.sees_{person}/test": {}}
    for path, body in asked.items():
        answer = tarn.http("POST", path, body, token=tarn.tokens[person])
        assert_nothing_leaks(person, path, answer.body.decode())


@pytest.mark.parametrize("person", HIDDEN)
def test_the_stream_of_runs_does_not_leak(tarn, person):
    headers = {"Authorization": f"Bearer {tarn.tokens[person]}"}
    with requests.get(tarn.web + "/api/v1/events", headers=headers, stream=True, timeout=30) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        seen = [next(lines)]
        for target in ("table:shop.people", "table:shop.broken"):
            tarn.wait_run(tarn.post("/api/v1/runs", {"target": target})["runs"][0])
        for line in lines:
            seen.append(line)
            if '"failed"' in line:
                break
    assert_nothing_leaks(person, "events", "\n".join(seen))


# ---- SQL

SLOW = "WITH a AS (FROM {}) SELECT * FROM a, a b"  # of so many rows
WAYS = [way for way in ASKED if way != SLOW] + ["SELECT count(*), count(DISTINCT id) FROM {}", "SHOW TABLES",
                                                 "SELECT 1 / 0 FROM {} WHERE name = 'Quentin'"]
ECHOED = re.compile(r"name = 'Quentin'")


@pytest.mark.parametrize("person", HIDDEN)
@pytest.mark.parametrize("table_name", DATASETS)
def test_no_statement_leaks(tarn, person, table_name):
    with tarn.connect(f"token:{person}", tarn.tokens[person]) as connection:
        for way in WAYS:
            sql = way.replace("{}", table_name)
            try:
                answer = repr(ask(connection, sql))
            except psycopg.Error as error:
                answer = f"{error} {error.diag.message_detail} {error.diag.context}"
            assert_nothing_leaks(person, sql, ECHOED.sub("", answer))
    for way in WAYS[::4]:
        sql = way.replace("{}", table_name)
        answer = tarn.http("POST", "/api/v1/sql", {"sql": sql, "limit": 100_000}, token=tarn.tokens[person])
        assert_nothing_leaks(person, sql, ECHOED.sub("", answer.body.decode()))


@pytest.mark.parametrize("person", HIDDEN)
def test_no_system_table_leaks(tarn, person):
    with tarn.connect(f"token:{person}", tarn.tokens[person]) as connection:
        tables = connection.execute("SELECT table_schema || '.' || table_name FROM information_schema.tables "
                                    "WHERE table_schema IN ('system', 'information_schema', 'pg_catalog')").fetchall()
        assert len(tables) > 8
        for (name,) in tables:
            # Statements that the person wrote are theirs to see.
            where = f" WHERE principal <> 'user:{person}'" if name == "system.audit" else ""
            try:
                rows = connection.execute(f"SELECT * FROM {name}{where}").fetchall()
            except psycopg.Error as error:
                rows = str(error)
            assert_nothing_leaks(person, name, repr(rows))


# ---- the command line, S3, and what leaves by itself

COMMANDS = [["sql", "FROM shop.people LIMIT 5"], ["sql", "--csv", "SELECT count(*) FROM shop.cached"], ["runs"],
            ["runs", "--tasks"], ["runs", "--json"], ["why", "shop.broken"], ["why", "shop.refused", "--json"],
            ["status"], ["ls"], ["ls", "lakehouse/shop/people/"], ["plan"], ["test"], ["quarantine", "ls"], ["alerts"],
            ["alerts", "--messages"], ["policy", "who-can", "table:Read", "shop.people"]]


@pytest.mark.parametrize("person", HIDDEN)
def test_no_command_leaks(tarn, person):
    environment = {"TARN_URL": tarn.web, "TARN_TOKEN": tarn.tokens[person]}
    for command in COMMANDS:
        done = tarn.run(*command, environment=environment)
        assert_nothing_leaks(person, command, done.stdout + done.stderr)


@pytest.mark.parametrize("person", HIDDEN)
def test_an_export_holds_what_a_person_sees(tarn, person, tmp_path):
    environment = {"TARN_URL": tarn.web, "TARN_TOKEN": tarn.tokens[person]}
    done = tarn.run("export", str(tmp_path / "tables"), "--tables", "*", environment=environment)
    exported = {path.relative_to(tmp_path / "tables/tables").as_posix(): path.read_text()
                for path in tmp_path.glob("tables/tables/*/*.csv")}
    assert_nothing_leaks(person, "export", done.stdout + done.stderr + "".join(exported.values()))
    if person == "denied":
        return
    assert set(exported) == {name.replace(".", "/") + ".csv" for name in DATASETS}, done.stderr
    lines = exported["shop/people.csv"].splitlines()
    assert lines[0] == "id,name,city,contact,score" and len(lines) - 1 == ROWS - HIDDEN[person]["count"]
    if HIDDEN[person]["count"]:
        assert "1,Alma,Bern,alma@example,10" in lines
    else:
        assert "3,,hidden-town,,0" in lines
    # The files of what is protected are not theirs: a whole export leaves them out.
    tarn.run("export", str(tmp_path / "all"), environment=environment)
    assert not list(tmp_path.glob("all/lakehouse/shop/people/*"))


@pytest.mark.parametrize("person", HIDDEN)
def test_no_file_is_given_away(tarn, person):
    admin = s3_client(tarn, tarn.post("/api/v1/s3-keys", {}))
    client = s3_client(tarn, tarn.post("/api/v1/s3-keys", {"user": person}))
    for bucket, prefix in (("lakehouse", "shop/people/"), ("lakehouse", "shop/cached/"), ("raw", "people/people/")):
        keys = [one["Key"] for one in admin.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
        link = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": keys[0]})
        assert requests.get(link, timeout=30).status_code == 403
        for key in keys:
            for ask in (client.get_object, client.head_object):
                with pytest.raises(botocore.exceptions.ClientError):
                    ask(Bucket=bucket, Key=key)
        if person != "denied":  # who may list a bucket sees the names in it
            listed = json.dumps(client.list_objects_v2(Bucket=bucket), default=str)
            assert not [key for key in keys if key in listed]


@pytest.mark.parametrize("person", HIDDEN)
def test_what_leaves_for_a_person_is_what_they_see(tarn, person):
    for path in (tarn.folder / f"out_{person}").glob("**/*"):
        assert path.is_dir() or told(person, path.read_text()) == []
    runs = tarn.get(f"/api/v1/runs?task=job:jobs.{person}")["runs"]
    assert runs and runs[0]["state"] == "succeeded", runs
    printed = json.dumps(tarn.get(f"/api/v1/runs/{runs[0]['id']}")["log"])
    assert_nothing_leaks(person, "job", printed)
    assert person == "denied" or '"city"' in printed or "city" in printed
    alerts = [alert for alert in tarn.get("/api/v1/alerts")["alerts"] if alert["name"].endswith(person)]
    assert alerts
    assert_nothing_leaks(person, "alerts", json.dumps(alerts))

"""Who may what, and what the program says of itself: policies, links, configuration, health, the schema system."""

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from conftest import SMALL
from tarn_program import PROGRAM, until

# Word for word from the workspace's normative examples, and the group that it names.
ANALYSTS = """roles:
  analyst: {members: [group:analysts], allow: [{actions: [table:Read], resources: ["delays.*"]}]}
groups: {analysts: [ann]}
"""
DELAYS = {
    "sources/things.yaml": SMALL["sources/things.yaml"],
    "inbox/a.csv": SMALL["inbox/a.csv"],
    "use_cases/delays/flights.sql": "SELECT id, name FROM raw_things.things\n",
    "policies/analysts.yaml": ANALYSTS,
}


@pytest.fixture(scope="module")
def delays(tmp_path_factory):
    from tarn_program import Tarn, write_files
    folder = tmp_path_factory.mktemp("delays") / "workspace"
    write_files(folder, DELAYS)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        tarn.post("/api/v1/users", {"name": "ann"})
        tarn.ann = tarn.post("/api/v1/tokens", {"user": "ann", "name": "tests"})["token"]
        yield tarn


# ---- policies


def test_table_read_alone_suffices_to_query(delays):
    with delays.connect("ann", delays.ann) as connection:
        assert connection.execute("SELECT count(*) FROM delays.flights").fetchone() == (3,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT 1 FROM raw_things.things")
    host, port = delays.ready["sql"].rsplit(":", 1)
    done = subprocess.run(["psql", "-h", host, "-p", port, "-U", "ann", "-Atc", "SELECT max(id) FROM delays.flights",
                           "tarn"], env={**os.environ, "PGPASSWORD": delays.ann}, capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr
    answer = delays.post("/api/v1/sql", {"sql": "SELECT name FROM delays.flights WHERE id = 2"}, token=delays.ann)
    assert answer["rows"] == [["ink"]]
    listed = delays.get("/api/v1/catalog", token=delays.ann)["datasets"]
    assert [f"{one['schema']}.{one['name']}" for one in listed] == ["delays.flights"]


def test_the_built_in_grant_is_told_and_shows_no_data(delays):
    delays.post("/api/v1/users", {"name": "nemo"})
    nemo = delays.post("/api/v1/tokens", {"user": "nemo", "name": "tests"})["token"]
    assert delays.post("/api/v1/sql", {"sql": "SELECT 1"}, token=nemo)["rows"] == [[1]]
    assert delays.http("POST", "/api/v1/sql", {"sql": "SELECT * FROM delays.flights"}, token=nemo).status == 404
    assert delays.get("/api/v1/catalog", token=nemo)["datasets"] == []
    built_in = [one for one in delays.get("/api/v1/me", token=nemo)["permissions"] if one["role"] == "built-in"]
    assert built_in[0]["actions"] == ["sql:Query"] and built_in[1]["resources"] == ["nemo"]
    explained = delays.post("/api/v1/policy/explain", {"action": "sql:Query", "resource": "*"}, token=nemo)
    assert explained["allowed"] and explained["reason"] == "allowed: built in, for everybody who is logged in"
    assert delays.post("/api/v1/tokens", {"name": "own"}, token=nemo)["user"] == "nemo"
    assert delays.http("POST", "/api/v1/tokens", {"name": "hers", "user": "ann"}, token=nemo).status == 403


def test_a_deny_takes_the_built_in_grant_away(delays):
    delays.post("/api/v1/users", {"name": "robot"})
    robot = delays.post("/api/v1/tokens", {"user": "robot", "name": "tests"})["token"]
    role = {"members": ["user:robot"],
            "deny": [{"actions": ["sql:*", "token:Create"], "resources": ["*"]}]}
    assert delays.http("PUT", "/api/v1/roles/machines", role).status == 200
    assert delays.http("POST", "/api/v1/sql", {"sql": "SELECT 1"}, token=robot).status == 403
    with delays.connect("robot", robot) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT 1")
    assert delays.http("POST", "/api/v1/tokens", {"name": "more"}, token=robot).status == 403
    assert [one["name"] for one in delays.get("/api/v1/tokens", token=robot)["tokens"]] == ["tests"]


def test_login_link(delays):
    made = delays.json("login-link")["url"]
    assert made.startswith(delays.web + "/login#link=")
    link = {"token": made.split("link=", 1)[1]}
    assert delays.http("POST", "/api/v1/login/link", link, token="").json["name"] == "admin"
    assert delays.http("POST", "/api/v1/login/link", link, token="").status == 401
    assert delays.http("POST", "/api/v1/login-links", {}, token=delays.ann).status == 403


# ---- configuration


def metric(tarn, name):
    for line in tarn.http("GET", "/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def memory_of_the_machine():
    total = next(int(line.split()[1]) << 10 for line in Path("/proc/meminfo").read_text().splitlines()
                 if line.startswith("MemTotal"))
    limits = [total]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, kinds, group = line.split(":", 2)
        root, name = ("/sys/fs/cgroup", "memory.max") if number == "0" else ("/sys/fs/cgroup/memory",
                                                                            "memory.limit_in_bytes")
        if number != "0" and kinds != "memory":
            continue
        for folder in [Path(group), *Path(group).parents]:
            file = Path(root + str(folder)) / name
            if file.exists() and file.read_text().strip().isdigit():
                limits.append(int(file.read_text()))
    return min(limits)


def test_queries_get_half_of_the_memory(delays):
    half = memory_of_the_machine() // 2
    assert metric(delays, "tarn_engine_memory_limit_bytes") == half
    assert delays.get("/api/v1/overview")["engine_memory_bytes"] == half
    assert "of memory is what queries may use" in delays.run("doctor").stdout
    assert f'"engine_memory_bytes":{half}' in (delays.folder / ".tarn/log/tarn.log").read_text().replace(" ", "")


def test_the_configuration_of_every_component_is_read(make, tmp_path):
    tarn = make({**DELAYS, "tarn.yaml": f"""
engine: {{memory: 64MiB}}
identity: {{token_lifetime: 2h, tokens_per_user_max: 2}}
audit: {{segment: 4KiB, flush_every: 10ms, sql_rows_max: 5}}
monitoring: {{metrics_public: no}}
budget: {{disk_stop: 1KiB, disk_warn: 1PiB}}
encryption: {{root_key_file: {tmp_path}/keys/root.key}}
"""})
    tarn.wait_fresh()
    assert (tmp_path / "keys/root.key").exists()
    assert tarn.http("GET", "/metrics", token="").status == 401
    assert metric(tarn, "tarn_engine_memory_limit_bytes") == 64 << 20
    for _ in range(30):  # a few records of the start may fit into two segments
        tarn.get("/api/v1/users")
    assert len(list((tarn.folder / ".tarn/audit").glob("*.seg"))) > 2
    assert tarn.value("SELECT count(*) FROM system.audit") == 5
    token = tarn.post("/api/v1/tokens", {"name": "one"})
    assert token["expires_at"] < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3 * 3600))
    assert tarn.http("POST", "/api/v1/tokens", {"name": "two"}).status == 429
    disk = {one["component"]: one for one in tarn.get("/api/v1/health")["components"]}["disk"]
    assert disk["healthy"] and disk["level"] == "warning" and "below 1" in disk["message"]


@pytest.mark.parametrize("text, told", [("audit: {flush_every: 1s}", "at most 50ms"),
                                        ("identity: {session_ilde: 1h}", "session_idle")])
def test_a_wrong_configuration_is_refused(tmp_path, text, told):
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "tarn.yaml").write_text(text)
    done = subprocess.run([PROGRAM, "up", folder], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "TARN_ROOT_KEY_FILE": str(tmp_path / "key")})
    assert done.returncode != 0 and told in done.stdout + done.stderr


# ---- health


def unhealthy(tarn):
    return {one["component"]: one for one in tarn.get("/api/v1/health")["components"] if not one["healthy"]}


def test_every_component_with_state_tells_its_health(make, tmp_path):
    tarn = make(DELAYS)
    names = {one["component"] for one in tarn.get("/api/v1/health")["components"]}
    assert {"state", "disk", "metadata", "encryption", "audit", "identity", "lake", "engine", "orchestrator"} <= names
    assert unhealthy(tarn) == {} and tarn.http("GET", "/health").status == 200

    probe = tarn.folder / ".tarn/tmp/health"
    until(probe.exists, "the probe")
    probe.unlink()
    (probe / "in the way").mkdir(parents=True)  # a write that ends in an error, without a disk to break
    broken = until(lambda: unhealthy(tarn).get("state"), "the disk's probe")
    assert "takes no writes" in broken["message"] and broken["hint"]
    assert tarn.http("GET", "/health").status == 503
    (probe / "in the way").rmdir()
    probe.rmdir()
    until(lambda: not unhealthy(tarn), "the disk's recovery")

    key = tmp_path / "workspace.key"
    key.rename(tmp_path / "away.key")
    assert "nothing could be read again" in unhealthy(tarn)["encryption"]["message"]
    done = tarn.run("doctor")
    assert done.returncode != 0 and "WRONG  encryption" in done.stdout
    (tmp_path / "away.key").rename(key)
    (tarn.folder / ".tarn/tmp/engine").rename(tmp_path / "spill")
    assert set(unhealthy(tarn)) == {"engine"}
    (tmp_path / "spill").rename(tarn.folder / ".tarn/tmp/engine")
    assert unhealthy(tarn) == {}


# ---- the schema system


def test_the_schema_system_is_complete(delays):
    tables = {name for name, in delays.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'system'")}
    assert tables >= {"audit", "runs", "loads", "lineage", "metrics", "assets"}


def test_system_lineage(delays):
    rows = delays.query("SELECT name, input_schema, input_name, input_version, \"column\", input_column, object "
                        "FROM system.lineage ORDER BY ALL")
    flights = [row for row in rows if row[0] == "flights"]
    assert [(row[1], row[2], row[4], row[5]) for row in flights] == [
        ("raw_things", "things", "id", "id"), ("raw_things", "things", "name", "name")]
    assert flights[0][3] == str(delays.value("SELECT max(\"load\") FROM system.loads"))
    assert [row[6].startswith("raw/things/things/") for row in rows if row[0] == "things"] == [True]


def test_system_assets_say_who_owns_what(delays):
    delays.http("PUT", "/api/v1/roles/by_api", {"description": "made by hand"})
    owned = {(kind, name): (owner, file) for kind, name, owner, file in delays.query(
        "SELECT kind, name, owned_by, file FROM system.assets")}
    assert owned["table", "flights"] == ("workspace", "use_cases/delays/flights.sql")
    assert owned["raw", "things"] == ("workspace", "sources/things.yaml")
    assert owned["source", "things"] == ("workspace", "sources/things.yaml")
    assert owned["role", "analyst"] == ("workspace", "policies/analysts.yaml:2")
    assert owned["role", "by_api"] == ("api", None)
    assert owned["role", "admin"] == ("program", None)
    assert owned["system", "audit"] == ("program", None)
    refused = delays.http("PUT", "/api/v1/roles/analyst", {"description": "mine"})
    assert refused.status in (409, 412) and "policies/analysts.yaml" in refused.error["message"]


def test_the_rows_of_system_tables_pass_the_gate(delays):
    role = {"members": ["user:ann"], "allow": [{"actions": ["table:Read"], "resources": ["system.*"]}]}
    assert delays.http("PUT", "/api/v1/roles/looks", role).status == 200
    with delays.connect("ann", delays.ann) as connection:
        def rows(table, columns="*"):
            return connection.execute(f"SELECT {columns} FROM system.{table}").fetchall()
        assert rows("loads") == [] and rows("runs") == [] and rows("tasks") == []
        assert {row[0] for row in rows("assets", "schema")} == {"delays", "system"}
        assert rows("lineage") == []  # its only input is hidden
        assert ("tarn_uptime_seconds",) in rows("metrics", "name")
    delays.http("DELETE", "/api/v1/roles/looks")


# ---- events


def test_the_first_tick_comes_at_once(delays):
    call = urllib.request.Request(delays.web + "/api/v1/events", headers={"Authorization": f"Bearer {delays.token}"})
    begun = time.monotonic()
    with urllib.request.urlopen(call, timeout=10) as answer:
        assert answer.readline() == b"event: tick\n"
        assert json.loads(answer.readline().removeprefix(b"data: ")) == {"idle": True}
    assert time.monotonic() - begun < 1

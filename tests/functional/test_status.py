"""How the platform is, on one page: the route, what of it who may see, the command, and that it answers on bad days."""

import subprocess

import pytest
from conftest import SMALL
from tarn_program import PROGRAM, until

GOOD = "SELECT id, name FROM raw_things.things\n"
# Divides by a text: it can be planned, and fails when it runs.
BAD = "SELECT 1 / CAST(name AS INTEGER) AS one FROM raw_things.things\n"
SLOW = """owner: admin
every: 1h
sla: 1s
shell: sleep 300
"""
ALERT = """owner: admin
channels: {}
rules:
  many: {sql: {query: "SELECT count(*) FROM shop.good", is: "> 0"}, every: 1s, severity: critical, notify: []}
"""
FILES = {
    "tarn.yaml": "name: shop\n",
    "sources/things.yaml": SMALL["sources/things.yaml"],
    "inbox/a.csv": SMALL["inbox/a.csv"],
    "use_cases/shop/good.sql": GOOD,
    "use_cases/shop/bad.sql": "/* tarn\nretries: 0\n*/\n" + BAD,
    "use_cases/shop/slow.job.yaml": SLOW,
    "alerts/shop.yaml": ALERT,
    "policies/readers.yaml": """roles:
  reader: {members: [user:rea], allow: [{actions: [run:Read], resources: ["table:shop.bad"]}]}
  watcher: {members: [user:wat], allow: [{actions: [alert:Read], resources: ["*"]}]}
""",
}


def person(tarn, name):
    tarn.post("/api/v1/users", {"name": name})
    return tarn.post("/api/v1/tokens", {"user": name, "name": "tests"})["token"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    from tarn_program import Tarn, write_files
    folder = tmp_path_factory.mktemp("status") / "workspace"
    write_files(folder, FILES)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_failed("table:shop.bad")
        tarn.people = {name: person(tarn, name) for name in ("rea", "wat", "nemo")}
        yield tarn


def status(tarn, **options):
    return tarn.get("/api/v1/status", **options)


def test_it_names_what_fails_is_late_fires_and_runs(shop):
    seen = until(lambda: (now := status(shop))["late"]["count"] and now["alerts"]["count"] and now, "late and alerts")
    assert seen["level"] == "warning" and seen["ready"] and seen["version"] and seen["uptime_seconds"] > 0
    [bad] = seen["failing"]["list"]
    assert bad["name"] == "shop.bad" and "'pen' to INT32" in bad["error"] and seen["failing"]["count"] == 1
    assert shop.get(f"/api/v1/runs/{bad['run']}")["state"] == "failed"
    [late] = seen["late"]["list"]
    assert late["task"] == "job:shop.slow" and "outlasted its sla of 1s" in late["why"]
    [alert] = seen["alerts"]["list"]
    assert (alert["name"], alert["severity"]) == ("shop.many", "critical")
    assert seen["work"]["counts"]["running"] == 1 and seen["work"]["runs"][0]["task"] == "job:shop.slow"
    assert {one["level"] for one in seen["components"]} == {"ok"}
    assert 0 < seen["memory"]["used_bytes"] < seen["memory"]["budget_bytes"]
    assert seen["disk"]["left_bytes"] > seen["disk"]["warn_bytes"] >= seen["disk"]["stop_bytes"] > 0
    assert seen["backup"] == {"level": "ok", "schedule": None, "last_success": None, "message": ""}
    assert seen["unreadable"] == []


def test_what_one_may_not_see_is_left_out(shop):
    until(lambda: status(shop)["alerts"]["count"], "the alert")
    of_the_program = {"components", "memory", "disk", "backup"}
    seen = {name: status(shop, token=token) for name, token in shop.people.items()}
    for answer in seen.values():
        assert not of_the_program & set(answer)
        assert answer["work"]["runs"] == [] and answer["late"]["count"] == 0
    [bad] = seen["rea"]["failing"]["list"]
    assert bad["name"] == "shop.bad" and "pen" not in bad["error"]  # an error may hold values of what one may not read
    assert seen["rea"]["alerts"]["list"] == [] and seen["rea"]["level"] == "warning"
    assert seen["wat"]["failing"]["list"] == [] and seen["wat"]["alerts"]["count"] == 1
    assert seen["nemo"]["failing"]["count"] == seen["nemo"]["alerts"]["count"] == 0 and seen["nemo"]["level"] == "ok"
    assert shop.http("GET", "/api/v1/status", token="").status == 401


def test_the_command_says_the_same(shop):
    until(lambda: status(shop)["late"]["count"] and status(shop)["alerts"]["count"], "late and alerts")
    done = shop.run("status")
    assert done.returncode == 0, done.stderr
    assert "shop: warning, tarn 0.1.0, up for " in done.stdout
    for line in ("runs        1 running", "failing     1\n  shop.bad: run ", "late        1\n  shop.slow since ",
                 "alerts      1\n  shop.many (critical): ", "backup      none yet, no schedule"):
        assert line in done.stdout, done.stdout
    assert shop.json("status")["failing"]["list"][0]["task"] == "table:shop.bad"
    refused = shop.run("status", "--watch", "--json")
    assert refused.returncode == 1 and "take it or --json" in refused.stdout


def test_watching_shows_it_anew_until_it_is_stopped(shop):
    watching = subprocess.Popen([PROGRAM, "status", "--watch", "--dir", shop.folder], stdout=subprocess.PIPE, text=True)
    levels = []
    while len(levels) < 2:
        line = watching.stdout.readline()
        assert line, "it ended by itself"
        if ": warning, tarn " in line:
            levels.append(line)
    watching.terminate()
    watching.stdout.close()
    assert watching.wait(timeout=10) == 0


def test_it_answers_when_parts_are_down(make, tmp_path):
    tarn = make({"sources/things.yaml": FILES["sources/things.yaml"], "inbox/a.csv": FILES["inbox/a.csv"],
                 "use_cases/shop/good.sql": GOOD})
    tarn.wait_fresh()
    until(lambda: status(tarn)["level"] == "ok", "all is well")
    running = {"TARN_URL": tarn.web, "TARN_TOKEN": tarn.token}
    assert tarn.run("status", environment=running).returncode == 0
    # The state directory is gone from its place, as with a disk that was taken away: what is open goes on.
    state = tarn.folder / ".tarn"
    state.rename(tmp_path / "away")
    try:
        seen = until(lambda: (now := status(tarn, token=running["TARN_TOKEN"]))["unreadable"] and now, "what is gone")
        assert seen["level"] == "failing" and "disk" not in seen
        [disk] = [one for one in seen["unreadable"] if one["section"] == "disk"]
        assert "the disk of the state directory" in disk["message"]
        failing = {one["component"] for one in seen["components"] if one["level"] == "failing"}
        assert {"lake", "engine", "encryption"} <= failing and "identity" not in failing
        assert seen["memory"]["used_bytes"] > 0 and seen["failing"] == {"count": 0, "list": []}
        done = tarn.run("status", environment=running)
        assert done.returncode == 1 and ": failing, tarn " in done.stdout
        assert "disk        cannot be read: " in done.stdout and "  failing  lake: " in done.stdout
        assert tarn.run("status", "--json", environment=running).returncode == 1
    finally:
        (tmp_path / "away").rename(state)
    until(lambda: status(tarn)["level"] == "ok", "all is well again")

"""The flights demo: every answer that is known, by every way in."""

import json
import subprocess

import pytest
from deltalake import DeltaTable

from conftest import s3_client
from known_answers import ANSWERS, wrong_answers
from tarn_program import PROGRAM, Tarn

TASKS = 11


@pytest.mark.slow
@pytest.mark.parametrize("sql", ANSWERS)
def test_answer_over_the_sql_wire(demo, sql):
    assert demo.value(sql) == ANSWERS[sql]


@pytest.mark.slow
def test_answers_over_http(demo):
    answer = demo.post("/api/v1/sql", {"sql": "SELECT count(*) AS flights, sum(distance) AS miles FROM delays.flights"})
    assert [int(cell) for cell in answer["rows"][0]] == [336_776, 350_217_607]
    assert {(read["schema"], read["name"]) for read in answer["reads"]} == {("delays", "flights")}


@pytest.mark.slow
def test_everything_is_fresh_and_ran_once(demo):
    tasks = demo.tasks()
    assert len(tasks) == TASKS
    assert all(task["fresh"] for task in tasks.values())
    runs = demo.get("/api/v1/runs?limit=1000")["runs"]
    # What is streamed is taken in as it comes: as often as there was something.
    streamed = {"source:events.flight_events", "table:delays.events"}
    done = [run["task"] for run in runs if run["state"] == "succeeded"]
    assert streamed <= set(done)
    assert sorted(set(tasks) - streamed) == sorted(task for task in done if task not in streamed)


@pytest.mark.slow
def test_deltalake_reads_a_table_with_a_persons_key(demo):
    demo.run("user", "create", "deva")
    demo.http("POST", "/api/v1/users/deva/roles", {"role": "admin"})
    key = demo.json("s3-key", "create", "--user", "deva")
    options = {"AWS_ENDPOINT_URL": demo.s3, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
               "AWS_ACCESS_KEY_ID": key["access_key_id"], "AWS_SECRET_ACCESS_KEY": key["secret_access_key"]}
    table = DeltaTable("s3://lakehouse/delays/flights", storage_options=options)
    rows = table.to_pyarrow_table(columns=["distance", "plane_known", "arr_delay"])
    assert rows.num_rows == 336_776
    assert sum(rows["distance"].to_pylist()) == 350_217_607
    assert rows["plane_known"].to_pylist().count(False) == 52_606


@pytest.mark.slow
def test_raw_files_are_the_bytes_that_were_received(demo):
    client = s3_client(demo, demo.json("s3-key", "create"))
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="raw", Prefix="flights/flights/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", []) if item["Key"].endswith(".csv.gz")]
    assert len(keys) == 12
    for key in keys:
        name = key.rsplit("/", 1)[1]
        source = next(path for path in (demo.folder / "inbox").iterdir() if name.endswith(path.name))
        assert client.get_object(Bucket="raw", Key=key)["Body"].read() == source.read_bytes()


@pytest.mark.slow
def test_the_dashboard_shows_the_answers(demo):
    dashboard = demo.get("/api/v1/dashboards/delays/delays")
    assert len(dashboard["tiles"]) == 10
    for tile in dashboard["tiles"]:
        data = demo.get(f"/api/v1/dashboards/delays/delays/tiles/{tile['index']}")
        assert data["rows"], tile["title"]
    assert int(demo.get("/api/v1/dashboards/delays/delays/tiles/0")["rows"][0][0]) == 336_776
    assert [[name, int(count)] for name, count in demo.get("/api/v1/dashboards/delays/delays/tiles/9")["rows"]] == [
        ["departed", 328_521], ["arrived", 328_063], ["cancelled", 8_255]]
    filtered = demo.get("/api/v1/dashboards/delays/delays/tiles/0?carrier=UA")
    assert int(filtered["rows"][0][0]) == 58_665
    assert filtered["filters_applied"] == ["carrier"]


@pytest.mark.slow
def test_lineage_leads_to_the_raw_objects(demo):
    graph = demo.get("/api/v1/catalog/delays/by_route/lineage?depth=5")
    nodes = {node["id"] for node in graph["nodes"]}
    assert {"delays.by_route", "delays.flights", "raw_flights.flights", "raw_weather.weather"} <= nodes


@pytest.mark.slow
def test_why_says_why(demo):
    assert "fresh" in demo.run("why", "delays.flights").stdout


@pytest.mark.slow
def test_a_second_start_goes_on_without_loading_again(demo):
    """On the folder of the shared demo, so it is the last test here."""
    before = demo.get("/api/v1/runs?limit=1000")["runs"]
    demo.stop()
    demo.start(60)
    after = demo.get("/api/v1/runs?limit=1000")["runs"]
    assert [run["id"] for run in after if run["state"] == "succeeded"] == [
        run["id"] for run in before if run["state"] == "succeeded"]
    assert demo.value("SELECT count(*) FROM delays.flights") == 336_776


def test_an_unknown_demo_is_named(tmp_path):
    done = subprocess.run([PROGRAM, "demo", "trains", "--dir", tmp_path / "x"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "trains" in done.stderr and "flights" in done.stderr


@pytest.mark.slow
def test_exit_prints_a_summary(demo):
    """Works on a folder that is loaded: it has nothing to do and says so."""
    demo.stop()
    once = Tarn(demo.folder, "demo", ["--exit"])
    try:
        once.launch().process.wait(120)
        text = once.output.read_text()
        assert once.process.returncode == 0, text
        assert "336,776 rows" in text and "all fresh after" in text
        assert json.loads(once.ready_file.read_text())["pid"] == once.process.pid
    finally:
        demo.start(60)


@pytest.mark.slow
def test_without_postgresql_the_registry_is_a_sqlite_file(tmp_path):
    folder = tmp_path / "lite"
    (folder / ".demo").mkdir(parents=True)
    settings = {"sqlite": True, "admin_password": "", "reader_password": "none", "weather_token": "w" * 20,
                "weather_port": 7700, "database_port": 7701}
    (folder / ".demo/settings.json").write_text(json.dumps(settings))
    with Tarn(folder, "demo", ["--once"]) as tarn:
        tarn.start(300)
        assert "kind: sqlite" in (folder / "sources/registry.yaml").read_text()
        assert wrong_answers(tarn) == {}


def test_its_tests_pass(demo):
    done = demo.run("test", "--sample", "1000")
    assert done.returncode == 0 and "7 passed, 0 failed, 0 skipped" in done.stdout, (done.stdout, done.stderr)

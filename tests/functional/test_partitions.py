"""Tables and jobs run by parts of time: backfills, reruns, kill -9 in the middle of one."""

import os
import random
import time

import pytest

from tarn_program import until

ROWS = "".join(f"{day * 24 + hour},2024-01-{day:02}T{hour:02}:00:00Z\n" for day in range(1, 11) for hour in range(24))
DAILY = """/* tarn
description: Sales of a day.
keep: {keep}
{key}partitions: {{by: day, start: 2024-01-01{column}}}
paused: yes
*/
SELECT *, $partition AS part FROM raw_things.sales WHERE sold >= $partition_start AND sold < $partition_end
"""
FILES = {
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {sales: {format: csv}}\n",
    "inbox/a.csv": "id,sold\n" + ROWS,
    "use_cases/shop/daily.sql": DAILY.format(keep="full", key="", column=", column: sold"),
    "use_cases/shop/merged.sql": DAILY.format(keep="merge", key="key: [id]\n", column=""),
    "use_cases/shop/total.sql": "SELECT part, count(*) AS n FROM daily GROUP BY part",
}


def parts(tarn, target):
    return {part["part"]: part["state"] for part in tarn.get(f"/api/v1/parts?target={target}&limit=100000")["parts"]
            if part["state"] != "never"}


@pytest.fixture
def tarn(make):
    started = make(FILES)
    until(lambda: started.tasks()["source:things.sales"]["fresh"], "the source")
    return started


def test_a_backfill_of_a_range_runs_what_is_missing(tarn):
    answer = tarn.json("run", "shop.daily", "--backfill", "2024-01-02..2024-01-05")
    assert (answer["queued"], answer["done"]) == (4, 0)
    waited = tarn.run("run", "shop.daily", "--backfill", "2024-01-01..2024-01-05", "--wait")
    assert waited.returncode == 0, waited.stderr
    assert tarn.query("SELECT part, count(*) FROM shop.daily GROUP BY 1 ORDER BY 1") == [
        (f"2024-01-0{day}", 24) for day in range(1, 6)]
    again = tarn.json("run", "shop.daily", "--backfill", "2024-01-01..2024-01-05")
    assert (again["queued"], again["done"]) == (0, 5)
    waited = tarn.run("run", "shop.daily", "--backfill", "2024-01-03", "--again", "--wait")
    assert waited.returncode == 0, waited.stderr
    assert tarn.value("SELECT count(*) FROM shop.daily") == 5 * 24
    assert parts(tarn, "shop.daily")["2024-01-03"] == "unchanged", "the same rows make no new version"
    listed = tarn.run("runs", "--partitions", "shop.daily").stdout.splitlines()
    assert any("2024-01-03" in line and "unchanged" in line for line in listed), listed
    runs = tarn.get(f"/api/v1/runs?batch={answer['batch']}")["runs"]
    assert sorted(run["part"] for run in runs) == [f"2024-01-0{day}" for day in range(2, 6)]
    assert runs[0]["parameters"]["partition_start"].startswith("2024-01-0")


def test_what_is_wrong_with_a_range_is_said(tarn):
    def error(**body):
        return tarn.http("POST", "/api/v1/runs", {"target": "shop.daily", **body}).error

    assert "no part" in error(backfill={"from": "monday", "to": "2024-01-02"})["message"]
    assert "before the first part" in error(backfill={"from": "2023-12-31", "to": "2024-01-02"})["message"]
    assert "ends before" in error(backfill={"from": "2024-01-03", "to": "2024-01-02"})["message"]
    assert "has not begun" in error(backfill={"from": "2024-01-03", "to": "2999-01-02"})["message"]
    assert error(backfill=[1])["code"] == "invalid_argument"
    assert error(backfill={"from": 1, "to": 2})["code"] == "invalid_argument"
    assert "is not run by part" in error(target="shop.total", backfill={"from": "2024-01-01", "to": "2024-01-01"})[
        "message"]


def test_a_day_that_failed_is_made_when_asked_again(tarn):
    file = tarn.folder / "use_cases/shop/daily.sql"
    good = file.read_text()
    file.write_text(good.replace("SELECT *", "SELECT *, error('a bad day') AS e") + " AND $partition = '2024-01-02'")
    tarn.json("apply")
    # The error is computed only where there are rows.
    failed = tarn.run("run", "shop.daily", "--backfill", "2024-01-01..2024-01-03", "--wait")
    assert failed.returncode != 0 and "2024-01-02: " in failed.stdout, failed.stdout
    assert parts(tarn, "shop.daily")["2024-01-02"] == "failed"
    file.write_text(good)
    tarn.json("apply")
    answer = tarn.json("run", "shop.daily", "--backfill", "2024-01-01..2024-01-03")
    assert (answer["queued"], answer["done"]) == (1, 2)


def test_kill_in_the_middle_loses_nothing_and_doubles_nothing(tarn):
    seed = int(os.environ.get("TARN_SEED", random.randrange(1 << 30)))
    print(f"TARN_SEED={seed}")
    numbers = random.Random(seed)
    for target in ("shop.daily", "shop.merged"):
        tarn.json("run", target, "--backfill", "2024-01-01..2024-01-10")
    for _ in range(4):
        time.sleep(numbers.random())
        tarn.kill()
        tarn.start()
        for target in ("shop.daily", "shop.merged"):
            answer = tarn.json("run", target, "--backfill", "2024-01-01..2024-01-10")
            assert answer["queued"] == 0, f"seed {seed}: what was acknowledged is there: {answer}"
    for target in ("shop.daily", "shop.merged"):
        until(lambda: set(parts(tarn, target).values()) <= {"succeeded", "unchanged"}, f"parts of {target}")
        assert len(parts(tarn, target)) == 10
        assert tarn.query(f"SELECT count(*), count(DISTINCT id) FROM {target}") == [(240, 240)], f"seed {seed}"
    until(lambda: tarn.query("SELECT count(*), sum(n) FROM shop.total") == [(10, 240)], "what reads it")

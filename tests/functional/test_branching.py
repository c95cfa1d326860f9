"""Rerun from failure, lists of items and conditions, through the program; kill -9 in the middle of a list."""

import os
import random
import time

import pytest

from tarn_program import until, write_files

BASE = {
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {sales: {format: csv}}\n",
    "inbox/a.csv": "id,region,price\n1,north,10\n2,south,20\n3,west,30\n",
}
LIST = """owner: admin
for_each: {sql: "SELECT region FROM raw_things.sales ORDER BY 1", parallel: 2}
shell: |
  echo "item $TARN_PARAM_ITEM"
  test "$TARN_PARAM_ITEM" != south || exit 3
"""


@pytest.fixture
def tarn(make):
    started = make(BASE)
    until(lambda: started.tasks()["source:things.sales"]["fresh"], "the source")
    return started


def apply(tarn, files):
    write_files(tarn.folder, files)
    return tarn.run("apply")


def ended(tarn, target, *arguments):
    return tarn.wait_run(tarn.json("run", target, *arguments)["runs"][0])


def test_a_list_has_a_run_for_each_row_and_failures_run_again(tarn):
    assert apply(tarn, {"use_cases/ops/each.job.yaml": LIST}).returncode == 0
    run = ended(tarn, "ops.each")
    assert run["state"] == "failed" and "1 of 3 items did not succeed: south" in run["error"], run["error"]
    items = tarn.get(f"/api/v1/runs?batch={run['id']}")["runs"]
    assert sorted((item["parameters"]["item"], item["state"]) for item in items) == [
        ("north", "succeeded"), ("south", "failed"), ("west", "succeeded")]
    north = next(item for item in items if item["parameters"]["item"] == "north")
    assert any("item north" in line for line in tarn.get(f"/api/v1/runs/{north['id']}")["log"])
    assert apply(tarn, {"use_cases/ops/each.job.yaml": LIST.replace("exit 3", "true")}).returncode == 0
    again = tarn.json("run", "--from-failure", run["id"], "--wait")["runs"]
    assert [(each["state"], each["retry_of"], each["rows"]) for each in again] == [("succeeded", run["id"], 1)]
    assert tarn.get(f"/api/v1/runs/{run['id']}")["state"] == "failed"
    records = tarn.query("SELECT count(*) FROM system.audit WHERE operation LIKE '%from-failure%'")
    assert records[0][0] >= 2


def test_conditions_skip_and_say_so(tarn):
    assert apply(tarn, {
        "use_cases/ops/cheap.job.yaml": "owner: admin\nparameters: {least: {type: integer, default: 100}}\n"
                                        "when: SELECT max(price) > $least FROM raw_things.sales\nshell: echo ran\n",
        "use_cases/ops/next.job.yaml": "owner: admin\nafter: [cheap]\nshell: echo next\n",
        "use_cases/ops/always.job.yaml": "owner: admin\nafter: [cheap]\nafter_outcome: any\nshell: echo always\n",
        "use_cases/ops/dear.sql": "/* tarn\nwhen: SELECT count(*) > 5 FROM raw_things.sales\n*/\n"
                                  "SELECT * FROM raw_things.sales",
    }).returncode == 0
    skipped = ended(tarn, "ops.cheap")
    assert skipped["state"] == "skipped" and "does not hold" in skipped["error"]
    until(lambda: "ended skipped" in tarn.run("why", "ops.next").stdout, "what follows says so")
    until(lambda: tarn.get("/api/v1/runs?task=job:ops.always")["runs"], "what follows any end")
    until(lambda: tarn.tasks()["table:ops.dear"]["last"], "the table")
    assert tarn.tasks()["table:ops.dear"]["last"]["state"] == "skipped"
    assert "was skipped" in tarn.run("why", "ops.dear").stdout
    assert ended(tarn, "ops.cheap", "--param", "least=5")["state"] == "succeeded"
    until(lambda: tarn.get("/api/v1/runs?task=job:ops.next")["runs"], "what follows")
    tarn.folder.joinpath("inbox/b.csv").write_text("id,region,price\n4,x,1\n5,x,1\n6,x,1\n")
    until(lambda: tarn.tasks()["table:ops.dear"]["last"]["state"] == "succeeded", "the table when it holds")


@pytest.mark.parametrize("text, line, says", [
    ("for_each: {items: []}\n", 2, "a list with something in it"),
    ("for_each: {items: [a, null]}\n", 2, "item 2 is no text or number"),
    ("for_each: {items: [" + ", ".join(["1"] * 10_001) + "]}\n", 2, "at most 10000 items, this has 10001"),
    ("for_each: {items: [a], sql: SELECT 1}\n", 2, "one of items, sql"),
    ("for_each: {sql: SELECT a FROM raw_things.salez}\n", 2, "did you mean raw_things.sales?"),
    ("for_each: {sql: SELEC}\n", 2, "for_each: "),
    ("for_each: {items: [a], parallel: 0}\n", 2, "parallel is 1 to 100"),
    ("for_each: {items: [a]}\npartitions: {by: day, start: 2024-01-01}\n", 2, "not both"),
    ("when: SELECT $nothing\n", 2, "there is no parameter $nothing"),
    ("when: SELECT true FROM raw_things.salez\n", 2, "did you mean raw_things.sales?"),
    ("after_outcome: failure\n", 2, "after_outcome goes with after"),
    ("after: [it]\nafter_outcome: failure\n", 2, "circle"),
])
def test_what_is_wrong_is_said_with_its_line(tarn, text, line, says):
    done = apply(tarn, {"use_cases/ops/it.job.yaml": "owner: admin\n" + text + "shell: 'true'\n"})
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert says in said and f"use_cases/ops/it.job.yaml:{line}:" in said, said


@pytest.mark.parametrize("sql, says", [
    ("SELECT NULL", "row 1 of the list is NULL"),
    ("SELECT 1, 2", "a list has one column, this has 2"),
    ("SELECT range FROM range(10001)", "more than 10000 items"),
])
def test_lists_that_are_none_fail_the_run(tarn, sql, says):
    assert apply(tarn, {"use_cases/ops/it.job.yaml": f"owner: admin\nfor_each: {{sql: '{sql}'}}\nshell: 'true'\n"}
                 ).returncode == 0
    run = ended(tarn, "ops.it")
    assert run["state"] == "failed" and says in run["error"], run["error"]


def test_an_empty_list_is_a_success(tarn):
    assert apply(tarn, {"use_cases/ops/it.job.yaml": "owner: admin\nfor_each: {sql: SELECT 1 WHERE false}\n"
                                                     "shell: 'true'\n"}).returncode == 0
    assert ended(tarn, "ops.it")["state"] == "unchanged"


def test_kill_in_the_middle_of_a_list_and_of_a_rerun(tarn):
    seed = int(os.environ.get("TARN_SEED", random.randrange(1 << 30)))
    print(f"TARN_SEED={seed}")
    numbers = random.Random(seed)
    text = ("owner: admin\nretries: 0\nfor_each: {sql: SELECT range FROM range(40), parallel: 3}\n"
            "shell: test $((TARN_PARAM_ITEM % 7)) != 3 || exit 1\n")
    assert apply(tarn, {"use_cases/ops/it.job.yaml": text}).returncode == 0
    run = tarn.json("run", "ops.it")["runs"][0]
    for _ in range(3):
        time.sleep(numbers.random())
        tarn.kill()
        tarn.start()
    first = tarn.wait_run(run)
    items = tarn.get(f"/api/v1/runs?batch={run}&limit=1000")["runs"]
    assert first["state"] == "failed", f"seed {seed}"
    assert sorted(int(item["parameters"]["item"]) for item in items) == list(range(40)), f"seed {seed}"
    failed = [item for item in items if item["state"] == "failed"]
    assert sorted(int(item["parameters"]["item"]) for item in failed) == [n for n in range(40) if n % 7 == 3]
    assert apply(tarn, {"use_cases/ops/it.job.yaml": text.replace("exit 1", "true")}).returncode == 0
    again = tarn.json("run", "--from-failure", run)["runs"]
    tarn.kill()
    tarn.start()
    assert tarn.wait_run(again[0])["rows"] == len(failed), f"seed {seed}"
    assert len(tarn.get(f"/api/v1/runs?batch={again[0]}")["runs"]) == len(failed), f"seed {seed}"

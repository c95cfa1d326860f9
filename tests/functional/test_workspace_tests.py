"""`tarn test` proves a folder before it is applied: tables with rows of their own, policies, checks on a sample."""

import subprocess
import time

import pytest

from tarn_program import Tarn, until, write_files

FILES = {
    "sources/inbox.yaml": "kind: files\npath: in/*.csv\nstreams: {rows: {}}\n",
    "in/a.csv": "carrier,n\nUA,1\nAA,2\nAA,3\n",
    "use_cases/d/t.sql": '/* tarn\nchecks: [{not_null: [carrier]}, {rows: ">= 2"}]\n*/\n'
                         "SELECT carrier, sum(n) AS n, avg(n) AS mean FROM raw_inbox.rows GROUP BY carrier\n",
    "use_cases/d/log.sql": "/* tarn\nkeep: append\nsince: n\n*/\nSELECT carrier, n FROM raw_inbox.rows\n",
    "policies/p.yaml": """roles:
  analyst: {members: [], allow: [{actions: ["table:Read"], resources: ["d.*"]}]}
  tester: {members: [user:tess], allow: [{actions: ["workspace:*", "table:Read"], resources: ["*"]}]}
  looker: {members: [user:lou], allow: [{actions: ["workspace:Read"], resources: ["*"]}]}
row_filters: [{role: "*", except: ["role:admin"], table: "*.t", where: "carrier = 'UA'"},
              {user: tess, table: "raw_inbox.rows", where: "carrier = 'UA'"}]
masks: [{role: analyst, tag: secret, with: "NULL"}]
""",
}
GOOD = """tests:
  - name: rows of one carrier are added up
    given: {raw_inbox.rows: [{carrier: UA, n: 1}, {carrier: UA, n: 2}, {carrier: AA, n: 5}]}
    expect: {rows: [{carrier: AA, n: 5}, {carrier: UA, n: 3}], count: 2}
  - name: nothing comes of nothing
    given: {raw_inbox.rows: []}
    expect: {rows: []}
  - name: a carrier has a name
    given: {raw_inbox.rows: [{n: 1}]}
    expect: {fails: "not_null: [carrier]"}
  - name: only newer rows are added
    table: log
    given: {d.log: [{carrier: UA, n: 5}], raw_inbox.rows: [{carrier: UA, n: 5}, {carrier: AA, n: 6}]}
    expect: {rows: [{carrier: AA, n: 6}]}
"""
POLICY = """tests:
  - name: analysts see United
    as: {user: ann, roles: [analyst]}
    may: [{action: "table:Read", resource: d.t}]
    may_not: [{action: "table:Read", resource: raw_inbox.rows}, {action: "user:Create", resource: bob}]
    given: {d.t: [{carrier: UA, n: 1}, {carrier: AA, n: 2}]}
    sees: {d.t: [{carrier: UA, n: 1}]}
"""


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tested") / "workspace"
    write_files(folder, FILES)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        for user in ("tess", "lou"):
            tarn.post("/api/v1/users", {"name": user})
        yield tarn


def outcome(tarn, files, pattern="", sample="none", **options):
    """What `tarn test` says of the folder with these files: {name: (state, message)}."""
    for name in ("use_cases/d/t.test.yaml", "policies/p.test.yaml"):
        (tarn.folder / name).unlink(missing_ok=True)
    write_files(tarn.folder, {**FILES, **files})
    sample = {"none": -1, "all": 0}.get(sample, sample)
    answer = tarn.post("/api/v1/workspace/test", {"pattern": pattern, "sample_rows": sample}, **options)
    found = {result["name"]: (result["state"], result["message"]) for result in answer["results"]}
    assert answer["failed"] == sum(state == "failed" for state, _ in found.values())
    return found


def test_good_tests_pass(tested):
    found = outcome(tested, {"use_cases/d/t.test.yaml": GOOD, "policies/p.test.yaml": POLICY}, sample="all")
    assert [state for state, _ in found.values()] == ["passed"] * 7, found
    assert found["d.t: runs on the data, checks hold"] == ("passed", "2 rows")


def test_what_differs_is_told(tested):
    wrong = GOOD.replace("n: 3}", "n: 4}").replace("count: 2", "count: 3").replace("{rows: []}", "{rows: [{n: 1}]}")
    found = outcome(tested, {"use_cases/d/t.test.yaml": wrong.replace("not_null", "unique")})
    state, message = found["d.t: rows of one carrier are added up"]
    assert state == "failed" and 'expected but not there: {"carrier":"UA","n":"4"}' in message
    assert 'there but not expected: {"carrier":"UA","n":"3"}' in message
    assert found["d.t: nothing comes of nothing"][0] == "failed"
    state, message = found["d.t: a carrier has a name"]
    assert state == "failed" and "not_null" in message


def test_policies_are_tested_with_their_effect(tested):
    wrong = POLICY.replace("sees: {d.t: [{carrier: UA, n: 1}]}", "sees: {d.t: [{carrier: AA, n: 2}]}")
    state, message = outcome(tested, {"policies/p.test.yaml": wrong})["p: analysts see United"]
    assert state == "failed" and "restricted by policies/p.yaml" in message
    denied = POLICY.replace("may: [{action: \"table:Read\", resource: d.t}]",
                            "may: [{action: \"table:Read\", resource: raw_inbox.rows}]")
    assert "may not table:Read raw_inbox.rows" in outcome(tested, {"policies/p.test.yaml": denied})[
        "p: analysts see United"][1]


def test_tags_of_the_folder_count_before_they_are_applied(tested):
    tagged = FILES["use_cases/d/t.sql"].replace("/* tarn\n", "/* tarn\ncolumns: {n: {tags: [secret]}}\n")
    masked = POLICY.replace("sees: {d.t: [{carrier: UA, n: 1}]}", "sees: {d.t: [{carrier: UA, n: null}]}")
    assert outcome(tested, {"policies/p.test.yaml": masked})["p: analysts see United"][0] == "failed"
    found = outcome(tested, {"policies/p.test.yaml": masked, "use_cases/d/t.sql": tagged})
    assert found["p: analysts see United"] == ("passed", "")


def test_samples(tested):
    broken = {"use_cases/d/t.sql": FILES["use_cases/d/t.sql"].replace(">= 2", ">= 9"),
              "use_cases/d/new.sql": "SELECT nothing FROM raw_inbox.rows\n",
              "use_cases/d/later.sql": "SELECT * FROM new\n"}
    found = outcome(tested, broken, sample="all")
    assert found["d.t: runs on the data, checks hold"][0] == "failed"
    assert "there are 2 rows" in found["d.t: runs on the data, checks hold"][1]
    assert found["d.new: runs on the data, checks hold"][0] == "failed"
    assert "nothing" in found["d.new: runs on the data, checks hold"][1]
    assert found["d.later: runs on the data, checks hold"] == ("skipped", "d.new has no data yet that you may read")
    # Of a part of the rows nothing is said about how many there are.
    assert outcome(tested, broken, "d.t", 1)["d.t: runs on the data, checks hold"] == ("passed", "1 rows, a sample")
    for name in ("new", "later"):
        (tested.folder / f"use_cases/d/{name}.sql").unlink()


def test_it_shows_nobody_more_than_they_may_see(tested):
    token = tested.post("/api/v1/tokens", {"user": "tess", "name": "t"})["token"]
    leaky = FILES["use_cases/d/t.sql"].replace("{not_null: [carrier]}", "{unique: [n]}").replace(
        "sum(n) AS n", "1 AS n")
    found = outcome(tested, {"use_cases/d/t.sql": leaky}, sample="all", token=token)
    assert "AA" not in str(found) and found["d.t: runs on the data, checks hold"][0] == "failed"
    assert "there are 1 rows" in found["d.t: runs on the data, checks hold"][1]
    looker = tested.post("/api/v1/tokens", {"user": "lou", "name": "t"})["token"]
    assert tested.http("POST", "/api/v1/workspace/test", {}, token=looker).status == 403


def test_the_command_line(tested):
    outcome(tested, {"use_cases/d/t.test.yaml": GOOD})
    done = tested.run("test", "d.*: *", "--sample", "none")
    assert done.returncode == 0 and "4 passed, 0 failed" in done.stdout, done
    outcome(tested, {"use_cases/d/t.test.yaml": GOOD.replace("n: 3}", "n: 4}")})
    failed = tested.run("test", "--sample", "none")
    assert failed.returncode == 1 and "use_cases/d/t.test.yaml:2:" in failed.stdout and "1 failed" in failed.stderr
    assert tested.run("test", "--sample", "many").returncode != 0


@pytest.mark.parametrize("text, said", [
    ("tests: [{name: x, given: {raw_inbox.rows: []}}]", "expect"),
    ("tests: [{name: x, expect: {count: 1}}]", "d.t reads raw_inbox.rows: write its rows"),
    ("tests: [{name: x, given: {raw_inbox.row: []}, expect: {count: 1}}]", "did you mean raw_inbox.rows?"),
    ("tests: [{name: x, table: tt, expect: {count: 1}}]", "nothing defines the table d.tt; did you mean d.t?"),
    ("tests: [{name: x, given: {raw_inbox.rows: 1}, expect: {count: 1}}]", "is a list of rows"),
])
def test_wrong_files_are_issues(tested, text, said):
    write_files(tested.folder, {**FILES, "use_cases/d/t.test.yaml": text + "\n"})
    issues = tested.post("/api/v1/workspace/plan", {})["issues"]
    assert any(said in issue["message"] for issue in issues), issues
    assert issues[0]["file"] == "use_cases/d/t.test.yaml" and issues[0]["line"] == 1


def test_plan_says_what_runs_anew_and_what_it_costs(tested):
    write_files(tested.folder, {**FILES, "use_cases/d/t.test.yaml": GOOD})
    tested.post("/api/v1/workspace/apply", {})
    tested.wait_fresh()
    assert tested.post("/api/v1/workspace/plan", {})["runs"] == []
    write_files(tested.folder, {"use_cases/d/t.sql": FILES["use_cases/d/t.sql"] + "-- changed\n",
                                "use_cases/d/after.sql": "SELECT * FROM t\n",
                                "use_cases/d/tell.job.yaml": "owner: admin\nreads: [d.t]\nshell: 'true'\n",
                                "use_cases/d/then.job.yaml": "owner: admin\nafter: [after]\nshell: 'true'\n",
                                "use_cases/d/often.job.yaml": "owner: admin\nevery: 1d\nshell: 'true'\n",
                                "use_cases/d/by_hand.job.yaml": "owner: admin\nshell: 'true'\n",
                                "use_cases/d/off.job.yaml": "owner: admin\npaused: yes\nreads: [d.t]\nshell: 'true'\n"})
    plan = tested.post("/api/v1/workspace/plan", {})
    runs = {run["task"]: run for run in plan["runs"]}
    assert {task: run["why"] for task, run in runs.items()} == {
        "table:d.t": "changed", "table:d.after": "new", "job:d.tell": "reads d.t", "job:d.then": "after d.after",
        "job:d.often": "new"}
    assert runs["job:d.tell"]["rows"] == 2
    assert runs["table:d.t"]["why"] == "changed" and runs["table:d.t"]["rows"] == 3
    assert runs["table:d.t"]["seconds"] > 0 and runs["table:d.after"]["seconds"] is None
    assert plan["runs_total"]["tasks"] == 5 and plan["runs_total"]["unknown"] == 4
    said = tested.run("plan").stdout
    assert "then 5 tasks run" in said and "table:d.after" in said, said


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], cwd=folder, check=True,
                   capture_output=True)


def test_a_commit_is_planned_tested_and_applied_whatever_the_folder_says(make):
    tarn = make({"tarn.yaml": "name: flows\n"}, "repository/team/flows")
    folder, repository = tarn.folder, tarn.folder.parent.parent
    write_files(folder, {"use_cases/d/t.sql": "SELECT 1 AS a\n"})
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A", "team/flows/use_cases")
    git(repository, "commit", "-qm", "one")
    git(repository, "tag", "v1")
    write_files(folder, {"use_cases/d/t.sql": "SELECT 2 AS a\n", "use_cases/d/broken.sql": "SELEC\n"})
    assert [step["name"] for step in tarn.post("/api/v1/workspace/plan", {"ref": "v1"})["steps"]] == ["d.t"]
    assert tarn.post("/api/v1/workspace/test", {"ref": "v1"})["failed"] == 0
    done = tarn.run("apply", "--ref", "v1")
    assert done.returncode == 0 and "+ table d.t" in done.stdout, done
    tarn.wait_fresh()
    assert tarn.value("SELECT a FROM d.t") == 1
    assert tarn.get("/api/v1/workspace")["origin"].endswith("(v1)")
    # It stays what runs, also after a restart; the folder is taken when somebody says so.
    tarn.stop()
    tarn.start()
    assert tarn.get("/api/v1/workspace")["origin"].endswith("(v1)")
    (folder / "use_cases/d/broken.sql").unlink()
    tarn.post("/api/v1/workspace/apply", {})
    tarn.wait_fresh()
    assert tarn.value("SELECT a FROM d.t") == 2 and tarn.get("/api/v1/workspace")["origin"] == ""
    for ref, said in (("v2", "knows no branch"), ("--help", "is no name"), ("v1:team", "is no name")):
        refused = tarn.http("POST", "/api/v1/workspace/apply", {"ref": ref})
        assert refused.status == 400 and said in refused.error["message"], refused.body


def test_a_folder_without_a_repository_says_so(make):
    refused = make({"tarn.yaml": "name: x\n"}).http("POST", "/api/v1/workspace/plan", {"ref": "main"})
    assert refused.status == 400 and "in no Git repository" in refused.error["message"]


def test_a_watched_folder_is_applied_when_it_is_saved(tmp_path):
    write_files(tmp_path / "w", {"use_cases/d/t.sql": "SELECT 1 AS a\n"})
    with Tarn(tmp_path / "w", arguments=["--watch"]) as tarn:
        tarn.start()
        tarn.wait_fresh()
        write_files(tmp_path / "w", {"use_cases/d/u.sql": "SELECT a + 1 AS b FROM t\n"})
        until(lambda: "table:d.u" in tarn.tasks(), "the new table")
        write_files(tmp_path / "w", {"use_cases/d/u.sql": "SELECT a + 1 AS b FROM nowhere\n"})
        time.sleep(2)
        tarn.wait_fresh()
        assert tarn.value("SELECT b FROM d.u") == 2
        write_files(tmp_path / "w", {"use_cases/d/u.sql": "SELECT a + 2 AS b FROM t\n"})
        until(lambda: tarn.value("SELECT b FROM d.u") == 3, "the mended table")

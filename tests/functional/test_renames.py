"""`renamed_from:` keeps what was under the old name: versions, runs, lineage, positions, rights; nothing runs anew, and
nothing that was closed opens."""

import psycopg
import pytest

from conftest import s3_client
from tarn_program import request, write_files

THINGS = "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv, column_tags: {name: [secret]}}}\n"
SALES = "SELECT id, name, price FROM raw_things.things\n"
TOTAL = "SELECT s.name, sum(s.price) AS total FROM shop.sales s GROUP BY s.name\n"
COUNTED = "SELECT count(*) AS n FROM sales\n"
BOARD = "title: Board\ntiles:\n  - {number: \"SELECT total FROM shop.total\", title: Total}\n"
MAIL = "shell: echo hello\n"
OUT = "kind: files\npath: ./out\nowner: admin\ntables: {sales: {from: shop.sales}}\n"
POLICY = """roles:
  analyst:
    members: [user:ann]
    allow: [{actions: ["*"], resources: ["shop.*", "raw_things.*", "lakehouse/*", "raw/*"]}]
row_filters: [{role: analyst, table: shop.sales, where: "id < 3"}]
masks: [{role: analyst, column: shop.sales.price, with: "NULL"}, {role: analyst, tag: secret, with: "NULL"}]
"""
FILES = {
    "sources/things.yaml": THINGS,
    "use_cases/shop/sales.sql": SALES,
    "use_cases/shop/total.sql": TOTAL,
    "use_cases/shop/counted.sql": COUNTED,
    "use_cases/shop/board.dashboard.yaml": BOARD,
    "use_cases/shop/mail.job.yaml": MAIL,
    "destinations/out.yaml": OUT,
    "policies/people.yaml": POLICY,
    "inbox/a.csv": "id,name,price\n1,pen,1.5\n2,ink,2.25\n3,pen,1.25\n",
}


@pytest.fixture
def tarn(make):
    started = make(FILES)
    started.post("/api/v1/users", {"name": "ann"})
    started.ann = started.post("/api/v1/tokens", {"user": "ann", "name": "test"})["token"]
    assert started.run("apply").returncode == 0
    for target in ("shop.mail", "things", "shop.sales"):
        assert started.run("run", target, "--wait").returncode == 0
    started.wait_fresh()
    return started


def replace(tarn, files):
    """Files by path; None takes one away."""
    for path, text in files.items():
        if text is None:
            (tarn.folder / path).unlink(missing_ok=True)
    write_files(tarn.folder, {path: text for path, text in files.items() if text is not None})


def plan(tarn):
    answer = tarn.post("/api/v1/workspace/plan", {})
    return answer, {(step["change"], step["name"]): step for step in answer["steps"]}


def issues(tarn):
    return [f"{issue['file']}:{issue['line']} {issue['message']}" for issue in plan(tarn)[0]["issues"]]


def apply(tarn):
    done = tarn.run("apply")
    assert done.returncode == 0, done.stderr
    tarn.wait_fresh()


def newest_run(tarn):
    return max(int(run["id"]) for run in tarn.get("/api/v1/runs?limit=100")["runs"])


def runs_of(tarn, task):
    return [run["id"] for run in tarn.get("/api/v1/runs?limit=1000")["runs"] if run["task"] == task]


def versions(tarn, dataset):
    return [v["version"] for v in tarn.get(f"/api/v1/catalog/{dataset.replace('.', '/')}/versions")["versions"]]


def seen(tarn, sql):
    """By ann, whom policies restrict."""
    with tarn.connect("token:ann", tarn.ann) as ann:
        return ann.execute(sql).fetchall()


RENAMED = {
    "use_cases/shop/sales.sql": None,
    "use_cases/shop/sold.sql": "/* tarn\nrenamed_from: shop.sales\n*/\n" + SALES,
    "use_cases/shop/total.sql": TOTAL.replace("shop.sales", "shop.sold"),
    "use_cases/shop/counted.sql": COUNTED.replace("sales", "sold"),
    "destinations/out.yaml": OUT.replace("from: shop.sales", "from: shop.sold"),
    "policies/people.yaml": POLICY.replace("shop.sales", "shop.sold"),
}


def assert_sold(tarn):
    assert seen(tarn, "SELECT id, name, price FROM shop.sold ORDER BY id") == [(1, None, None), (2, None, None)]
    assert tarn.query("SELECT id FROM shop.sold ORDER BY id") == [(1,), (2,), (3,)]
    with pytest.raises(psycopg.Error, match="was renamed to shop.sold"):
        tarn.value("SELECT count(*) FROM shop.sales")
    assert "sales" not in [d["name"] for d in tarn.get("/api/v1/catalog")["datasets"] if d["schema"] == "shop"]


def test_a_table_keeps_all_that_it_had(tarn):
    old = {"versions": versions(tarn, "shop.sales"), "runs": runs_of(tarn, "table:shop.sales")}
    before = newest_run(tarn)
    written = (tarn.folder / "out/sales.csv").stat().st_mtime_ns
    replace(tarn, RENAMED)
    answer, steps = plan(tarn)
    assert answer["issues"] == [] and answer["runs"] == [], answer
    changed = {("change", name) for name in ("people", "out", "shop.total", "shop.counted")}
    assert set(steps) == {("rename", "shop.sold")} | changed
    assert steps["change", "shop.total"]["note"] == "nothing but names: recomputes nothing"
    assert steps["rename", "shop.sold"]["note"] == f"keeps {len(old['versions'])} versions, recomputes nothing"
    assert "shop.sales → shop.sold" in tarn.run("plan").stdout
    apply(tarn)
    assert newest_run(tarn) == before
    assert versions(tarn, "shop.sold") == old["versions"] and runs_of(tarn, "table:shop.sold") == old["runs"]
    assert runs_of(tarn, "table:shop.sales") == []
    assert tarn.value("SELECT count(*) FROM shop.sold AT (VERSION => 0)") == 3
    assert (tarn.folder / "out/sales.csv").stat().st_mtime_ns == written
    edges = {(edge["from"], edge["to"]) for edge in tarn.get("/api/v1/catalog/shop/sold/lineage?depth=5")["edges"]}
    assert {("raw_things.things", "shop.sold"), ("shop.sold", "shop.total")} <= edges
    assert_sold(tarn)
    # What is inherited from it goes on being inherited.
    assert seen(tarn, "SELECT DISTINCT name FROM shop.total") == [(None,)]
    # The address in the lake stays, and with it who may not read there.
    key = tarn.post("/api/v1/s3-keys", {"user": "ann", "description": "test"})
    with pytest.raises(Exception, match="AccessDenied|Forbidden|403"):
        s3_client(tarn, key).list_objects_v2(Bucket="lakehouse", Prefix="shop/sales/")
    # It says so for ever, or no more: nothing follows from either. New data goes on from where it was.
    assert tarn.json("apply")["steps"] == []
    replace(tarn, {"use_cases/shop/sold.sql": SALES})
    assert [step["change"] for step in tarn.json("apply")["steps"]] == ["change"]
    tarn.stop()
    tarn.start()
    tarn.wait_fresh()
    assert newest_run(tarn) == before
    assert_sold(tarn)
    replace(tarn, {"inbox/b.csv": "id,name,price\n4,cap,9\n"})
    tarn.run("run", "things", "--wait")
    tarn.wait_fresh()
    assert tarn.value("SELECT n FROM shop.counted") == 4
    # The old name is free for another table, which has nothing of the first.
    replace(tarn, {"use_cases/shop/sales.sql": "SELECT 'new' AS what\n"})
    apply(tarn)
    assert tarn.query("SELECT what FROM shop.sales") == [("new",)] and versions(tarn, "shop.sales") == ["0"]
    assert tarn.value("SELECT count(*) FROM shop.sold") == 4
    assert seen(tarn, "SELECT what FROM shop.sales") == [("new",)]
    tarn.stop()
    tarn.start()
    assert tarn.query("SELECT what FROM shop.sales") == [("new",)] and tarn.value("SELECT count(*) FROM shop.sold") == 4
    assert tarn.run("verify").returncode == 0


def test_everything_else_keeps_what_it_had(tarn):
    loads = versions(tarn, "raw_things.things")
    mails = runs_of(tarn, "job:shop.mail")
    before = newest_run(tarn)
    written = (tarn.folder / "out/sales.csv").stat().st_mtime_ns
    replace(tarn, {
        "sources/things.yaml": None,
        "sources/goods.yaml": "renamed_from: things\n"
                              + THINGS.replace("things: {", "articles: {renamed_from: things, "),
        "use_cases/shop/sales.sql": SALES.replace("raw_things.things", "raw_goods.articles"),
        "use_cases/shop/board.dashboard.yaml": None,
        "use_cases/shop/overview.dashboard.yaml": "renamed_from: board\n" + BOARD,
        "use_cases/shop/mail.job.yaml": None,
        "use_cases/shop/post.job.yaml": "renamed_from: shop.mail\n" + MAIL,
        "destinations/out.yaml": None,
        "destinations/files.yaml": "renamed_from: out\n" + OUT,
        "policies/people.yaml": POLICY.replace("raw_things", "raw_goods"),
    })
    answer, steps = plan(tarn)
    assert answer["issues"] == [] and answer["runs"] == [], answer
    assert {name for change, name in steps if change == "rename"} == {
        "goods", "goods.articles", "shop.overview", "shop.post", "files"}
    apply(tarn)
    assert newest_run(tarn) == before
    assert versions(tarn, "raw_goods.articles") == loads and runs_of(tarn, "job:shop.post") == mails
    assert (tarn.folder / "out/sales.csv").stat().st_mtime_ns == written
    assert seen(tarn, "SELECT DISTINCT name FROM raw_goods.articles") == [(None,)]
    with pytest.raises(psycopg.Error, match="was renamed to raw_goods.articles"):
        tarn.value("SELECT count(*) FROM raw_things.things")
    assert tarn.get("/api/v1/dashboards/shop/board")["name"] == "overview"
    schemas = {d["schema"] for d in tarn.get("/api/v1/catalog")["datasets"]}
    assert "raw_goods" in schemas and "raw_things" not in schemas
    # The next load goes on where the last one ended.
    replace(tarn, {"inbox/b.csv": "id,name,price\n4,cap,9\n"})
    assert tarn.run("run", "goods", "--wait").returncode == 0
    tarn.wait_fresh()
    assert tarn.value("SELECT n FROM shop.counted") == 4
    assert len(versions(tarn, "raw_goods.articles")) == len(loads) + 1
    assert tarn.query("SELECT count(*) FROM raw_goods.articles WHERE _load = 1") == [(3,)]
    tarn.stop()
    tarn.start()
    tarn.wait_fresh()
    assert tarn.value("SELECT count(*) FROM raw_goods.articles") == 4
    assert tarn.run("verify").returncode == 0


def test_a_whole_use_case(tarn):
    before = newest_run(tarn)
    moved = {path.replace("use_cases/shop/", "use_cases/market/"): text.replace("shop.", "market.")
             for path, text in FILES.items() if path.startswith("use_cases/shop/")}
    replace(tarn, {path: None for path in FILES if path.startswith("use_cases/shop/")} | moved | {
        "use_cases/market/use_case.yaml": "renamed_from: shop\n",
        "destinations/out.yaml": OUT.replace("shop.", "market."),
        "policies/people.yaml": POLICY.replace("shop.", "market."),
    })
    answer, steps = plan(tarn)
    assert answer["issues"] == [] and answer["runs"] == [], answer
    assert not [change for change, _ in steps if change == "remove"], steps
    apply(tarn)
    assert newest_run(tarn) == before
    assert tarn.query("SELECT id FROM market.sales ORDER BY id") == [(1,), (2,), (3,)]
    assert seen(tarn, "SELECT id, price FROM market.sales ORDER BY id") == [(1, None), (2, None)]
    assert tarn.get("/api/v1/dashboards/shop/board")["use_case"] == "market"


def test_what_would_open_is_refused(tarn):
    files = {**RENAMED, "policies/people.yaml": POLICY}
    replace(tarn, files)
    assert issues(tarn) == ["policies/people.yaml:5 shop.sales is renamed to shop.sold: write that",
                            "policies/people.yaml:6 shop.sales is renamed to shop.sold: write that"]
    policy = POLICY.replace("shop.sales", "shop.sold")
    for wrong in (
            policy.replace("where: \"id < 3\"", "where: \"id < 4\""),
            policy.replace("row_filters:", "#"),
            policy.replace("{role: analyst, column: shop.sold.price, with: \"NULL\"}, ", ""),
            policy.replace("{role: analyst, tag: secret", "{user: ann, tag: other"),
            "roles:\n  new: {members: [user:ann], allow: [{actions: [\"table:Read\"], resources: [\"shop.sold\"]}]}\n",
    ):
        replace(tarn, {"policies/people.yaml": wrong})
        found = issues(tarn)
        assert found and "a rename changes no rights" in found[0] and "shop.sold" in found[0], (wrong, found)
        refused = tarn.run("apply")
        assert refused.returncode != 0 and "nothing was applied" in refused.stderr
    assert seen(tarn, "SELECT id, name, price FROM shop.sales ORDER BY id") == [(1, None, None), (2, None, None)]
    # A folder whose readers are others.
    replace(tarn, {
        "use_cases/shop/sold.sql": None, "use_cases/shop/counted.sql": None, "use_cases/shop/total.sql": None,
        "use_cases/shop/board.dashboard.yaml": None, "destinations/out.yaml": None,
        "use_cases/open/sales.sql": "/* tarn\nrenamed_from: shop.sales\n*/\n" + SALES,
        "policies/people.yaml": POLICY.replace("shop.sales", "open.sales").replace('"shop.*"', '"shop.*", "open.*"')
        + "# everybody\n",
        "policies/all.yaml": "roles:\n  all: {members: [user:bob], allow: [{actions: [\"table:Read\"], resources: "
                             "[\"open.*\"]}]}\n"})
    assert any("may not table:Read on shop.sales, and might on open.sales" in issue for issue in issues(tarn))
    assert tarn.run("apply").returncode != 0


def test_wrong_ones_are_told(tarn):
    def table(name, old):
        return {f"use_cases/shop/{name}.sql": f"/* tarn\nrenamed_from: {old}\n*/\n{SALES}"}

    replace(tarn, table("sold", "shop.sales"))
    assert "renamed_from: shop.sales still has a file, use_cases/shop/sales.sql" in issues(tarn)[0]
    replace(tarn, {**RENAMED, **table("more", "sales")})
    assert "says already that it is the renamed table shop.sales" in issues(tarn)[0]
    replace(tarn, {"use_cases/shop/more.sql": None, **table("sold", "shop.sold")})
    assert any("renamed_from is the name that it has" in issue for issue in issues(tarn))
    # Both there already: a circle, or one that comes too late.
    replace(tarn, FILES | {"use_cases/shop/sold.sql": None} | table("total", "shop.sales"))
    assert "is there already, beside shop.sales" in issues(tarn)[0]
    # Never there: it begins anew, and says so.
    replace(tarn, FILES | table("fresh", "shop.never"))
    answer, steps = plan(tarn)
    assert answer["issues"] == [] and ("add", "shop.fresh") in steps
    assert "there is no table shop.never; shop.fresh begins anew" in answer["notes"][0]
    # Without a word it is another table, and the plan asks.
    replace(tarn, {"use_cases/shop/fresh.sql": None, **RENAMED, "use_cases/shop/sold.sql": SALES})
    _, steps = plan(tarn)
    assert "renamed_from: shop.sales" in steps["add", "shop.sold"]["note"]
    assert ("remove", "shop.sales") in steps


def test_a_reader_of_the_old_name_is_told_the_new_one(tarn):
    replace(tarn, {**RENAMED, "use_cases/shop/counted.sql": COUNTED})
    assert any("use_cases/shop/counted.sql" in issue and "renamed to shop.sold" in issue for issue in issues(tarn))
    replace(tarn, RENAMED)
    apply(tarn)
    answer = request("POST", tarn.web + "/api/v1/sql", {"sql": "SELECT * FROM shop.sales"},
                     {"Authorization": f"Bearer {tarn.token}"})
    assert "was renamed to shop.sold" in answer.error["message"]

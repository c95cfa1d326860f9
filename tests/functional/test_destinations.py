"""Tables delivered to PostgreSQL, an HTTP API and files: what arrives, under whose rights, and what goes wrong."""

import json
import time
import uuid

import psycopg
import pytest

from conftest import SMALL
from postgres_server import postgres
from receivers import Hook
from tarn_program import Tarn, free_port, until, write_files

POLICIES = """roles:
  shop:
    members: [user:ada]
    allow:
      - {actions: ["table:Read"], resources: ["shop.*"]}
      - {actions: ["destination:Deliver", "destination:Read"], resources: [db, api, out]}
row_filters: [{role: shop, table: shop.sales, where: "name = 'pen'"}]
masks: [{role: shop, column: shop.sales.price, with: "NULL"}]
"""


def destinations(port, hook):
    return {
        "destinations/db.yaml": f"""kind: postgresql
owner: admin
connection: {{port: {port}, database: postgres, user: postgres, tls: disable}}
retry_delay: 1s
tables:
  sales:   {{from: shop.sales, key: [id]}}
  by_name: {{from: shop.by_name, to: public.totals}}
  taken:   {{from: shop.by_name, to: theirs, retries: 0}}
""",
        "destinations/masked.yaml": f"""kind: postgresql
owner: ada
connection: {{port: {port}, database: postgres, user: postgres, tls: disable}}
retries: 0
tables: {{sales: {{from: shop.sales, to: seen_by_ada}}}}
""",
        "destinations/api.yaml": f"""kind: http
owner: ada
url: {hook.url}/rows
private_network: yes
batch_rows: 2
auth: {{bearer: secret:api}}
retry_delay: 1s
tables: {{by_name: {{from: shop.by_name, key: [name]}}}}
""",
        "destinations/inward.yaml": f"""kind: http
owner: admin
url: {hook.url}/inward
retries: 0
tables: {{by_name: {{from: shop.by_name}}}}
""",
        "destinations/out.yaml": """kind: files
owner: ada
path: ./out
guard_formulas: yes
tables:
  by_name: {from: shop.by_name, to: totals}
""",
    }


@pytest.fixture(scope="module")
def database():
    with postgres() as port:
        with psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres",
                             autocommit=True) as connection:
            for table in ("theirs", "others"):
                connection.execute(f"CREATE TABLE {table} (name text)")
                connection.execute(f"INSERT INTO {table} VALUES ('kept')")
            connection.execute("CREATE TABLE seen_by_ada (id int, name text)")
            yield port, connection


@pytest.fixture(scope="module")
def world(tmp_path_factory, database):
    port, connection = database
    hook = Hook()
    folder = tmp_path_factory.mktemp("destinations") / "workspace"
    write_files(folder, {**SMALL, "policies/shop.yaml": POLICIES, **destinations(port, hook)})
    with Tarn(folder) as tarn:
        tarn.database, tarn.hook, tarn.port = connection, hook, port
        tarn.start()
        tarn.post("/api/v1/users", {"name": "ada"})
        assert tarn.run("secret", "set", "api", input="sesame").returncode == 0
        assert tarn.run("run", "destination:*").returncode == 0
        yield tarn
    hook.close()


def rows(tarn, sql):
    try:
        return tarn.database.execute(sql).fetchall()
    except psycopg.errors.UndefinedTable:
        return None


def test_the_target_equals_the_table_and_follows_it(world):
    until(lambda: rows(world, "SELECT count(*) FROM sales") == [(3,)], "the first delivery")
    first = rows(world, "SELECT id, name, price, sold_on::text FROM sales ORDER BY id")
    assert first[1] == (2, "ink", 2.25, "2026-01-02")
    before = dict(rows(world, "SELECT id, xmin::text FROM sales"))
    (world.folder / "inbox/a.csv").write_text(
        "id,name,price,sold_on\n1,pen,1.5,2026-01-01\n3,\"p\te\\n\nn\",9.75,2026-01-03\n4,=cmd(),4,2026-01-04\n")
    until(lambda: rows(world, "SELECT id FROM sales ORDER BY id") == [(1,), (3,), (4,)], "the change")
    assert rows(world, "SELECT name, price FROM sales WHERE id = 3") == [("p\te\\n\nn", 9.75)]
    after = dict(rows(world, "SELECT id, xmin::text FROM sales"))
    assert before[1] == after[1], "a row that did not change was written"
    until(lambda: rows(world, "SELECT count(*) FROM totals WHERE name = '=cmd()'") == [(1,)], "the other table")
    positions = rows(world, "SELECT delivery, rows FROM _tarn_positions ORDER BY 1")
    assert ("db.sales", 3) in positions
    # a table that is made anew begins with version 0 again, so its id is part of the position
    source = rows(world, "SELECT source FROM _tarn_positions WHERE delivery = 'db.sales'")[0][0]
    assert len(uuid.UUID(source[:36]).hex) == 32 and source.endswith("-all"), source
    # run again by hand: the version is there already
    run = world.json("run", "destination:db.sales", "--wait")["runs"][0]
    assert run["state"] == "unchanged"
    assert dict(rows(world, "SELECT id, xmin::text FROM sales")) == after


def test_a_changed_file_delivers_anew(world):
    file = world.folder / "destinations/db.yaml"
    file.write_text(file.read_text().replace("to: public.totals", "to: public.sums, columns: [total]"))
    assert world.run("apply").returncode == 0
    wanted = sorted(total for total, in world.query("SELECT total FROM shop.by_name"))
    until(lambda: [one[0] for one in rows(world, "SELECT * FROM sums ORDER BY 1") or []] == wanted, "the new target")
    # a delivery that has a position elsewhere does not empty a table of others for that
    file.write_text(file.read_text().replace("to: public.sums, columns: [total]", "to: others"))
    assert world.run("apply").returncode == 0
    assert "others is there already" in world.wait_failed("destination:db.by_name")["error"]
    assert rows(world, "SELECT * FROM others") == [("kept",)]


def test_a_table_that_is_there_is_not_emptied(world):
    failed = world.wait_failed("destination:db.taken")
    assert "theirs is there already" in failed["error"] and "take_over: yes" in failed["error"]
    assert rows(world, "SELECT * FROM theirs") == [("kept",)]


def test_the_owner_needs_the_right_to_deliver_and_only_what_they_see_leaves(world):
    failed = world.wait_failed("destination:masked.sales")
    assert "destination:Deliver" in failed["error"]
    policy = world.folder / "policies/shop.yaml"
    policy.write_text(policy.read_text().replace("[db, api, out]", "[db, api, out, masked]"))
    file = world.folder / "destinations/masked.yaml"
    file.write_text(file.read_text().replace("to: seen_by_ada", "to: seen_by_ada, take_over: yes"))
    assert world.run("apply").returncode == 0
    until(lambda: rows(world, "SELECT id, name FROM seen_by_ada") == [(1, "pen")], "the filtered rows")
    assert rows(world, "SELECT price FROM seen_by_ada") == [(None,)], "the column was added, and is masked"
    audited = world.query("SELECT principal, status FROM system.audit WHERE operation = 'Deliver' AND phase = 'end' "
                          "AND resource = 'destination:masked' ORDER BY time DESC LIMIT 1")
    assert audited == [("user:ada", "ok")]


def test_http_batches_come_under_keys_that_stay(world):
    def last():
        bodies = [(headers, json.loads(body)) for at, headers, body in world.hook.got if at == "/rows"]
        return bodies if bodies and bodies[-1][1]["last"] else None
    got = until(last, "the batches")
    headers = {name.lower(): value for name, value in got[-1][0].items()}
    assert headers["authorization"] == "Bearer sesame" and headers["idempotency-key"].startswith("api.by_name-")
    assert got[-1][1]["table"] == "shop.by_name" and got[-1][1]["key"] == ["name"]
    # the receiver is ill for a while: the same batch comes again under the same key, then all is well
    world.hook.got.clear()
    world.hook.status = 503
    (world.folder / "inbox/b.csv").write_text("id,name,price,sold_on\n5,cap,1,2026-01-05\n6,box,1,2026-01-06\n")
    until(lambda: len([one for one in world.hook.got if one[0] == "/rows"]) >= 2, "two tries")
    world.hook.status = 200
    got = until(last, "the batches after it")
    keys = [{name.lower(): value for name, value in headers.items()}["idempotency-key"] for headers, _ in got]
    by_key = {}
    for key, (_, body) in zip(keys, got):
        assert by_key.setdefault(key, body) == body, "another content under the same key"
    assert len(keys) > len(by_key), "nothing was tried again"
    newest = max(body["version"] for body in by_key.values())
    names = [row["name"] for body in by_key.values() if body["version"] == newest for row in body["rows"]]
    assert sorted(names) == sorted(name for name, in world.query("SELECT name FROM shop.by_name"))
    failed = world.wait_failed("destination:inward.by_name")
    assert "it is this machine" in failed["error"] and "private_network: yes" in failed["error"]
    assert not [one for one in world.hook.got if one[0] == "/inward"]


def test_files_are_whole_and_guarded(world):
    path = world.folder / "out/totals.csv"
    until(lambda: path.exists() and "cap" in path.read_text(), "the file")
    lines = path.read_bytes().decode()
    assert lines.startswith("name,total\r\n") and "\"'=cmd()\",4\r\n" in lines
    assert not list(path.parent.glob("*.part"))


def test_the_plan_and_the_list_say_the_guarantee(world):
    (world.folder / "destinations/more.yaml").write_text(
        "kind: files\nowner: ada\npath: ../out\nformat: csv\ntables: {one: {from: shop.sale}}\n")
    try:
        said = world.run("plan").stdout
        assert "+ destination more" in said and "exactly once: a file is replaced whole" in said
        assert "a folder below the workspace" in said and "did you mean shop.sales?" in said
    finally:
        (world.folder / "destinations/more.yaml").unlink()
    listed = {one["name"]: one for one in world.get("/api/v1/destinations")["destinations"]}
    assert listed["db"]["guarantee"].startswith("exactly once")
    assert listed["api"]["guarantee"].startswith("at least once")


def test_a_target_that_is_down_is_tried_again_and_catches_up(tmp_path):
    port = free_port()
    files = {**SMALL, "destinations/db.yaml": f"""kind: postgresql
owner: admin
connection: {{port: {port}, database: postgres, user: postgres, tls: disable}}
retry_delay: 1s
tables: {{sales: {{from: shop.sales, key: [id]}}}}
"""}
    write_files(tmp_path / "w", files)
    with Tarn(tmp_path / "w") as tarn:
        tarn.start()
        failed = tarn.wait_failed("destination:db.sales")
        assert "can't reach the database of db" in failed["error"]
        # meanwhile the table goes on: what is delivered later is the newest version
        (tmp_path / "w/inbox/b.csv").write_text("id,name,price,sold_on\n9,cap,1,2026-01-05\n")
        until(lambda: tarn.value("SELECT count(*) FROM shop.sales") == 4, "the new version")
        with postgres(port=port) as _, psycopg.connect(host="127.0.0.1", port=port, user="postgres",
                                                       dbname="postgres", autocommit=True) as connection:
            tarn.database = connection
            until(lambda: rows(tarn, "SELECT count(*) FROM sales") == [(4,)], "catching up", 60)
            connection.execute("ALTER TABLE sales ADD CONSTRAINT cheap CHECK (price < 100)")
            (tmp_path / "w/inbox/c.csv").write_text("id,name,price,sold_on\n10,gem,1000,2026-01-05\n")
            refused = tarn.wait_failed("destination:db.sales")
            assert "refuses the rows" in refused["error"] and "cheap" in refused["error"]
            assert refused["state"] == "failed", "what can't help is not tried again"
            assert rows(tarn, "SELECT count(*) FROM sales") == [(4,)]
            time.sleep(0.1)


def sales(*lines):
    return "id,name,price,sold_on\n" + "".join(f"{line},2026-01-01\n" for line in lines)


def test_only_what_changed_is_sent_and_policies_still_hold(tmp_path, database):
    port, connection = database
    to = f"connection: {{port: {port}, database: postgres, user: postgres, tls: disable}}\nretry_delay: 1s\n"
    allow = """roles:
  shop:
    members: [user:ada]
    allow:
      - {actions: ["table:Read"], resources: ["shop.*"]}
      - {actions: ["destination:Deliver"], resources: ["*"]}
"""
    write_files(tmp_path / "w", {
        **SMALL, "policies/shop.yaml": allow, "destinations/few.yaml": "kind: postgresql\nowner: ada\n" + to +
        "tables: {sales: {from: shop.sales, to: few, key: [id], columns: [name, id]}}\n"})
    with Tarn(tmp_path / "w") as tarn:
        tarn.database = connection
        tarn.start()
        tarn.post("/api/v1/users", {"name": "ada"})
        assert tarn.run("run", "destination:*").returncode == 0

        def follows(*lines):
            """The target after the table became this; and what the run that brought it says."""
            (tarn.folder / "inbox/a.csv").write_text(sales(*lines))
            wanted = sorted((int(line.split(",")[0]), line.split(",")[1]) for line in lines)
            until(lambda: sorted(rows(tarn, "SELECT id, name FROM few") or []) == wanted, wanted)
            until(lambda: not tarn.tasks()["destination:few.sales"]["current"], "the end of the run")
            return str(tarn.get(f"/api/v1/runs/{tarn.tasks()['destination:few.sales']['last']['id']}")["log"])
        until(lambda: rows(tarn, "SELECT count(*) FROM few") == [(3,)], "the first delivery")
        said = follows("1,pen,1", "3,cup,1", "4,hat,1")
        assert "by what changed since version" in said and "3 rows: 1 inserted, 1 updated, 1 deleted" in said, said
        counts = tarn.tasks()["destination:few.sales"]["last"]["details"]
        assert {"inserted": 1, "updated": 1, "deleted": 1}.items() <= counts.items(), counts
        waited = tarn.run("run", "destination:few.sales", "--wait")
        assert "0 inserted, 0 updated, 0 deleted" in waited.stdout or "unchanged" in waited.stdout, waited.stdout
        # somebody took a row away there: that there are too few is seen, and the whole version comes
        connection.execute("DELETE FROM few WHERE id = 1")
        said = follows("1,pen,1", "3,cup,1", "4,hat,1", "5,tie,1")
        assert "the whole version, since: the target has 3 rows, not 4" in said and "2 inserted" in said, said
        # what the owner may no longer see goes, though it did not change; what they see again comes back
        policy = tarn.folder / "policies/shop.yaml"
        policy.write_text(allow + "row_filters: [{role: shop, table: shop.sales, where: \"name <> 'hat'\"}]\n")
        assert tarn.run("apply").returncode == 0
        (tarn.folder / "inbox/a.csv").write_text(sales("1,pen,1", "3,mug,1", "4,hat,1", "5,tie,1"))
        until(lambda: sorted(rows(tarn, "SELECT id, name FROM few")) == [(1, "pen"), (3, "mug"), (5, "tie")], "less")
        policy.write_text(allow)
        assert tarn.run("apply").returncode == 0
        said = follows("1,pen,1", "3,can,1", "4,hat,1", "5,tie,1")
        assert "by what changed" not in said, said

"""Tables delivered to a real MariaDB: what arrives, what stays, what is refused."""

import shutil
import socket
from pathlib import Path

import pytest

from conftest import SMALL
from mariadb_server import SERVER, mariadb
from receivers import make_certificate
from tarn_program import Tarn, until, write_files

pytestmark = pytest.mark.skipif(not Path(SERVER).exists() or not shutil.which("mariadb"),
                                reason="MariaDB is not installed")

TYPES = """SELECT 1 AS id, true AS yes, (-128)::TINYINT AS tiny, 9223372036854775807 AS big,
  12.345::DECIMAL(38, 3) AS dec,
  0.1::DOUBLE AS half, 1.5::FLOAT AS small, 'it''s \\ "ü" 😀' AS text, '' AS empty, '\\x00\\xFF''a'::BLOB AS bytes,
  DATE '2026-01-31' AS day, TIMESTAMP '2026-01-31 23:59:59.123456' AS at,
  TIMESTAMPTZ '2026-01-31 23:59:59.5+02' AS moment, NULL::INTEGER AS nothing
"""
CASES = """SELECT name, row_number() OVER (ORDER BY name) AS number
FROM (VALUES ('a'), ('A'), ('a '), ('ä')) AS t(name)
"""


def destination(port, tables, more="", connection="tls: disable"):
    return (f"kind: mysql\nowner: admin\nretry_delay: 1s\n{more}"
            f"connection: {{port: {port}, database: reports, user: writer, password: secret:writer, {connection}}}\n"
            "tables:\n" + "".join(f"  {name}: {{{said}}}\n" for name, said in tables.items()))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mysql")
    pem, key = make_certificate(folder)
    with mariadb(f"--ssl-cert={pem}", f"--ssl-key={key}") as server:
        server.execute("""CREATE DATABASE reports; CREATE USER writer@'%' IDENTIFIED BY 'sesame';
            GRANT ALL ON reports.* TO writer@'%'; CREATE USER poor@'%' IDENTIFIED BY 'sesame';
            GRANT SELECT ON reports.* TO poor@'%'""")
        server.execute("""CREATE TABLE theirs (name text); INSERT INTO theirs VALUES ('kept');
            CREATE TABLE old (id int) ENGINE = MyISAM;
            CREATE TABLE cased (name varchar(20) COLLATE utf8mb4_general_ci, number int, note int, KEY (name));
            INSERT INTO cased VALUES ('A', 1, 1), ('gone', 2, 2)""", "reports")
        files = {
            **SMALL, "use_cases/shop/types.sql": TYPES, "use_cases/shop/cases.sql": CASES,
            "use_cases/shop/doubles.sql": "SELECT 1 AS id UNION ALL SELECT 1\n",
            "use_cases/shop/wrong.sql": "SELECT 'NaN'::DOUBLE AS x\n",
            "destinations/db.yaml": destination(server.port, {
                "sales": "from: shop.sales, key: [id]", "by_name": "from: shop.by_name, to: reports.totals",
                "types": "from: shop.types, key: [id]", "cases": "from: shop.cases, key: [name]",
                "cased": "from: shop.cases, key: [name], take_over: yes"}),
            "destinations/bad.yaml": destination(server.port, {
                "theirs": "from: shop.by_name", "old": "from: shop.sales, take_over: yes", "wrong": "from: shop.wrong",
                "repeated": "from: shop.doubles, key: [id]"}, "retries: 0\n"),
            "destinations/sealed.yaml": destination(server.port, {"sealed": "from: shop.by_name"},
                                                    connection=f"host: localhost, tls: verify-full, ca: {pem}"),
            "destinations/stranger.yaml": destination(server.port, {"stranger": "from: shop.by_name"}, "retries: 0\n",
                                                      "host: localhost, tls: verify-full"),
            "destinations/poor.yaml": destination(server.port, {"poor": "from: shop.by_name"},
                                                  "retries: 0\n").replace("user: writer", "user: poor"),
        }
        write_files(folder / "w", files)
        with Tarn(folder / "w") as tarn:
            tarn.server = server
            tarn.start()
            assert tarn.run("secret", "set", "writer", input="sesame").returncode == 0
            assert tarn.run("run", "destination:*").returncode == 0
            yield tarn


def rows(world, sql):
    """The answer's lines; none while there is no such table."""
    try:
        return world.server.execute(sql, "reports").splitlines()
    except RuntimeError as failed:
        assert "doesn't exist" in str(failed), failed
        return []


def test_every_type_arrives(world):
    until(lambda: rows(world, "SELECT id FROM types"), "the types")
    assert rows(world, "SELECT yes, tiny, big, `dec`, half, small, nothing FROM types") == [
        "1\t-128\t9223372036854775807\t12.345\t0.1\t1.5\tNULL"]
    assert rows(world, "SELECT hex(text) = hex('it''s \\\\ \"ü\" 😀'), empty = '', hex(bytes) FROM types") == [
        "1\t1\t00FF2761"]
    assert rows(world, "SELECT day, at, moment FROM types") == [
        "2026-01-31\t2026-01-31 23:59:59.123456\t2026-01-31 21:59:59.500000"]


def test_the_target_equals_the_table_and_follows_it(world):
    until(lambda: rows(world, "SELECT count(*) FROM sales") == ["3"], "the first delivery")
    world.server.execute("""CREATE TABLE touched (what text);
        CREATE TRIGGER i AFTER INSERT ON sales FOR EACH ROW INSERT INTO touched VALUES (concat('insert ', NEW.id));
        CREATE TRIGGER u AFTER UPDATE ON sales FOR EACH ROW INSERT INTO touched VALUES (concat('update ', NEW.id));
        CREATE TRIGGER d AFTER DELETE ON sales FOR EACH ROW INSERT INTO touched VALUES (concat('delete ', OLD.id))""",
                         "reports")
    (world.folder / "inbox/a.csv").write_text(
        "id,name,price,sold_on\n1,pen,1.5,2026-01-01\n3,\"p\te\\n'\",9.75,2026-01-03\n4,cup,4,2026-01-04\n")
    until(lambda: rows(world, "SELECT id FROM sales ORDER BY id") == ["1", "3", "4"], "the change")
    assert rows(world, "SELECT hex(name) FROM sales WHERE id = 3") == ["p\te\\n'".encode().hex().upper()]
    assert sorted(rows(world, "SELECT what FROM touched")) == ["delete 2", "insert 4", "update 3"]
    until(lambda: rows(world, "SELECT total FROM totals WHERE name = 'cup'") == ["4"], "the other table")
    run = world.tasks()["destination:db.sales"]["last"]
    said = str(world.get(f"/api/v1/runs/{run['id']}")["log"])
    assert "by what changed since version" in said and "3 rows: 1 inserted, 1 updated, 1 deleted" in said, said
    audited = world.query("SELECT details FROM system.audit WHERE operation = 'Deliver' AND phase = 'end' AND "
                          "details LIKE '%inserted%' AND resource = 'destination:db' AND rows = 3")
    assert any('"updated":1' in details.replace(" ", "") for details, in audited), audited
    # somebody took a row away there: that there are too few is seen, and the whole version comes
    world.server.execute("DELETE FROM sales WHERE id = 1", "reports")
    (world.folder / "inbox/b.csv").write_text("id,name,price,sold_on\n5,tie,4,2026-01-04\n")
    until(lambda: rows(world, "SELECT id FROM sales ORDER BY id") == ["1", "3", "4", "5"], "the whole version")
    until(lambda: not world.tasks()["destination:db.sales"]["current"], "the end of the run")
    # run again by hand: the version is there already
    assert world.json("run", "destination:db.sales", "--wait")["runs"][0]["state"] == "unchanged"


def test_keys_of_text_are_exact(world):
    wanted = sorted(name.encode().hex().upper() for name in ("a", "A", "a ", "ä"))
    until(lambda: sorted(rows(world, "SELECT hex(name) FROM cases")) == wanted, "the delivery")
    # a table of others compares letters alike: what is kept, changed and removed goes by the exact text all the same
    until(lambda: sorted(rows(world, "SELECT hex(name) FROM cased")) == wanted, "the table that was taken over")
    assert rows(world, "SELECT note FROM cased WHERE BINARY name = 'A'") == ["1"], "the row that was there stays"


@pytest.mark.parametrize("task, said", [
    ("bad.theirs", "theirs is there already"),
    ("bad.old", "not InnoDB"),
    ("bad.wrong", "MySQL holds no NaN (column x)"),
    ("bad.repeated", "the key (id) is NULL or repeated"),
    ("stranger.stranger", "can't reach the database of stranger"),
    ("poor.poor", "denied"),
])
def test_what_cannot_be_delivered_changes_nothing(world, task, said):
    assert said in world.wait_failed(f"destination:{task}")["error"]
    assert rows(world, "SELECT name FROM theirs") == ["kept"]
    assert rows(world, "SELECT count(*) FROM old") == ["0"]
    assert not rows(world, "SELECT 1 FROM stranger") and not rows(world, "SELECT 1 FROM poor")


def test_a_known_authority_is_trusted(world):
    until(lambda: rows(world, "SELECT count(*) > 0 FROM sealed") == ["1"], "the delivery over TLS")


def test_rows_that_the_target_refuses_leave_the_last_version(world):
    until(lambda: rows(world, "SELECT 1 FROM totals LIMIT 1"), "the first delivery")
    world.server.execute("ALTER TABLE totals ADD CONSTRAINT cheap CHECK (total < 100)", "reports")
    before = sorted(rows(world, "SELECT name, total FROM totals"))
    (world.folder / "inbox/c.csv").write_text("id,name,price,sold_on\n10,gem,1000,2026-01-05\n")
    refused = world.wait_failed("destination:db.by_name")
    assert "refuses the rows" in refused["error"] and "cheap" in refused["error"]
    assert refused["state"] == "failed", "what can't help is not tried again"
    assert sorted(rows(world, "SELECT name, total FROM totals")) == before


def test_a_full_disk_there_is_waited_for(tmp_path):
    """Temporary tables have 12 MiB, like a disk that is full; then there is room."""
    full = ["--innodb-temp-data-file-path=ibtmp1:12M"]
    big = "SELECT range AS id, repeat(md5(range::VARCHAR), 8) AS text FROM range(ROWS)\n"
    with mariadb(*full) as server:
        server.execute("CREATE DATABASE reports; CREATE USER writer@'%'; GRANT ALL ON reports.* TO writer@'%'")
        write_files(tmp_path / "w", {
            "tarn.yaml": "name: full\n", "use_cases/shop/big.sql": big.replace("ROWS", "100"),
            "destinations/db.yaml": destination(server.port, {"big": "from: shop.big"}).replace(
                "password: secret:writer, ", "")})
        with Tarn(tmp_path / "w") as tarn:
            tarn.server = server
            tarn.start()
            until(lambda: rows(tarn, "SELECT count(*) FROM big") == ["100"], "the small version")
            (tarn.folder / "use_cases/shop/big.sql").write_text(big.replace("ROWS", "100000"))
            assert tarn.run("apply").returncode == 0
            failed = tarn.wait_failed("destination:db.big")
            assert "full" in failed["error"] and failed["state"] == "waiting_retry", failed
            assert rows(tarn, "SELECT count(*) FROM big") == ["100"]
            (tarn.folder / "use_cases/shop/big.sql").write_text(big.replace("ROWS", "200"))
            assert tarn.run("apply").returncode == 0
            until(lambda: rows(tarn, "SELECT count(*) FROM big") == ["200"], "what fits")


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_server_that_says_nothing_holds_nobody_up(tmp_path, kind):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        write_files(tmp_path / "w", {
            **SMALL, "destinations/db.yaml": destination(port, {"sales": "from: shop.sales"}).replace(
                "password: secret:writer, ", "").replace("kind: mysql", f"kind: {kind}")})
        with Tarn(tmp_path / "w") as tarn:
            tarn.start()
            failed = tarn.wait_failed("destination:db.sales", 30)
            assert "can't reach the database of db" in failed["error"] and failed["state"] == "waiting_retry", failed

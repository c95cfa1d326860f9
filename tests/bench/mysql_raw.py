"""MariaDB -> raw against SELECT INTO OUTFILE of the same table, which is what mysqldump --tab runs; by one connection
and by one a core, which is no gain where the server has no core of its own."""

import datetime
import os
import pathlib
import sys
import time

from _tarn import ROOT, report, tarn

sys.path.insert(0, str(ROOT / "tests"))
from mariadb_server import mariadb  # noqa: E402

ROWS = 2_000_000


def load_rate(running, stream):
    """Rows a second, of three loads the one in the middle."""
    rates = []
    for _ in range(3):
        run = running.api("POST", "/api/v1/runs", {"target": f"source:my.{stream}"})["runs"][0]
        while (state := running.api("GET", f"/api/v1/runs/{run}"))["state"] in ("queued", "running"):
            time.sleep(0.02)
        assert state["state"] == "succeeded", state
        begin, end = (datetime.datetime.fromisoformat(state[name].replace("Z", "+00:00"))
                      for name in ("started_at", "ended_at"))
        rates.append(ROWS / (end - begin).total_seconds())
    return sorted(rates)[1]


def main():
    with mariadb("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=1G") as server:
        server.execute(f"""CREATE DATABASE bench; CREATE USER bench@'%'; GRANT ALL ON *.* TO bench@'%';
            CREATE TABLE bench.rows_of (id bigint PRIMARY KEY, k int, x double, s varchar(40), t datetime, d date)
            SELECT seq AS id, seq % 1000 AS k, seq * 0.5e0 AS x, concat('text of row ', seq) AS s,
                   timestamp('2020-01-01') + INTERVAL seq SECOND AS t, date('2020-01-01') + INTERVAL seq % 365 DAY AS d
            FROM seq_1_to_{ROWS}""", "mysql")
        rates = []
        for _ in range(3):
            path = pathlib.Path(server.folder) / "rows.txt"
            path.unlink(missing_ok=True)
            begin = time.monotonic()
            server.execute(f"SELECT * INTO OUTFILE '{path}' FROM bench.rows_of")
            rates.append(ROWS / (time.monotonic() - begin))
        outfile = sorted(rates)[1]
        source = (f"kind: mysql\nconnection: {{host: 127.0.0.1, port: {server.port}, database: bench, user: bench}}\n"
                  f"streams: {{rows_of: {{}}, by_all: {{table: rows_of, parallel: {max(2, os.cpu_count())}}}}}\n")
        report("SELECT INTO OUTFILE", outfile / 1e6, "million rows/s", "")
        with tarn({"sources/my.yaml": source}) as running:
            running.wait_fresh(600)
            for stream, goal in (("rows_of", ">= 0.7"), ("by_all", "")):
                rate = load_rate(running, stream)
                report(f"MariaDB -> raw, {stream}", rate / 1e6, "million rows/s", "")
                report("ratio", rate / outfile, "x", goal)


main()

"""A version delivered to PostgreSQL against psql's COPY FROM of the same rows into the same table.

Goals: >= 0.5 x its rate for the first delivery; >= 2 x the rate of replacing it when one row of a hundred changed, by
key.
"""

import datetime
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import time

import psycopg

from _tarn import PROGRAM, ROOT, report, tarn

sys.path.insert(0, str(ROOT / "tests"))
from postgres_server import BIN, postgres  # noqa: E402

ROWS = int(os.environ.get("ROWS", "1000000"))
TABLE = """SELECT i AS id, i % 1000 AS k, i * 0.5::DOUBLE AS x, 'text of row ' || i AS s,
  TIMESTAMP '2020-01-01' + to_seconds(i) AS at, DATE '2020-01-01' + (i % 365)::INTEGER AS day
FROM range(1, {rows} + 1) AS t(i)
"""


def copy_seconds(port, folder):
    """psql's COPY FROM of what was delivered, into an empty table like the one that was made for it."""
    with psycopg.connect(host="127.0.0.1", port=port, user="bench", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"COPY replaced TO '{folder}/rows.txt'")
        times = []
        for _ in range(3):
            connection.execute("DROP TABLE IF EXISTS copied; CREATE TABLE copied (LIKE replaced)")
            begin = time.monotonic()
            subprocess.run([BIN / "psql", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "bench", "-d", "postgres",
                            "-c", f"\\copy copied FROM '{folder}/rows.txt'"], check=True)
            times.append(time.monotonic() - begin)
    return sorted(times)[1]


def wait_delivered(running, task, version=None):
    """Seconds that the delivery of a version (any but `version`) took, and which it was."""
    while True:
        found = next(one for one in running.api("GET", "/api/v1/tasks")["tasks"] if one["id"] == task)
        last = found["last"]
        if last and last["state"] == "failed":
            raise RuntimeError(last["error"])
        if last and last["state"] == "succeeded" and last["version"] != version and not found["current"]:
            begin, end = (datetime.datetime.fromisoformat(last[name].replace("Z", "+00:00"))
                          for name in ("started_at", "ended_at"))
            return (end - begin).total_seconds(), last["version"]
        time.sleep(0.05)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-destinations-"))
    if os.geteuid() == 0:  # the server runs as another user and writes its file here
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    folder.chmod(0o755)
    with postgres(user="bench", durable=True) as port:
        files = {
            "tarn.yaml": "name: bench\nruns: {parallel: 1}\n",  # one delivery after the other
            "use_cases/shop/rows.sql": TABLE.format(rows=ROWS),
            "destinations/db.yaml": f"""kind: postgresql
owner: admin
connection: {{port: {port}, database: postgres, user: bench, tls: disable}}
tables:
  replaced: {{from: shop.rows}}
  merged: {{from: shop.rows, key: [id]}}
""",
        }
        with tarn(files) as running:
            first, version = wait_delivered(running, "destination:db.replaced")
            wait_delivered(running, "destination:db.merged")
            copied = copy_seconds(port, folder)
            table = pathlib.Path(running.folder) / "use_cases/shop/rows.sql"
            table.write_text(TABLE.format(rows=ROWS).replace("i % 1000 AS k", "CASE WHEN i % 100 = 0 THEN -1 ELSE "
                                                             "i % 1000 END AS k"))
            subprocess.run([PROGRAM, "apply"], cwd=running.folder, check=True, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, TARN_ROOT_KEY_FILE=str(running.folder / "root.key")))
            again, _ = wait_delivered(running, "destination:db.replaced", version)
            merged, _ = wait_delivered(running, "destination:db.merged", version)
    shutil.rmtree(folder, ignore_errors=True)
    report("psql COPY FROM", ROWS / copied / 1e6, "million rows/s", "")
    report("the first delivery", ROWS / first / 1e6, "million rows/s", "")
    report("its ratio to COPY FROM", copied / first, "x", ">= 0.5")
    report("replacing it", ROWS / again / 1e6, "million rows/s", "")
    report("one row of a hundred, by key", ROWS / merged / 1e6, "million rows/s", "")
    report("its ratio to replacing", again / merged, "x", ">= 2")


main()

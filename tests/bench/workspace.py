"""10,000 tables in a workspace: plan < 2 s, start < 2 s, what the web UI's pages ask for < 300 ms."""

import pathlib
import shutil
import tempfile
import time

from _tarn import report, started

USE_CASES, TABLES = 100, 100
PAGES = ("overview", "tasks", "runs", "catalog", "why?target=u00.t05")
folder = pathlib.Path(tempfile.mkdtemp(prefix="tarn-bench-"))


def write():
    (folder / "sources").mkdir()
    (folder / "sources/inbox.yaml").write_text("kind: files\npath: in/*.csv\nstreams: {rows: {}}\n")
    for use_case in range(USE_CASES):
        place = folder / f"use_cases/u{use_case:02d}"
        place.mkdir(parents=True)
        for table in range(TABLES):
            read = "raw_inbox.rows" if table % 10 == 0 else f"t{table - 1:02d}"
            (place / f"t{table:02d}.sql").write_text(
                f"/* tarn\ndescription: Table {table}.\nchecks: [{{not_null: [a]}}]\n*/\n"
                f"SELECT a, b + {table} AS b FROM {read}\n")


def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


try:
    write()
    for name in ("first start", "start on existing state"):
        with started(folder) as running:
            report(f"10,000 tables: {name}", running.seconds_to_ready, "s", "< 2")
            changed = folder / "use_cases/u00/t00.sql"
            changed.write_text(changed.read_text() + f"-- {name}\n")
            plan = min(seconds(lambda: running.api("POST", "/api/v1/workspace/plan", {})) for _ in range(3))
            report("10,000 tables: plan", plan, "s", "< 2")
            for page in PAGES:
                best = min(seconds(lambda: running.api("GET", f"/api/v1/{page}")) for _ in range(3))
                report(f"10,000 tables: GET {page}", best * 1000, "ms", "< 300")
            report("10,000 tables: memory", running.memory_mb(), "MB", "")
finally:
    shutil.rmtree(folder, ignore_errors=True)

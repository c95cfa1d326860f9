"""A chain of 40 one-row tables: from the trigger of the first to the commit of the last. Goal: 4 s."""

import time

from _tarn import report, tarn

TABLES = 40

files = {"sources/seed.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {numbers: {format: csv}}\n",
         "inbox/a.csv": "n\n1\n"}
for index in range(TABLES):
    source = "raw_seed.numbers" if index == 0 else f"chain.t{index - 1:02}"
    files[f"use_cases/chain/t{index:02}.sql"] = f"SELECT max(n) + 1 AS n FROM {source}\n"

with tarn(files) as running:
    running.wait_fresh()
    last = f"chain.t{TABLES - 1:02}"
    rounds = []
    with running.connect() as connection:
        for value in (100, 200, 300):
            (running.folder / f"inbox/b{value}.csv").write_text(f"n\n{value}\n")
            wanted = value + TABLES
            while connection.execute("SELECT max(n) FROM raw_seed.numbers").fetchone()[0] != value:
                time.sleep(0.002)
            begin = time.monotonic()
            while connection.execute(f"SELECT n FROM {last}").fetchone()[0] != wanted:
                time.sleep(0.01)
            rounds.append(time.monotonic() - begin)
    report(f"chain of {TABLES} tables, median of {len(rounds)}", sorted(rounds)[1], "s", "<= 4")

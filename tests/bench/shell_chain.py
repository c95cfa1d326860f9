"""A chain of 40 shell jobs of 10 ms each: from the trigger of the first to the end of the last. Goal: 0.6 s."""

import datetime
import time

from _tarn import report, tarn

JOBS = 40
ROUNDS = 7

files = {}
for index in range(JOBS):
    after = f"after: [j{index - 1:02}]\n" if index else ""
    files[f"use_cases/chain/j{index:02}.job.yaml"] = f"owner: admin\n{after}shell: sleep 0.01\n"


def moment(run, key):
    return datetime.datetime.fromisoformat(run[key].replace("Z", "+00:00")).timestamp()


with tarn(files) as running:
    seconds = []
    for number in range(1, ROUNDS + 1):
        running.api("POST", "/api/v1/runs", {"target": "chain.j00"})
        runs = []
        end = time.monotonic() + 60
        while len(runs) < number * JOBS and time.monotonic() < end:
            time.sleep(0.2)  # the asking takes none of the time that is measured
            runs = running.api("GET", f"/api/v1/runs?state=succeeded&limit={ROUNDS * JOBS}")["runs"]
        assert len(runs) == number * JOBS, f"{len(runs)} of {number * JOBS} runs have succeeded"
        newest = sorted(runs, key=lambda run: int(run["id"]))[-JOBS:]
        seconds.append(moment(newest[-1], "ended_at") - moment(newest[0], "queued_at"))
    report(f"chain of {JOBS} shell jobs of 10 ms, median of {ROUNDS}", sorted(seconds)[ROUNDS // 2], "s", "<= 0.6")
    report(f"chain of {JOBS} shell jobs of 10 ms, best of {ROUNDS}", min(seconds), "s", "<= 0.6")

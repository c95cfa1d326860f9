"""A chain of 40 shell jobs of 10 ms each: from the trigger of the first to the end of the last. Goal: 0.6 s."""

import time

from _tarn import report, tarn

JOBS = 40
ROUNDS = 5

files = {}
for index in range(JOBS):
    after = f"after: [j{index - 1:02}]\n" if index else ""
    files[f"use_cases/chain/j{index:02}.job.yaml"] = f"owner: admin\n{after}shell: sleep 0.01\n"

with tarn(files) as running:
    last = f"job:chain.j{JOBS - 1:02}"
    rounds = []
    for number in range(1, ROUNDS + 1):
        running.post("/api/v1/runs", {"target": "chain.j00"})

        def ended():
            runs = running.get(f"/api/v1/runs?task={last}&limit=10")["runs"]
            return len([run for run in runs if run["state"] == "succeeded"]) == number
        end = time.monotonic() + 60
        while not ended() and time.monotonic() < end:
            time.sleep(0.05)
        newest = running.get(f"/api/v1/runs?limit={JOBS}")["runs"]
        assert len(newest) == JOBS and all(run["state"] == "succeeded" for run in newest), newest[:2]
        moments = running.query("SELECT min(queued_at), max(ended_at) FROM (SELECT * FROM system.runs "
                                f"ORDER BY id::BIGINT DESC LIMIT {JOBS})")[0]
        rounds.append((moments[1] - moments[0]).total_seconds())
    report(f"chain of {JOBS} shell jobs of 10 ms, median of {ROUNDS}", sorted(rounds)[ROUNDS // 2], "s", "<= 0.6")

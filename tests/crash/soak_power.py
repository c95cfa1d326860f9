"""Power cuts, kills and failing disks under the metadata store, the run log, the lake and the tables, by seed.

./dev soak power --seed 7 --minutes 10: the tests that play on the simulated disk of src/base/fault_env.h, with other
seeds each round, until the time is over. Everything about a round comes from its seed: the line that a failure prints
runs it again. `./dev test` plays the first seeds of each.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = Path(os.environ.get("TARN_PROGRAM", Path(__file__).resolve().parents[2] / "build/release/tarn"))
GAMES = {
    "metadata_test": "PowerCutTest.*",
    "ingestion_orchestrator_test": "RunLogCrash.*",
    "storage_lake_test": "LakeCrash.*",
    "storage_lakehouse_test": "LakehouseCrash*.*",
}
ROUNDS_PER_CALL = 100


def play(seed, rounds, say=print):
    """Every game with these seeds. The output of the first that fails, or nothing."""
    for program, names in GAMES.items():
        path = PROGRAM.parent / "tests" / program
        done = subprocess.run(
            [path, f"--gtest_filter={names}", "--gtest_brief=1"], capture_output=True, text=True, errors="replace",
            env={**os.environ, "TARN_SEED": str(seed), "TARN_ROUNDS": str(rounds)})
        if "0 tests from 0 test suites" in done.stdout:
            return f"{program} has no test {names}"
        if done.returncode != 0:
            return f"{path} --gtest_filter='{names}'\n{done.stdout}\n{done.stderr}"
    say(f"seeds {seed} to {seed + rounds - 1}: nothing lost, nothing half")
    return ""


def main():
    parser = argparse.ArgumentParser(prog="./dev soak power", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next have the next numbers")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=10**9, help="ends after so many, too")
    options = parser.parse_args()
    end = time.monotonic() + options.minutes * 60
    seed = options.seed
    while time.monotonic() < end and seed < options.seed + options.rounds:
        rounds = min(ROUNDS_PER_CALL, options.seed + options.rounds - seed)
        failure = play(seed, rounds, lambda text: print(text, flush=True))
        if failure:
            print(failure)
            return 1
        seed += rounds
    print(f"{seed - options.seed} rounds, none wrong; next: --seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

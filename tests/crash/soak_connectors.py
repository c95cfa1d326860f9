"""Loads cut at every disk operation, by kill and by power cut: after another load each row is there once.

./dev soak connectors --seed 7 --minutes 10: rounds until the time is over. Each round cuts a load of files, of a
database and of an API at its first operation, its second and so on; the seed gives what a power cut leaves of the disk.
CI runs every seventh operation (`src/ingestion/connectors/connectors_crash_test.cc`).
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("TARN_PROGRAM", ROOT / "build/release/tarn"))
TEST = PROGRAM.parent / "tests/ingestion_connectors_test"


def main():
    parser = argparse.ArgumentParser(prog="./dev soak connectors", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first round, below 100000; the next have the next")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=10**9, help="ends after so many, too")
    options = parser.parse_args()
    end = time.monotonic() + options.minutes * 60
    seed = options.seed
    while time.monotonic() < end and seed < options.seed + options.rounds:
        done = subprocess.run([TEST, "--gtest_also_run_disabled_tests", "--gtest_filter=*EveryOperationIsTheLastOnce",
                               f"--gtest_random_seed={seed}", "--gtest_brief=1"], capture_output=True, text=True)
        if done.returncode != 0 or "1 test" not in done.stdout:
            print(f"seed {seed} failed:\n{done.stdout}{done.stderr}\n"
                  f"again: ./dev soak connectors --seed {seed} --rounds 1")
            return 1
        print(f"seed {seed}: every operation was the last one once", flush=True)
        seed += 1
    print(f"{seed - options.seed} rounds, none wrong; next: --seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

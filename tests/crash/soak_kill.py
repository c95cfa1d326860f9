"""kill -9 at random instants of the demo's load, start again, and the known answers hold.

./dev soak kill --seed 7 --minutes 10: rounds until the time is over. Each round loads the demo from nothing and is
killed up to four times on the way; then everything must be loaded, right, and `tarn verify` must find nothing.
The seed gives the instants; how far the load is at an instant depends on the machine, so a failure is replayed from the
folder that is left behind and named, as well as by its seed.
"""

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from known_answers import wrong_answers  # noqa: E402
from tarn_program import Tarn, until  # noqa: E402

KILLS_MAX = 4
LOADED_SECONDS_MAX = 400
FIRST_KILL_SECONDS_MAX = 10
LATER_KILL_SECONDS_MAX = 6


def children_of(folder):
    """Processes that still have the demo's folder in their arguments."""
    outside = hashlib.sha256(f"{folder}/.demo".encode()).hexdigest()[:12]
    found = subprocess.run(["pgrep", "-f", f"{folder}/.demo|tarn-demo-{outside}"], capture_output=True, text=True)
    return found.stdout.split()


def kill_round(folder, seed, say=print):
    """One load with kills on the way. Raises AssertionError with what is wrong."""
    chance = random.Random(seed)
    tarn = Tarn(folder, "demo", ["--once"])
    kills = chance.randint(1, KILLS_MAX)
    instants = []
    for number in range(kills):
        wait = chance.uniform(0.2, FIRST_KILL_SECONDS_MAX if number == 0 else LATER_KILL_SECONDS_MAX)
        tarn.launch()
        try:
            tarn.process.wait(wait)
            raise AssertionError(f"the demo ended by itself:\n{tarn.output.read_text()}")
        except subprocess.TimeoutExpired:
            tarn.kill()
        instants.append(round(wait, 2))
        until(lambda: not children_of(folder), "the end of the children of a killed program", 20)
    started = time.monotonic()
    tarn.start(LOADED_SECONDS_MAX)
    loaded = time.monotonic() - started
    try:
        wrong = wrong_answers(tarn)
        assert not wrong, f"after kills at {instants}: {wrong}"
        report = tarn.run("verify", "--json")
        assert report.returncode == 0, f"after kills at {instants}, verify says: {report.stdout} {report.stderr}"
    finally:
        tarn.stop()
    offline = tarn.run("verify", "--json")
    assert offline.returncode == 0, f"after kills at {instants}, offline: {offline.stdout} {offline.stderr}"
    assert json.loads(offline.stdout)["issues"] == []
    tarn.forget()
    say(f"seed {seed}: killed after {instants} s, whole again {loaded:.1f} s later")


def main():
    parser = argparse.ArgumentParser(prog="./dev soak kill", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next have the next numbers")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=10**9, help="ends after so many, too")
    options = parser.parse_args()
    end = time.monotonic() + options.minutes * 60
    seed = options.seed
    while time.monotonic() < end and seed < options.seed + options.rounds:
        folder = Path(tempfile.mkdtemp(prefix="tarn-kill-")) / "demo"
        folder.parent.chmod(0o755)
        try:
            kill_round(folder, seed, lambda text: print(text, flush=True))
        except Exception as failure:  # whatever it was, the seed and the folder must be known
            print(f"seed {seed} failed: {failure}\nthe folder is left for you: {folder}\n"
                  f"again: ./dev soak kill --seed {seed} --rounds 1")
            return 1
        shutil.rmtree(folder.parent)
        seed += 1
    print(f"{seed - options.seed} rounds, none wrong; next: --seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The web UI in a real browser against the real program: each page is opened with real data, used and photographed.

The scenarios are tests/browser/web_scenarios.mjs; the screenshots go to build/test_results/web, for people to look at.
"""

import json
import os
import re
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSER = ROOT / "tests/browser"
SCREENSHOTS = ROOT / "build/test_results/web"
DRIVERS = ["ada", "blaise", "charles", "emmy"]
SETTLED_SECONDS_MAX = 60
BROWSER_SECONDS_MAX = 400

LISTED = (BROWSER / "web_scenarios.mjs").read_text().split("export const scenarios")[1]
SCENARIOS = re.findall(r"^  (\w+)(?::|,$)", LISTED, re.MULTILINE)

FILES = {
    "tarn.yaml": "name: rides\n",
    "sources/trips.yaml": "kind: files\ndescription: Trips as the meters report them.\npath: ./inbox/*.csv\n"
                          "streams: {trips: {format: csv}}\n",
    "sources/fleet.yaml": "kind: sqlite\ndescription: The drivers.\nconnection: {path: ./fleet.db}\n"
                          "streams: {drivers: {table: drivers}}\n",
    "use_cases/rides/by_day.sql": """/* tarn
description: Trips a day.
keep: full
columns: {mean_minutes: {description: How long a trip takes}}
*/
SELECT day, driver, count(*) AS trips, avg(minutes) AS mean_minutes
FROM raw_trips.trips
GROUP BY day, driver
""",
    "use_cases/rides/trips.dashboard.yaml": """title: Trips by day
description: How many, and how long.
filters: {driver: {column: rides.by_day.driver}}
tiles:
  - {number: "SELECT sum(trips) FROM rides.by_day", title: Trips}
  - {number: "SELECT count(*) FROM raw_fleet.drivers", title: Drivers}
  - {line: "SELECT day, sum(trips) AS trips FROM rides.by_day GROUP BY 1 ORDER BY 1", title: A day}
  - {bar: "SELECT driver, avg(mean_minutes) AS minutes FROM rides.by_day GROUP BY 1 ORDER BY 2", title: "Minutes"}
  - {table: "SELECT * FROM rides.by_day ORDER BY day LIMIT 20", title: Days}
""",
}


def write_workspace(folder):
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "inbox").mkdir()
    rows = [f"{i},2026-01-{1 + i % 28:02},{DRIVERS[i % 4]},{5 + i * 7 % 40}" for i in range(2000)]
    (folder / "inbox/trips.csv").write_text("\n".join(["id,day,driver,minutes", *rows]) + "\n")
    database = sqlite3.connect(folder / "fleet.db")
    database.execute("CREATE TABLE drivers (name TEXT PRIMARY KEY, since INTEGER)")
    database.executemany("INSERT INTO drivers VALUES (?, ?)", [(name, 2020 + i) for i, name in enumerate(DRIVERS)])
    database.commit()
    database.close()


def until(condition, what, seconds=SETTLED_SECONDS_MAX):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"{what} took longer than {seconds} s")


def settled(ready):
    token = Path(ready["admin_token_file"]).read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"http://{ready['web']}/api/v1/tasks", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        tasks = json.load(answer)["tasks"]
    return len(tasks) == 3 and all(task["fresh"] for task in tasks)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Every scenario's result by its name, from one browser against one Tarn."""
    folder = tmp_path_factory.mktemp("rides")
    write_workspace(folder)
    ready_file, log = folder.parent / "ready.json", folder.parent / "up.log"
    program = os.environ.get("TARN_PROGRAM", ROOT / "build/release/tarn")
    listen = [part for name in ("web", "s3", "sql") for part in (f"--{name}", "127.0.0.1:0")]
    environment = {**os.environ, "TARN_ROOT_KEY_FILE": str(folder.parent / "root.key")}
    with log.open("wb") as output:
        tarn = subprocess.Popen([program, "up", folder, "--ready-file", ready_file, *listen], stdout=output,
                                stderr=subprocess.STDOUT, env=environment)
    try:
        ready = until(lambda: ready_file.exists() and json.loads(ready_file.read_text() or "{}"), "starting")
        link = until(lambda: re.search(r"\S+/login#link=\S+", log.read_text()), "the login link")[0]
        until(lambda: settled(ready), "the first runs")
        done = subprocess.run(["node", BROWSER / "web.mjs", f"http://{ready['web']}", link, folder, SCREENSHOTS],
                              cwd=BROWSER, capture_output=True, text=True, timeout=BROWSER_SECONDS_MAX)
        yield {line["name"]: line for line in map(json.loads, done.stdout.splitlines())} or done.stderr
    finally:
        tarn.terminate()
        tarn.wait(30)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["login_refused", "login", *SCENARIOS])
def test_page(results, name):
    assert isinstance(results, dict), results
    result = results[name]
    assert result["error"] is None, f"{result['error']}\nscreenshot: {SCREENSHOTS / (name + '.png')}"
    assert result["complaints"] == []

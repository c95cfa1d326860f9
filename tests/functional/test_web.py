"""The web UI in a real browser against the real program: each page is opened with real data, used and photographed.

The scenarios are tests/browser/web_scenarios.mjs and web_quality.mjs; the screenshots go to build/test_results/web, for
people to look at, and what was measured (first paint, bytes of the first page, page changes) to measured.json there.
"""

import json
import re
import sqlite3
import subprocess

import pytest
from tarn_program import ROOT, Tarn, until, write_files

BROWSER = ROOT / "tests/browser"
SCREENSHOTS = ROOT / "build/test_results/web"
DRIVERS = ["ada", "blaise", "charles", "emmy"]
BROWSER_SECONDS_MAX = 560

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
    "destinations/office.yaml": "kind: files\ndescription: For the office.\nowner: admin\npath: ./out\n"
                                "tables: {days: {from: rides.by_day}}\n",
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
    write_files(folder, FILES)
    (folder / "inbox").mkdir()
    rows = [f"{i},2026-01-{1 + i % 28:02},{DRIVERS[i % 4]},{5 + i * 7 % 40}" for i in range(2000)]
    (folder / "inbox/trips.csv").write_text("\n".join(["id,day,driver,minutes", *rows]) + "\n")
    database = sqlite3.connect(folder / "fleet.db")
    database.execute("CREATE TABLE drivers (name TEXT PRIMARY KEY, since INTEGER)")
    database.executemany("INSERT INTO drivers VALUES (?, ?)", [(name, 2020 + i) for i, name in enumerate(DRIVERS)])
    database.commit()
    database.close()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Every scenario's result by its name, from one browser against one Tarn."""
    folder = tmp_path_factory.mktemp("web") / "rides"
    write_workspace(folder)
    with Tarn(folder) as tarn:
        tarn.start()
        link = until(lambda: re.search(r"\S+/login#link=\S+", tarn.output.read_text()), "the login link")[0]
        tarn.wait_fresh()
        done = subprocess.run(["node", BROWSER / "web.mjs", tarn.web, link, folder, SCREENSHOTS], cwd=BROWSER,
                              capture_output=True, text=True, timeout=BROWSER_SECONDS_MAX)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    measured = {name: value for line in lines for name, value in line["measured"].items()}
    (SCREENSHOTS / "measured.json").write_text(json.dumps(measured, indent=2) + "\n")
    return {line["name"]: line for line in lines} or done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["login_refused", "login", *SCENARIOS])
def test_page(results, name):
    assert isinstance(results, dict), results
    result = results[name]
    assert result["error"] is None, f"{result['error']}\nscreenshot: {SCREENSHOTS / (name + '.png')}"
    assert result["complaints"] == []

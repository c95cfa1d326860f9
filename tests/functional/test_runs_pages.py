"""The pages of runs in a real browser: live logs, approval, the timeline, two runs side by side, hostile content.

The scenarios are tests/browser/runs.mjs; the screenshots go to build/test_results/web, for people to look at.
"""

import json
import re
import subprocess

import pytest
from tarn_program import ROOT, Tarn, until, write_files

BROWSER = ROOT / "tests/browser"
SCREENSHOTS = ROOT / "build/test_results/web"
LISTED = (BROWSER / "runs.mjs").read_text().split("const scenarios = {")[1].split("}")[0]
SCENARIOS = re.findall(r"\w+", LISTED)
TOP = "/* tarn\nkeep: full\n*/\nSELECT item, sold FROM shop.per_item ORDER BY sold DESC LIMIT {}\n"
TICKS = """owner: admin
python: |
  import time
  for tick in range(30):
      print("tick", tick, "at", int(time.time() * 1000))
      time.sleep(0.25)
"""
FLOOD = """owner: admin
shell: |
  seq -f 'line %.0f of very many, and each of them is so long that it tells something' 1 400
  for round in $(seq 2 41); do
    sleep 0.2
    seq -f 'line %.0f of very many' $((round * 200 + 1)) $((round * 200 + 200))
  done
  seq -f 'line %.0f more' 1 4000
"""
EVIL = r"""owner: admin
parameters: {word: {type: text}}
shell: |
  echo '<script>window.hacked=1</script><img src=x onerror=window.hacked=1>'
  printf '\033[31mred\033[0m and plain\n'
  echo "word $TARN_PARAM_WORD"
  echo '=HYPERLINK("http://x")' >&2
  exit 3
"""
FILES = {
    "sources/sales.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {sales: {format: csv}}\n",
    "inbox/a.csv": "item,sold\npen,3\nink,9\npaper,5\n",
    "use_cases/shop/per_item.sql": "/* tarn\nkeep: full\n*/\n"
                                   "SELECT item, sum(sold) AS sold FROM raw_sales.sales GROUP BY 1\n",
    "use_cases/shop/top.sql": TOP.format(1),
    "use_cases/ops/ticks.job.yaml": TICKS,
    "use_cases/ops/flood.job.yaml": FLOOD,
    "use_cases/ops/evil.job.yaml": EVIL,
    "use_cases/ops/flaky.job.yaml": "owner: admin\npool: narrow\nretries: 1\nretry_delay: 1s\n"
                                    "shell: |\n  sleep 0.5\n  exit 3\n",
    "use_cases/ops/pooled.job.yaml": "owner: admin\npool: narrow\nshell: sleep 0.3\n",
    "use_cases/ops/gated.job.yaml": "owner: admin\napproval: yes\nshell: echo allowed\n",
    "use_cases/ops/said.job.yaml": "owner: admin\nparameters: {word: {type: text}}\n"
                                   "shell: |\n  echo it begins\n  echo it says $TARN_PARAM_WORD\n  echo it ends\n",
}


def wait_tables(tarn, rows):
    """Jobs that only run by hand are never fresh: the tables are."""
    until(lambda: all(task["fresh"] for task in tarn.tasks().values() if task["dataset"])
          and tarn.value("SELECT count(*) FROM shop.top") == rows, "the tables")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Every scenario's result by its name, from one browser against one Tarn."""
    folder = tmp_path_factory.mktemp("runs") / "shop"
    write_files(folder, FILES)
    with Tarn(folder) as tarn:
        tarn.start()
        link = until(lambda: re.search(r"\S+/login#link=\S+", tarn.output.read_text()), "the login link")[0]
        until(lambda: all(task["last"] for task in tarn.tasks().values() if task["dataset"]), "the first runs")
        wait_tables(tarn, 1)
        (folder / "use_cases/shop/top.sql").write_text(TOP.format(2))
        tarn.json("apply")
        wait_tables(tarn, 2)
        done = subprocess.run(["node", BROWSER / "runs.mjs", tarn.web, link, SCREENSHOTS], cwd=BROWSER,
                              capture_output=True, text=True, timeout=400)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    measured = {name: value for line in lines for name, value in line["measured"].items()}
    (SCREENSHOTS / "measured_runs.json").write_text(json.dumps(measured, indent=2) + "\n")
    return {line["name"]: line for line in lines} or done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_page(results, name):
    assert isinstance(results, dict), results
    result = results[name]
    assert result["error"] is None, f"{result['error']}\nscreenshot: {SCREENSHOTS / f'runs_{name}_failed.png'}"
    assert result["complaints"] == []

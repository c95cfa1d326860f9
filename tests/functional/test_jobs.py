"""Jobs through the program: whose rights they have, what they find, when they run, what is left of them."""

import http.server
import json
import threading

import pytest

from tarn_program import until

POLICY = """roles:
  seller:
    members: [user:sally]
    allow:
      - {actions: ["table:Read"], resources: ["raw_things.things"]}
row_filters: [{role: seller, table: raw_things.things, where: "name = 'pen'"}]
"""
THINGS = {
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
    "inbox/a.csv": "id,name\n1,pen\n2,ink\n3,pen\n",
    "policies/sellers.yaml": POLICY,
}


def job(text, **files):
    return {"use_cases/ops/it.job.yaml": text, **{f"use_cases/ops/{name}": content for name, content in files.items()}}


def outcome(tarn, target="ops.it", *arguments):
    """The run after its end, with its log."""
    run = tarn.json("run", target, *arguments)["runs"][0]
    tarn.wait_run(run)
    return tarn.get(f"/api/v1/runs/{run}")


def text_of(run):
    return "\n".join(line.split(" ", 1)[1] for line in run["log"])


@pytest.fixture(scope="module")
def tarn(tmp_path_factory):
    from tarn_program import Tarn, write_files
    folder = tmp_path_factory.mktemp("jobs") / "workspace"
    write_files(folder, THINGS)
    with Tarn(folder) as started:
        started.start()
        started.wait_fresh()
        started.post("/api/v1/users", {"name": "sally"})
        started.run("secret", "set", "word", input="open sesame")
        yield started


def apply(tarn, files):
    from tarn_program import write_files
    for old in (tarn.folder / "use_cases").glob("*/*"):
        old.unlink()
    write_files(tarn.folder, files)
    tarn.json("apply")


def test_a_shell_job_has_its_owners_rights_and_no_more(tarn):
    apply(tarn, job("owner: sally\nshell: |\n"
                    "  tarn sql 'SELECT current_user AS me, count(*) AS n FROM raw_things.things'\n"
                    "  tarn sql 'SELECT 1 FROM system.audit LIMIT 1' || echo denied\n"
                    "  tarn user create mallory || echo refused\n"
                    "  tarn token create mine || echo no token\n"))
    run = outcome(tarn)
    assert run["state"] == "succeeded", run
    text = text_of(run)
    assert "sally" in text and " 2" in text, text
    assert "denied" in text and "refused" in text and "no token" in text, text
    asked = tarn.query("SELECT principal, credential FROM system.audit WHERE credential = 'run:' || %s", [run["id"]])
    assert asked and {row[0] for row in asked} == {"user:sally"}
    began = tarn.query("SELECT count(*) FROM system.audit WHERE operation = 'RunJob'")
    assert began[0][0] >= 1


def test_a_python_script_beside_the_file_with_parameters_and_secrets(tarn):
    script = ("import json, os, urllib.request\n"
              "request = urllib.request.Request(os.environ['TARN_URL'] + '/api/v1/sql',\n"
              "    data=json.dumps({'sql': 'SELECT count(*) FROM raw_things.things'}).encode(),\n"
              "    headers={'Authorization': 'Bearer ' + os.environ['TARN_TOKEN'],\n"
              "             'Content-Type': 'application/json'})\n"
              "print('rows', json.load(urllib.request.urlopen(request))['rows'])\n"
              "print('day', os.environ['TARN_PARAM_DAY'], 'word', os.environ['WORD'])\n"
              "print('token', os.environ['TARN_TOKEN'])\n")
    apply(tarn, job("owner: admin\npython: count.py\nenv: {WORD: secret:word}\n"
                    "parameters: {day: {type: date, default: 2026-01-01}}\n", **{"count.py": script}))
    run = outcome(tarn, "ops.it", "--param", "day=2026-02-03")
    assert run["state"] == "succeeded", run
    text = text_of(run)
    assert "rows [[3]]" in text and "day 2026-02-03 word ***" in text and "token ***" in text, text
    assert "open sesame" not in json.dumps(run)


MODULE = """import tarn, datetime, decimal, os
rows = tarn.query("SELECT id, name, DATE '2026-01-02' AS d, 1.50::DECIMAL(9,2) AS price, "
                  "TIMESTAMP '2026-01-02 03:04:05' AS t,"
                  " TIMESTAMPTZ '2026-01-02 03:04:05+00' AS z, NULL::DATE AS n FROM raw_things.things WHERE name = $1"
                  " ORDER BY id", tarn.parameter("what"))
first = next(iter(rows))
assert first == {"id": 1, "name": "pen", "d": datetime.date(2026, 1, 2), "price": decimal.Decimal("1.5"),
                 "t": datetime.datetime(2026, 1, 2, 3, 4, 5), "n": None,
                 "z": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)}, first
assert len(rows) == 2 and rows.columns[0] == "id"
assert tarn.query("SELECT count(*) FROM raw_things.things").value() == len(tarn.table("raw_things.things"))
tarn.download("raw_things.things", "all.csv")
lines = open("all.csv").read().splitlines()
assert len(lines) == 3 and lines[0].startswith("id,name") and ",pen" in lines[1], lines
for wrong in (lambda: tarn.query("SELECT * FROM system.audit"), lambda: tarn.query("FROM range(5)", limit=2),
              lambda: tarn.table("things"), lambda: tarn.parameter("none"), lambda: tarn.secret("none"),
              lambda: tarn.get("raw/things"), lambda: tarn.run("nothing")):
    try:
        wrong()
    except tarn.Error as error:
        print("refused", error.code, error)
    else:
        raise SystemExit("not refused")
tarn.put("notes/a b.txt", "kept by " + tarn.query("SELECT current_user").value())
print(tarn.get("notes/a b.txt").decode(), tarn.secret("WORD"))
print("ran", [run["state"] for run in tarn.run("ops.other")])
"""


def test_the_python_module(tarn):
    writes = POLICY.replace("row_filters", """      - {actions: ["lake:*"], resources: ["notes/*"]}
      - {actions: ["run:*"], resources: ["job:ops.*"]}
row_filters""")
    apply(tarn, {**job("owner: sally\npython: use.py\nenv: {WORD: secret:word}\n"
                       "parameters: {what: {type: text, default: pen}}\n",
                       **{"use.py": MODULE, "other.job.yaml": "owner: sally\nshell: 'true'\n"}),
                 "policies/sellers.yaml": writes})
    run = outcome(tarn)
    assert run["state"] == "succeeded", run["error"] + text_of(run)
    text = text_of(run)
    assert text.count("refused") == 7 and "did you mean" in text or "there is no table" in text, text
    assert "kept by sally ***" in text and "ran ['succeeded']" in text, text


def test_without_an_owner_it_runs_for_who_starts_it(tarn):
    apply(tarn, job("shell: tarn sql 'SELECT current_user AS me'\n"))
    assert "admin" in text_of(outcome(tarn))
    apply(tarn, job("owner: nobody_here\nshell: 'true'\n"))
    run = outcome(tarn)
    assert run["state"] == "failed" and "it can't run for nobody_here" in run["error"]


def test_the_token_is_void_after_the_run(tarn):
    apply(tarn, job("owner: admin\nshell: 'echo $TARN_TOKEN | rev'\n"))
    token = next(line for line in text_of(outcome(tarn)).split("\n") if line.endswith("_nrat"))[::-1]
    assert token.startswith("tarn_")
    assert tarn.http("GET", "/api/v1/me", token=token).status == 401
    assert token not in str(tarn.json("token", "list"))


def test_a_failure_says_why_with_the_last_lines(tarn):
    apply(tarn, job("owner: admin\nshell: |\n  seq 100\n  echo the reason >&2\n  exit 3\n"))
    run = outcome(tarn)
    assert run["state"] == "failed" and run["attempt"] == 1
    assert run["error"].startswith("it exited with 3: ") and run["error"].endswith("the reason")
    assert "nothing has changed since" in tarn.json("why", "ops.it")["why"]


def test_jobs_follow_tables_and_jobs(tarn):
    apply(tarn, {
        "use_cases/ops/counts.sql": "SELECT count(*) AS n FROM raw_things.things",
        "use_cases/ops/first.job.yaml": "owner: admin\nafter: counts\nshell: echo first\n",
        "use_cases/ops/second.job.yaml": "owner: admin\nafter: [first]\nshell: echo second\n"})

    def second():
        runs = tarn.query("SELECT count(*) FROM system.runs WHERE task = 'job:ops.second' AND state = 'succeeded'")
        return runs[0][0] == 1
    until(second, "the second job has run")


def test_an_http_job_sends_and_judges_the_answer(tarn):
    heard = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append((self.headers["X-Key"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(201 if self.path == "/yes" else 404)
            self.end_headers()
            self.wfile.write(b"so it is, open sesame")

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    text = ("owner: admin\nparameters: {day: {type: date, default: 2026-01-01}}\nhttp:\n  method: POST\n"
            f"  url: http://127.0.0.1:{server.server_port}/PATH\n"
            "  headers: {X-Key: secret:word}\n  body: {day: '{day}'}\n")
    apply(tarn, job(text.replace("PATH", "yes")))
    run = outcome(tarn)
    assert run["state"] == "succeeded", run
    assert heard == [("open sesame", {"day": "2026-01-01"})]
    assert "so it is, ***" in text_of(run)
    apply(tarn, job(text.replace("PATH", "no")))
    run = outcome(tarn)
    assert run["state"] == "failed" and "answered 404" in run["error"] and "sesame" not in run["error"]
    server.shutdown()


def test_a_wait_gives_its_place_back_until_the_file_is_there(tarn):
    apply(tarn, {f"use_cases/ops/wait{i}.job.yaml": f"owner: admin\nwait_for: {{file: marks/{i}, poll: 1s}}\n"
                 for i in range(6)} | job("owner: admin\nshell: echo alive\n"))
    runs = [tarn.json("run", f"ops.wait{i}")["runs"][0] for i in range(6)]
    until(lambda: "waits for the file marks/0" in tarn.json("why", "ops.wait0")["why"], "the job waits")
    assert outcome(tarn)["state"] == "succeeded", "six waits hold none of the four places"
    (tarn.folder / "mark").write_text("x")
    for i in range(6):
        assert tarn.run("put", str(tarn.folder / "mark"), f"marks/{i}").returncode == 0
    for run in runs:
        tarn.wait_run(run)
        assert tarn.get(f"/api/v1/runs/{run}")["state"] == "succeeded"


def test_what_is_not_installed_is_said(tarn):
    apply(tarn, job("owner: admin\nr: print(1)\n"))
    run = outcome(tarn)
    if run["state"] == "failed":
        assert "Rscript is not installed on this machine" in run["error"] and "tarn.yaml" in run["error"]


def test_a_bad_file_is_refused_with_its_place(tarn):
    from tarn_program import write_files
    write_files(tarn.folder, job("owner: admin\nshel: echo\n"))
    refused = tarn.run("apply")
    assert refused.returncode != 0
    assert "use_cases/ops/it.job.yaml:2:1" in refused.stderr and 'did you mean "shell"' in refused.stderr


def test_kill_9_takes_the_job_along_and_a_restart_runs_it_again(make):
    tarn = make({"use_cases/ops/it.job.yaml": "owner: admin\nshell: |\n  echo began; sleep 86400.25\n"})
    run = tarn.json("run", "ops.it")["runs"][0]

    def sleeping():
        import pathlib
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if path.read_bytes() == b"sleep\x0086400.25\x00":
                    found.append(path)
            except OSError:
                pass
        return found
    until(sleeping, "the job sleeps")
    tarn.kill()
    until(lambda: not sleeping(), "the job is gone", seconds=5)
    tarn.start()
    until(sleeping, "the job runs again")
    assert tarn.get(f"/api/v1/runs/{run}")["state"] == "running"
    tarn.post(f"/api/v1/runs/{run}/cancel", {})
    until(lambda: not sleeping(), "the cancelled job is gone", seconds=5)

"""`renamed_from` in a file of alerts and of a dashboard with reports: what fires goes on firing, and silences, history
and runs go over."""

from receivers import Hook
from tarn_program import until, write_files

RULES = """owner: admin
rules:
  low: {sql: {query: "SELECT 'pen' AS name, 1 AS count"}, every: 1s, notify: [hook]}
  quiet: {sql: {query: "SELECT 'ink' AS name, 1 AS count"}, every: 1s, notify: [hook]}
"""
POLICY = """roles:
  reader:
    members: [user:rita]
    allow: [{actions: ["alert:Read"], resources: [RESOURCE]}]
"""
BOARD = "title: Board\ntiles:\n  - {number: \"SELECT 1 AS one\", title: One}\n"
REPORTS = "reports: [{name: lost, to: [ops@example.org], as: nobody, retries: 0}]\n"
CHANNEL = """channels:
  ops: {mail: {host: localhost, port: 9, from: tarn@example.org, to: [ops@example.org]}, private_network: yes}
"""


def runs_of(tarn, dashboard):
    return tarn.get(f"/api/v1/runs?task=report:shop.{dashboard}.lost")["runs"]


def fired(tarn, rule):
    return [one for one in tarn.get("/api/v1/alerts")["alerts"] if one["name"] == rule and one["instances"]]


def plan_issues(tarn):
    return [issue["message"] for issue in tarn.post("/api/v1/workspace/plan", {})["issues"]]


def test_alerts(make):
    hook = Hook()
    try:
        channels = f"channels:\n  hook: {{webhook: {{url: \"{hook.url}/hook\"}}, private_network: yes}}\n"
        tarn = make({"alerts/channels.yaml": channels, "alerts/stock.yaml": RULES,
                     "policies/people.yaml": POLICY.replace("RESOURCE", '"shelf.*"')})
        until(lambda: fired(tarn, "stock.low") and fired(tarn, "stock.quiet"), "both fire")
        until(lambda: len(hook.got) >= 2, "both are told")
        silence = tarn.json("alert", "silence", "stock.quiet", "--for", "1h", "--comment", "known")
        before = tarn.get("/api/v1/alerts/history")["events"]
        since = fired(tarn, "stock.low")[0]["instances"][0]["since"]
        told = len(hook.got)
        # A right that the new name would gain is an issue, one that it loses is none.
        (tarn.folder / "alerts/stock.yaml").unlink()
        write_files(tarn.folder, {"alerts/shelf.yaml": "renamed_from: stock\n" + RULES})
        assert any("a rename changes no rights" in issue for issue in plan_issues(tarn))
        for named in ("stock.low", "stock.*"):
            write_files(tarn.folder, {"policies/people.yaml": POLICY.replace("RESOURCE", f'"{named}"')})
            assert plan_issues(tarn) == ["stock.* is renamed to shelf.*: write that"]
        write_files(tarn.folder, {"policies/people.yaml": POLICY.replace("RESOURCE", '"other.*"')})
        steps = tarn.post("/api/v1/workspace/plan", {})["steps"]
        assert [step["note"] for step in steps if step["change"] == "rename"] == [
            "its rules keep what fires, their history and silences"]
        assert tarn.run("apply").returncode == 0
        until(lambda: fired(tarn, "shelf.low"), "the new name fires")
        assert fired(tarn, "shelf.low")[0]["instances"][0]["since"] == since
        assert fired(tarn, "shelf.quiet")[0]["instances"][0]["silenced"]
        listed = tarn.json("alert", "silences")["silences"]
        assert [(one["id"], one["alert"]) for one in listed] == [(silence["id"], "shelf.quiet")]
        history = tarn.get("/api/v1/alerts/history")["events"]
        assert [(event["sequence"], event["at"], event["change"]) for event in history] == [
            (event["sequence"], event["at"], event["change"]) for event in before]
        assert {event["alert"] for event in history} == {"shelf.low", "shelf.quiet"}
        # Looked at again, also by the next start: nothing begins anew and nobody is told again.
        looked = tarn.get("/api/v1/alerts")["alerts"]
        until(lambda: all(one["looked_at"] > next(old["looked_at"] for old in looked if old["name"] == one["name"])
                          for one in tarn.get("/api/v1/alerts")["alerts"]), "another look")
        tarn.stop()
        tarn.start()
        until(lambda: fired(tarn, "shelf.low"), "the new name fires")
        assert fired(tarn, "shelf.low")[0]["instances"][0]["since"] == since
        assert len(tarn.get("/api/v1/alerts/history")["events"]) == len(before)
        assert len(hook.got) == told
    finally:
        hook.close()


def test_reports(make):
    tarn = make({"alerts/channels.yaml": CHANNEL, "use_cases/shop/board.dashboard.yaml": BOARD + REPORTS})
    tarn.run("run", "report:shop.board.lost", "--wait")
    until(lambda: [run["state"] for run in runs_of(tarn, "board")] == ["failed"], "its run, for nobody is nobody")
    before = runs_of(tarn, "board")
    (tarn.folder / "use_cases/shop/board.dashboard.yaml").unlink()
    write_files(tarn.folder, {"use_cases/shop/panel.dashboard.yaml": "renamed_from: board\n" + BOARD + REPORTS})
    done = tarn.run("apply")
    assert done.returncode == 0, done.stderr
    after = runs_of(tarn, "panel")
    assert [(run["id"], run["error"]) for run in after] == [(run["id"], run["error"]) for run in before]
    assert runs_of(tarn, "board") == []

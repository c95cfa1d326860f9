"""Alerts of the real program: what fires, who is told and how, silences, rights, and that no message is lost."""

import base64
import hashlib
import hmac
import json
import time

import pytest

from conftest import SMALL
from receivers import Hook, MailServer
from tarn_program import Tarn, until, write_files

SECRET = "whsec_" + base64.b64encode(b"a key of the receiver").decode()
POLICY = """roles:
  reader:
    members: [user:rita, user:ada]
    allow:
      - {actions: ["table:Read"], resources: ["shop.*"]}
      - {actions: ["alert:Read"], resources: ["stock.*"]}
  quiet:
    members: [user:ada]
    allow: [{actions: ["alert:Silence"], resources: ["stock.*"]}]
"""
# What stands in data goes into messages: none of it may act there.
EVIL = "<!channel> `x` *b* <https://evil.example|here> & \r\nBcc: evil@example.org"
CHANNELS = """channels:
  hook: {webhook: {url: "HOOK/hook", secret: secret:hook}, private_network: yes}
  open: {webhook: {url: "HOOK/open"}}
  meta: {webhook: {url: "http://169.254.169.254/latest"}, private_network: yes}
  team: {slack: {url: secret:team}, private_network: yes}
  ops: {mail: {host: localhost, port: MAIL, from: tarn@example.org, to: [ops@example.org, boss@example.org], user: tarn,
               password: secret:mail, ca: certificate.pem}, private_network: yes}
"""
STOCK = """description: What the shop has.
owner: ada
notify: [hook]
rules:
  low: {sql: {query: "SELECT name, note, count FROM raw_stock.stock WHERE count < 3"}, every: 1s, severity: critical,
        runbook: "https://example.org/low", notify: [hook, team, ops]}
  many: {sql: {query: "SELECT count(*) AS things FROM shop.sales", is: "> 100"}, every: 1s}
  hidden: {sql: {query: "SELECT * FROM raw_stock.stock"}, owner: rita, every: 1s, notify: []}
"""
PIPELINE = """owner: admin
rules:
  failed: {runs: {tasks: ["table:shop.*"]}, every: 1s, notify: [hook]}
  outlasts: {sla: {tasks: ["ops.*"]}, every: 1s, notify: [hook]}
  refused: {checks: {tasks: [shop.*]}, every: 1s, notify: []}
  stale: {freshness: {datasets: [shop.sales, shop.nothing], max_age: 1s}, for: 2s, every: 1s, notify: []}
  fresh: {freshness: {datasets: [shop.*], max_age: 1h}, every: 1s, notify: []}
  metric: {metric: {name: tarn_component_healthy, labels: {component: "meta*"}, is: "= 1"}, every: 1s, notify: []}
  rate: {metric: {name: tarn_alerting_looks_total, labels: {outcome: good}, is: "> 0.5", rate: 2s}, every: 1s,
         notify: []}
  inward: {metric: {name: tarn_component_healthy, is: "> 5"}, every: 1h, notify: [open, meta]}
"""


def files_of(hook, mail, folder):
    files = dict(SMALL)
    files["policies/readers.yaml"] = POLICY
    files["sources/stock.yaml"] = "kind: files\npath: ./stock/*.json\nstreams: {stock: {format: json}}\n"
    files["stock/a.json"] = json.dumps([{"name": "pen", "note": "", "count": 10}])
    files["alerts/channels.yaml"] = CHANNELS.replace("HOOK", hook.url).replace("MAIL", str(mail.port))
    files["alerts/stock.yaml"] = STOCK
    files["alerts/pipeline.yaml"] = PIPELINE
    # ada reads the source as well, rita does not
    files["policies/stock.yaml"] = ('roles: {stock: {members: [user:ada], allow: [{actions: ["table:Read"], '
                                    'resources: ["raw_stock.*"]}]}}\n')
    files["certificate.pem"] = (folder / "mail/certificate.pem").read_text()
    return files


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alerts")
    hook, mail = Hook(), MailServer(folder / "mail")
    write_files(folder / "workspace", files_of(hook, mail, folder))
    with Tarn(folder / "workspace") as tarn:
        tarn.hook, tarn.mail = hook, mail
        tarn.start()
        for name, value in (("hook", SECRET), ("team", hook.url + "/services/T0/B0/hidden"), ("mail", mail.PASSWORD)):
            assert tarn.run("secret", "set", name, input=value).returncode == 0
        tarn.tokens = {}
        for name in ("ada", "rita"):
            tarn.post("/api/v1/users", {"name": name})
            tarn.tokens[name] = tarn.post("/api/v1/tokens", {"user": name, "name": "tests"})["token"]
        tarn.wait_fresh()
        # until there was an ada, her rules were broken, and that was told
        until(lambda: all(one["state"] in ("sent", "failed") for one in tarn.get("/api/v1/alerts/messages")["messages"])
              and not alert(tarn, "stock.low")["instances"], "quiet")
        for received in (hook.got, mail.mails, mail.recipients):
            received.clear()
        yield tarn
    hook.close()
    mail.close()


def alert(tarn, name, **options):
    return {one["name"]: one for one in tarn.get("/api/v1/alerts", **options)["alerts"]}[name]


def wait_state(tarn, name, state, seconds=30):
    def reached():
        found = alert(tarn, name)
        return found if found["state"] == state else None
    return until(reached, f"{name} {state}", seconds)


def told(hook, name, status):
    return [body["data"] for body in hook.bodies("/hook") if body["data"]["alert"] == name
            and body["data"]["status"] == status]


def stock(tarn, rows):
    (tarn.folder / "stock/a.json").write_text(json.dumps(rows))


def test_sql_fires_is_told_by_every_channel_and_resolves(world):
    hook, mail = world.hook, world.mail
    wait_state(world, "stock.low", "ok")
    stock(world, [{"name": "pen", "note": EVIL, "count": 1}, {"name": "ink", "note": "", "count": 2}])
    fired = wait_state(world, "stock.low", "firing")
    assert [one["labels"]["name"] for one in fired["instances"]].count("pen") == 1 and len(fired["instances"]) == 2
    # both in one message, to each channel
    data = until(lambda: told(hook, "stock.low", "firing"), "the webhook")[0]
    assert {one["labels"]["name"]: one["value"] for one in data["alerts"]} == {"pen": 1, "ink": 2}
    assert data["severity"] == "critical" and data["owner"] == "ada" and data["runbook"].endswith("/low")
    sent = until(lambda: mail.mails, "the mail")[0]
    assert sent["Subject"].startswith("[FIRING critical] stock.low") and sent["From"].endswith("<tarn@example.org>")
    assert sent["Bcc"] is None and "evil@example.org" not in str(sent["To"])
    assert len(mail.recipients[0]) == 2 and "ops@example.org" in mail.recipients[0][0]
    assert "name = pen" in sent.get_content() and "\nBcc:" not in sent.get_content()
    path = "/services/T0/B0/hidden"
    text = until(lambda: hook.bodies(path), "the Slack hook")[0]["text"]
    assert "<!channel>" not in text and "&lt;!channel&gt;" in text and "<https" not in text and "\nBcc" not in text
    assert text.count("`") % 2 == 0
    stock(world, [{"name": "pen", "note": "", "count": 10}])
    wait_state(world, "stock.low", "ok")
    over = until(lambda: told(hook, "stock.low", "resolved"), "the end")
    assert sum(len(one["alerts"]) for one in over) == 2


def test_the_signature_is_that_of_standard_webhooks(world):
    _, headers, body = until(lambda: [one for one in world.hook.got if one[0] == "/hook"], "a message")[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 120
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(b"a key of the receiver", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == "v1," + wanted
    assert json.loads(body)["data"]["id"] == headers["webhook-id"]


def test_a_rule_runs_with_its_owners_rights(world):
    broken = wait_state(world, "stock.hidden", "firing")
    assert "raw_stock.stock" in broken["error"] and broken["instances"][0]["labels"] == {
        "problem": "the rule can't be evaluated"}
    asked = world.query("SELECT DISTINCT principal FROM system.audit WHERE operation = 'AlertQuery' ORDER BY 1")
    assert asked == [("user:ada",), ("user:rita",)]


def test_runs_checks_freshness_and_metrics(world):
    assert alert(world, "pipeline.failed")["state"] == "ok"
    sales = world.folder / "use_cases/shop/sales.sql"
    before = sales.read_text()
    sales.write_text(before.replace("keep: full", "keep: full\nchecks: [{rows: '> 1000'}]"))
    assert world.run("apply").returncode == 0
    failed = wait_state(world, "pipeline.failed", "firing")
    assert "does not hold" in failed["instances"][0]["text"]
    assert failed["instances"][0]["labels"] == {"task": "table:shop.sales"}
    wait_state(world, "pipeline.refused", "firing")
    assert until(lambda: told(world.hook, "pipeline.failed", "firing"), "the failure")
    sales.write_text(before)
    assert world.run("apply").returncode == 0
    wait_state(world, "pipeline.failed", "ok")
    wait_state(world, "pipeline.refused", "ok")
    stale = wait_state(world, "pipeline.stale", "firing")
    assert {one["labels"]["dataset"] for one in stale["instances"]} == {"shop.sales", "shop.nothing"}
    assert alert(world, "pipeline.fresh")["state"] == "ok"
    assert wait_state(world, "pipeline.metric", "firing")["instances"][0]["labels"] == {"component": "metadata"}
    assert wait_state(world, "pipeline.rate", "firing")["instances"][0]["value"] > 0.5
    changes = world.query("SELECT change FROM system.alerts WHERE alert = 'pipeline.stale' AND text LIKE '%nothing' "
                          "ORDER BY changed_at LIMIT 2")
    assert changes == [("pending",), ("firing",)]


def test_a_run_that_outlasts_its_sla_is_told_until_it_ends(world):
    write_files(world.folder, {"use_cases/ops/slow.job.yaml": "owner: admin\nsla: 1s\nshell: sleep 6\n"})
    world.json("apply")
    wait_state(world, "pipeline.outlasts", "ok")
    run = world.json("run", "ops.slow")["runs"][0]
    fired = wait_state(world, "pipeline.outlasts", "firing")
    assert [one["labels"] for one in fired["instances"] if one["state"] == "firing"] == [{"task": "job:ops.slow"}]
    assert f"run {run}" in str(fired["instances"]), fired
    until(lambda: told(world.hook, "pipeline.outlasts", "firing"), "the webhook")
    assert world.wait_run(run)["late"]
    wait_state(world, "pipeline.outlasts", "ok")
    until(lambda: told(world.hook, "pipeline.outlasts", "resolved"), "the end")


def test_a_silence_holds_back_is_audited_and_ends(world):
    until(lambda: alert(world, "stock.low")["state"] == "ok", "quiet")
    world.hook.got.clear()
    made = world.json("alert", "silence", "stock.low", "--for", "1h", "--label", "name=pe*", "--comment", "counting",
                      environment={"TARN_URL": world.web, "TARN_TOKEN": world.tokens["ada"]})
    assert made["creator"] == "ada" and made["holds"]
    stock(world, [{"name": "pen", "note": "", "count": 1}, {"name": "ink", "note": "", "count": 0}])
    fired = wait_state(world, "stock.low", "firing")
    assert {one["labels"]["name"]: one["silenced"] for one in fired["instances"]} == {"pen": True, "ink": False}
    names = until(lambda: [one["labels"]["name"] for data in told(world.hook, "stock.low", "firing")
                           for one in data["alerts"]], "the message")
    assert names == ["ink"]
    assert world.run("alert", "unsilence", made["id"]).returncode == 0
    until(lambda: [one for data in told(world.hook, "stock.low", "firing") for one in data["alerts"]
                   if one["labels"]["name"] == "pen"], "the message after the silence")
    listed = world.json("alert", "silences")["silences"]
    assert [(one["id"], one["holds"], one["ended_by"]) for one in listed] == [(made["id"], False, "admin")]
    kept = world.query("SELECT principal, class FROM system.audit WHERE operation = 'POST /api/v1/alerts/silences' "
                       "AND phase = 'end'")
    assert kept == [("user:ada", "change")]
    stock(world, [{"name": "pen", "note": "", "count": 10}])


def test_rights(world):
    rita = {"token": world.tokens["rita"]}
    assert {one["name"] for one in world.get("/api/v1/alerts", **rita)["alerts"]} == {"stock.low", "stock.many",
                                                                                      "stock.hidden"}
    assert {one["alert"] for one in world.get("/api/v1/alerts/history", **rita)["events"]} <= {
        "stock.low", "stock.hidden", "stock.many"}
    with world.connect("rita", world.tokens["rita"]) as connection:
        with pytest.raises(Exception, match="system.alerts"):
            connection.execute("SELECT 1 FROM system.alerts")
    body = {"alert": "stock.low", "for": "1h"}
    assert world.http("POST", "/api/v1/alerts/silences", body, **rita).status == 403
    assert world.http("POST", "/api/v1/alerts/silences", {**body, "alert": "pipeline.*"}, **rita).status == 404
    assert world.http("POST", "/api/v1/alerts/stock.low/test", {}, **rita).status == 403
    # a silence reaches no further than the rights of who made it
    made = world.post("/api/v1/alerts/silences", {"alert": "*", "for": "1h"}, token=world.tokens["ada"])
    wait_state(world, "pipeline.stale", "firing")
    assert not any(one["silenced"] for one in alert(world, "pipeline.stale")["instances"])
    assert world.http("DELETE", f"/api/v1/alerts/silences/{made['id']}").status == 200


def test_a_test_message_says_what_came_of_it(world):
    done = world.run("alert", "test", "stock.low")
    assert done.returncode == 0 and done.stdout.splitlines() == ["hook: sent", "team: sent", "ops: sent"]
    assert until(lambda: told(world.hook, "stock.low", "test"), "the test")
    before = len(world.hook.got)
    refused = world.run("alert", "test", "pipeline.inward")
    assert refused.returncode == 1 and len(world.hook.got) == before
    assert "it is this machine; if that is right, give the channel open `private_network: yes`" in refused.stderr
    assert "metadata and multicast addresses are never dialled" in refused.stderr
    world.hook.status, world.hook.location = 307, "http://169.254.169.254/"
    try:
        redirected = world.run("alert", "test", "stock.low")
        assert redirected.returncode == 1 and "redirect, which is never followed" in redirected.stderr
        world.hook.status, world.hook.location = 500, None
        failed = world.run("alert", "test", "stock.low")
        assert "hook: the receiver answers 500" in failed.stderr and "hidden" not in failed.stderr
    finally:
        world.hook.status, world.hook.location = 200, None
    assert world.run("alert", "test", "stock.nosuch").returncode == 5
    assert "hidden" not in (world.folder / ".tarn/log/tarn.log").read_text()


def test_what_is_wrong_in_a_file_is_told_with_its_place(world):
    bad = world.folder / "alerts/bad.yaml"
    bad.write_text("""channels:
  hook: {webhook: {url: "https://user:pw@example.org/"}}
  mail: {mail: {host: h, from: "a b@c", to: ["x@y\\r\\nBcc: z"], user: u, password: secret:p, tls: none}}
rules:
  one: {sql: {query: "SELEC 1"}, notify: [opz]}
  two: {metric: {name: m, is: "about 5"}, runs: {tasks: [a]}}
  three: {sla: {tasks: [a]}, runbook: "javascript:alert(1)"}
""")
    try:
        said = world.run("plan").stdout
    finally:
        bad.unlink()
    for text in ("alerts/bad.yaml:", "address without a password", "from is one address", "to is a list of 1 to 50",
                 "a password goes over TLS only", "SELEC", "there is no channel opz", "did you mean ops?",
                 "is no comparison", "a rule has one of", "runbook is a link",
                 "channel hook already", "SQL runs as its owner"):
        assert text in said, (text, said)


def test_no_message_is_lost_by_a_kill(tmp_path):
    hook = Hook()
    port = hook.port
    hook.close()  # the receiver is down
    files = {**SMALL, "alerts/all.yaml":
             f"channels: {{hook: {{webhook: {{url: 'http://127.0.0.1:{port}/hook'}}, private_network: yes}}}}\n"
             "notify: [hook]\nowner: admin\nrules:\n"
             "  here: {sql: {query: 'SELECT name FROM shop.by_name'}, every: 1s, group_by: [name]}\n"}
    write_files(tmp_path / "w", files)
    tarn = Tarn(tmp_path / "w").start()
    try:
        until(lambda: [one["labels"] for one in wait_state(tarn, "all.here", "firing")["instances"]] in (
            [{"name": "ink"}, {"name": "pen"}], [{"name": "pen"}, {"name": "ink"}]), "both")
        waiting = until(lambda: [one for one in tarn.get("/api/v1/alerts/messages")["messages"] if one["attempts"]],
                        "an attempt")
        assert waiting[0]["state"] == "waiting" and waiting[0]["error"]
        ids = {one["id"] for one in tarn.get("/api/v1/alerts/messages")["messages"]}
        assert len(ids) >= 2
        tarn.kill()
        hook = Hook(port)
        tarn.start()
        until(lambda: {body["data"]["id"] for body in hook.bodies("/hook")} >= ids, "the messages", 30)
        # what fires already is not told anew by a start
        assert {body["data"]["id"] for body in hook.bodies("/hook")} == ids
        until(lambda: {one["state"] for one in tarn.get("/api/v1/alerts/messages")["messages"]} == {"sent"}, "sent")
    finally:
        tarn.stop()
        hook.close()

"""Sources over the network as a user has them: OAuth, nested streams, buckets, URLs; a source that is down; SSRF."""

import http.server
import json
import threading
import time
import urllib.parse

import psycopg
import pytest
from conftest import s3_client
from tarn_program import until

SECRET = "s3cr3t-canary-of-the-client"


class Api(http.server.BaseHTTPRequestHandler):
    """Orders and their items behind OAuth; a file with an ETag; down when told."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form.get("client_secret") != [SECRET]:
            return self.answer(401, b'{"error": "invalid_client"}')
        self.server.tokens += 1
        self.answer(200, json.dumps({"access_token": f"token-{self.server.tokens}", "expires_in": 3600}).encode())

    def do_GET(self):
        self.server.asked += 1
        if self.server.down:
            return self.answer(503)
        if self.path.startswith("/file.csv"):
            if self.headers["If-None-Match"] == self.server.etag:
                return self.answer(304)
            return self.answer(200, self.server.file, ETag=self.server.etag)
        if self.headers["Authorization"] != f"Bearer token-{self.server.tokens}":
            return self.answer(401)
        parts = self.path.split("?")[0].strip("/").split("/")
        items = self.server.orders if len(parts) == 1 else [{"order": int(parts[1]), "line": line} for line in (1, 2)]
        self.answer(200, json.dumps({"items": items}).encode())


@pytest.fixture
def api():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.tokens, server.asked, server.down = 0, 0, False
    server.orders = [{"id": 1}, {"id": 2}]
    server.file, server.etag = b"id\n1\n", '"1"'
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


CRM = """kind: rest
base_url: URL
auth: {oauth2: {token_url: URL/token, client_id: tarn, client_secret: secret:crm}}
streams:
  orders: {path: /orders, records: $.items, every: 1s}
  items: {for_each_of: orders, path: '/orders/{id}/items', records: $.items}
"""


def crm(url, more=""):
    return CRM.replace("URL", url) + more


def test_oauth_and_a_stream_in_another(make, api):
    tarn = make({"sources/crm.yaml": crm(api.url)})
    assert tarn.run("secret", "set", "crm", input=SECRET).returncode == 0
    told = tarn.run("source", "test", "crm")
    assert told.returncode == 0 and "log in" in told.stdout, (told.stdout, told.stderr)
    tarn.post("/api/v1/runs", {"target": "source:crm.orders"})

    def items():
        try:
            return tarn.query("SELECT \"order\", line, _for_each->>'id' FROM raw_crm.items ORDER BY 1, 2")
        except Exception:
            return None
    until(lambda: items() == [(1, 1, "1"), (1, 2, "1"), (2, 1, "2"), (2, 2, "2")], "the items")
    api.orders = [{"id": 2}, {"id": 3}]
    until(lambda: items() == [(2, 1, "2"), (2, 2, "2"), (3, 1, "3"), (3, 2, "3")], "the new items")
    assert api.tokens == 1
    api.tokens += 1  # what was given is void
    before = tarn.value("SELECT max(_load) FROM raw_crm.orders")
    until(lambda: tarn.value("SELECT max(_load) FROM raw_crm.orders") > before + 1, "loads with a new token")
    assert SECRET not in tarn.output.read_text() and "token-" not in tarn.output.read_text()


def test_a_source_that_is_down_catches_up_when_it_is_back(make, api):
    """Runs fail and say why, further and further apart; nothing is lost or doubled once it is back."""
    tarn = make({"sources/crm.yaml": crm(api.url, "retry: {attempts: 1}\n")})
    # Without the secret there are no orders, and so no items: they are not fresh.
    until(lambda: tarn.tasks()["source:crm.items"]["last"], "a look at the items")
    items = tarn.tasks()["source:crm.items"]
    assert not items["fresh"] and "orders has no load yet" in items["why"], items
    tarn.run("secret", "set", "crm", input=SECRET)
    tarn.post("/api/v1/runs", {"target": "source:crm.orders"})
    until(lambda: tarn.tasks()["source:crm.orders"]["fresh"], "the first load")
    api.down = True
    failed = tarn.wait_failed("source:crm.orders")
    assert "failed 1 times: status 503" in failed["error"], failed
    asked = api.asked
    time.sleep(5)
    assert api.asked - asked <= 5, "it is asked each second and more while it is down"
    assert tarn.value("SELECT count(*) FROM raw_crm.orders") == 2  # what was there stays
    api.orders = [{"id": i} for i in range(1, 8)]
    api.down = False
    until(lambda: tarn.value("SELECT count(*) FROM raw_crm.orders") == 7, "catching up", 90)

    def items():
        try:
            return tarn.query("SELECT count(*)::int, count(DISTINCT \"order\" * 10 + line)::int FROM raw_crm.items")
        except psycopg.errors.ObjectNotInPrerequisiteState:  # the source went down before their first load
            return []

    until(lambda: items() == [(14, 14)], "the items", 90)


def test_buckets_and_urls(make, api):
    tarn = make({"tarn.yaml": "name: a\n"}, "a")
    key = tarn.json("s3-key", "create")
    client = s3_client(tarn, key)
    client.create_bucket(Bucket="exports")
    for day, name in ((1, "a b.csv"), (2, "ü+&.csv")):
        client.put_object(Bucket="exports", Key=f"orders/{day}/{name}", Body=f"id,day\n{day},{day}\n".encode())
    client.put_object(Bucket="exports", Key="orders/readme.txt", Body=b"no")
    other = make({
        "sources/exports.yaml": f"kind: s3\nendpoint: {tarn.s3}\nbucket: exports\naccess_key: {key['access_key_id']}\n"
                                "secret_key: secret:exports\nstreams: {orders: {path: 'orders/*/*.csv', every: 1s}}\n",
        "sources/web.yaml": f"kind: http\nstreams: {{rates: {{urls: ['{api.url}/file.csv?x=1'], every: 1s}}}}\n"}, "b")
    assert other.run("secret", "set", "exports", input="wrong").returncode == 0
    refused = other.post("/api/v1/sources/exports/check", {})
    assert not refused["ok"] and "SignatureDoesNotMatch" in refused["message"], refused
    other.run("secret", "set", "exports", input=key["secret_access_key"])
    assert other.post("/api/v1/sources/exports/check", {})["ok"]
    other.post("/api/v1/runs", {"target": "source:exports.orders"})

    def rows(sql):
        try:
            return other.query(sql)
        except Exception:
            return None
    until(lambda: rows("SELECT id::int FROM raw_exports.orders ORDER BY 1") == [(1,), (2,)], "the objects")
    until(lambda: rows("SELECT id::int FROM raw_web.rates") == [(1,)], "the file")
    client.put_object(Bucket="exports", Key="orders/2/ü+&.csv", Body=b"id,day\n3,3\n4,4\n")
    client.put_object(Bucket="exports", Key="orders/5/c.csv", Body=b"id,day\n5,5\n")
    api.file, api.etag = b"id\n1\n2\n", '"2"'
    until(lambda: rows("SELECT id::int FROM raw_exports.orders ORDER BY 1") == [(1,), (3,), (4,), (5,)], "what changed")
    until(lambda: rows("SELECT id::int FROM raw_web.rates ORDER BY 1") == [(1,), (2,)], "the changed file")
    time.sleep(3)  # and the same again is no load
    assert other.value("SELECT max(_load) FROM raw_exports.orders") <= 3
    assert other.value("SELECT max(_load) FROM raw_web.rates") == 2
    assert key["secret_access_key"] not in other.output.read_text()


# Where cloud machines tell their credentials, in every spelling that a resolver understands; and a name for it.
METADATA = ["169.254.169.254", "[::ffff:169.254.169.254]", "0xA9FEA9FE", "2852039166", "[fe80::1]"]
KINDS = {
    "postgresql": "connection: {{host: '{bare}', port: 80, database: d, user: u}}\nstreams: {{a: {{}}}}\n",
    "mysql": "connection: {{host: '{bare}', port: 80, database: d, user: u}}\nstreams: {{a: {{}}}}\n",
    "rest": "base_url: 'http://{host}/latest'\nstreams: {{a: {{path: /a}}}}\n",
    "http": "streams: {{a: {{urls: ['http://{host}/latest/meta-data']}}}}\n",
    "s3": "endpoint: 'http://{host}'\nbucket: latest\nstreams: {{a: {{path: '*'}}}}\n",
}


def test_no_kind_of_source_reaches_the_metadata_of_the_machine(make, api):
    """Each kind by each spelling, by its check and by its load; redirects and token endpoints too."""
    files, sources = {}, []
    for kind, text in KINDS.items():
        for number, host in enumerate(METADATA):
            name = f"{kind}_{number}"
            files[f"sources/{name}.yaml"] = f"kind: {kind}\n" + text.format(host=host, bare=host.strip("[]"))
            sources.append(name)
    files["sources/token.yaml"] = (f"kind: rest\nbase_url: {api.url}\nauth: {{oauth2: {{token_url: "
                                   "'http://169.254.169.254/token', client_id: a, client_secret: secret:crm}}\n"
                                   "streams: {a: {path: /a}}\n")

    class Elsewhere(Api):
        def do_GET(self):
            self.answer(302, Location="http://169.254.169.254/latest")
    bait = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=bait.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{bait.server_port}"
    files["sources/sent_on.yaml"] = f"kind: rest\nbase_url: {url}\nstreams: {{a: {{path: /a}}}}\n"
    files["sources/sent_on_file.yaml"] = f"kind: http\nstreams: {{a: {{urls: ['{url}/a.csv']}}}}\n"
    tarn = make(files)
    tarn.run("secret", "set", "crm", input=SECRET)
    for name in [*sources, "token", "sent_on", "sent_on_file"]:
        begin = time.monotonic()
        answer = tarn.post(f"/api/v1/sources/{name}/check", {})
        assert not answer["ok"], (name, answer)
        assert "never dialled" in answer["message"], (name, answer)
        tarn.post("/api/v1/runs", {"target": f"source:{name}.a"})
        assert "never dialled" in tarn.wait_failed(f"source:{name}.a")["error"], name
        assert time.monotonic() - begin < 8, f"{name} was dialled"
    bait.shutdown()

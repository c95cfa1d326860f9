"""Sources as a user has them: a real database or API, a YAML, and the dataset in SQL."""

import socket
import threading
from pathlib import Path

import pytest
from mariadb_server import SERVER, mariadb

CANARY = "s3cr3t-canary-of-the-source"


@pytest.fixture(scope="module")
def shop():
    if not Path(SERVER).exists():
        pytest.skip("MariaDB is not installed")
    with mariadb("--innodb-flush-log-at-trx-commit=0") as server:
        server.execute(f"""CREATE DATABASE shop; CREATE USER reader@'%' IDENTIFIED BY '{CANARY}';
            GRANT SELECT ON shop.* TO reader@'%';
            CREATE TABLE shop.orders (id bigint unsigned PRIMARY KEY, changed timestamp(6) NOT NULL,
                price decimal(12,2), note text);
            INSERT INTO shop.orders SELECT seq, timestamp('2026-01-01') + INTERVAL seq SECOND, seq / 4, 'Zürich'
                FROM seq_1_to_3000""", "mysql")
        yield server


def source_yaml(port, streams):
    return (f"kind: mysql\nconnection: {{host: 127.0.0.1, port: {port}, database: shop, user: reader, "
            f"password: secret:shop}}\nstreams: {streams}\n")


def test_mysql_from_the_server_to_sql(make, shop):
    tarn = make({"sources/shop.yaml": source_yaml(shop.port, "{orders: {cursor: changed, key: [id], every: 1s}}")})
    done = tarn.run("secret", "set", "shop", input=CANARY)
    assert done.returncode == 0, done.stderr
    assert tarn.post("/api/v1/sources/shop/check", {})["ok"]
    found = tarn.get("/api/v1/sources/shop/discover")["streams"]
    assert [(stream["name"], stream["key"]) for stream in found] == [("orders", ["id"])]
    tarn.post("/api/v1/runs", {"target": "source:shop.orders"})
    tarn.wait_fresh()
    assert tarn.query("SELECT count(*), sum(price)::text, min(note) FROM raw_shop.orders") == [
        (3000, "1125375.00", "Zürich")]
    shop.execute("UPDATE orders SET price = 0, changed = '2026-02-01' WHERE id = 1; "
                 "INSERT INTO orders VALUES (18446744073709551615, '2026-02-02', 1, NULL)", "shop")
    tarn.wait_run(tarn.post("/api/v1/runs", {"target": "source:shop.orders"})["runs"][0])
    changed = "SELECT id::text, price::text FROM raw_shop.orders WHERE changed >= '2026-02-01' ORDER BY id"
    assert tarn.query(changed) == [("1", "0.00"), ("18446744073709551615", "1.00")]
    assert tarn.value("SELECT count(*) FROM raw_shop.orders") == 3001
    assert CANARY not in tarn.output.read_text()


class FileThief:
    """Says it is MySQL and answers the first statement by asking for a file, as LOAD DATA LOCAL does."""

    def __init__(self, path):
        self.path, self.received, self.asked = path, b"", False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @staticmethod
    def packet(number, payload):
        return len(payload).to_bytes(3, "little") + bytes([number]) + payload

    def serve(self):
        while not self.asked:
            peer, _ = self.listener.accept()
            try:
                self.speak(peer)
            except OSError:
                pass  # the check's step "connect" hangs up at once
            peer.close()

    def speak(self, peer):
        peer.settimeout(20)
        protocol_41_and_plugins = 0x0008_A281  # with CLIENT_LOCAL_FILES, without TLS
        peer.sendall(self.packet(0, b"\x0a8.0.0\x00" + b"\x01\0\0\0" + b"saltsalt\0"
                                 + (protocol_41_and_plugins & 0xFFFF).to_bytes(2, "little") + b"\x2d\x02\x00"
                                 + (protocol_41_and_plugins >> 16).to_bytes(2, "little") + b"\x15" + bytes(10)
                                 + b"saltsaltsalt\0mysql_native_password\0"))
        if not peer.recv(65536):
            return
        peer.sendall(self.packet(2, bytes(3) + b"\x02\0\0\0"))
        for _ in range(4):
            sent = peer.recv(65536)
            if not sent:
                return
            if sent[4:5] == b"\x02":  # which database
                peer.sendall(self.packet(1, bytes(3) + b"\x02\0\0\0"))
            elif sent[4:5] == b"\x03":
                peer.sendall(self.packet(1, b"\xfb" + str(self.path).encode()))
                self.asked = True
            else:
                self.received += sent
                return


def test_mysql_never_gives_the_server_a_file_of_ours(make, tmp_path):
    (tmp_path / "ours.txt").write_text("what only we may read")
    thief = FileThief(tmp_path / "ours.txt")
    tarn = make({"sources/shop.yaml": source_yaml(thief.listener.getsockname()[1], "{orders: {}}")})
    tarn.run("secret", "set", "shop", input=CANARY)
    answer = tarn.post("/api/v1/sources/shop/check", {})
    assert not answer["ok"], answer
    thief.thread.join(30)
    assert b"only we" not in thief.received and CANARY.encode() not in thief.received
    assert thief.asked and not thief.thread.is_alive(), (answer, thief.received)


def test_broken_records_wait_are_replayed_and_reach_the_tables(make, tmp_path):
    lines = ["id,price"] + [f"{i},{i}.50" for i in range(1, 101)]
    lines[7] = "7,seven"
    lines[9] = "9"
    source = "kind: files\npath: ./inbox/*.csv\nstreams: {rows: {broken_max: 5, types: {price: DOUBLE}}}\n"
    table = "/* tarn\nkeep: full\n*/\nSELECT count(*) AS n, sum(price::DOUBLE) AS total FROM raw_in.rows\n"
    tarn = make({"sources/in.yaml": source, "use_cases/u/t.sql": table, "inbox/a.csv": "\n".join(lines) + "\n",
                 "policies/p.yaml": "roles:\n  reader:\n    members: [user:rita]\n    allow:\n"
                                    "      - {actions: ['table:Read'], resources: ['system.*']}\n"})
    tarn.wait_fresh()
    assert tarn.query("SELECT n, total FROM u.t") == [(98, 5083.0)]
    waiting = "SELECT record, reason, content, origin FROM system.quarantine ORDER BY 1"
    assert tarn.query(waiting) == [(7, "column price: 'seven' is no DOUBLE", "7,seven\n", "inbox/a.csv"),
                                   (9, "1 fields instead of 2", "9\n", "inbox/a.csv")]
    listed = tarn.json("quarantine", "ls", "in")["entries"]
    assert [(entry["stream"], entry["record"]) for entry in listed] == [("in.rows", 7), ("in.rows", 9)]
    # Who may not read the dataset sees nothing of it.
    tarn.post("/api/v1/users", {"name": "rita"})
    token = tarn.post("/api/v1/tokens", {"user": "rita", "name": "t"})["token"]
    with tarn.connect("rita", token) as connection:
        assert connection.execute(waiting).fetchall() == []
    assert tarn.http("GET", "/api/v1/sources/in/quarantine", token=token).status == 403
    # A declaration that fits, and a kill right after the answer.
    (tarn.folder / "sources/in.yaml").write_text(source.replace("DOUBLE", "VARCHAR"))
    tarn.json("apply")
    tarn.wait_fresh()
    (tarn.folder / "use_cases/u/t.sql").write_text(table.replace("price::DOUBLE", "TRY_CAST(price AS DOUBLE)"))
    tarn.json("apply")
    assert tarn.json("quarantine", "replay", "in.rows")["rows"] == 1
    tarn.kill()
    tarn.start()
    tarn.wait_fresh()
    assert tarn.query("SELECT n, total FROM u.t") == [(99, 5083.0)]
    assert tarn.query("SELECT id, price, _load FROM raw_in.rows WHERE id = 7") == [(7, "seven", 2)]
    assert tarn.query(waiting) == [(2, "1 fields instead of 2", "9\n", "inbox/a.csv")]
    assert tarn.json("quarantine", "drop", "in.rows")["dropped"] == 1
    assert tarn.query(waiting) == []
    assert tarn.run("quarantine", "drop", "in.rows").returncode == 5
    assert tarn.value("SELECT count(*) FROM raw_in.rows") == 99


def test_the_way_to_a_source_step_by_step(make, shop):
    def yaml(host, port, secret="shop"):
        return (f"kind: mysql\nconnection: {{host: {host}, port: {port}, database: shop, user: reader, "
                f"password: secret:{secret}}}\nstreams: {{orders: {{}}}}\n")
    tarn = make({"sources/good.yaml": yaml("127.0.0.1", shop.port), "sources/closed.yaml": yaml("127.0.0.1", 1),
                 "sources/nowhere.yaml": yaml("no-such-host.invalid", 3306),
                 "sources/metadata.yaml": yaml("169.254.169.254", 80),
                 "sources/locked.yaml": yaml("127.0.0.1", shop.port, "wrong")})
    for name, value in (("shop", CANARY), ("wrong", "s3cr3t-no")):
        assert tarn.run("secret", "set", name, input=value).returncode == 0

    def steps(name):
        answer = tarn.post(f"/api/v1/sources/{name}/check", {})
        assert CANARY not in str(answer) and "s3cr3t" not in str(answer)
        assert all(step["ms"] >= 0 for step in answer["steps"])
        return answer["ok"], [(step["name"], step["ok"]) for step in answer["steps"]]

    assert steps("good") == (True, [("resolve", True), ("connect", True), ("log in", True), ("list", True)])
    assert steps("closed") == (False, [("resolve", True), ("connect", False)])
    assert steps("nowhere") == (False, [("resolve", False)])
    assert steps("metadata") == (False, [("resolve", False)])
    assert steps("locked") == (False, [("resolve", True), ("connect", True), ("log in", False)])
    done = tarn.run("source", "test", "good")
    assert done.returncode == 0 and "1 tables there" in done.stdout, (done.stdout, done.stderr)
    done = tarn.run("source", "test", "locked")
    assert done.returncode != 0 and "log in" in done.stdout and "Access denied" in done.stdout

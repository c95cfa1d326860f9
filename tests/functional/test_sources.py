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
        self.path, self.received = path, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @staticmethod
    def packet(number, payload):
        return len(payload).to_bytes(3, "little") + bytes([number]) + payload

    def serve(self):
        peer, _ = self.listener.accept()
        peer.settimeout(20)
        protocol_41_and_plugins = 0x0008_A281  # with CLIENT_LOCAL_FILES, without TLS
        peer.sendall(self.packet(0, b"\x0a8.0.0\x00" + b"\x01\0\0\0" + b"saltsalt\0"
                                 + (protocol_41_and_plugins & 0xFFFF).to_bytes(2, "little") + b"\x2d\x02\x00"
                                 + (protocol_41_and_plugins >> 16).to_bytes(2, "little") + b"\x15" + bytes(10)
                                 + b"saltsaltsalt\0mysql_native_password\0"))
        peer.recv(65536)
        peer.sendall(self.packet(2, bytes(3) + b"\x02\0\0\0"))
        for _ in range(4):
            sent = peer.recv(65536)
            if not sent:
                return
            if sent[4:5] == b"\x03":
                peer.sendall(self.packet(1, b"\xfb" + str(self.path).encode()))
            else:
                self.received += sent
                return peer.close()


def test_mysql_never_gives_the_server_a_file_of_ours(make, tmp_path):
    (tmp_path / "ours.txt").write_text("what only we may read")
    thief = FileThief(tmp_path / "ours.txt")
    tarn = make({"sources/shop.yaml": source_yaml(thief.listener.getsockname()[1], "{orders: {}}")})
    tarn.run("secret", "set", "shop", input=CANARY)
    answer = tarn.post("/api/v1/sources/shop/check", {})
    assert not answer["ok"], answer
    thief.thread.join(30)
    assert b"only we" not in thief.received and CANARY.encode() not in thief.received
    assert not thief.thread.is_alive()

"""Tables delivered to a bucket, of another Tarn's S3 server: read back by boto3, pyarrow, DuckDB and delta-rs."""

import csv
import http.server
import io
import json
import ssl
import threading

import boto3
import pyarrow
import pyarrow.parquet
import pytest
from botocore.config import Config
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from conftest import SMALL
from receivers import make_certificate
from tarn_program import Tarn, until, write_files

BIG_ROWS = 400_000


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Another Tarn, only for its S3 server: its bucket `reports`, and a key for it."""
    folder = tmp_path_factory.mktemp("store") / "w"
    write_files(folder, {"tarn.yaml": "name: store\n"})
    with Tarn(folder) as tarn:
        tarn.start()
        key = tarn.json("s3-key", "create")
        tarn.key = {"id": key["access_key_id"], "secret": key["secret_access_key"]}
        tarn.client = boto3.client("s3", endpoint_url=tarn.s3, aws_access_key_id=tarn.key["id"],
                                   aws_secret_access_key=tarn.key["secret"], region_name="us-east-1",
                                   config=Config(s3={"addressing_style": "path"}))
        tarn.client.create_bucket(Bucket="reports")
        yield tarn


def destination(store, tables, said, endpoint=None, key=None):
    return (f"kind: s3\nowner: admin\nendpoint: {endpoint or store.s3}\nbucket: reports\nretry_delay: 1s\n"
            f"access_key: {{id: {key or store.key['id']}, secret: secret:store}}\n{said}\n"
            "tables:\n" + "".join(f"  {name}: {{{more}}}\n" for name, more in tables.items()))


class Redirecting(http.server.BaseHTTPRequestHandler):
    """A store that sends its clients elsewhere; where it would, somebody listens."""
    got = []

    def answer(self):
        Redirecting.got.append(self.path)
        self.send_response(307)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class Endless(Redirecting):
    """Answers without an end."""

    def answer(self):
        self.send_response(200 if self.command != "HEAD" else 404)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    servers = {}
    for name, handler in (("redirecting", Redirecting), ("endless", Endless)):
        servers[name] = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=servers[name].serve_forever, daemon=True).start()
    sealed = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path_factory.mktemp("sealed")))
    sealed.socket = context.wrap_socket(sealed.socket, server_side=True)
    threading.Thread(target=sealed.serve_forever, daemon=True).start()
    yield {"sealed": f"https://localhost:{sealed.server_port}",
           **{name: f"http://127.0.0.1:{server.server_port}" for name, server in servers.items()}}
    for server in (sealed, *servers.values()):
        server.shutdown()


@pytest.fixture(scope="module")
def world(tmp_path_factory, store, hostile):
    folder = tmp_path_factory.mktemp("s3") / "w"
    store.client.put_object(Bucket="reports", Key="theirs/sales.csv", Body=b"kept")
    inward = "private_network: yes\n"
    files = {
        **SMALL,
        "use_cases/shop/big.sql": "SELECT range AS id, md5(range::VARCHAR) || md5((range + 1)::VARCHAR) AS text "
                                  f"FROM range({BIG_ROWS})\n",
        "destinations/csv.yaml": destination(store, {"sales": "from: shop.sales", "big": "from: shop.big"},
                                             inward + "prefix: daily/csv\n"),
        "destinations/lines.yaml": destination(store, {"sales": "from: shop.sales"}, inward + "format: json\n"),
        "destinations/parquet.yaml": destination(store, {"sales": "from: shop.sales, columns: [id, price]"},
                                                 inward + "format: parquet\nprefix: daily\n"),
        "destinations/lake.yaml": destination(store, {"sales": "from: shop.sales", "types": "from: shop.types"},
                                              inward + "format: delta\nprefix: lake\nkeep: 1s\n"),
        "use_cases/shop/types.sql": "SELECT 1 AS id, DATE '2026-01-31' AS day, TIMESTAMP '2026-01-31 12:00:00' AS at, "
                                    "1.25::DECIMAL(10, 2) AS price, [1, 2] AS list, 'ü' AS \"text\"\n",
        "destinations/theirs.yaml": destination(store, {"sales": "from: shop.sales"},
                                                inward + "prefix: theirs\nretries: 0\n"),
        "destinations/outward.yaml": destination(store, {"sales": "from: shop.sales"}, "retries: 0\n"),
        "destinations/stranger.yaml": destination(store, {"sales": "from: shop.sales"}, inward + "retries: 0\n",
                                                  key="AKIANOBODY"),
        "destinations/elsewhere.yaml": destination(store, {"sales": "from: shop.sales"}, inward + "retries: 0\n",
                                                   hostile["redirecting"]),
        "destinations/sealed.yaml": destination(store, {"sales": "from: shop.sales"}, inward + "retries: 0\n",
                                                hostile["sealed"]),
        "destinations/endless.yaml": destination(store, {"sales": "from: shop.sales"}, inward + "retries: 0\n",
                                                 hostile["endless"]),
        "destinations/files.yaml": "kind: files\nowner: admin\npath: ./out\nformat: parquet\n"
                                   "tables: {sales: {from: shop.sales}}\n",
    }
    write_files(folder, files)
    with Tarn(folder) as tarn:
        tarn.start()
        assert tarn.run("secret", "set", "store", input=store.key["secret"]).returncode == 0
        assert tarn.run("run", "destination:*").returncode == 0
        yield tarn


def read(store, key):
    try:
        return store.client.get_object(Bucket="reports", Key=key)["Body"].read()
    except store.client.exceptions.NoSuchKey:
        return None


def test_each_format_follows_the_table(world, store):
    def ids(key, rows_of):
        content = read(store, key)
        return content and sorted(int(row["id"]) for row in rows_of(content))
    formats = {"daily/csv/sales.csv": lambda text: csv.DictReader(io.StringIO(text.decode())),
               "sales.json": lambda text: map(json.loads, text.splitlines()),
               "daily/sales.parquet": lambda data: pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()}
    for key, rows_of in formats.items():
        until(lambda: ids(key, rows_of) == [1, 2, 3], key)
    assert pyarrow.parquet.read_table(io.BytesIO(read(store, "daily/sales.parquet"))).column_names == ["id", "price"]
    (world.folder / "inbox/a.csv").write_text("id,name,price,sold_on\n1,pen,1.5,2026-01-01\n7,cup,4,2026-01-04\n")
    for key, rows_of in formats.items():
        until(lambda: ids(key, rows_of) == [1, 7], key + " after the change")
    position = store.client.head_object(Bucket="reports", Key="sales.json")["Metadata"]
    assert position["tarn-delivery"] == "lines.sales" and position["tarn-position"].endswith("/1")
    before = store.client.head_object(Bucket="reports", Key="sales.json")["LastModified"]
    assert world.json("run", "destination:lines.sales", "--wait")["runs"][0]["state"] == "unchanged"
    assert store.client.head_object(Bucket="reports", Key="sales.json")["LastModified"] == before
    local = world.folder / "out/sales.parquet"
    until(lambda: local.exists() and pyarrow.parquet.read_table(local).num_rows == 2, "the local file")


def delta(store, name):
    """The table as delta-rs sees it; none while it is not there."""
    try:
        return DeltaTable(f"s3://reports/lake/{name}", storage_options={
            "AWS_ENDPOINT_URL": store.s3, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": store.key["id"], "AWS_SECRET_ACCESS_KEY": store.key["secret"]})
    except TableNotFoundError:
        return None


def keys(store, prefix):
    return [one["Key"] for one in store.client.list_objects_v2(Bucket="reports", Prefix=prefix).get("Contents", [])]


def test_a_delta_table_elsewhere(world, store):
    types = until(lambda: delta(store, "types"), "the first version").to_pyarrow_table().to_pylist()
    assert [str(types[0][name]) for name in ("id", "day", "at", "price", "list", "text")] == [
        "1", "2026-01-31", "2026-01-31 12:00:00", "1.25", "[1, 2]", "ü"]
    versions = set()
    for number in range(100, 112):  # beyond a checkpoint, which is version 10
        (world.folder / "inbox/d.csv").write_text(f"id,name,price,sold_on\n{number},cup,4,2026-01-04\n")

        def arrived():
            table = delta(store, "sales")
            return table if table and number in table.to_pyarrow_table()["id"].to_pylist() else None
        versions.add(until(arrived, f"row {number}").version())
    assert len(versions) == 12 and max(versions) >= 11
    assert any(key.endswith("00010.checkpoint.parquet") for key in keys(store, "lake/sales/_delta_log/"))
    table = delta(store, "sales")
    assert sorted(table.to_pyarrow_table()["id"].to_pylist()) == sorted(
        number for number, in world.query("SELECT id FROM shop.sales"))
    assert table.history(1)[0]["engineInfo"] == "tarn"
    # what no reader needs any more goes, what the newest version is made of stays
    parts = keys(store, "lake/sales/part-")
    assert f"lake/sales/{table.file_uris()[0].rsplit('/', 1)[1]}" in parts and len(parts) < 12, parts
    # another writer: from then on it is no longer replaced
    assert world.json("run", "destination:lake.sales", "--wait")["runs"][0]["state"] == "unchanged"
    table.delete("id = 1")
    (world.folder / "inbox/d.csv").write_text("id,name,price,sold_on\n999,cup,4,2026-01-04\n")
    assert "is by somebody else" in world.wait_failed("destination:lake.sales")["error"]
    assert 999 not in delta(store, "sales").to_pyarrow_table()["id"].to_pylist()


def test_what_is_large_goes_in_parts_and_leaves_none(world, store):
    found = until(lambda: read(store, "daily/csv/big.csv"), "the large object", 120)
    lines = found.decode().splitlines()
    assert len(lines) == BIG_ROWS + 1 and lines[0] == "id,text"
    assert store.client.head_object(Bucket="reports", Key="daily/csv/big.csv")["ETag"].strip('"').endswith("-4")
    assert "Uploads" not in store.client.list_multipart_uploads(Bucket="reports")


@pytest.mark.parametrize("task, said", [
    ("theirs", "theirs/sales.csv is there already"),
    ("outward", "private_network: yes"),
    ("stranger", "the store answers 403"),
    ("elsewhere", "the store answers 307"),
    ("sealed", "certificate"),
])
def test_what_cannot_be_delivered_says_why(world, store, task, said):
    until(lambda: said in world.wait_failed(f"destination:{task}.sales")["error"], said)  # first it lacked the secret
    assert read(store, "theirs/sales.csv") == b"kept"
    assert "/elsewhere" not in Redirecting.got, "a redirect was followed"


def test_an_answer_without_an_end_ends(world):
    def ended():
        said = world.wait_failed("destination:endless.sales")["error"]
        return said if "secret" not in said else None
    said = until(ended, "the end of it")
    assert "larger than 4194304 bytes" in said, said

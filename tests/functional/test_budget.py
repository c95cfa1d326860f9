"""Memory and disk have a warning and an end: what is refused, how it is said at each door, and what goes on."""

import json
import threading
import time
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
import psycopg
import pytest

from tarn_program import Tarn, until, write_files

WORKSPACE = {
    "tarn.yaml": "name: small\n",
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
    "use_cases/shop/sales.sql": "/* tarn\nkeep: full\n*/\nSELECT id, name FROM raw_things.things\n",
    "inbox/a.csv": "id,name\n1,pen\n2,ink\n",
}
STOP = "budget: {disk_stop: 900TiB}\n"
WARN = "budget: {disk_warn: 900TiB}\n"
HEAVY = ("SELECT count(*), max(length(l)) FROM (SELECT list(range || 'x')::VARCHAR AS l FROM range({rows}) "
         "GROUP BY range % 7)")


@pytest.fixture
def tarn(tmp_path):
    folder = tmp_path / "shop"
    write_files(folder, WORKSPACE)
    with Tarn(folder) as running:
        running.start()
        running.wait_fresh()
        yield running


def reload_with(tarn, text):
    (tarn.folder / "tarn.yaml").write_text(text)
    tarn.json("reload")


def level(tarn, component):
    health = tarn.get("/api/v1/health")
    return health["level"], {one["component"]: one for one in health["components"]}[component]


def s3_of(tarn):
    key = tarn.json("s3-key", "create")
    return boto3.client("s3", endpoint_url=tarn.s3, region_name="us-east-1",
                        aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
                        config=botocore.config.Config(retries={"max_attempts": 1}))


def metric(tarn, start):
    with urllib.request.urlopen(tarn.web + "/metrics") as answer:
        lines = [line for line in answer.read().decode().splitlines() if line.startswith(start)]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else None


def test_a_warning_stops_nothing(tarn):
    assert tarn.http("GET", "/health").body == b"ok\n"
    reload_with(tarn, WARN)
    until(lambda: tarn.http("GET", "/health").body == b"warning\n", "warning")
    all_of_it, disk = level(tarn, "disk")
    assert all_of_it == "warning" and disk["healthy"] and "below" in disk["message"] and "free space" in disk["hint"]
    assert metric(tarn, 'tarn_component_warning{component="disk"}') == 1
    assert metric(tarn, 'tarn_component_healthy{component="disk"}') == 1
    assert metric(tarn, "tarn_budget_disk_left_bytes") > 0
    s3_of(tarn).create_bucket(Bucket="files")
    s3_of(tarn).put_object(Bucket="files", Key="one", Body=b"one")
    reload_with(tarn, "")
    assert until(lambda: tarn.http("GET", "/health").body == b"ok\n", "well again")


def test_below_the_end_writes_are_refused_and_reads_and_deletes_go_on(tarn):
    s3 = s3_of(tarn)
    s3.create_bucket(Bucket="files")
    for key in ("kept", "going"):
        s3.put_object(Bucket="files", Key=key, Body=key.encode() * 10_000)
    upload = s3.create_multipart_upload(Bucket="files", Key="parts")["UploadId"]
    reload_with(tarn, STOP)
    time.sleep(0.3)  # what is left is asked five times a second
    assert tarn.http("GET", "/health").status == 503
    assert level(tarn, "disk")[0] == "failing"
    # Every door that would let data grow, small and large: 507 and 53100.
    for body in (b"small", bytes(1 << 20)):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            s3.put_object(Bucket="files", Key="new", Body=body)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
        assert caught.value.response["Error"]["Code"] == "InsufficientStorage"
        assert "budget" in caught.value.response["Error"]["Message"]
    with pytest.raises(botocore.exceptions.ClientError, match="InsufficientStorage"):
        s3.upload_part(Bucket="files", Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    by_http = tarn.http("PUT", "/api/v1/lake/files/new", b"new")
    assert by_http.status == 507 and by_http.error["detail_code"] == "53100", by_http.body
    write_files(tarn.folder, {"inbox/b.csv": "id,name\n3,cap\n"})
    assert "nothing more is written" in tarn.wait_failed("source:things.things")["error"]
    assert metric(tarn, 'tarn_budget_refused_total{of="disk"}') >= 5
    # Reads, deletes and administration.
    assert s3.get_object(Bucket="files", Key="kept")["Body"].read() == b"kept" * 10_000
    assert tarn.value("SELECT count(*) FROM shop.sales") == 2
    s3.delete_object(Bucket="files", Key="going")
    s3.abort_multipart_upload(Bucket="files", Key="parts", UploadId=upload)
    assert tarn.run("user", "create", "ulla").returncode == 0
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="files")["Contents"]] == ["kept"]
    doctor = tarn.run("doctor")
    assert doctor.returncode == 1 and "budget.disk_stop" in doctor.stdout
    reload_with(tarn, "")
    time.sleep(0.3)
    s3.put_object(Bucket="files", Key="new", Body=b"new")
    assert tarn.run("run", "source:things.things", "--wait").returncode == 0
    until(lambda: tarn.value("SELECT count(*) FROM shop.sales") == 3, "the table")
    assert tarn.run("verify").returncode == 0


def test_the_state_has_a_budget_of_its_own(tmp_path):
    folder = tmp_path / "shop"
    write_files(folder, {**WORKSPACE, "tarn.yaml": "budget: {disk: 40MiB, disk_warn: 20MiB, disk_stop: 10MiB}\n"})
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        s3 = s3_of(tarn)
        s3.create_bucket(Bucket="files")
        s3.put_object(Bucket="files", Key="large", Body=bytes(35 << 20))  # what grows between two looks is let through
        tarn.stop()
        tarn.start()  # the state is measured when Tarn starts, and each minute
        with pytest.raises(botocore.exceptions.ClientError, match="InsufficientStorage"):
            s3_of(tarn).put_object(Bucket="files", Key="more", Body=b"more")
        s3_of(tarn).delete_object(Bucket="files", Key="large")
        tarn.stop()
        tarn.start()
        s3_of(tarn).put_object(Bucket="files", Key="more", Body=b"more")


def peak_bytes(pid):
    status = open(f"/proc/{pid}/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_memory_is_held_below_the_budget(tmp_path):
    """Queries whose lists DuckDB cannot spill, from eight clients at once: some are told no, the program lives."""
    folder = tmp_path / "shop"
    budget = 700 << 20
    write_files(folder, {**WORKSPACE, "tarn.yaml": f"budget: {{memory: {budget}B}}\n"})
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        assert metric(tarn, "tarn_engine_memory_limit_bytes") == budget // 8 * 5
        outcomes = []

        def ask(rows):
            try:
                with tarn.connect() as connection:
                    outcomes.append(connection.execute(HEAVY.format(rows=rows)).fetchone()[0])
            except psycopg.Error as error:
                outcomes.append(error.sqlstate)

        clients = [threading.Thread(target=ask, args=(3_000_000,)) for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert set(outcomes) <= {7, "53200"} and 7 in outcomes, outcomes
        assert tarn.process.poll() is None
        assert peak_bytes(tarn.process.pid) < budget * 1.15, (peak_bytes(tarn.process.pid) >> 20, outcomes)
        # And it comes back: nothing stays short.
        until(lambda: tarn.http("GET", "/health").body == b"ok\n", "memory again", 30)
        assert tarn.value("SELECT count(*) FROM shop.sales") == 2


def test_bodies_of_requests_are_counted(tmp_path):
    folder = tmp_path / "shop"
    write_files(folder, {**WORKSPACE, "tarn.yaml": "budget: {memory: 200MiB}\n"})
    with Tarn(folder) as tarn:
        tarn.start()
        large = tarn.http("POST", "/api/v1/sql", {"sql": "SELECT 1 -- " + "x" * (15 << 20)})
        assert large.status == 503 and large.error["detail_code"] == "53200", large.body[:500]
        assert large.headers["Retry-After"] and "memory" in large.error["message"]
        assert tarn.http("POST", "/api/v1/sql", {"sql": "SELECT 1"}).status == 200
        json.loads(tarn.http("GET", "/api/v1/health").body)

"""The real program with its state on a disk that is full: what it says, what stays, and that it heals.

The disk is a small tmpfs in a mount namespace of the test's own, which root may make and, where user namespaces are
allowed, everybody.
"""

import os
import subprocess
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions
import psycopg
import pytest

from tarn_program import Tarn, until, write_files

DISK_BYTES = 64 << 20
FULL = "the disk is full"
WORKSPACE = {
    # Here the disk itself says no; the marks before that are of tests/functional/test_budget.py.
    "tarn.yaml": "state: {directory: disk/state}\nbudget: {disk_stop: 1B, disk_warn: 1B}\n",
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
    "use_cases/shop/sales.sql": "/* tarn\nkeep: full\n*/\nSELECT id, name FROM raw_things.things\n",
    "inbox/a.csv": "id,name\n1,pen\n2,ink\n",
}
LARGE_TABLE = "/* tarn\nkeep: full\n*/\nSELECT range AS n, uuid() AS id FROM range(400000)\n"
LARGE_FILE = "id,name\n" + "".join(f"{n},{os.urandom(24).hex()}\n" for n in range(3, 120_003))


class SmallDisk:
    """A tmpfs at `path` that only its own processes see; from here its files are below /proc."""

    def __init__(self, path, size):
        path.mkdir(parents=True)
        self.path = path
        as_user = ["--user", "--map-root-user"] if os.geteuid() else []
        script = f'mount -t tmpfs -o size={size},mode=0700 none "$0" && echo mounted && exec sleep infinity'
        self.holder = subprocess.Popen(["unshare", "--mount", *as_user, "sh", "-c", script, path],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "mounted\n":
            pytest.skip(f"no small disk may be mounted here: {self.holder.stderr.read().strip()}")
        spaces = f"/proc/{self.holder.pid}/ns"
        user = [f"--user={spaces}/user", "--preserve-credentials"] if as_user else []
        self.enter = ["nsenter", f"--mount={spaces}/mnt", *user, "sh", "-c", 'cd "$0" && exec "$@"', path.parent]
        self.filler = self.see(path / "filler")

    def see(self, path):
        return Path(f"/proc/{self.holder.pid}/root{path}")

    def fill(self, leave=0):
        """Until nothing goes on it any more; then `leave` bytes are given back."""
        with self.filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass
            if leave:
                file.truncate(file.tell() - leave)

    def free(self):
        self.filler.unlink()

    def close(self):
        self.holder.kill()
        self.holder.wait()


class BoxedTarn(Tarn):
    def __init__(self, folder, disk):
        super().__init__(folder)
        self.disk = disk
        self.prefix = disk.enter

    def see(self, path):
        return self.disk.see(path)


@pytest.fixture
def boxed(tmp_path):
    folder = tmp_path / "shop"
    disk = SmallDisk(folder / "disk", DISK_BYTES)
    write_files(folder, WORKSPACE)
    try:
        with BoxedTarn(folder, disk) as tarn:
            tarn.start()
            tarn.wait_fresh()
            yield tarn
    finally:
        disk.close()


def s3_of(tarn):
    key = tarn.json("s3-key", "create")
    return boto3.client("s3", endpoint_url=tarn.s3, region_name="us-east-1",
                        aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
                        config=botocore.config.Config(retries={"max_attempts": 1}))


def refusal(call):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    return str(caught.value)


def assert_clean(tarn):
    report = tarn.run("verify", "--json")
    assert report.returncode == 0, report.stdout + report.stderr


def test_what_does_not_fit_is_refused_the_rest_goes_on_and_heals(boxed):
    tarn, disk = boxed, boxed.disk
    s3 = s3_of(tarn)
    s3.create_bucket(Bucket="files")
    s3.put_object(Bucket="files", Key="kept", Body=b"kept" * 10_000)
    disk.fill(leave=700_000)
    # A load, an object, a table: each says what is wrong, and where.
    write_files(tarn.folder, {"inbox/b.csv": LARGE_FILE, "use_cases/shop/large.sql": LARGE_TABLE})
    assert FULL in tarn.wait_failed("source:things.things")["error"]
    assert tarn.run("apply").returncode == 0
    assert FULL in tarn.wait_failed("table:shop.large")["error"]
    assert FULL in refusal(lambda: s3.put_object(Bucket="files", Key="kept", Body=os.urandom(8 << 20)))
    # What was there is there, small things still go on, nothing half is seen.
    assert tarn.value("SELECT count(*) FROM shop.sales") == 2
    assert tarn.value("SELECT count(*) FROM raw_things.things") == 2
    assert s3.get_object(Bucket="files", Key="kept")["Body"].read() == b"kept" * 10_000
    s3.put_object(Bucket="files", Key="small", Body=b"small")
    assert "shop.large" not in tarn.run("sql", "SELECT table_name FROM information_schema.tables").stdout
    disk.free()
    # The same program goes on by itself, or with the next run.
    for task in ("source:things.things", "table:shop.large"):
        done = tarn.run("run", task, "--wait")
        assert done.returncode == 0, done.stdout + done.stderr
    tarn.wait_fresh()
    assert tarn.value("SELECT count(*) FROM shop.sales") == 120_002
    assert tarn.value("SELECT count(*) FROM shop.large") == 400_000
    s3.put_object(Bucket="files", Key="kept", Body=b"new")
    assert_clean(tarn)
    tarn.stop()
    assert_clean(tarn)


def test_without_room_for_its_record_nothing_is_answered(boxed):
    tarn, disk = boxed, boxed.disk
    s3 = s3_of(tarn)
    s3.create_bucket(Bucket="files")
    s3.put_object(Bucket="files", Key="kept", Body=b"kept")
    disk.fill()
    fill_the_audit_log(tarn)
    answer = tarn.http("POST", "/api/v1/sql", {"sql": "SELECT count(*) FROM shop.sales"})
    assert answer.error["code"] == "resource_exhausted" and FULL in answer.error["message"], answer.body
    assert "free space" in answer.error["hint"]
    with pytest.raises(psycopg.Error, match=FULL):
        tarn.value("SELECT count(*) FROM shop.sales")
    assert FULL in refusal(lambda: s3.get_object(Bucket="files", Key="kept"))
    assert FULL in refusal(lambda: s3.put_object(Bucket="files", Key="new", Body=b"new"))
    created = tarn.run("user", "create", "ulla")
    assert created.returncode != 0 and FULL in created.stderr, created.stderr
    assert tarn.process.poll() is None
    disk.free()
    # Nothing had to be restarted, and nothing of what was refused was done.
    assert until(lambda: tarn.http("POST", "/api/v1/sql", {"sql": "SELECT 1"}).status == 200, "answers again", 10)
    assert tarn.value("SELECT count(*) FROM shop.sales") == 2
    assert s3.get_object(Bucket="files", Key="kept")["Body"].read() == b"kept"
    assert "Contents" not in s3.list_objects_v2(Bucket="files", Prefix="new")
    assert tarn.run("user", "create", "ulla").returncode == 0
    assert_clean(tarn)
    tarn.stop()
    assert_clean(tarn)


def fill_the_audit_log(tarn):
    """The last page of a file still takes some records; then even those have no room."""
    for _ in range(200):
        if tarn.http("GET", "/api/v1/tasks").status != 200:
            return
    raise AssertionError("records are still written to a full disk")


def test_a_start_on_a_full_disk_says_so_and_harms_nothing(boxed):
    tarn, disk = boxed, boxed.disk
    tarn.kill()
    disk.fill()
    tarn.output.unlink()
    tarn.launch()
    assert tarn.process.wait(60) != 0
    assert FULL in tarn.output.read_text() and "free space" in tarn.output.read_text(), tarn.output.read_text()
    disk.free()
    tarn.start()
    tarn.wait_fresh()
    assert tarn.value("SELECT count(*) FROM shop.sales") == 2
    assert_clean(tarn)

"""kill -9 of backups and restores at random instants, and a full disk under each."""

import os
import random
import shutil
import subprocess
import threading
import time

import boto3
import botocore.config
import pytest
from test_full_disk import FULL, SmallDisk

from tarn_program import PROGRAM, Tarn, write_files

ROUNDS = 8
OBJECTS = 300
OBJECT_BYTES = 100_000
FILES = {
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
    "use_cases/shop/sales.sql": "/* tarn\nkeep: full\n*/\nSELECT id, name FROM raw_things.things\n",
    "inbox/a.csv": "id,name\n1,pen\n2,ink\n",
}


@pytest.fixture
def chance():
    seed = int(os.environ.get("TARN_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}: TARN_SEED={seed} repeats it")
    return random.Random(seed)


def s3_of(tarn):
    key = tarn.json("s3-key", "create")
    return boto3.client("s3", endpoint_url=tarn.s3, region_name="us-east-1",
                        aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"],
                        config=botocore.config.Config(retries={"max_attempts": 1}))


def put_objects(tarn, first, count=OBJECTS):
    s3 = s3_of(tarn)
    if first == 0:
        s3.create_bucket(Bucket="load")
    for number in range(first, first + count):
        s3.put_object(Bucket="load", Key=f"load/{number:06}", Body=os.urandom(OBJECT_BYTES))


def contents(tarn):
    s3 = s3_of(tarn)
    found = {}
    for bucket in ("raw", "lakehouse", "load"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            found.update({f"{bucket}/{item['Key']}": item["ETag"] for item in page.get("Contents", ())})
    return found


@pytest.fixture
def tarn(tmp_path):
    write_files(tmp_path / "shop", FILES)
    with Tarn(tmp_path / "shop") as started:
        started.start()
        started.wait_fresh()
        yield started


def post_and_lose(tarn, place):
    """A backup whose answer may never come."""
    try:
        tarn.post("/api/v1/backups", {"to": str(place)})
    except OSError:
        pass


def restore(place, folder, key, prefix=()):
    return subprocess.Popen([*prefix, PROGRAM, "restore", place, folder, "--root-key", key], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def compare(tarn, expected, folder, key):
    """A platform over a restored state, which must be what was backed up."""
    write_files(folder, FILES)
    shutil.copystat(tarn.folder / "inbox/a.csv", folder / "inbox/a.csv")  # another time is another file
    again = Tarn(folder)
    again.environment["TARN_ROOT_KEY_FILE"] = str(key)
    with again:
        again.start()
        assert contents(again) == expected
        assert again.query("SELECT id, name FROM shop.sales ORDER BY id") == [(1, "pen"), (2, "ink")]
        assert again.json("verify")["issues"] == []


@pytest.mark.slow
def test_killed_backups(tarn, tmp_path, chance):
    place = tmp_path / "backups"
    whole = []
    cut = took = 0
    for turn in range(ROUNDS):
        put_objects(tarn, turn * OBJECTS)
        # The instant is anywhere in what a whole one takes.
        took = took or tarn.post("/api/v1/backups", {"to": str(tmp_path / "timed")})["took_us"] / 1e6
        attempt = threading.Thread(target=post_and_lose, args=(tarn, place))
        attempt.start()
        time.sleep(chance.uniform(0, 1.2 * took))
        tarn.kill()
        attempt.join()
        known = tarn.json("backup", "ls", place) if place.exists() else []
        cut += len(known) == len(whole)
        whole = [backup["name"] for backup in known] if len(known) > len(whole) else whole
        assert [backup["name"] for backup in known] == whole
        tarn.start()
        made = tarn.json("backup", place)
        whole.append(made["name"])
        assert tarn.json("backup", "verify", place)["issues"] == []
    print(f"{cut} of {ROUNDS} backups were cut off")
    key = tarn.environment["TARN_ROOT_KEY_FILE"]
    done = restore(place, tmp_path / "again/.tarn", key)
    assert done.wait(60) == 0, done.stderr.read()
    compare(tarn, contents(tarn), tmp_path / "again", key)


@pytest.mark.slow
def test_killed_restores(tarn, tmp_path, chance):
    put_objects(tarn, 0, 2 * OBJECTS)
    place = tmp_path / "backups"
    tarn.json("backup", place)
    expected = contents(tarn)
    key = tarn.environment["TARN_ROOT_KEY_FILE"]
    state = tmp_path / "again/.tarn"
    cut = 0
    start = time.monotonic()
    assert restore(place, tmp_path / "timed", key).wait(60) == 0
    took = time.monotonic() - start
    for _ in range(ROUNDS):
        attempt = restore(place, state, key)
        time.sleep(chance.uniform(0, took))
        attempt.kill()
        if attempt.wait() == 0:
            break
        cut += 1
        if state.exists() and any(state.iterdir()) and not (state / "tarn-state.json").exists():
            write_files(tmp_path / "again", FILES)
            refused = subprocess.run([PROGRAM, "up", tmp_path / "again"], capture_output=True, text=True, timeout=60)
            assert refused.returncode != 0 and "cut off" in refused.stderr, refused
    if not (state / "tarn-state.json").exists() or (state / "restoring.json").exists():
        done = restore(place, state, key)
        assert done.wait(60) == 0, done.stderr.read()
    print(f"{cut} restores were cut off")
    compare(tarn, expected, tmp_path / "again", key)


def test_full_disks(tmp_path):
    """A place that is full, then a state directory that is full; room is made, and both go on."""
    folder = tmp_path / "shop"
    disk = SmallDisk(folder / "disk", 64 << 20)
    write_files(folder, FILES)
    tarn = Tarn(folder)
    tarn.prefix = disk.enter
    place = folder / "disk/backups"
    try:
        with tarn:
            tarn.start()
            tarn.wait_fresh()
            first = tarn.json("backup", place)
            put_objects(tarn, 0, 100)
            disk.fill(leave=3 << 20)
            refused = tarn.run("backup", place)
            assert refused.returncode == 1 and FULL in refused.stderr
            assert [backup["name"] for backup in tarn.json("backup", "ls", place)] == [first["name"]]
            assert tarn.json("backup", "verify", place)["issues"] == []
            disk.free()
            tarn.json("backup", place)
            assert tarn.json("backup", "verify", place)["issues"] == []
            expected = contents(tarn)
            outside = tmp_path / "outside"
            tarn.json("backup", outside)
            disk.fill(leave=4 << 20)
            key = tarn.environment["TARN_ROOT_KEY_FILE"]
            cut = restore(outside, folder / "disk/again/.tarn", key, disk.enter)
            assert cut.wait(60) == 1 and FULL in cut.stderr.read()
            subprocess.run([*disk.enter, "rm", "-r", place], check=True)
            disk.free()
            done = restore(outside, folder / "disk/again/.tarn", key, disk.enter)
            assert done.wait(60) == 0, done.stderr.read()
        write_files(disk.see(folder / "disk/again"), FILES)
        again = Tarn(tmp_path / "again")
        again.arguments[1] = str(folder / "disk/again")
        again.prefix = disk.enter
        again.see = disk.see
        again.environment["TARN_ROOT_KEY_FILE"] = str(key)
        again.folder = folder
        with again:
            again.start()
            assert {name for name in contents_at(again) if name in expected} == set(expected)
    finally:
        disk.close()


def contents_at(tarn):
    key = tarn.post("/api/v1/s3-keys", {"user": "admin", "name": "look"})
    s3 = boto3.client("s3", endpoint_url=tarn.s3, region_name="us-east-1",
                      aws_access_key_id=key["access_key_id"], aws_secret_access_key=key["secret_access_key"])
    found = set()
    for bucket in ("raw", "lakehouse", "load"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            found |= {f"{bucket}/{item['Key']}" for item in page.get("Contents", ())}
    return found

"""The drill: a loaded platform is backed up while it is written to, restored elsewhere, and compared."""

import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import SMALL, s3_client
from tarn_program import PROGRAM, Tarn, until

PIECE = os.urandom(40_000)  # more than lies in the lake's index


class Writer(threading.Thread):
    """Puts objects of both sizes, and users, one after another; remembers what was acknowledged and when."""

    def __init__(self, tarn):
        super().__init__()
        self.tarn = tarn
        self.s3 = s3_client(tarn, tarn.json("s3-key", "create"))
        self.written = []  # (number, acknowledged at)
        self.failure = None
        self.over = threading.Event()

    def run(self):
        try:
            self.s3.create_bucket(Bucket="load")
            number = 0
            while not self.over.is_set():
                body = PIECE + str(number).encode() if number % 2 else str(number).encode()
                self.s3.put_object(Bucket="load", Key=f"n/{number:06}", Body=body)
                if number % 5 == 0:
                    self.tarn.post("/api/v1/users", {"name": f"user{number}"})
                if number % 7 == 6:  # files that a backup must keep though they go
                    self.s3.delete_object(Bucket="load", Key=f"n/{number - 3:06}")
                self.written.append((number, time.time()))
                number += 1
        except Exception as failure:  # told by stop(), in the test's own thread
            self.failure = failure

    def stop(self):
        self.over.set()
        self.join()
        assert not self.failure, self.failure
        return self.written


def state_of(tarn):
    """All that must come back: rows of every table, objects, users, tokens, roles, policies, secrets' names."""
    tables = [row[0] for row in tarn.query(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('system', 'information_schema', 'pg_catalog') ORDER BY 1")]
    rows = {table: sorted(map(str, tarn.query(f"SELECT * FROM {table}"))) for table in tables}
    s3 = s3_client(tarn, tarn.json("s3-key", "create"))
    objects = {}
    for bucket in ("raw", "lakehouse", "load"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", ()):
                objects[f"{bucket}/{item['Key']}"] = item["ETag"]
    users = sorted(user["name"] for user in tarn.get("/api/v1/users")["users"])
    return {"rows": rows, "objects": objects, "users": users, "roles": tarn.get("/api/v1/roles"),
            "secrets": [secret["name"] for secret in tarn.get("/api/v1/secrets")["secrets"]]}


def restored(tarn, place, folder, *options):
    """A second platform out of a backup, beside the first, with the same workspace and root key."""
    shutil.copytree(tarn.folder, folder, ignore=shutil.ignore_patterns(".tarn", "inbox"))
    done = subprocess.run([PROGRAM, "restore", place, folder / ".tarn", "--root-key",
                           tarn.environment["TARN_ROOT_KEY_FILE"], *options], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout, done.stderr)
    # What is not there cannot be loaded again: what the tables hold comes from the backup.
    (folder / "inbox").mkdir(exist_ok=True)
    shutil.copytree(tarn.folder / "inbox", folder / "inbox", dirs_exist_ok=True)
    shutil.copy(tarn.environment["TARN_ROOT_KEY_FILE"], folder.parent / f"{folder.name}.key")
    return Tarn(folder)


def loaded(make):
    tarn = make(SMALL)
    tarn.wait_fresh()
    assert tarn.run("secret", "set", "api", input="s3cret-value").returncode == 0
    tarn.post("/api/v1/users", {"name": "ada", "password": "correct horse battery"})
    return tarn


def test_the_drill(make, tmp_path):
    tarn = loaded(make)
    place = tmp_path / "backups"
    ada = tarn.post("/api/v1/tokens", {"user": "ada", "name": "laptop"})["token"]
    writer = Writer(tarn)
    writer.start()
    until(lambda: len(writer.written) > 20, "writing")
    first = tarn.json("backup", place)
    until(lambda: len(writer.written) > 60, "writing on")
    before = time.time()
    second = tarn.json("backup", place)
    after = time.time()
    until(lambda: len(writer.written) > 80, "writing on")
    written = writer.stop()
    assert first["missing"] == second["missing"] == 0
    still = tarn.json("backup", place)
    assert still["bytes_new"] < still["bytes"]
    expected = state_of(tarn)
    listed = tarn.json("backup", "ls", place)
    assert [backup["name"] for backup in listed] == [first["name"], second["name"], still["name"]]
    assert tarn.json("backup", "verify", place)["issues"] == []

    # The newest holds all; nothing was written after it but audit records.
    with restored(tarn, place, tmp_path / "again") as again:
        again.start()
        again.wait_fresh()
        assert state_of(again) == expected
        assert again.json("verify")["issues"] == []
        told = again.query("SELECT details FROM system.audit WHERE action = 'platform:Restore' AND phase = 'end'")
        assert len(told) == 1 and still["name"] in str(told[0][0])
        assert again.get("/api/v1/me", token=ada)["name"] == "ada"
        assert again.value("SELECT sum(price) FROM shop.sales") == 5.0
        with again.connect("ada", "correct horse battery") as connection:
            assert connection.execute("SELECT count(*) FROM shop.sales").fetchone() == (3,)
        assert again.run("up", again.folder).returncode != 0  # the state is in use
    # A second start records nothing again.
    with again:
        again.start()
        assert again.value("SELECT count(*) FROM system.audit WHERE action = 'platform:Restore' AND phase = 'end'") == 1

    # One made under load: all that was acknowledged before it, nothing begun after it, and every object whole.
    with restored(tarn, place, tmp_path / "loaded", "--name", second["name"]) as under_load:
        under_load.start()
        assert under_load.json("verify")["issues"] == []
        s3 = s3_client(under_load, under_load.json("s3-key", "create"))
        there = set()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="load", Prefix="n/"):
            there |= {int(item["Key"][2:]) for item in page.get("Contents", ())}
        deleted = {number - 3 for number, _ in written if number % 7 == 6}
        must = {number for number, at in written if at < before} - deleted
        must_not = {number for number, at in written if at > after + 1}
        assert must <= there and not must_not & there
        users = {user["name"] for user in under_load.get("/api/v1/users")["users"]}
        assert {f"user{number}" for number in must if number % 5 == 0} <= users
        # Both databases are of one instant: who put a user has put the object before it.
        assert all(int(name[4:]) in there | deleted for name in users if name.startswith("user"))


def test_only_what_is_new_is_copied(make, tmp_path):
    tarn = loaded(make)
    place = tmp_path / "backups"
    s3 = s3_client(tarn, tarn.json("s3-key", "create"))
    s3.create_bucket(Bucket="load")
    for number in range(100):
        s3.put_object(Bucket="load", Key=str(number), Body=os.urandom(100_000))
    first = tarn.json("backup", place)
    assert first["bytes_new"] > 10_000_000
    second = tarn.json("backup", place)
    assert second["bytes_new"] < 1_000_000 and second["bytes"] >= first["bytes"]
    tarn.json("backup", place, "--keep", "1")
    assert len(tarn.json("backup", "ls", place)) == 1
    assert tarn.json("backup", "verify", place)["issues"] == []
    # What pruning leaves is what the kept one needs.
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert size < 1.5 * first["bytes"]


def test_of_a_stopped_platform(make, tmp_path):
    tarn = loaded(make)
    expected = tarn.query("SELECT * FROM shop.sales ORDER BY id")
    tarn.kill()
    place = tmp_path / "backups"
    # Without the root key: it is not needed.
    made = tarn.json("backup", place, environment={"TARN_ROOT_KEY_FILE": "/nonexistent"})
    assert made["bytes_new"] == made["bytes"]
    with restored(tarn, place, tmp_path / "again") as again:
        again.start()
        assert again.query("SELECT * FROM shop.sales ORDER BY id") == expected
        assert again.json("verify")["issues"] == []


def test_by_itself(make, tmp_path):
    files = {**SMALL, "tarn.yaml": "name: small\nbackup: {to: ../backups, every: 1m, keep: 2}\n"}
    tarn = make(files)
    tarn.wait_fresh()

    def made():
        return tarn.get("/api/v1/backups")["last_success"]
    until(made, "the first backup", 90)
    assert tarn.get("/api/v1/backups")["schedule"] == {"to": str(tmp_path / "workspace/../backups"), "every": "1m",
                                                       "keep": 2}
    assert "tarn_backup_made_total 1" in tarn.http("GET", "/metrics").body.decode()
    assert tarn.value("SELECT count(*) FROM system.audit WHERE action = 'platform:Backup'") >= 2
    assert len(tarn.json("backup", "ls")) == 1
    # A place that cannot be written to is what health warns of.
    shutil.rmtree(tmp_path / "backups")
    (tmp_path / "backups").write_text("in the way")
    assert tarn.run("backup").returncode == 1
    health = {part["component"]: part for part in tarn.get("/api/v1/health")["components"]}
    assert health["backup"]["level"] == "warning" and "backups" in health["backup"]["message"]
    (tmp_path / "backups").unlink()
    assert tarn.run("backup").returncode == 0
    health = {part["component"]: part for part in tarn.get("/api/v1/health")["components"]}
    assert health["backup"]["healthy"]


def test_what_is_refused(make, tmp_path):
    tarn = loaded(make)
    place = tmp_path / "backups"
    s3 = s3_client(tarn, tarn.json("s3-key", "create"))
    s3.create_bucket(Bucket="load")
    s3.put_object(Bucket="load", Key="large", Body=os.urandom(1_000_000))
    made = tarn.json("backup", place)
    key = tarn.environment["TARN_ROOT_KEY_FILE"]

    def restore(*arguments, key=key):
        done = subprocess.run([PROGRAM, "restore", *arguments], capture_output=True, text=True, cwd=tmp_path,
                              env={**os.environ, "TARN_ROOT_KEY_FILE": str(key)})
        assert done.returncode != 0, done.stdout
        return done.stderr

    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("keep")
    assert "not empty" in restore(place, full)
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    assert "the root key of platform" in restore(place, "new", key=tmp_path / "none")
    other = make({"tarn.yaml": "name: other\n"}, name="other")
    assert "belongs to another root key" in restore(place, "new", key=other.environment["TARN_ROOT_KEY_FILE"])
    assert not (tmp_path / "new").exists()
    assert "as old as" in restore(place, "new", "--at", "2020-01-01")
    assert "there is no backup" in restore(place, "new", "--name", "nothing")
    assert "another platform" in other.run("backup", place).stderr
    assert "not empty" in tarn.run("backup", full).stderr
    # A chunk that was changed is found before anything is written.
    chunk = max((path for path in place.rglob("chunks/*/*")), key=lambda path: path.stat().st_size)
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    assert "is not what was written" in restore(place, "new")
    assert not (tmp_path / "new").exists()
    assert tarn.run("backup", "verify", place).returncode == 1
    # Without it, the next backup copies it again, and all are whole.
    chunk.unlink()
    tarn.json("backup", place)
    assert tarn.json("backup", "verify", place)["issues"] == []
    manifest = place / "manifests" / f"{made['name']}.jsonl"
    manifest.write_text(manifest.read_text().replace('"running":true', '"running":false'))
    assert "checksum" in restore(place, "new", "--name", made["name"])


def test_who_may(make, tmp_path):
    tarn = make(SMALL)
    tarn.post("/api/v1/users", {"name": "rita"})
    token = tarn.post("/api/v1/tokens", {"user": "rita", "name": "tests"})["token"]
    assert tarn.http("POST", "/api/v1/backups", {"to": str(tmp_path / "b")}, token=token).status == 403
    assert not (tmp_path / "b").exists()
    assert tarn.http("POST", "/api/v1/backups", {"to": "relative"}).status == 400
    assert tarn.http("POST", "/api/v1/backups", {"to": "s3://x/y"}).error["code"] == "not_supported"


@pytest.mark.slow
def test_the_demo(demo, tmp_path):
    """Real data: every table, every count."""
    place = tmp_path / "backups"
    demo.json("backup", place)
    folder = tmp_path / "again"
    folder.mkdir()
    key = Path(demo.environment["TARN_ROOT_KEY_FILE"])
    done = subprocess.run([PROGRAM, "restore", place, folder / ".tarn", "--root-key", key], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    shutil.copy(key, folder.parent / "again.key")
    tables = [row[0] for row in demo.query(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema = 'delays' OR table_schema LIKE 'raw!_%' ESCAPE '!' ORDER BY 1")]
    with Tarn(folder) as again:
        for name in ("sources", "use_cases", "policies"):
            if (demo.folder / name).exists():
                shutil.copytree(demo.folder / name, folder / name)
        shutil.copy(demo.folder / "tarn.yaml", folder)
        again.start()
        assert len(tables) > 5
        for table in tables:
            rows = f"SELECT count(*), sum(hash(t)) FROM {table} t"
            assert demo.query(rows) == again.query(rows), table
        assert again.json("verify")["issues"] == []
    assert json.loads((folder / ".tarn/tarn-state.json").read_text())["format"] == 1

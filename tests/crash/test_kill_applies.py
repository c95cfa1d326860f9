"""kill -9 of applies at random instants, and a full disk: what runs is one version of the workspace, whole, and never
an older one than what was acknowledged."""

import os
import random
import subprocess
import threading
import time

import pytest
from test_full_disk import FULL, BoxedTarn, SmallDisk

from tarn_program import Tarn, until, write_files

ROUNDS = 10
TABLES = 12


def files_of(version):
    """Names that only this version has, of every kind, and one table that all versions have in another form."""
    tables = {f"use_cases/shop/t{n}_v{version}.sql": f"SELECT {version} AS version, {n} AS n\n" for n in range(TABLES)}
    return {
        **tables,
        "use_cases/shop/now.sql": f"SELECT {version} AS version\n",
        f"use_cases/shop/d{version}.dashboard.yaml":
            f"title: D{version}\ntiles:\n  - {{number: \"SELECT version FROM shop.now\", title: Now}}\n",
        "policies/people.yaml": f"roles:\n  role_v{version}:\n    members: [user:ann]\n    allow:\n"
                                f"      - {{actions: [\"table:Read\"], resources: [\"shop.t0_v{version}\"]}}\n",
    }


class Repository:
    """A workspace under Git, one commit a version; what lies in the folder is the last of them."""

    def __init__(self, folder):
        self.folder = folder
        write_files(folder, {".gitignore": ".tarn\ndisk\n"})
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.email", "test@example.org")
        self.git("config", "user.name", "Test")

    def git(self, *arguments):
        subprocess.run(["git", "-C", self.folder, *arguments], check=True, capture_output=True)

    def commit(self, version, more=None):
        for path in ("use_cases", "policies"):
            subprocess.run(["rm", "-rf", self.folder / path], check=True)
        write_files(self.folder, {**files_of(version), **(more or {})})
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", f"version {version}")
        self.git("tag", f"v{version}")


def applied_version(tarn):
    """The one version that everything that is applied belongs to."""
    files = {definition["file"] for definition in tarn.get("/api/v1/workspace")["definitions"]}
    versions = [version for version in range(ROUNDS + 2) if files == set(files_of(version))]
    assert len(versions) == 1, sorted(files)
    return versions[0]


def assert_runs(tarn, version):
    """The tables, the policies and the dashboards are those of the version too."""
    until(lambda: all(task["fresh"] and not task["current"] for task in tarn.tasks().values()), "building")
    assert {name for name in tarn.tasks() if "_v" in name} == {f"table:shop.t{n}_v{version}" for n in range(TABLES)}
    assert tarn.value("SELECT version FROM shop.now") == version
    rows = tarn.query(" UNION ALL ".join(f"SELECT version, n FROM shop.t{n}_v{version}" for n in range(TABLES)))
    assert sorted(rows) == [(version, n) for n in range(TABLES)]
    roles = {role["name"] for role in tarn.get("/api/v1/roles")["roles"]}
    assert {role for role in roles if role.startswith("role_v")} == {f"role_v{version}"}
    with tarn.connect("token:ann", tarn.ann) as ann:
        assert ann.execute(f"SELECT version FROM shop.t0_v{version}").fetchone() == (version,)


@pytest.fixture
def chance():
    seed = int(os.environ.get("TARN_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}: TARN_SEED={seed} repeats it")
    return random.Random(seed)


@pytest.mark.slow
def test_killed_applies(tmp_path, chance):
    folder = tmp_path / "shop"
    folder.mkdir()
    repository = Repository(folder)
    for version in range(ROUNDS + 2):
        repository.commit(version)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.post("/api/v1/users", {"name": "ann"})
        tarn.ann = tarn.post("/api/v1/tokens", {"user": "ann", "name": "test"})["token"]
        start = time.monotonic()
        assert tarn.run("apply", "--ref", "v0").returncode == 0
        took = time.monotonic() - start
        assert_runs(tarn, 0)
        before, cut, unanswered_but_applied = 0, 0, 0
        for wanted in range(1, ROUNDS + 1):
            answers = []
            attempt = threading.Thread(target=lambda ref=f"v{wanted}": answers.append(tarn.run("apply", "--ref", ref)))
            attempt.start()
            time.sleep(chance.uniform(0, 1.3 * took))
            tarn.kill()
            attempt.join()
            tarn.start()
            now = applied_version(tarn)
            acknowledged = answers[0].returncode == 0
            assert now in (before, wanted)
            assert now == wanted or not acknowledged, answers[0].stdout
            cut += now == before
            unanswered_but_applied += now == wanted and not acknowledged
            if chance.random() < 0.3:
                assert_runs(tarn, now)
            before = now
        print(f"{cut} of {ROUNDS} applies were cut off, {unanswered_but_applied} held though nobody was told")
        assert_runs(tarn, before)
        assert tarn.run("apply", "--ref", f"v{ROUNDS + 1}").returncode == 0
        assert_runs(tarn, ROUNDS + 1)
        assert tarn.json("verify")["issues"] == []


def test_an_apply_on_a_full_disk_changes_nothing(tmp_path):
    folder = tmp_path / "shop"
    disk = SmallDisk(folder / "disk", 48 << 20)
    repository = Repository(folder)
    tarn_yaml = {"tarn.yaml": "state: {directory: disk/state}\nbudget: {disk_stop: 1B, disk_warn: 1B}\n"}
    repository.commit(0, tarn_yaml)
    large = {f"use_cases/shop/large{n}.sql": f"SELECT {n} AS n -- " + "x" * 60_000 + "\n" for n in range(40)}
    try:
        with BoxedTarn(folder, disk) as tarn:
            tarn.start()
            tarn.post("/api/v1/users", {"name": "ann"})
            tarn.ann = tarn.post("/api/v1/tokens", {"user": "ann", "name": "test"})["token"]
            assert_runs(tarn, 0)
            repository.commit(1, {**tarn_yaml, **large})
            disk.fill(leave=400_000)
            refused = tarn.run("apply")
            assert refused.returncode == 1 and FULL in refused.stderr, refused.stderr
            disk.free()
            assert applied_version(tarn) == 0
            assert_runs(tarn, 0)
            assert tarn.run("apply").returncode == 0
            assert {f"table:shop.large{n}" for n in range(40)} <= set(tarn.tasks())
            assert tarn.run("verify").returncode == 0
    finally:
        disk.close()

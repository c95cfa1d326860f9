"""kill -9 of applies that rename, at random instants: all has the old names or all has the new ones, with the same
data, runs and rights, and nothing was computed or loaded for it."""

import subprocess
import threading
import time

import pytest
from test_kill_applies import Repository, chance  # noqa: F401

from tarn_program import Tarn, until, write_files

ROUNDS = 12
TABLES = 4


def files_of(version):
    """Each version renames everything that the one before it had: the use case, its tables, the source."""
    old, now, before = f"v{version - 1}", f"v{version}", max(version - 1, 0)
    source = "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n"
    renamed = f"renamed_from: {old}\n" if version else ""
    header = f"/* tarn\nrenamed_from: {old}.t%d_{before}\n*/\n" if version else ""
    tables = {f"use_cases/{now}/t{n}_{version}.sql": (header % n if version else "")
              + f"SELECT uuid() AS mark, id FROM raw_{now}.things\n" for n in range(TABLES)}
    return {
        **tables,
        f"use_cases/{now}/all.sql": f"SELECT uuid() AS mark, count(*) AS n FROM t0_{version}\n",
        f"use_cases/{now}/use_case.yaml": renamed or "description: The shop.\n",
        f"sources/{now}.yaml": renamed + source,
        "policies/people.yaml": "roles:\n  reader:\n    members: [user:ann]\n    allow: [{actions: [\"table:Read\"], "
                                f"resources: [\"v*\"]}}]\nrow_filters: [{{role: reader, table: {now}.t0_{version}, "
                                "where: \"id = 1\"}]\n",
    }


class Renaming(Repository):
    def commit(self, version):
        for path in ("use_cases", "policies", "sources"):
            subprocess.run(["rm", "-rf", self.folder / path], check=True)
        write_files(self.folder, files_of(version) | {"inbox/a.csv": "id\n1\n2\n"})
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", f"version {version}")
        self.git("tag", f"v{version}")


def applied_version(tarn):
    files = {definition["file"] for definition in tarn.get("/api/v1/workspace")["definitions"]}
    versions = [version for version in range(ROUNDS + 1) if files == set(files_of(version))]
    assert len(versions) == 1, sorted(files)
    return versions[0]


def state(tarn, version):
    """Marks that only a new computation changes, the runs by task without names, and what ann sees."""
    now = f"v{version}"
    until(lambda: all(task["fresh"] and not task["current"] for task in tarn.tasks().values()), "resting")
    marks = [tarn.query(f"SELECT mark::VARCHAR FROM {now}.t{n}_{version} ORDER BY id") for n in range(TABLES)]
    marks.append(tarn.query(f"SELECT mark::VARCHAR, n FROM {now}.all"))
    with tarn.connect("token:ann", tarn.ann) as ann:
        seen = ann.execute(f"SELECT id FROM {now}.t0_{version}").fetchall()
    assert seen == [(1,)]
    runs = sorted((run["id"], run["task"].replace(now, "v").replace(f"_{version}", "_"))
                  for run in tarn.get("/api/v1/runs?limit=1000")["runs"])
    schemas = {d["schema"] for d in tarn.get("/api/v1/catalog")["datasets"]} - {"system"}
    assert schemas == {now, f"raw_{now}"}
    return marks, runs


@pytest.mark.slow
def test_killed_renames(tmp_path, chance):  # noqa: F811
    folder = tmp_path / "shop"
    folder.mkdir()
    repository = Renaming(folder)
    for version in range(ROUNDS + 1):
        repository.commit(version)
    with Tarn(folder) as tarn:
        repository.git("checkout", "--quiet", "v0")
        tarn.start()
        tarn.post("/api/v1/users", {"name": "ann"})
        tarn.ann = tarn.post("/api/v1/tokens", {"user": "ann", "name": "test"})["token"]
        assert tarn.run("apply", "--ref", "v0").returncode == 0
        tarn.wait_fresh()
        expected = state(tarn, 0)
        start = time.monotonic()
        assert tarn.run("apply", "--ref", "v1").returncode == 0
        took = time.monotonic() - start
        assert state(tarn, 1) == expected
        before, cut, held = 1, 0, 0
        for _ in range(ROUNDS):
            wanted = before + 1
            if wanted > ROUNDS:
                break
            answers = []
            attempt = threading.Thread(target=lambda ref=f"v{wanted}": answers.append(tarn.run("apply", "--ref", ref)))
            attempt.start()
            time.sleep(chance.uniform(0.3, 2) * took)
            tarn.kill()
            attempt.join()
            tarn.start()
            now = applied_version(tarn)
            acknowledged = answers[0].returncode == 0
            assert now == wanted or (now == before and not acknowledged), answers[0].stdout
            assert state(tarn, now) == expected
            cut += now == before
            held += now == wanted and not acknowledged
            before = now
        print(f"{cut} applies were cut off, {held} held though nobody was told; version {before}")
        assert tarn.json("verify")["issues"] == []

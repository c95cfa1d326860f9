"""kill -9 while serving caches are built: nothing half-built is used, and the next start builds what is missing."""

import random
import time

import pytest

from tarn_program import Tarn, until, write_files

ROUNDS = 6
FILES = {
    f"use_cases/shop/t{n}.sql":
        f"/* tarn\ncache: yes\n*/\nSELECT range AS id, md5(range::VARCHAR) AS name FROM range({n * 400_000})\n"
    for n in (1, 2)
}


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_nothing_that_is_used(tmp_path):
    seed = int(time.time())
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = tmp_path / "workspace"
    write_files(folder, FILES)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        for turn in range(ROUNDS):
            tarn.kill()
            for file in (folder / ".tarn/warehouse").rglob("*"):
                if file.is_file() and chance.random() < 0.7:
                    file.unlink()  # so that there is something to build
            tarn.launch().wait_ready()
            time.sleep(chance.random() * 1.5)
            for n in (1, 2):
                asked = tarn.query(f"SELECT count(*), count(DISTINCT name), sum(id) FROM shop.t{n}")
                rows = n * 400_000
                assert asked == [(rows, rows, rows * (rows - 1) // 2)], (seed, turn)
        until(lambda: tarn.query("SELECT state FROM system.caches") == [("ready",), ("ready",)],
              f"building, seed {seed}")
        files = [path for path in (folder / ".tarn/warehouse").rglob("*") if path.is_file()]
        assert len(files) == 2, (seed, files)

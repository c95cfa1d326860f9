"""One round of kill -9 over all kinds of runs; ./dev soak runs does as many as one likes."""

import time

import pytest

from soak_runs import runs_round

KILLS = 4


@pytest.mark.slow
def test_all_that_runs_survives_kills(tmp_path):
    seed = int(time.time())
    print(f"seed {seed}")
    runs_round(tmp_path / "w", seed, KILLS)

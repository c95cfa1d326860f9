"""Ten rounds of kill -9 during the demo's load; ./dev soak kill runs as many as one likes."""

import pytest

from soak_kill import kill_round

ROUNDS = 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
def test_the_load_survives_kills(tmp_path, seed):
    kill_round(tmp_path / f"demo{seed}", seed)

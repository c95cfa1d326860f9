"""Rounds of kill -9 during deliveries to PostgreSQL; ./dev soak destinations runs as many as one likes."""

import pytest

from soak_destinations import destinations_round

ROUNDS = 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
def test_the_target_survives_kills(tmp_path, seed):
    destinations_round(tmp_path / "w", seed)

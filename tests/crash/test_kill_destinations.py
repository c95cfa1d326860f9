"""Rounds of kill -9 during deliveries to databases and a bucket; ./dev soak destinations runs as many as one likes."""

import pytest

from soak_destinations import TARGETS, destinations_round

ROUNDS = 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
def test_the_target_survives_kills(tmp_path, seed, kind):
    destinations_round(tmp_path / "w", seed, kind)

"""Ten rounds of kill -9 during the demo's load; ./dev soak kill runs as many as one likes."""

import re

import pytest

from soak_kill import LOADED_SECONDS_MAX, kill_round
from tarn_program import Tarn

ROUNDS = 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
def test_the_load_survives_kills(tmp_path, seed):
    kill_round(tmp_path / f"demo{seed}", seed)


@pytest.mark.slow
def test_a_start_that_was_cut_off_between_a_port_and_its_note_is_mended(tmp_path):
    """What a kill left behind: a source's file with another port than the settings know."""
    folder = tmp_path / "demo"
    with Tarn(folder, "demo", ["--once"]) as tarn:
        tarn.start(LOADED_SECONDS_MAX)
        tarn.stop()
        source = folder / "sources/weather.yaml"
        source.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", source.read_text()))
        tarn.start(LOADED_SECONDS_MAX)
        done = tarn.run("run", "source:weather.weather", "--wait")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "127.0.0.1:9/" not in source.read_text()
    tarn.forget()

"""docs/getting-started.md, typed word for word: its indented blocks are run one after the other."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tarn_program import PROGRAM, ROOT, Tarn, until

START = "tarn up shop"
DEFAULTS = {"web": "127.0.0.1:8080", "s3": "127.0.0.1:9000", "sql": "port=5439"}


def blocks():
    text = (ROOT / "docs/getting-started.md").read_text()
    found = re.findall(r"(?:^    .*\n(?:^\n(?=    ))?)+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


@pytest.fixture
def shell(tmp_path):
    """Runs text in one bash after the other, each with the variables that those before it exported."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "tarn").symlink_to(PROGRAM)
    path = f"{tools}:{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    kept = {"environment": {**os.environ, "PATH": path, "TARN_ROOT_KEY_FILE": str(tmp_path / "shop.key")}}

    def run(text):
        script = f"set -e\n{text}\nenv -0 > {tmp_path}/environment\n"
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=kept["environment"], capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        pairs = (tmp_path / "environment").read_text().split("\0")
        kept["environment"] = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return done.stdout
    return run


@pytest.mark.skipif(not all(map(shutil.which, ("psql", "curl"))), reason="psql or curl is not installed")
def test_what_it_says_works(shell, tmp_path):
    said = blocks()
    begin = said.index(START + "\n")
    assert "PATH" in said[0]
    for block in said[1:begin]:
        shell(block)
    with Tarn(tmp_path / "shop") as tarn:
        tarn.start()
        tarn.wait_fresh()
        real = {"web": tarn.ready["web"], "s3": tarn.ready["s3"], "sql": "port=" + tarn.ready["sql"].rsplit(":", 1)[1]}
        answers = []
        for block in said[begin + 1:]:
            for name, default in DEFAULTS.items():
                block = block.replace(default, real[name])
            if "aws " in block and not shutil.which("aws"):
                block = "\n".join(line for line in block.splitlines() if not line.startswith("aws "))
            answers.append(shell(block))
            if "orders-2026-02" in block:
                until(lambda: tarn.value("SELECT sum(revenue) FROM sales.by_product") == 59.5, "the second file")
    everything = "\n".join(answers)
    for expected in ("it is fresh", "31.5", "~ table sales.by_product", "pyarrow.Table", "+ policy people", "59.5"):
        assert expected in everything, (expected, everything)

"""docs/getting-started.md, typed word for word: its indented blocks are run one after the other."""

import shutil

import pytest

from tarn_program import Tarn, until
from typed_pages import Shell, at_ports, blocks

START = "tarn up shop"


@pytest.mark.skipif(not all(map(shutil.which, ("psql", "curl"))), reason="psql or curl is not installed")
def test_what_it_says_works(tmp_path):
    shell = Shell(tmp_path)
    said = blocks("docs/getting-started.md")
    begin = said.index(START + "\n")
    assert "PATH" in said[0]
    for block in said[1:begin]:
        shell(block)
    with Tarn(tmp_path / "shop") as tarn:
        tarn.start()
        tarn.wait_fresh()
        answers = []
        for block in said[begin + 1:]:
            block = at_ports(block, tarn.ready)
            if "aws " in block and not shutil.which("aws"):
                block = "\n".join(line for line in block.splitlines() if not line.startswith("aws "))
            answers.append(shell(block))
            if "orders-2026-02" in block:
                until(lambda: tarn.value("SELECT sum(revenue) FROM sales.by_product") == 59.5, "the second file")
    everything = "\n".join(answers)
    for expected in ("it is fresh", "31.5", "~ table sales.by_product", "pyarrow.Table", "+ policy people", "59.5"):
        assert expected in everything, (expected, everything)

"""docs/tutorial.md, typed word for word: its indented blocks are run one after the other, against a real PostgreSQL."""

import shutil

import pytest

from postgres_server import BIN, postgres
from tarn_program import Tarn
from typed_pages import Shell, at_ports, blocks

START = "tarn up shop\n"


@pytest.mark.slow
@pytest.mark.skipif(not BIN or not shutil.which("psql"), reason="PostgreSQL is not installed")
def test_what_it_says_works(tmp_path):
    said = blocks("docs/tutorial.md")
    begin = said.index(START)
    assert "PATH" in said[0] and "PGPORT=5432" in said[1]
    with postgres() as port:
        shell = Shell(tmp_path, [BIN])
        for block in said[1:begin]:
            shell(block.replace("5432", str(port)))
        with Tarn(tmp_path / "shop") as tarn:
            tarn.start()
            answers = [shell(at_ports(block, tarn.ready)) for block in said[begin + 1:]]
            tarn.wait_fresh()
            assert tarn.query("SELECT country, orders, revenue FROM sales.by_country ORDER BY 1") == [
                ("CH", 1, 9.0), ("FR", 1, 7.0), ("unknown", 1, 4.5)]
            first = "SELECT country FROM sales.by_country AT (VERSION => 0) ORDER BY 1 LIMIT 1 OFFSET 1"
            assert tarn.value(first) == "IT"
            page = tarn.get("/api/v1/dashboards/sales/sales")
            assert page["title"] == "Sales"
    everything = "\n".join(answers)
    for expected in ("chiara@example.org", "IT", "FR", "passed  sales.orders: an order without a customer stays",
                     "passed  people: sales sees no addresses", "+ policy people", "+ dashboard sales.sales", "***",
                     "lost"):
        assert expected in everything, (expected, everything)
    assert everything.count(" 0 failed") == 2

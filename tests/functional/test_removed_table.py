"""A table whose file is gone: the plan says so, apply takes it from everybody, putting the file back brings it back."""

import psycopg
import pytest

from tarn_program import Tarn, write_files

WORKSPACE = {
    "use_cases/shop/kept.sql": "/* tarn\nkeep: full\n*/\nSELECT 1 AS id\n",
    "use_cases/shop/gone.sql": "/* tarn\nkeep: full\n*/\nSELECT 2 AS id\n",
}


def names(tarn):
    listed = tarn.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'shop' ORDER BY 1")
    assert [name for name, in listed] == [d["name"] for d in tarn.get("/api/v1/catalog")["datasets"]
                                          if d["schema"] == "shop"]
    return [name for name, in listed]


def assert_gone(tarn):
    assert names(tarn) == ["kept"]
    with pytest.raises(psycopg.errors.UndefinedTable):
        tarn.value("SELECT id FROM shop.gone")
    assert tarn.http("GET", "/api/v1/catalog/shop/gone").status == 404
    assert tarn.http("GET", "/api/v1/catalog/shop/gone/versions").status == 404


def test_a_table_without_its_file_is_gone_and_comes_back(tmp_path):
    folder = tmp_path / "shop"
    write_files(folder, WORKSPACE)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        assert names(tarn) == ["gone", "kept"]
        (folder / "use_cases/shop/gone.sql").unlink()
        plan = tarn.run("plan").stdout
        assert "- table shop.gone  (use_cases/shop/gone.sql)" in plan and "kept for 7d" in plan, plan
        assert tarn.value("SELECT id FROM shop.gone") == 2  # a plan does nothing
        assert tarn.run("apply").returncode == 0
        assert_gone(tarn)
        tarn.stop()
        tarn.start()
        assert_gone(tarn)
        # What was there is there again, with its history; its next run goes on from there.
        write_files(folder, {"use_cases/shop/gone.sql": WORKSPACE["use_cases/shop/gone.sql"]})
        assert tarn.run("apply").returncode == 0
        tarn.wait_fresh()
        assert tarn.value("SELECT count(*) FROM shop.gone AT (VERSION => 0)") == 1
        assert names(tarn) == ["gone", "kept"]
        report = tarn.run("verify", "--json")
        assert report.returncode == 0, report.stdout

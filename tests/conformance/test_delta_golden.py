"""Delta tables made by others, read by Tarn; tables that Tarn wrote, read by deltalake; and both ways in one table.

The C++ test program of the lakehouse does the work (src/storage/lakehouse/golden_test.cc); this drives it. The golden
tables lie outside of the project (../shared/testdata/delta): where they are not, their test is skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHIVES = ROOT.parent / "shared" / "testdata" / "delta"
PASS_LIST = Path(__file__).with_name("delta_golden_pass.txt")

# Refused, and rightly: what is wrong with the table, as our error names it.
REFUSED = {
    "data-reader-absolute-paths-escaped-chars": "no metaData",
    "deltalog-commit-info": "no schema",
    "deltalog-state-reconstruction-from-checkpoint-missing-protocol": "no protocol",
    "deltalog-state-reconstruction-without-protocol": "no protocol",
    "no-delta-log-folder": "no Delta table",
    "unshredded-variant": "variantType-preview",
}


def program():
    built = os.environ.get("TARN_PROGRAM")
    candidates = [Path(built).parent] if built else [ROOT / "build/release", ROOT / "build/dev"]
    for candidate in candidates:
        path = candidate / "tests/storage_lakehouse_test"
        if path.exists():
            return path
    pytest.skip("storage_lakehouse_test is not built")


def run(test, **environment):
    result = subprocess.run(
        [program(), f"--gtest_filter={test}"], env={**os.environ, **{k: str(v) for k, v in environment.items()}},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stdout[-4000:]


def rows_of(table):
    return pa.table(table.to_pyarrow_table()).to_pylist()


@pytest.fixture(scope="session")
def golden(tmp_path_factory):
    """{name: (verdict, what)} of every golden table."""
    archives = sorted(ARCHIVES.glob("*.tar.zst")) if ARCHIVES.exists() else []
    if not archives:
        pytest.skip("the golden tables are not there")
    folder = tmp_path_factory.mktemp("golden")
    for archive in archives:
        subprocess.run(["tar", "--zstd", "-xf", archive, "-C", folder], check=True)
    report = tmp_path_factory.mktemp("report") / "report.tsv"
    run("DeltaGolden.*", TARN_DELTA_GOLDEN=folder, TARN_DELTA_REPORT=report)
    results = {}
    for line in report.read_text().splitlines():
        name, verdict, what = line.split("\t", 2)
        results[name] = (verdict, what)
    return results, folder


def test_tables_on_the_pass_list_pass(golden):
    results, _ = golden
    wanted = PASS_LIST.read_text().split()
    assert [name for name in wanted if results.get(name, ("missing", ""))[0] != "pass"] == []


def test_the_pass_list_grows(golden):
    """A table that passes is on the list: from then on it may not fail."""
    results, _ = golden
    passing = sorted(name for name, (verdict, _) in results.items() if verdict == "pass")
    assert passing == sorted(PASS_LIST.read_text().split())


def test_malformed_tables_are_refused_with_the_reason(golden):
    results, _ = golden
    for name, reason in REFUSED.items():
        verdict, what = results[name]
        assert verdict == "refused" and reason in what, (name, verdict, what)


def test_counts_agree_with_deltalake_where_no_rows_are_expected(golden):
    results, folder = golden
    compared = 0
    for name, (verdict, what) in results.items():
        table = folder / name
        if verdict != "pass" or " rows" not in what or not (table / "_delta_log").exists():
            continue
        try:
            count = len(rows_of(deltalake.DeltaTable(str(table))))
        except Exception:  # deltalake can't read deletion vectors or column mapping everywhere
            continue
        assert f", {count} rows" in what, (name, what)
        compared += 1
    assert compared >= 5


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    run("DeltaInterop.WritesTablesForOthers", TARN_DELTA_EXPORT=folder)
    return folder


def test_deltalake_reads_every_type(written):
    rows = sorted(rows_of(deltalake.DeltaTable(str(written / "plain"))), key=lambda row: row["id"])
    assert len(rows) == 100
    row = rows[2]
    assert row["name"] == "name 2" and str(row["price"]) == "0.67" and row["day"].isoformat() == "2013-01-03"
    assert row["seen"].isoformat() == "2013-01-01T00:00:00.123456+00:00"
    assert row["list"] == [2, None] and rows[1]["list"] is None
    assert row["nested"] == {"x": 2, "y": "é"} and row["m"] == [("k", 2)] and row["bin"] == b"\xaa"


def test_deltalake_reads_timestamps_without_a_zone(written):
    rows = rows_of(deltalake.DeltaTable(str(written / "ntz")))
    assert rows[0]["t"].isoformat() == "2013-01-01T01:02:03.123456"


def test_deltalake_reads_merged_tables_and_statistics(written):
    table = deltalake.DeltaTable(str(written / "merged"))
    rows = {row["k"]: row for row in rows_of(table)}
    assert len(rows) == 61 and rows[45]["v"] == "new" and rows[10]["v"] == "old" and rows[1000]["extra"] is True
    adds = []
    for path in sorted((written / "merged/_delta_log").glob("*.json")):
        adds += [json.loads(line)["add"] for line in path.read_text().splitlines() if '"add"' in line[:10]]
    for add in adds:
        stats = json.loads(add["stats"])
        assert stats["numRecords"] > 0 and stats["minValues"]["k"] <= stats["maxValues"]["k"], add
    assert table.history(1)[0]["engineInfo"] == "tarn/0.1"


def test_deltalake_reads_our_checkpoint_alone(written, tmp_path):
    table = tmp_path / "many"
    shutil.copytree(written / "many", table)
    for version in range(21):
        (table / "_delta_log" / f"{version:020}.json").unlink()
    opened = deltalake.DeltaTable(str(table))
    assert opened.version() == 22
    assert sorted(row["a"] for row in rows_of(opened)) == list(range(23))


def test_both_continue_a_table_of_deltalake(tmp_path):
    folder = tmp_path / "theirs"
    data = pa.table({"id": [1, 2, 3], "part": ["a", "b", None], "name": ["x", None, "z"]})
    deltalake.write_deltalake(str(folder), data, partition_by=["part"])
    deltalake.write_deltalake(str(folder), data.slice(0, 1).set_column(0, "id", pa.array([4])), mode="append")
    deltalake.DeltaTable(str(folder)).create_checkpoint()
    run("DeltaInterop.ReadsAndContinuesTablesOfOthers", TARN_DELTA_IMPORT=folder, TARN_DELTA_REPORT=tmp_path / "rows",
        TARN_DELTA_BACK=tmp_path / "back")
    assert (tmp_path / "rows").read_text().splitlines() == ["1|a|x", "2|b|NULL", "3|NULL|z", "4|a|x"]
    back = deltalake.DeltaTable(str(tmp_path / "back"))
    rows = sorted(rows_of(back), key=lambda row: row["id"])
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 100]
    assert rows[0]["name"] == "changed" and rows[4] == {"id": 100, "part": "b", "name": "ours"}
    deltalake.write_deltalake(str(tmp_path / "back"), data, mode="append")
    assert len(rows_of(deltalake.DeltaTable(str(tmp_path / "back")))) == 8

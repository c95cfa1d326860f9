"""State that an earlier Tarn wrote opens in this one with everything in it; what a newer one wrote is refused.

tests/fixtures/state_format_1.tar.gz was made by Tarn 0.1.0 of 22 November 2026: the workspace of conftest.SMALL,
loaded, with a user, a secret and a bucket. It is never made anew; a further format gets a file of its own.
"""

import json
import tarfile

import boto3
import pytest

from tarn_program import ROOT, Tarn

FIXTURES = sorted((ROOT / "tests/fixtures").glob("state_format_*.tar.gz"))


@pytest.fixture(params=FIXTURES, ids=lambda path: path.name.partition(".")[0])
def old(request, tmp_path):
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path)
    tarn = Tarn(tmp_path / "workspace")
    tarn.environment["TARN_ROOT_KEY_FILE"] = str(tmp_path / "root.key")
    with tarn:
        yield tarn


def test_the_fixtures_are_there():
    assert [path.name for path in FIXTURES] == ["state_format_1.tar.gz"]


def test_all_of_it_opens(old):
    records = None
    for _ in range(2):  # once more: the upgrade itself is kept
        old.start()
        old.wait_fresh()
        assert old.query("SELECT id, name, price FROM shop.sales ORDER BY id") == [
            (1, "pen", 1.5), (2, "ink", 2.25), (3, "pen", 1.25)]
        with old.connect("ada", "correct horse battery") as connection:
            assert connection.execute("SELECT count(*) FROM shop.by_name").fetchone() == (2,)
        assert [secret["name"] for secret in old.get("/api/v1/secrets")["secrets"]] == ["api"]
        key = old.json("s3-key", "create")
        s3 = boto3.client("s3", endpoint_url=old.s3, region_name="us-east-1", aws_access_key_id=key["access_key_id"],
                          aws_secret_access_key=key["secret_access_key"])
        assert s3.get_object(Bucket="load", Key="large")["Body"].read() == bytes(range(256)) * 100
        assert s3.get_object(Bucket="load", Key="small")["Body"].read() == b"small"
        assert old.json("verify")["issues"] == []
        assert old.value("SELECT count(*) FROM system.runs") >= 3
        now = old.value("SELECT count(*) FROM system.audit")
        assert records is None or now > records  # the log goes on, it does not begin anew
        records = now
        assert old.stop() == 0


def test_a_newer_format_is_refused(old):
    file = old.folder / ".tarn/tarn-state.json"
    state = json.loads(file.read_text())
    before = {path: path.read_bytes() for path in old.folder.glob(".tarn/**/*") if path.is_file()}
    file.write_text(json.dumps({**state, "format": state["format"] + 1}))
    refused = old.run("up", str(old.folder))
    assert refused.returncode == 1 and "a newer Tarn has written it" in refused.stderr
    assert "restore a backup" in refused.stderr
    changed = [path for path, content in before.items() if path != file and path.read_bytes() != content]
    assert not changed, "nothing was touched"

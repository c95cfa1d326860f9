"""One Tarn for all tests that only look, a demo for all that need real data, and what both are asked with."""

import boto3
import botocore.config
import pytest

from tarn_program import Tarn, write_files

SALES = """/* tarn
keep: full
description: What was sold.
*/
SELECT id, name, price, sold_on FROM raw_things.things
"""
BY_NAME = """/* tarn
keep: full
*/
SELECT name, sum(price) AS total FROM sales GROUP BY name
"""
READERS = """roles:
  reader:
    description: Reads the shop.
    members: [user:rita, user:ada]
    allow:
      - {actions: ["table:Read"], resources: ["shop.*"]}
      - {actions: ["lake:GetObject", "lake:ListBucket"], resources: ["lakehouse/*"]}
"""
SMALL = {
    "tarn.yaml": "name: small\n",
    "sources/things.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {things: {format: csv}}\n",
    "use_cases/shop/sales.sql": SALES,
    "use_cases/shop/by_name.sql": BY_NAME,
    "inbox/a.csv": "id,name,price,sold_on\n1,pen,1.5,2026-01-01\n2,ink,2.25,2026-01-02\n3,pen,1.25,2026-01-03\n",
    "policies/readers.yaml": READERS,
}
DEMO_SECONDS_MAX = 300


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A workspace with one source and two tables, loaded."""
    folder = tmp_path_factory.mktemp("small") / "workspace"
    write_files(folder, SMALL)
    with Tarn(folder) as tarn:
        tarn.start()
        tarn.wait_fresh()
        yield tarn


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The flights demo, loaded."""
    folder = tmp_path_factory.mktemp("demo") / "flights"
    with Tarn(folder, "demo", ["--once"]) as tarn:
        tarn.start(DEMO_SECONDS_MAX)
        yield tarn
    tarn.forget()


@pytest.fixture
def make(tmp_path):
    """Starts a Tarn of the test's own: make({"sources/a.yaml": "..."})."""
    started = []

    def start(files, name="workspace", **options):
        write_files(tmp_path / name, files)
        tarn = Tarn(tmp_path / name, **options)
        started.append(tarn)
        return tarn.start()
    yield start
    for tarn in started:
        tarn.stop()


def s3_client(tarn, key):
    return boto3.client("s3", endpoint_url=tarn.s3, region_name="us-east-1", aws_access_key_id=key["access_key_id"],
                        aws_secret_access_key=key["secret_access_key"],
                        config=botocore.config.Config(retries={"max_attempts": 1}))


@pytest.fixture(scope="session")
def admin_key(small):
    return small.json("s3-key", "create")


@pytest.fixture(scope="session")
def s3(small, admin_key):
    return s3_client(small, admin_key)


@pytest.fixture(scope="session")
def reader_token(small):
    """Of a person who may read the shop's tables and nothing else."""
    small.post("/api/v1/users", {"name": "rita"})
    return small.post("/api/v1/tokens", {"user": "rita", "name": "tests"})["token"]

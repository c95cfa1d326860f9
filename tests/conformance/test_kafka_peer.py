"""Messages and batches of our codec read by Apache's Java client, and the other way round.

Needs Java, and kafka-clients with what it needs (slf4j-api, snappy-java, lz4-java, zstd-jni) in Maven's repository in
the home folder: `mvn dependency:get -Dartifact=org.apache.kafka:kafka-clients:4.2.0`. Skipped without them.
"""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from test_kafka_schemas import ROOT, clients_jar

PEER = Path(__file__).parent / "kafka" / "KafkaPeer.java"


def program():
    built = os.environ.get("TARN_PROGRAM")
    candidates = [Path(built).parent] if built else [ROOT / "build/release", ROOT / "build/dev"]
    for candidate in candidates:
        path = candidate / "tests/wire_kafka_test"
        if path.exists():
            return path
    pytest.skip("wire_kafka_test is not built")


def run_java(source, *arguments):
    """Runs a Java file with Apache's client; returns what it printed."""
    if not shutil.which("java"):
        pytest.skip("java is not there")
    jars = [clients_jar()]
    for name in ("slf4j-api", "snappy-java", "lz4-java", "zstd-jni"):
        found = sorted((Path.home() / ".m2/repository").rglob(f"{name}-[0-9]*.jar"))
        if not found:
            pytest.skip(f"{name} is not in Maven's repository")
        jars.append(found[-1])
    result = subprocess.run(
        ["java", "-cp", os.pathsep.join(map(str, jars)), source, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


@pytest.fixture(scope="module")
def java():
    return functools.partial(run_java, PEER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("peer")


def ours(test, folder):
    result = subprocess.run(
        [program(), f"--gtest_filter=Peer.{test}"], env={**os.environ, "TARN_KAFKA_PEER": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout[-4000:]


def same(output):
    assert "differs" not in output and "failed" not in output, output[:4000]
    return int(re.search(r"(\d+) same", output)[1])


def test_java_reads_and_writes_the_same_messages(java, folder):
    ours("WritesMessagesForTheOtherSide", folder)
    lines = (folder / "messages").read_text().splitlines()
    assert len({tuple(line.split()[:2]) for line in lines}) >= 400  # messages and versions
    assert same(java("messages", folder / "messages")) == len(lines)


def test_java_reads_our_batches(java, folder):
    ours("WritesBatchesForTheOtherSide", folder)
    assert same(java("read-batches", folder / "batches")) == 100


def test_we_read_batches_of_java(java, folder):
    java("write-batches", folder / "their_batches")
    ours("ReadsBatchesOfTheOtherSide", folder)

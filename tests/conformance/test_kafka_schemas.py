"""Our schema files of the Kafka protocol against the message definitions in Apache's kafka-clients.

The jar is not part of the project: TARN_KAFKA_CLIENTS_JAR names it, or Maven's repository in the home folder has it
(`mvn dependency:get -Dartifact=org.apache.kafka:kafka-clients:4.2.0`). Without it that test is skipped.
"""

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "src" / "wire" / "kafka" / "schema"
sys.path.insert(0, str(ROOT / "tools"))

import kafka_codec  # noqa: E402
import kafka_conformance  # noqa: E402


def clients_jar():
    named = os.environ.get("TARN_KAFKA_CLIENTS_JAR")
    if named:
        return Path(named)
    # Those of 4.3 have moved the classes that KafkaPeer.java uses.
    repository = Path.home() / ".m2/repository/org/apache/kafka/kafka-clients"
    found = sorted(repository.glob("4.[0-2].*/kafka-clients-4.*.jar"))
    if not found:
        pytest.skip("kafka-clients is not there: set TARN_KAFKA_CLIENTS_JAR, or let Maven get it")
    return found[-1]


def test_every_field_is_as_apache_defines_it():
    apis, fields, differences, _ = kafka_conformance.compare(SCHEMAS, clients_jar())
    assert not differences, "\n".join(differences)
    assert (apis, fields) >= (58, 1000)


OURS = """# A test.
api 9 Thing versions 1-3 flexible 2+
request
  id int32
  name string?2+
  list []Part 2+
    at int64 = -1
  extra bytes 3+ tag 0
response
  error_code int16
"""
THEIRS = {
    "request": {
        "apiKey": 9, "type": "request", "name": "ThingRequest", "validVersions": "0-3", "flexibleVersions": "2+",
        "fields": [
            {"name": "Old", "type": "int8", "versions": "0"},
            {"name": "Id", "type": "int32", "versions": "0+"},
            {"name": "Name", "type": "string", "versions": "0+", "nullableVersions": "2+"},
            {"name": "List", "type": "[]Part", "versions": "2+", "fields": [
                {"name": "At", "type": "int64", "versions": "2+", "default": "-1"}]},
            {"name": "Extra", "type": "bytes", "versions": "3+", "tag": 0, "taggedVersions": "3+"}]},
    "response": {
        "apiKey": 9, "type": "response", "name": "ThingResponse", "validVersions": "0-3", "flexibleVersions": "2+",
        "fields": [{"name": "ErrorCode", "type": "int16", "versions": "0+"}]},
}


def differences(tmp_path, ours):
    (tmp_path / "thing.schema").write_text(ours)
    jar = tmp_path / "theirs.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for kind, definition in THEIRS.items():
            archive.writestr(f"common/message/Thing{kind}.json", "// A licence.\n" + json.dumps(definition))
    return kafka_conformance.compare(tmp_path, jar)[2]


def test_what_is_equal_has_no_differences(tmp_path):
    assert differences(tmp_path, OURS) == []


@pytest.mark.parametrize("ours, instead", [
    ("flexible 2+", "flexible 3+"),
    ("versions 1-3", "versions 1-4"),
    ("  id int32\n", ""),
    ("  id int32\n", "  id int32\n  more int8\n"),
    ("id int32", "id int64"),
    ("id int32", "id []int32"),
    ("id int32", "id int32 2+"),
    ("id int32", "id int32 = 1"),
    ("id int32\n  name string?2+", "name string?2+\n  id int32"),
    ("name string?2+", "name string?"),
    ("name string?2+", "name string"),
    ("name string?2+", "name string?2+ = null"),
    ("list []Part", "list []Part?"),
    ("at int64 = -1", "at int64"),
    ("extra bytes 3+ tag 0", "extra bytes 3+ tag 1"),
    ("extra bytes 3+ tag 0", "extra bytes 3+"),
    ("extra bytes 3+", "extra bytes 2+"),
    ("error_code int16", "error_code uint16"),
])
def test_each_kind_of_difference_is_told(tmp_path, ours, instead):
    assert ours in OURS
    assert differences(tmp_path, OURS.replace(ours, instead))


@pytest.mark.parametrize("line, instead, says", [
    ("  id int32\n", "  id: int32\n", "thing.schema:4: not a field: id: int32"),
    ("  id int32\n", "  id int32\n    inner int8\n", "indented below a field that is no new struct"),
    ("  id int32\n", "  id int32\n  id int32\n", "id twice"),
    ("    at int64 = -1\n", "", "Part has no fields"),
    ("3+ tag 0", "1+ tag 0", "tagged before the API is flexible"),
    ("  id int32\n", "  id int32 7+\n", "is in no version of 1-3"),
    ("# A test.\n", "", "expected a comment"),
])
def test_a_schema_that_is_wrong_is_refused(tmp_path, line, instead, says):
    (tmp_path / "thing.schema").write_text(OURS.replace(line, instead))
    with pytest.raises(kafka_codec.SchemaError, match=says.replace("(", r"\(")):
        kafka_codec.load(tmp_path)

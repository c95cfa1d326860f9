"""Confluent's own compatibility cases against the program's schema registry.

They are not part of the project: TARN_SCHEMA_REGISTRY_SOURCES names a checkout of confluentinc/schema-registry. Without
it this is skipped.
"""

import json
import os
import re
import sys
import uuid
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tarn_program import Tarn, write_files  # noqa: E402

JSON_CASES = "json-schema-provider/src/test/resources/"
CORPORA = {
    "protobuf-provider/src/test/resources/diff-schema-examples.json": ("PROTOBUF", 54),
    JSON_CASES + "diff-schema-examples.json": ("JSON", 104),
    JSON_CASES + "diff-schema-examples-2020-12.json": ("JSON", 113),
    JSON_CASES + "diff-combined-schema-examples.json": ("JSON", 28),
    JSON_CASES + "diff-combined-schema-examples-2020-12.json": ("JSON", 18),
}


@pytest.fixture(scope="module")
def sources():
    folder = os.environ.get("TARN_SCHEMA_REGISTRY_SOURCES")
    if not folder:
        pytest.skip("TARN_SCHEMA_REGISTRY_SOURCES names no checkout of confluentinc/schema-registry")
    return Path(folder)


@pytest.fixture(scope="module")
def registry(tmp_path_factory, sources):
    folder = tmp_path_factory.mktemp("registry") / "workspace"
    write_files(folder, {"tarn.yaml": "name: registry\n"})
    with Tarn(folder) as tarn:
        tarn.start()
        yield tarn


class Case:
    def __init__(self, tarn, kind, case):
        self.tarn, self.kind, self.case, self.subject = tarn, kind, case, "c-" + uuid.uuid4().hex

    def post(self, path, body):
        answer = requests.post(self.tarn.web + "/schema-registry" + path, json=body, timeout=60,
                               auth=("admin", self.tarn.token))
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    def body(self, which):
        """The schema as it is sent; what it refers to is registered before."""
        text = self.case[which + "_schema"]
        references = []
        for needed in self.case.get(which + "_dependencies") or []:
            subject = f"{self.subject}-{which}-{needed['name']}"
            self.post(f"/subjects/{requests.utils.quote(subject, safe='')}/versions",
                      {"schema": needed["dependency"], "schemaType": self.kind})
            references.append({"name": needed["name"], "subject": subject, "version": 1})
        return {"schema": text if isinstance(text, str) else json.dumps(text), "schemaType": self.kind,
                "references": references}

    def problem(self):
        """What the registry says otherwise than the case does; empty when it agrees."""
        try:
            self.post(f"/subjects/{self.subject}/versions", self.body("original"))
            said = self.post(f"/compatibility/subjects/{self.subject}/versions/latest?verbose=true",
                             self.body("update"))
        except AssertionError as error:
            return str(error)
        if said["is_compatible"] == self.case["compatible"]:
            return ""
        return f"compatible: {said['is_compatible']}, expected {self.case['changes']}: {said.get('messages')}"


@pytest.mark.parametrize("file", CORPORA)
def test_corpus(registry, sources, file):
    kind, count = CORPORA[file]
    # Some of the files end their lists with a comma.
    cases = json.loads(re.sub(r",(\s*[}\]])", r"\1", (sources / file).read_text()))
    problems = {case["description"]: Case(registry, kind, case).problem() for case in cases}
    failed = [f"{description}: {problem}" for description, problem in problems.items() if problem]
    assert len(cases) >= count
    assert not failed, "\n".join(failed)

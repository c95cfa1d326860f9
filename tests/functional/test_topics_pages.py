"""The pages of topics in a real browser: records, live tail, producing, settings, groups, hostile content, denials.

The scenarios are tests/browser/topics.mjs; the screenshots go to build/test_results/web, for people to look at.
"""

import json
import re
import subprocess

import pytest
from confluent_kafka import Consumer, Producer
from tarn_program import ROOT, Tarn, until, write_files
from test_kafka import login

BROWSER = ROOT / "tests/browser"
SCREENSHOTS = ROOT / "build/test_results/web"
LISTED = (BROWSER / "topics.mjs").read_text().split("const scenarios = {")[1].split("}")[0]
SCENARIOS = re.findall(r"\w+", LISTED)
EVIL = '<img src=x onerror=window.hacked=1>"><script>window.hacked=1</script>'


def fill(tarn):
    for name, partitions in (("orders", 3), ("odd", 1), ("live", 1), ("made", 1)):
        assert tarn.http("PUT", f"/api/v1/topics/{name}", {"partitions": partitions}).status == 201
    producer = Producer(login(tarn))
    for index in range(1200):
        producer.produce("orders", json.dumps({"item": "pen", "id": index}, separators=(",", ":")).encode(),
                         key=f"customer-{index % 40}", partition=index % 3, timestamp=1_760_000_000_000 + index * 1000)
    producer.produce("odd", EVIL.encode(), key=EVIL.encode(), headers=[(EVIL, EVIL.encode())])
    producer.produce("odd", b"\xff\x00\xfe" + bytes(range(200)), key=b"\x80")
    producer.produce("odd", None, key=b"a tombstone")
    producer.produce("odd", b"long " * 20_000 + b"the end of it")
    producer.produce("odd", b"")
    assert producer.flush(20) == 0
    sought = tarn.http("POST", "/api/v1/consumer-groups/billing/seek", {"to": "earliest", "topic": "orders"})
    assert sought.status == 200
    tarn.post("/api/v1/users", {"name": "guest", "password": "guest of topics 1"})
    allow = [{"actions": ["topic:Describe"], "resources": ["orders"]}]
    assert tarn.http("PUT", "/api/v1/roles/guests", {"members": ["user:guest"], "allow": allow}).status < 300


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Every scenario's result by its name, from one browser against one Tarn."""
    folder = tmp_path_factory.mktemp("topics") / "shop"
    write_files(folder, {"tarn.yaml": "name: shop\n"})
    with Tarn(folder) as tarn:
        tarn.start()
        link = until(lambda: re.search(r"\S+/login#link=\S+", tarn.output.read_text()), "the login link")[0]
        fill(tarn)
        consumer = Consumer({**login(tarn), "group.id": "working", "client.id": "worker"})
        consumer.subscribe(["orders"])
        until(lambda: consumer.poll(0.1) or len(consumer.assignment()) == 3, "the group")
        done = subprocess.run(["node", BROWSER / "topics.mjs", tarn.web, link, SCREENSHOTS], cwd=BROWSER,
                              capture_output=True, text=True, timeout=400)
        consumer.close()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    measured = {name: value for line in lines for name, value in line["measured"].items()}
    (SCREENSHOTS / "measured_topics.json").write_text(json.dumps(measured, indent=2) + "\n")
    return {line["name"]: line for line in lines} or done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_page(results, name):
    assert isinstance(results, dict), results
    result = results[name]
    assert result["error"] is None, f"{result['error']}\nscreenshot: {SCREENSHOTS / f'topics_{name}_failed.png'}"
    assert result["complaints"] == []

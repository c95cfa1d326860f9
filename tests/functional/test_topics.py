"""Topics and consumer groups without Kafka's tools: the HTTP API beside Kafka's clients, which see the same."""

import time
import uuid

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource
from test_kafka import consume, login, produce

ACTIONS = ["topic:Read", "topic:Write", "topic:Alter", "topic:DescribeConfigs", "topic:AlterConfigs", "topic:Delete"]


@pytest.fixture
def topic(small):
    name = "t-" + uuid.uuid4().hex[:8]
    small.http("PUT", f"/api/v1/topics/{name}", {"partitions": 2})
    yield name
    small.http("DELETE", f"/api/v1/topics/{name}")


@pytest.fixture(scope="module")
def kim(small):
    """May see topics kim-*, nothing else."""
    small.post("/api/v1/users", {"name": "kimtopics"})
    small.http("PUT", "/api/v1/roles/kimtopics", {
        "members": ["user:kimtopics"],
        "allow": [{"actions": ["topic:Describe"], "resources": ["kim-*"]}]})
    return small.post("/api/v1/tokens", {"name": "t", "user": "kimtopics"})["token"]


def group_of(tarn, topic, reads, **settings):
    """A group that has read so many records of the topic and left."""
    name = "g-" + topic
    consume(tarn, topic, reads, group=name, **settings)
    return name


def test_a_topic_is_made_seen_and_deleted(small):
    name = "made-" + uuid.uuid4().hex[:8]
    made = small.http("PUT", f"/api/v1/topics/{name}", {"partitions": 3, "settings": {"retention.ms": 5000}})
    assert made.status == 201 and made.json["partitions"] == 3
    again = small.http("PUT", f"/api/v1/topics/{name}", {})
    assert again.status == 409 and "already" in again.json["error"]["message"]
    produce(small, name, [b"12345"] * 10)
    seen = small.get(f"/api/v1/topics/{name}")
    assert [one["partition"] for one in seen["partitions"]] == [0, 1, 2]
    assert sum(one["records"] for one in seen["partitions"]) == seen["records"] == 10
    assert seen["bytes"] == sum(one["bytes"] for one in seen["partitions"]) > 50
    assert max(one["newest_at"] or "" for one in seen["partitions"]) > "2020"
    settings = {one["name"]: one for one in seen["settings"]}
    assert settings["retention.ms"]["value"] == "5000" and settings["retention.ms"]["default"] == "604800000"
    assert settings["retention.ms"]["is_set"] and not settings["cleanup.policy"]["is_set"]
    assert settings["cleanup.policy"]["allowed"] == ["delete", "compact"]
    assert all(one["documentation"] for one in seen["settings"])
    assert seen["may"] == dict.fromkeys(ACTIONS, True)
    listed = {one["name"]: one for one in small.get("/api/v1/topics")["topics"]}
    assert listed[name]["records"] == 10 and listed[name]["partitions"] == 3
    # What Kafka's tools say is the same.
    resource, admin = ConfigResource(ConfigResource.Type.TOPIC, name), AdminClient(login(small))
    assert admin.describe_configs([resource])[resource].result(10)["retention.ms"].value == "5000"
    del admin  # it asks for what it knows, which would make the topic anew
    gone = small.http("DELETE", f"/api/v1/topics/{name}")
    assert gone.json == {"deleted_records": 10, "deleted_bytes": seen["bytes"]}
    missing = small.http("GET", f"/api/v1/topics/{name}")
    assert missing.status == 404 and missing.json["error"]["detail_code"] == "UNKNOWN_TOPIC_OR_PARTITION"


def test_settings_are_changed_and_put_back(small, topic):
    def change(**body):
        return small.http("POST", f"/api/v1/topics/{topic}/settings", body)

    def value(name):
        return next(one for one in small.get(f"/api/v1/topics/{topic}")["settings"] if one["name"] == name)
    assert change(set={"retention.ms": "1000", "max.message.bytes": 500}).status == 200
    assert value("retention.ms")["value"] == "1000"
    assert change(reset=["retention.ms"]).status == 200
    assert value("retention.ms")["value"] == "604800000" and not value("retention.ms")["is_set"]
    assert value("max.message.bytes")["value"] == "500"
    refused = change(set={"retention.mss": "1"})
    assert refused.status == 400 and "no setting retention.mss" in refused.json["error"]["message"]
    assert change(set={"cleanup.policy": "shred"}).status == 400
    assert change(reset=["nonsense"]).status == 400
    assert change().status == 400
    large = produce(small, topic, [b"x" * 5000])
    assert large[0].name() == "MSG_SIZE_TOO_LARGE"


def test_partitions_become_more_never_fewer(small, topic):
    path = f"/api/v1/topics/{topic}/partitions"
    assert small.http("POST", path, {"partitions": 5}).json == {"partitions": 5}
    assert len(AdminClient(login(small)).list_topics(topic, 10).topics[topic].partitions) == 5
    fewer = small.http("POST", path, {"partitions": 2})
    assert fewer.status == 400 and "has 5 partitions" in fewer.json["error"]["message"]
    assert small.http("POST", path, {"partitions": 10**7}).status == 400
    assert small.http("POST", path, {"partitions": 2**33}).status == 400
    assert small.http("POST", path, {}).status == 400


def test_records_are_deleted_up_to_an_offset(small):
    name = "d-" + uuid.uuid4().hex[:8]
    small.http("PUT", f"/api/v1/topics/{name}", {})
    produce(small, name, [b"%d" % i for i in range(100)])
    path = f"/api/v1/topics/{name}/delete-records"
    assert small.http("POST", path, {"partition": 0, "before": 40}).json == {
        "deleted_records": 40, "partitions": [{"partition": 0, "start": 40}]}
    assert small.http("POST", path, {"partition": 0, "before": 200}).json["error"]["detail_code"] == \
        "OFFSET_OUT_OF_RANGE"
    assert small.http("POST", path, {"partition": 7, "before": 1}).status == 404
    assert small.http("POST", path, {"before": 1}).status == 400
    assert consume(small, name, 60)[0].value() == b"40"
    assert small.http("POST", path, {}).json["deleted_records"] == 60
    assert small.get(f"/api/v1/topics/{name}")["records"] == 0


def test_rates_are_seen(small, topic):
    produce(small, topic, [b"x" * 100] * 600)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        listed = {one["name"]: one for one in small.get("/api/v1/topics")["topics"]}[topic]
        if listed["records_per_second"] > 0:
            break
        time.sleep(0.5)
    assert 9 < listed["records_per_second"] < 11  # 600 in a minute
    assert listed["bytes_per_second"] > 0
    series = small.get(f"/api/v1/topics/{topic}")["throughput"]
    assert series["step_seconds"] == 10 and sum(series["records_per_second"]) * 10 == pytest.approx(600, rel=0.1)


def test_a_group_is_seen_with_its_lag(small, topic):
    produce(small, topic, [b"%d" % i for i in range(50)])
    name = "g-" + topic
    consumer = Consumer({**login(small), "group.id": name, "auto.offset.reset": "earliest", "client.id": "reader",
                         "enable.auto.commit": False, "enable.auto.offset.store": True})
    consumer.subscribe([topic])
    got = 0
    while got < 50:
        got += len(consumer.consume(50, 1))
    seen = small.get(f"/api/v1/consumer-groups/{name}")
    assert seen["state"] == "Stable" and seen["protocol_type"] == "consumer" and seen["protocol"]
    assert [(one["client_id"], one["share"]) for one in seen["members"]] == [
        ("reader", [{"topic": topic, "partitions": [0, 1]}])]
    assert seen["lag"] == 50 and {one["committed"] for one in seen["offsets"]} == {None}
    assert {one["member"] for one in seen["offsets"]} == {seen["members"][0]["id"]}
    readers = small.get(f"/api/v1/topics/{topic}")["groups"]
    assert readers == [{"group": name, "state": "Stable", "members": 1, "lag": 50}]
    consumer.commit(asynchronous=False)
    produce(small, topic, [b"new"] * 3)
    listed = {one["group"]: one for one in small.get("/api/v1/consumer-groups")["groups"]}[name]
    assert listed == {"group": name, "state": "Stable", "protocol_type": "consumer", "protocol": seen["protocol"],
                      "members": 1, "topics": [topic], "lag": 3}
    # While somebody is a member, offsets stay and the group is.
    for call in (("POST", f"/api/v1/consumer-groups/{name}/seek", {"to": "earliest"}),
                 ("POST", f"/api/v1/consumer-groups/{name}/seek", {"to": "earliest", "dry_run": True}),
                 ("DELETE", f"/api/v1/consumer-groups/{name}")):
        refused = small.http(*call)
        assert refused.status == 412 and refused.json["error"]["detail_code"] == "NON_EMPTY_GROUP", call
        assert "stop its consumers" in refused.json["error"]["hint"]
    consumer.close()
    assert small.get(f"/api/v1/consumer-groups/{name}")["state"] == "Empty"
    assert small.http("DELETE", f"/api/v1/consumer-groups/{name}").status == 200
    gone = small.http("GET", f"/api/v1/consumer-groups/{name}")
    assert gone.status == 404 and gone.json["error"]["detail_code"] == "GROUP_ID_NOT_FOUND"


def test_offsets_are_put_elsewhere(small):
    topic = "s-" + uuid.uuid4().hex[:8]
    small.http("PUT", f"/api/v1/topics/{topic}", {})
    for start in range(0, 100, 10):
        produce(small, topic, [b"%d" % i for i in range(start, start + 10)])
        if start == 40:
            time.sleep(0.02)
            middle = time.time()
            time.sleep(0.02)
    group = group_of(small, topic, 100)
    path = f"/api/v1/consumer-groups/{group}/seek"

    def seek(**body):
        answer = small.http("POST", path, body)
        assert answer.status == 200, answer.json
        return answer.json["offsets"]

    def committed():
        consumer = Consumer({**login(small), "group.id": group})
        return consumer.committed([TopicPartition(topic, 0)], 10)[0].offset
    assert seek(to="earliest", dry_run=True) == [{"topic": topic, "partition": 0, "before": 100, "after": 0}]
    assert committed() == 100
    assert seek(to="earliest")[0]["after"] == committed() == 0
    assert seek(time=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(middle)) + f".{int(middle % 1 * 1e6):06}Z")[0][
        "after"] == committed() == 50
    assert seek(time="2099-01-01T00:00:00Z")[0]["after"] == 100
    assert seek(offset=7, topic=topic, partitions=[0])[0]["after"] == committed() == 7
    assert seek(shift=-3)[0]["after"] == 4
    assert seek(shift=-(2**63))[0]["after"] == 0
    assert seek(shift=2**63 - 1)[0]["after"] == 100
    assert seek(offset=1000)[0]["after"] == 100  # the end: never beyond it
    assert seek(to="latest")[0]["after"] == 100
    assert seek(offset=98) and [one.value() for one in consume(small, topic, 2, group=group)] == [b"98", b"99"]
    for body in ({}, {"to": "start"}, {"to": "latest", "offset": 1}, {"offset": -1}, {"time": "noon"},
                 {"to": "latest", "partitions": [0]}, {"to": "latest", "topic": topic, "partitions": "0"}):
        assert small.http("POST", path, body).status == 400, body
    assert small.http("POST", path, {"to": "latest", "topic": topic, "partitions": [9]}).status == 404
    assert small.http("POST", path, {"to": "latest", "topic": "nosuch"}).status == 404
    # A group that is not there yet gets offsets of a topic that is named.
    fresh = "fresh-" + topic
    assert small.http("POST", f"/api/v1/consumer-groups/{fresh}/seek", {"to": "latest"}).status == 404
    assert small.http("POST", f"/api/v1/consumer-groups/{fresh}/seek", {"offset": 99, "topic": topic}).status == 200
    assert [one.value() for one in consume(small, topic, 1, group=fresh)] == [b"99"]


def test_who_may_not_sees_nothing(small, kim):
    mine, other = "kim-" + uuid.uuid4().hex[:6], "other-" + uuid.uuid4().hex[:6]
    for name in (mine, other):
        small.http("PUT", f"/api/v1/topics/{name}", {})
    group = "g-" + mine
    produce(small, mine, [b"x"])
    produce(small, other, [b"x"])
    for name in (mine, other):
        consume(small, name, 1, group=group)
    assert [one["name"] for one in small.http("GET", "/api/v1/topics", token=kim).json["topics"]] == [mine]
    seen = small.http("GET", f"/api/v1/topics/{mine}", token=kim).json
    assert seen["may"] == dict.fromkeys(ACTIONS, False)
    assert seen["groups"] == [] and seen["settings"] == []  # she may not see groups, nor settings
    for name in (other, "nosuch"):
        assert small.http("GET", f"/api/v1/topics/{name}", token=kim).status == 403
    assert small.http("GET", "/api/v1/consumer-groups", token=kim).json["groups"] == []
    assert small.http("GET", f"/api/v1/consumer-groups/{group}", token=kim).status == 403
    small.http("PUT", "/api/v1/roles/kimgroups", {
        "members": ["user:kimtopics"],
        "allow": [{"actions": ["group:*"], "resources": [group]}, {"actions": ["topic:Read"], "resources": [mine]}]})
    shown = small.http("GET", f"/api/v1/consumer-groups/{group}", token=kim).json
    assert [one["topic"] for one in shown["offsets"]] == [mine] and shown["topics"] == [mine]
    path = f"/api/v1/consumer-groups/{group}/seek"
    assert small.http("POST", path, {"to": "earliest", "topic": mine}, token=kim).status == 200
    assert small.http("POST", path, {"to": "earliest", "topic": other}, token=kim).status == 403
    assert small.http("POST", path, {"to": "earliest"}, token=kim).status == 403  # it has offsets of the other, too
    # What was refused is in the audit log, with the name.
    denied = small.query("SELECT count(*) FROM system.audit WHERE phase = 'denied' AND principal = 'user:kimtopics' "
                         f"AND resource = 'topic:{other}'")
    assert int(denied[0][0]) >= 1


def test_changes_are_in_the_audit_log(small, topic):
    small.http("POST", f"/api/v1/topics/{topic}/settings", {"set": {"retention.ms": "7"}})
    rows = small.query("SELECT operation, status, details->>'settings' FROM system.audit WHERE phase = 'end' AND "
                       f"resource = 'topic:{topic}' ORDER BY 1")
    assert [(row[0], row[1]) for row in rows] == [
        ("POST /api/v1/topics/{name}/settings", "ok"), ("PUT /api/v1/topics/{name}", "ok")]
    assert "retention.ms" in rows[0][2]


def test_kafkas_own_administration_still_agrees(small, topic):
    """The handlers share their code with the HTTP operations."""
    admin = AdminClient(login(small))
    produce(small, topic, [b"x"] * 20)
    ends = {one["partition"]: one["end"] for one in small.get(f"/api/v1/topics/{topic}")["partitions"]}
    wanted = [TopicPartition(topic, 0, ends[0])]
    assert admin.delete_records(wanted)[wanted[0]].result(10).low_watermark == ends[0]
    assert small.get(f"/api/v1/topics/{topic}")["records"] == ends[1]
    beyond = [TopicPartition(topic, 1, ends[1] + 1)]
    with pytest.raises(KafkaException, match="OFFSET_OUT_OF_RANGE"):
        admin.delete_records(beyond)[beyond[0]].result(10)
    missing = [TopicPartition(topic, 9, 0)]
    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART|Unknown partition|partition"):
        admin.delete_records(missing)[missing[0]].result(10)

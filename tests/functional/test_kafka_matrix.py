"""Every Kafka API × {not logged in, no rights, rights, malformed, oversized}, and what of it is in the audit log.

The rows come from the program itself (GET /api/v1/operations): an API that somebody adds is given a request here first.
"""

import os
import struct
import time

import pytest
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka_wire import APIS, KafkaWire
from tarn_program import until

TOPIC, GROUP, TRANSACTION = "matrix-topic", "matrix-group", "matrix-transaction"
# Kafka's codes for what one may not do: to a topic, a group, the cluster, a transaction.
REFUSALS = {"topic": 29, "group": 30, "cluster": 31, "transaction": 53}
# These answer everybody who is logged in; what the caller may not know of is left out, or refused by itself.
HIDES = {"Metadata": 29, "DescribeConfigs": 29}
# Who may not see the rules is refused before it is looked which of them a filter means.
DENIED_AS = {"DeleteAcls": "DescribeAcls"}
# By name: later versions name topics by their ids.
VERSIONS = {"Fetch": 12}


def batch():
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 16)
    builder.append(0, int(time.time() * 1000), b"k", b"v", [])
    return bytes(builder.build())


def of_topic(**more):
    return {"name": TOPIC, "partitions": [{"partition_index": 0, **more}]}


MEMBER = {"group_id": GROUP, "generation_id": -1, "member_id": ""}
ACL = {"resource_type": 2, "resource_name": TOPIC, "resource_pattern_type": 3, "principal": "User:matrix-guest",
       "host": "*", "operation": 3, "permission_type": 3}
ACL_FILTER = {"resource_type_filter": 2, "resource_name_filter": TOPIC, "pattern_type_filter": 3,
              "principal_filter": "User:matrix-guest", "host_filter": None, "operation": 1, "permission_type": 1}
IN_TRANSACTION = {"transactional_id": TRANSACTION, "producer_id": 1, "producer_epoch": 0}
REQUESTS = {
    "Produce": {"acks": -1, "timeout_ms": 5000,
                "topic_data": [{"name": TOPIC, "partition_data": [{"index": 0, "records": batch()}]}]},
    "Fetch": {"replica_id": -1, "max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "session_id": 0,
              "session_epoch": -1, "topics": [{"topic": TOPIC, "partitions": [
                  {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}]},
    "ListOffsets": {"replica_id": -1, "topics": [of_topic(timestamp=-1)]},
    "Metadata": {"topics": [{"name": TOPIC}], "allow_auto_topic_creation": False},
    "OffsetCommit": {"group_id": GROUP, "generation_id_or_member_epoch": -1, "member_id": "",
                     "topics": [of_topic(committed_offset=0)]},
    "OffsetFetch": {"groups": [{"group_id": GROUP}]},
    "FindCoordinator": {"key_type": 0, "coordinator_keys": [GROUP]},
    "JoinGroup": {"group_id": GROUP, "session_timeout_ms": 6000, "rebalance_timeout_ms": 6000, "member_id": "",
                  "protocol_type": "consumer", "protocols": [{"name": "range", "metadata": b""}]},
    "Heartbeat": MEMBER,
    "LeaveGroup": {"group_id": GROUP, "members": [{"member_id": "nobody"}]},
    "SyncGroup": {**MEMBER, "protocol_type": "consumer", "protocol_name": "range"},
    "InitProducerId": {"transaction_timeout_ms": 60000, "producer_id": -1, "producer_epoch": -1},
    "OffsetForLeaderEpoch": {"replica_id": -1, "topics": [{"topic": TOPIC, "partitions": [
        {"partition": 0, "current_leader_epoch": -1, "leader_epoch": 0}]}]},
    "AddPartitionsToTxn": {"v3_and_below_transactional_id": TRANSACTION, "v3_and_below_producer_id": 1,
                           "v3_and_below_producer_epoch": 0,
                           "v3_and_below_topics": [{"name": TOPIC, "partitions": [0]}]},
    "AddOffsetsToTxn": {**IN_TRANSACTION, "group_id": GROUP},
    "EndTxn": {**IN_TRANSACTION, "committed": True},
    "WriteTxnMarkers": {"markers": [{"producer_id": 1, "producer_epoch": 0, "transaction_result": False,
                                     "topics": [{"name": TOPIC, "partition_indexes": [0]}]}]},
    "TxnOffsetCommit": {**IN_TRANSACTION, "group_id": GROUP, "topics": [of_topic(committed_offset=0)]},
    "DescribeGroups": {"groups": [GROUP]},
    "ListGroups": {},
    "DeleteGroups": {"groups_names": ["matrix-nothing"]},
    "OffsetDelete": {"group_id": GROUP, "topics": [of_topic()]},
    "CreateTopics": {"topics": [{"name": "matrix-made", "num_partitions": 1, "replication_factor": 1}],
                     "timeout_ms": 5000},
    "DeleteTopics": {"topics": [{"name": "matrix-made"}], "timeout_ms": 5000},
    "CreatePartitions": {"topics": [{"name": TOPIC, "count": 2}], "timeout_ms": 5000},
    "DeleteRecords": {"topics": [of_topic(offset=0)], "timeout_ms": 5000},
    "ConsumerGroupHeartbeat": {"group_id": "matrix-newer", "member_id": "m" * 22, "member_epoch": 0,
                               "rebalance_timeout_ms": 5000, "subscribed_topic_names": [TOPIC],
                               "topic_partitions": []},
    "ConsumerGroupDescribe": {"group_ids": ["matrix-newer"]},
    "DescribeAcls": {**{name: ACL_FILTER[name] for name in ("operation", "permission_type")},
                     "resource_type_filter": 2, "resource_name_filter": None, "pattern_type_filter": 1,
                     "principal_filter": None, "host_filter": None},
    "CreateAcls": {"creations": [ACL]},
    "DeleteAcls": {"filters": [ACL_FILTER]},
    "DescribeConfigs": {"resources": [{"resource_type": 2, "resource_name": TOPIC}]},
    "AlterConfigs": {"resources": [{"resource_type": 2, "resource_name": TOPIC, "configs": []}]},
    "IncrementalAlterConfigs": {"resources": [{"resource_type": 2, "resource_name": TOPIC, "configs": [
        {"name": "retention.ms", "config_operation": 0, "value": "600000"}]}]},
    "DescribeCluster": {},
    "DescribeProducers": {"topics": [{"name": TOPIC, "partition_indexes": [0]}]},
    "DescribeTransactions": {"transactional_ids": [TRANSACTION]},
    "ListTransactions": {},
    "DescribeLogDirs": {"topics": None},
    "DescribeClientQuotas": {"components": [{"entity_type": "user", "match_type": 2}]},
    "AlterClientQuotas": {"entries": [{"entity": [{"entity_type": "user", "entity_name": "matrix"}], "ops": [
        {"key": "producer_byte_rate", "value": 1.0, "remove": True}]}], "validate_only": True},
}


@pytest.fixture(scope="module")
def matrix(small):
    small.http("PUT", f"/api/v1/topics/{TOPIC}", {})
    small.http("POST", f"/api/v1/consumer-groups/{GROUP}/seek", {"topic": TOPIC, "to": "earliest"})
    small.post("/api/v1/users", {"name": "matrix-guest"})
    small.matrix_guest = small.post("/api/v1/tokens", {"name": "matrix", "user": "matrix-guest"})["token"]
    return small


@pytest.fixture(scope="module")
def rows(matrix):
    found = [row for row in matrix.get("/api/v1/operations")["operations"] if row["protocol"] == "kafka"]
    public = {row["name"] for row in found if row["action"] == "public"}
    asked = {row["name"] for row in found} - public
    assert asked == set(REQUESTS), "a row without a request here, or the other way round"
    # What makes the others impossible comes last.
    order = list(REQUESTS)
    last = ("DeleteGroups", "DeleteTopics", "DeleteRecords")
    return sorted((row for row in found if row["name"] in asked),
                  key=lambda row: (row["name"] in last, order.index(row["name"])))


def codes(answer):
    """All error codes of an answer, wherever they stand."""
    if isinstance(answer, list):
        return [code for one in answer for code in codes(one)]
    if not isinstance(answer, dict):
        return []
    own = [value for key, value in answer.items() if key.endswith("error_code")]
    return own + [code for one in answer.values() for code in codes(one)]


def ask(tarn, row, user, token):
    with KafkaWire(tarn.ready["kafka"]) as wire:
        wire.login(user, token)
        name = row["name"]
        return wire.call(name, REQUESTS[name], VERSIONS.get(name, wire.versions()[name]))


def check(found):
    assert found
    wrong = [f"{name}: {what}" for name, what, right in found if not right]
    assert not wrong, "\n".join(wrong)


def recorded(tarn, user, since):
    """{operation: phases} of a user's calls."""
    return dict(tarn.query(
        "SELECT operation, string_agg(DISTINCT phase, ',' ORDER BY phase) FROM system.audit "
        f"WHERE protocol = 'kafka' AND principal = 'user:{user}' AND time >= '{since}' GROUP BY 1"))


def now(tarn):
    return tarn.value("SELECT now()::TIMESTAMP::VARCHAR") + "Z"


def test_without_a_login_nothing_is_answered(matrix, rows):
    found = []
    for row in rows:
        with KafkaWire(matrix.ready["kafka"]) as wire:
            answer = wire.call(row["name"], REQUESTS[row["name"]], VERSIONS.get(row["name"], APIS[row["name"]].low))
            found.append((row["name"], answer, answer is None))
    check(found)


def test_without_rights_each_is_refused_with_kafkas_code_and_recorded(matrix, rows):
    since, found = now(matrix), []
    for row in rows:
        name, answer = row["name"], ask(matrix, row, "matrix-guest", matrix.matrix_guest)
        kind = row["action"].split(":")[0]
        wanted = HIDES.get(name) if row["action"] == "self" else REFUSALS.get(kind, REFUSALS["cluster"])
        got = codes(answer)
        if wanted is None:
            right = answer is not None and set(got) <= {0} and "matrix-t" not in repr(answer)
        else:
            right = wanted in got and 0 not in [code for code in got if code != wanted][1:]
        found.append((name, f"{got} for {row['action']}", right))
    check(found)
    denied = {DENIED_AS.get(row["name"], row["name"]) for row in rows if row["action"] != "self"}
    until(lambda: denied <= recorded(matrix, "matrix-guest", since).keys(), "the audit log", 5)
    phases = recorded(matrix, "matrix-guest", since)
    check([(name, phases[name], phases[name] == "denied") for name in sorted(denied)])


def test_with_rights_each_is_done_and_recorded(matrix, rows):
    since, found = now(matrix), []
    for row in rows:
        answer = ask(matrix, row, "admin", matrix.token)
        refused = set(codes(answer)) & set(REFUSALS.values())
        found.append((row["name"], answer, answer is not None and not refused and -1 not in codes(answer)))
    check(found)
    # What tells everybody the same is only counted.
    counted = {row["name"] for row in rows if row["audit_class"] == "public"}
    wanted = {row["name"] for row in rows} - counted
    missing = wanted - recorded(matrix, "admin", since).keys()
    assert not missing, f"not in the audit log: {missing}"
    phases = recorded(matrix, "admin", since)
    check([(name, phases[name], phases[name] == "begin,end") for name in sorted(wanted)])


def test_what_is_no_request_closes_the_connection_and_nothing_else(matrix, rows):
    found = []
    for row in rows:
        for body in (b"", b"\xff" * 64, b"\x7f" * 5000, os.urandom(300)):
            with KafkaWire(matrix.ready["kafka"]) as wire:
                wire.login("admin", matrix.token)
                wire.send(row["name"], VERSIONS.get(row["name"], wire.versions()[row["name"]]), body)
                wire.connection.shutdown(1)
                answer = wire.receive()  # some need no body
                found.append((row["name"], answer, answer is None or len(answer) < 1 << 20))
    check(found)
    assert matrix.get("/api/v1/topics")["topics"]
    assert matrix.http("GET", "/health").status == 200


def test_what_is_too_long_closes_the_connection(matrix, rows):
    limits = {row["name"]: row["body_bytes_max"] for row in rows}
    for declared in (max(limits.values()) + 1000, 0x7FFFFFFF, -1):
        with KafkaWire(matrix.ready["kafka"]) as wire:
            wire.login("admin", matrix.token)
            wire.connection.sendall(struct.pack(">i", declared))
            assert wire.receive() is None
    with KafkaWire(matrix.ready["kafka"]) as wire:  # before the login a frame is small
        wire.connection.sendall(struct.pack(">i", 1 << 20))
        assert wire.receive() is None


def test_a_group_of_the_newer_protocol_is_seen_over_http(matrix):
    group = "matrix-newer-seen"
    with KafkaWire(matrix.ready["kafka"]) as wire:
        wire.login("admin", matrix.token)
        joined = wire.call("ConsumerGroupHeartbeat", {**REQUESTS["ConsumerGroupHeartbeat"], "group_id": group}, 1)
        assert joined["error_code"] == 0, joined
        seen = matrix.get(f"/api/v1/consumer-groups/{group}")
        assert len(seen["members"]) == 1 and seen["members"][0]["client_id"] == "test", seen
        assert seen["members"][0]["share"] and seen["members"][0]["share"][0]["topic"] == TOPIC, seen
        listed = {one["group"]: one for one in matrix.get("/api/v1/consumer-groups")["groups"]}
        assert listed[group]["members"] == 1
        assert group in [one["group"] for one in matrix.get(f"/api/v1/topics/{TOPIC}")["groups"]]
        path = f"/api/v1/consumer-groups/{group}/seek"
        refused = matrix.http("POST", path, {"to": "earliest", "topic": TOPIC})
        assert refused.status == 412 and refused.json["error"]["detail_code"] == "NON_EMPTY_GROUP"

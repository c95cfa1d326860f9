"""Kafka's ACLs are the one policy store: rules made by its protocol hold at once, and policies show as rules."""

import uuid

import kafka
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient,
                                   NewTopic, ResourcePatternType, ResourceType)
from kafka.admin import KafkaAdminClient
from kafka.errors import ClusterAuthorizationFailedError
from test_kafka import consume, login, produce

READ, WRITE, ALTER = AclOperation.READ, AclOperation.WRITE, AclOperation.ALTER
ALLOW, DENY = AclPermissionType.ALLOW, AclPermissionType.DENY
LITERAL, PREFIXED = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED


def rule(principal, name, operation, permission=ALLOW, pattern=LITERAL, kind=ResourceType.TOPIC, host="*"):
    return AclBinding(kind, name, pattern, f"User:{principal}", host, operation, permission)


def of(principal=None, name=None, operation=AclOperation.ANY):
    return AclBindingFilter(ResourceType.ANY, name, ResourcePatternType.ANY, principal and f"User:{principal}", None,
                            operation, AclPermissionType.ANY)


def add(admin, *rules):
    for made in admin.create_acls(list(rules)).values():
        made.result(10)


def remove(admin, one):
    return admin.delete_acls([one])[one].result(10)


def listed(admin, one):
    return sorted((rule.name, rule.operation.name, rule.permission_type.name, rule.resource_pattern_type.name)
                  for rule in admin.describe_acls(one).result(10))


@pytest.fixture
def person(small):
    name = "p" + uuid.uuid4().hex[:8]
    small.post("/api/v1/users", {"name": name})
    return name, login(small, name, small.post("/api/v1/tokens", {"user": name, "name": "kafka"})["token"])


@pytest.fixture
def topic(small):
    name = "acl-" + uuid.uuid4().hex[:8]
    assert produce(small, name, [b"one", b"two"]) == []
    return name


def kafka_python(small, user, password):
    return KafkaAdminClient(bootstrap_servers=small.ready["kafka"], security_protocol="SASL_PLAINTEXT",
                            sasl_mechanism="PLAIN", sasl_plain_username=user, sasl_plain_password=password)


def anything():
    return kafka.admin.ACLFilter(None, None, kafka.admin.ACLOperation.ANY, kafka.admin.ACLPermissionType.ANY,
                                 kafka.admin.ResourcePatternFilter(kafka.admin.ResourceType.ANY, None,
                                                                   kafka.admin.ACLResourcePatternType.ANY))


def refused(settings, topic):
    failed = []
    producer = Producer({**settings, "message.timeout.ms": 5000})
    producer.produce(topic, b"x", on_delivery=lambda error, _: failed.append(error))
    producer.flush(10)
    return failed[0].name() if failed[0] else None


def test_rules_hold_at_once(small, person, topic):
    name, settings = person
    admin = AdminClient(login(small))
    assert refused(settings, topic) == "TOPIC_AUTHORIZATION_FAILED"
    add(admin, rule(name, topic, WRITE), rule(name, topic[:8], READ, pattern=PREFIXED),
        rule(name, "g-", READ, pattern=PREFIXED, kind=ResourceType.GROUP))
    assert refused(settings, topic) is None
    got = consume(small, topic, 3, group="g-" + topic, **{key: settings[key] for key in settings})
    assert [message.value() for message in got] == [b"one", b"two", b"x"]
    assert listed(admin, of(name)) == [(topic[:8], "READ", "ALLOW", "PREFIXED"), (topic, "WRITE", "ALLOW", "LITERAL"),
                                       ("g-", "READ", "ALLOW", "PREFIXED")]
    # Deny wins, and it is a role as any other.
    add(admin, rule(name, topic, WRITE, DENY))
    assert refused(settings, topic) == "TOPIC_AUTHORIZATION_FAILED"
    role = next(one for one in small.get("/api/v1/roles")["roles"] if name in one["description"])
    assert role["name"].startswith("kafka-acl-") and role["owner"] == "api"
    assert len(remove(admin, of(name, topic))) == 2
    assert listed(admin, of(name, topic)) == []
    assert len(remove(admin, of(name))) == 2
    assert name not in str(small.get("/api/v1/roles"))


def test_a_rule_for_everybody(small, person, topic):
    _, settings = person
    admin = AdminClient(login(small))
    add(admin, rule("*", topic, WRITE))
    assert refused(settings, topic) is None
    remove(admin, of("*", topic))
    assert refused(settings, topic) == "TOPIC_AUTHORIZATION_FAILED"


def test_policies_of_files_are_listed_and_stay(small):
    admin = AdminClient(login(small))
    small.post("/api/v1/users", {"name": "fiona"})
    made = small.http("PUT", "/api/v1/roles/fileless", {
        "members": ["user:fiona"], "allow": [{"actions": ["topic:Read"], "resources": ["fi-*"]}]})
    assert made.status < 300
    assert listed(admin, of("fiona")) == [("fi-", "READ", "ALLOW", "PREFIXED")]
    with pytest.raises(KafkaException, match="role fileless"):
        remove(admin, of("fiona"))
    assert listed(admin, of("fiona")) == [("fi-", "READ", "ALLOW", "PREFIXED")]


@pytest.mark.parametrize(("wrong", "told"), [
    (rule("ann", "t", READ, host="10.0.0.1"), "every host"),
    (rule("ann", "a*b", READ), "no name"),
    (rule("ann", "kafka-cluster", ALTER, kind=ResourceType.BROKER), "policies/"),
])
def test_what_tarn_has_no_words_for_is_refused(small, wrong, told):
    with pytest.raises(KafkaException, match=told):
        add(AdminClient(login(small)), wrong)


def test_only_who_may_change_roles_makes_rules(small, person, topic):
    name, settings = person
    admin = AdminClient(settings)
    with pytest.raises(KafkaException, match="CLUSTER_AUTHORIZATION_FAILED|may not"):
        add(admin, rule(name, topic, READ))
    theirs = kafka_python(small, name, settings["sasl.password"])  # librdkafka does not tell of this error
    with pytest.raises(ClusterAuthorizationFailedError, match="role:Read"):
        theirs.describe_acls(anything())
    theirs.close()
    with pytest.raises(KafkaException, match="CLUSTER_AUTHORIZATION_FAILED|may not"):
        remove(admin, of())
    # Settings and partitions are rights of their own, as with Kafka.
    add(AdminClient(login(small)), rule(name, topic, AclOperation.ALTER_CONFIGS))
    with pytest.raises(KafkaException):
        admin.create_topics([NewTopic("acl-" + name, 1, 1)])["acl-" + name].result(10)

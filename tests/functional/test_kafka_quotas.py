"""Kafka's quotas: set by its protocol, kept by what is read from a client, told to it."""

import time
import uuid

import kafka
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from kafka.admin import KafkaAdminClient
from kafka.protocol.admin import AlterClientQuotasRequest, DescribeClientQuotasRequest
from test_kafka import consume, login, produce


@pytest.fixture
def admin(small):
    client = KafkaAdminClient(bootstrap_servers=small.ready["kafka"], security_protocol="SASL_PLAINTEXT",
                              sasl_mechanism="PLAIN", sasl_plain_username="admin", sasl_plain_password=small.token)
    yield client
    client.close()


def send(admin, request):
    return admin._manager.run(admin._manager.send(request))


def alter(admin, entity, validate_only=False, **quotas):
    """entity: of {"user": name, "client-id": name}, None for the default; a quota that is None goes."""
    entry = AlterClientQuotasRequest.EntryData
    request = AlterClientQuotasRequest(
        entries=[entry(entity=[entry.EntityData(entity_type=kind, entity_name=name) for kind, name in entity.items()],
                       ops=[entry.OpData(key=key, value=value or 0.0, remove=value is None)
                            for key, value in quotas.items()])], validate_only=validate_only)
    answer = send(admin, request).entries[0]
    return answer.error_code, answer.error_message


def described(admin, *components, strict=False):
    component = DescribeClientQuotasRequest.ComponentData
    answer = send(admin, DescribeClientQuotasRequest(
        components=[component(entity_type=kind, match_type=how, match=name) for kind, how, name in components],
        strict=strict))
    assert answer.error_code == 0, answer.error_message
    return sorted(([(part.entity_type, part.entity_name) for part in entry.entity],
                   {value.key: value.value for value in entry.values}) for entry in answer.entries)


def test_what_is_set_is_described(small, admin):
    name = "c-" + uuid.uuid4().hex[:8]
    both = {"user": "admin", "client-id": name}
    assert alter(admin, {"client-id": name}, producer_byte_rate=1e9, consumer_byte_rate=2e9) == (0, None)
    assert alter(admin, both, producer_byte_rate=3e9) == (0, None)
    of_client = ([("client-id", name)], {"producer_byte_rate": 1e9, "consumer_byte_rate": 2e9})
    of_both = ([("user", "admin"), ("client-id", name)], {"producer_byte_rate": 3e9})
    assert described(admin, ("client-id", 0, name)) == sorted([of_client, of_both])
    assert described(admin, ("client-id", 0, name), strict=True) == [of_client]
    assert described(admin, ("user", 2, None), ("client-id", 2, None)) == [of_both]
    assert alter(admin, both, producer_byte_rate=None) == (0, None)
    assert alter(admin, {"client-id": name}, producer_byte_rate=None, consumer_byte_rate=None) == (0, None)
    assert described(admin, ("client-id", 0, name)) == []


@pytest.mark.parametrize(("entity", "quotas", "told"), [
    ({"ip": "10.0.0.1"}, {"connection_creation_rate": 1.0}, "no quotas of connections by address"),
    ({"user": "ann"}, {"bytes": 1.0}, 'there is no quota "bytes"'),
    ({"user": "ann"}, {"producer_byte_rate": -1.0}, "is more than 0"),
    ({"user": ""}, {"producer_byte_rate": 1.0}, "a user has a name"),
])
def test_wrong_quotas_are_refused(small, admin, entity, quotas, told):
    code, message = alter(admin, entity, **quotas)
    assert code == 42  # INVALID_REQUEST
    assert told in message


def test_a_producer_is_slowed_down_to_its_quota(small, admin):
    client, topic = "slow-" + uuid.uuid4().hex[:8], "t-" + uuid.uuid4().hex[:8]
    throttled = []
    producer = Producer({**login(small), "client.id": client, "linger.ms": 20, "batch.size": 20000,
                         "throttle_cb": lambda event: throttled.append(event.throttle_time)})
    producer.produce(topic, b"first")
    assert producer.flush(10) == 0
    assert alter(admin, {"client-id": client}, producer_byte_rate=100_000.0) == (0, None)
    begun = time.monotonic()
    for _ in range(400):
        producer.produce(topic, b"x" * 1000)
        producer.poll(0)
    assert producer.flush(30) == 0
    took = time.monotonic() - begun
    # 400 kB: a second's worth at once, the rest at the rate; the last answer does not wait for what it cost.
    assert 2 < took < 6
    assert throttled
    # Others are not.
    begun = time.monotonic()
    assert produce(small, topic, [b"x" * 1000] * 400) == []
    assert time.monotonic() - begun < 2
    assert len(consume(small, topic, 801)) == 801
    alter(admin, {"client-id": client}, producer_byte_rate=None)


def test_a_consumer_is_slowed_down_to_its_quota(small, admin):
    client, topic = "slow-" + uuid.uuid4().hex[:8], "t-" + uuid.uuid4().hex[:8]
    assert produce(small, topic, [b"x" * 1000] * 400, **{"batch.size": 20000}) == []
    assert alter(admin, {"client-id": client}, consumer_byte_rate=100_000.0) == (0, None)
    begun = time.monotonic()
    got = consume(small, topic, 400, **{"client.id": client, "fetch.max.bytes": 50000,
                                        "max.partition.fetch.bytes": 50000, "message.max.bytes": 50000})
    assert len(got) == 400
    assert 2 < time.monotonic() - begun < 12
    alter(admin, {"client-id": client}, consumer_byte_rate=None)


def test_too_many_changes_of_topics_are_refused(small, admin):
    client = "maker-" + uuid.uuid4().hex[:8]
    assert alter(admin, {"client-id": client}, controller_mutation_rate=5.0) == (0, None)
    # Two of them: who was told to wait asks nothing meanwhile.
    makers = [KafkaAdminClient(bootstrap_servers=small.ready["kafka"], security_protocol="SASL_PLAINTEXT",
                               sasl_mechanism="PLAIN", sasl_plain_username="admin", sasl_plain_password=small.token,
                               client_id=client) for _ in range(2)]
    first, second = (f"t-{uuid.uuid4().hex[:8]}" for _ in range(2))
    makers[0].create_topics([kafka.admin.NewTopic(first, 20, 1)])
    with pytest.raises(kafka.errors.ThrottlingQuotaExceededError):
        makers[1].create_topics([kafka.admin.NewTopic(second, 1, 1)])
    for maker in makers:
        maker.close()
    topics = AdminClient(login(small)).list_topics(timeout=10).topics
    assert first in topics
    assert second not in topics
    alter(admin, {"client-id": client}, controller_mutation_rate=None)


def test_only_who_may_sets_quotas(small, reader_token):
    reader = KafkaAdminClient(bootstrap_servers=small.ready["kafka"], security_protocol="SASL_PLAINTEXT",
                              sasl_mechanism="PLAIN", sasl_plain_username="rita", sasl_plain_password=reader_token)
    code, _ = alter(reader, {"user": "rita"}, producer_byte_rate=1e12)
    assert code == 31  # CLUSTER_AUTHORIZATION_FAILED
    with pytest.raises(AssertionError, match="quota:Describe"):
        described(reader)
    reader.close()
    denied = small.query("SELECT operation FROM system.audit WHERE principal = 'user:rita' AND phase = 'denied' "
                       "AND operation LIKE '%ClientQuotas'")
    assert len(denied) == 2

"""The schema registry as Confluent's client and serialisers use it, unmodified, against the program's own broker."""

import json
import uuid

import pytest
import requests
from confluent_kafka import Producer
from confluent_kafka.schema_registry import (Schema, SchemaReference, SchemaRegistryClient,
                                             record_subject_name_strategy, topic_subject_name_strategy)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from test_kafka import consume, login

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


def url(tarn):
    return tarn.web + "/schema-registry"


def client_of(tarn, user="admin", token=None, **settings):
    return SchemaRegistryClient({"url": url(tarn), "basic.auth.user.info": f"{user}:{token or tarn.token}",
                                 "max.retries": 0, **settings})


@pytest.fixture(scope="module")
def client(small):
    return client_of(small)


@pytest.fixture
def subject():
    return "s-" + uuid.uuid4().hex[:8]


def record(*fields, name="order"):
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


ID = {"name": "id", "type": "long"}
NOTE = {"name": "note", "type": "string"}
NOTE_DEFAULT = {"name": "note", "type": "string", "default": ""}


def code_of(call, *arguments, **named):
    with pytest.raises(SchemaRegistryError) as failed:
        call(*arguments, **named)
    return failed.value.http_status_code, failed.value.error_code


def ask(tarn, method, path, body=None, auth=None):
    return requests.request(method, url(tarn) + path, json=body, auth=auth or ("admin", tarn.token), timeout=30)


def send(tarn, topic, serializer, values):
    producer = Producer(login(tarn))
    for value in values:
        producer.produce(topic, serializer(value, SerializationContext(topic, MessageField.VALUE)))
    assert producer.flush(30) == 0


def receive(tarn, topic, deserializer, count):
    return [deserializer(message.value(), SerializationContext(topic, MessageField.VALUE))
            for message in consume(tarn, topic, count)]


@pytest.mark.parametrize("strategy", [topic_subject_name_strategy, record_subject_name_strategy])
def test_avro_through_the_broker(small, client, strategy):
    topic, name = "avro-" + uuid.uuid4().hex[:8], "n" + uuid.uuid4().hex[:8]
    schema = record(ID, {"name": "tags", "type": {"type": "array", "items": "string"}},
                    {"name": "price", "type": ["null", "double"], "default": None}, name=name)
    orders = [{"id": i, "tags": ["a", str(i)], "price": None if i % 2 else i / 4} for i in range(200)]
    settings = {"auto.register.schemas": True, "subject.name.strategy": strategy}
    send(small, topic, AvroSerializer(client, schema, conf=settings), orders)
    assert receive(small, topic, AvroDeserializer(client_of(small)), len(orders)) == orders
    assert client.get_latest_version(f"{topic}-value" if strategy is topic_subject_name_strategy else name).version == 1


def test_a_newer_reader_and_writer(small, client):
    topic = "evolved-" + uuid.uuid4().hex[:8]
    send(small, topic, AvroSerializer(client, record(ID)), [{"id": 1}])
    send(small, topic, AvroSerializer(client, record(ID, NOTE_DEFAULT)), [{"id": 2, "note": "x"}])
    reader = AvroDeserializer(client, record(ID, NOTE_DEFAULT))
    assert receive(small, topic, reader, 2) == [{"id": 1, "note": ""}, {"id": 2, "note": "x"}]
    with pytest.raises(Exception, match="incompatible"):
        send(small, topic, AvroSerializer(client, record(ID, NOTE | {"name": "new"})), [{"id": 3, "new": ""}])
    latest = AvroSerializer(client, conf={"auto.register.schemas": False, "use.latest.version": True})
    send(small, topic, latest, [{"id": 4, "note": "y"}])
    assert receive(small, topic, reader, 3)[-1] == {"id": 4, "note": "y"}


def test_json_schema_through_the_broker(small, client):
    topic = "json-" + uuid.uuid4().hex[:8]
    client.register_schema(topic + "/line", Schema('{"type": "object", "properties": {"price": {"type": "number"}}}',
                                                   "JSON"))
    schema = Schema(json.dumps({
        "title": "order", "type": "object", "additionalProperties": False,
        "properties": {"id": {"type": "integer"}, "lines": {"type": "array", "items": {"$ref": "line.json"}}},
        "required": ["id"]}), "JSON", [SchemaReference("line.json", topic + "/line", 1)])
    orders = [{"id": i, "lines": [{"price": i / 2}]} for i in range(100)]
    send(small, topic, JSONSerializer(schema, client), orders)
    reader = JSONDeserializer(schema, schema_registry_client=client_of(small))
    assert receive(small, topic, reader, len(orders)) == orders
    with pytest.raises(Exception, match="is not of type|valid"):
        send(small, topic, JSONSerializer(schema, client), [{"id": "x"}])
    told = ask(small, "POST", f"/compatibility/subjects/{topic}-value/versions/latest?verbose=true",
               {"schemaType": "JSON", "schema": '{"type": "object", "additionalProperties": false}'}).json()
    assert not told["is_compatible"]
    assert "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL" in told["messages"][0]


def proto_types():
    """Messages of two files, as protoc would compile them: shop/line.proto, and shop/order.proto that imports it."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    line = descriptor_pb2.FileDescriptorProto(name="shop/line.proto", package="shop", syntax="proto3")
    message = line.message_type.add(name="Line")
    message.field.add(name="price", number=1, type=1, label=1)
    order = descriptor_pb2.FileDescriptorProto(
        name="shop/order.proto", package="shop", syntax="proto3",
        dependency=["shop/line.proto", "google/protobuf/timestamp.proto"])
    order.message_type.add(name="Other")
    message = order.message_type.add(name="Order")
    message.field.add(name="id", number=1, type=3, label=1)
    message.field.add(name="lines", number=2, type=11, label=3, type_name=".shop.Line")
    message.field.add(name="at", number=3, type=11, label=1, type_name=".google.protobuf.Timestamp")
    for file in (line, order):
        pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


def test_protobuf_through_the_broker(small, client):
    topic, order_type = "proto-" + uuid.uuid4().hex[:8], proto_types()
    orders = []
    for i in range(100):
        order = order_type(id=i)
        order.lines.add(price=i / 2)
        order.at.FromSeconds(1_800_000_000 + i)
        orders.append(order)
    send(small, topic, ProtobufSerializer(order_type, client, {"use.deprecated.format": False}), orders)
    reader = ProtobufDeserializer(order_type, {"use.deprecated.format": False}, client_of(small))
    assert receive(small, topic, reader, len(orders)) == orders
    version = client.get_latest_version(topic + "-value")
    assert version.schema.schema_type == "PROTOBUF" and "message Order" in version.schema.schema_str
    assert [one.name for one in version.schema.references] == ["shop/line.proto"]
    assert "message Line" in client.get_latest_version("shop/line.proto").schema.schema_str
    changed = version.schema.schema_str.replace("int64 id", "string id")
    assert not client.test_compatibility(topic + "-value", Schema(changed, "PROTOBUF", version.schema.references))
    assert ask(small, "GET", "/schemas/types").json() == ["JSON", "PROTOBUF", "AVRO"]


def test_subjects_and_versions(client, subject):
    first = client.register_schema(subject, Schema(record(ID), "AVRO"))
    second = client.register_schema(subject, Schema(record(ID, NOTE_DEFAULT), "AVRO"))
    assert client.register_schema(subject, Schema(record(ID), "AVRO")) == first != second
    assert subject in client.get_subjects() and client.get_versions(subject) == [1, 2]
    assert client.get_version(subject, 1).schema_id == first
    assert client.get_latest_version(subject).version == 2
    assert json.loads(client.get_schema(second).schema_str) == json.loads(record(ID, NOTE_DEFAULT))
    assert client.lookup_schema(subject, Schema(record(ID), "AVRO")).version == 1
    guid = client.get_latest_version(subject).guid
    assert json.loads(client.get_schema_by_guid(guid).schema_str) == json.loads(record(ID, NOTE_DEFAULT))
    assert {(one.subject, one.version) for one in client.get_schema_versions(first)} >= {(subject, 1)}
    assert client.delete_version(subject, 1) == 1
    assert client.delete_subject(subject) == [2]
    assert code_of(client.get_versions, subject) == (404, 40401)
    assert client.delete_subject(subject, permanent=True) == [1, 2]


def test_compatibility(small, client, subject):
    client.register_schema(subject, Schema(record(ID), "AVRO"))
    bad = Schema(record(ID, NOTE), "AVRO")
    assert not client.test_compatibility(subject, bad)
    assert client.test_compatibility(subject, Schema(record(ID, NOTE_DEFAULT), "AVRO"))
    assert code_of(client.register_schema, subject, bad) == (409, 40901)
    told = ask(small, "POST", f"/compatibility/subjects/{subject}/versions/latest?verbose=true",
               {"schema": record(ID, NOTE)}).json()
    assert told["is_compatible"] is False
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in told["messages"][0] and "'note'" in told["messages"][0]
    assert code_of(client.get_compatibility, subject) == (404, 40408)
    client.set_compatibility(subject, "FORWARD")
    assert client.get_compatibility(subject) == "FORWARD"
    assert client.register_schema(subject, bad) > 0
    assert code_of(client.set_compatibility, subject, "SIDEWAYS") == (422, 42203)
    assert client.get_compatibility() == "BACKWARD"


def test_references(client, subject):
    client.register_schema(subject + "/inner", Schema(record(ID, name="x.inner"), "AVRO"))
    reference = SchemaReference("x.inner", subject + "/inner", 1)
    outer = record({"name": "inner", "type": "x.inner"})
    assert code_of(client.register_schema, subject, Schema(outer, "AVRO")) == (422, 42201)
    made = client.register_schema(subject, Schema(outer, "AVRO", [reference]))
    assert client.get_schema(made).references[0].subject == subject + "/inner"
    assert code_of(client.delete_version, subject + "/inner", 1) == (422, 42206)


def test_contexts_and_modes(small, client, subject):
    assert client.register_schema(f":.{subject}:a", Schema(record(ID), "AVRO")) == 1
    assert ask(small, "GET", f"/contexts/.{subject}/subjects").json() == [f":.{subject}:a"]
    assert ask(small, "GET", f"/contexts/.{subject}/subjects/a/versions").json() == [1]
    assert ask(small, "GET", f"/contexts/.{subject}/schemas/ids/1").status_code == 200
    assert "." + subject in ask(small, "GET", "/contexts").json()
    assert ask(small, "PUT", f"/mode/{subject}", {"mode": "IMPORT"}).json() == {"mode": "IMPORT"}
    body = {"schema": record(ID, name="imported"), "id": 4242, "version": 3}
    made = ask(small, "POST", f"/subjects/{subject}/versions", body)
    assert (made.json()["id"], made.json()["version"]) == (4242, 3)
    assert made.headers["Content-Type"] == MEDIA_TYPE
    ask(small, "PUT", f"/mode/{subject}", {"mode": "READONLY"})
    assert code_of(client.register_schema, subject, Schema(record(ID), "AVRO")) == (422, 42205)


def test_errors_are_confluents(small, subject):
    for method, path, body, status, code in [
            ("GET", f"/subjects/{subject}/versions/latest", None, 404, 40401),
            ("GET", f"/subjects/{subject}/versions/x", None, 422, 42202),
            ("GET", "/schemas/ids/99999999", None, 404, 40403),
            ("POST", f"/subjects/{subject}", {"schema": record(ID)}, 404, 40401),
            ("POST", f"/subjects/{subject}/versions", {"schema": "{"}, 422, 42201),
            ("POST", f"/subjects/{subject}/versions", {"schema": "{}", "schemaType": "XML"}, 422, 42201),
            ("PUT", f"/mode/{subject}", {"mode": "x"}, 422, 42204),
            ("POST", "/subjects/__GLOBAL/versions", {"schema": record(ID)}, 422, 42208),
            ("GET", "/no/such/thing", None, 404, 404),
            ("PATCH", "/subjects", None, 405, 405)]:
        answer = ask(small, method, path, body)
        assert (answer.status_code, answer.json()["error_code"]) == (status, code), (method, path, answer.text)
        assert answer.json()["message"] and answer.headers["Content-Type"] == MEDIA_TYPE
    assert ask(small, "GET", "/subjects", auth=("admin", "tarn_wrong")).json()["error_code"] == 40101


def test_rights_are_of_subjects(make):
    tarn = make({"policies/schemas.yaml": "roles:\n  schemas:\n    members: [user:ann]\n    allow:\n      - {actions: "
                 "['schema:Read', 'schema:Describe', 'schema:Write'], resources: ['orders-*']}\n"})
    tarn.post("/api/v1/users", {"name": "ann"})
    ann = client_of(tarn, "ann", tarn.post("/api/v1/tokens", {"user": "ann", "name": "t"})["token"])
    admin = client_of(tarn)
    secret = admin.register_schema("secret-value", Schema(record(ID, name="secret"), "AVRO"))
    mine = ann.register_schema("orders-value", Schema(record(ID), "AVRO"))
    assert ann.get_subjects() == ["orders-value"]
    assert ann.get_schema(mine).schema_str and code_of(ann.get_schema, secret) == (404, 40403)
    assert code_of(ann.get_latest_version, "secret-value") == (403, 40301)
    assert code_of(ann.register_schema, "other", Schema(record(ID), "AVRO")) == (403, 40301)
    assert code_of(ann.set_compatibility, "orders-value", "NONE")[0] == 403
    assert code_of(ann.delete_subject, "orders-value")[0] == 403
    stolen = Schema(record({"name": "s", "type": "secret"}), "AVRO", [SchemaReference("secret", "secret-value", 1)])
    assert code_of(ann.register_schema, "orders-x", stolen)[0] == 403
    rows = tarn.query("SELECT principal, status FROM system.audit WHERE operation = "
                      "'POST /schema-registry/subjects/{subject}/versions' AND resource = 'schema:orders-value'")
    assert ("user:ann", "ok") in rows
    assert tarn.query("SELECT topic, version, type FROM system.schemas WHERE subject = 'orders-value'") == [
        ("orders", 1, "AVRO")]
    assert tarn.query("SELECT description, version FROM system.assets WHERE name = 'orders-value'") == [
        ("AVRO schema, of topic orders", "1")]


def test_it_is_there_after_a_kill(make):
    tarn = make({})
    made = client_of(tarn).register_schema("s", Schema(record(ID), "AVRO"))
    tarn.kill()
    tarn.start()
    assert client_of(tarn).register_schema("t", Schema(record(ID), "AVRO")) == made
    assert client_of(tarn).register_schema("s", Schema(record(ID, NOTE_DEFAULT), "AVRO")) == made + 1


def test_from_the_command_line(small, client, subject, tmp_path):
    first, second, bad = (tmp_path / name for name in ("1.avsc", "2.avsc", "3.avsc"))
    first.write_text(record(ID))
    second.write_text(record(ID, NOTE_DEFAULT))
    bad.write_text(record(NOTE | {"name": "other"}))
    assert small.json("schema", "add", subject, first)["version"] == 1
    assert "version 2" in small.run("schema", "add", subject, second).stdout
    assert small.run("schema", "check", subject, second).stdout == "compatible\n"
    refused = small.run("schema", "check", subject, bad)
    assert refused.returncode == 1 and "READER_FIELD_MISSING_DEFAULT_VALUE" in refused.stderr
    assert small.run("schema", "add", subject, bad).returncode == 1
    assert [(one["subject"], one["version"]) for one in small.json("schema", "list", subject)] == [(subject, 2)]
    assert len(small.json("schema", "list", subject, "--versions")) == 2
    assert json.loads(small.run("schema", "get", subject, "--version", "1").stdout) == json.loads(record(ID))
    proto = tmp_path / "m.proto"
    proto.write_text('syntax = "proto3"; import "i.proto"; message M { I i = 1; }')
    inner = tmp_path / "i.proto"
    inner.write_text('syntax = "proto3"; message I { int32 x = 1; }')
    small.json("schema", "add", subject + "-i", inner)
    made = small.json("schema", "add", subject + "-p", proto, "--references", f"i.proto:{subject}-i:1")
    assert "message M" in small.run("schema", "get", "--id", str(made["id"])).stdout
    assert small.json("schema", "delete", subject, "--version", "1") == 1
    assert small.json("schema", "delete", subject) == [2]
    assert small.json("schema", "delete", subject, "--permanent") == [1, 2]
    assert small.run("schema", "get", subject).returncode == 5

"""A raw Kafka client over our own schema files (src/wire/kafka/schema): any API, any version, any bytes.

    with KafkaWire(tarn.ready["kafka"]) as wire:
        wire.login("admin", token)
        answer = wire.call("Metadata", {"topics": [{"name": "orders"}]})
"""

import socket
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from kafka_codec import load  # noqa: E402

APIS = {api.name: api for api in load(ROOT / "src/wire/kafka/schema") if api.key is not None}
NUMBERS = {"bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q",
           "float64": ">d"}
API_VERSIONS = "ApiVersions"  # its answers' headers never have tags
ANSWER_BYTES_MAX = 64 << 20


def uvarint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


class Codec:
    """One message in one version."""

    def __init__(self, api, version):
        self.api, self.version, self.flexible = api, version, version >= api.flexible

    def fields(self, of):
        return [one for one in of.fields if one.low <= self.version <= one.high and one.tag is None]

    def length(self, number, wide):
        if self.flexible:
            return uvarint(number + 1)
        return struct.pack(">i" if wide else ">h", number)

    def default(self, one):
        if one.nullable is not None and self.version >= one.nullable and one.default in (None, "null"):
            return None
        if one.array:
            return []
        if one.struct:
            return {}
        if one.type in ("string", "bytes", "records"):
            return ("" if one.type == "string" else b"") if one.default is None else one.default
        return b"\0" * 16 if one.type == "uuid" else int({"true": 1, "false": 0}.get(one.default, one.default or 0))

    def write_struct(self, of, values):
        unknown = set(values) - {one.name for one in of.fields}
        assert not unknown, f"{of.name} has no {unknown}"
        out = b"".join(self.write(one, values.get(one.name, self.default(one))) for one in self.fields(of))
        return out + (b"\0" if self.flexible else b"")

    def write(self, one, value):
        if not one.array:
            return self.write_one(one, value)
        if value is None:
            return self.length(-1, True)
        return self.length(len(value), True) + b"".join(self.write_one(one, each) for each in value)

    def write_one(self, one, value):
        if one.struct:
            mark = b"" if one.array or one.nullable is None else struct.pack(">b", -1 if value is None else 1)
            return mark + (b"" if value is None else self.write_struct(one.struct, value))
        if one.type in NUMBERS:
            return struct.pack(NUMBERS[one.type], value)
        if one.type == "uuid":
            return value
        wide = one.type != "string"
        if value is None:
            return self.length(-1, wide)
        content = value.encode() if isinstance(value, str) else value
        return self.length(len(content), wide) + content

    def read_struct(self, of, data):
        values = {one.name: self.read(one, data) for one in self.fields(of)}
        if self.flexible:
            data.skip_tags()
        return values

    def read_length(self, data, wide):
        return data.uvarint() - 1 if self.flexible else data.number(">i" if wide else ">h")

    def read(self, one, data):
        if not one.array:
            return self.read_one(one, data)
        count = self.read_length(data, True)
        return None if count < 0 else [self.read_one(one, data) for _ in range(count)]

    def read_one(self, one, data):
        if one.struct:
            if not one.array and one.nullable is not None and data.number(">b") < 0:
                return None
            return self.read_struct(one.struct, data)
        if one.type in NUMBERS:
            return data.number(NUMBERS[one.type])
        if one.type == "uuid":
            return data.take(16)
        size = self.read_length(data, one.type != "string")
        if size < 0:
            return None
        return data.take(size).decode() if one.type == "string" else data.take(size)


class Data:
    def __init__(self, content):
        self.content, self.at = content, 0

    def take(self, size):
        assert size <= len(self.content) - self.at, "the answer ends too early"
        self.at += size
        return self.content[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def skip_tags(self):
        for _ in range(self.uvarint()):
            self.uvarint()
            self.take(self.uvarint())


class KafkaWire:
    def __init__(self, address, seconds=20):
        host, port = address.rsplit(":", 1)
        self.connection = socket.create_connection((host, int(port)), timeout=seconds)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, name, version, body):
        """A request with these bytes as its body."""
        api = APIS[name]
        self.correlation += 1
        head = struct.pack(">hhih", api.key, version, self.correlation, 4) + b"test"
        head += b"\0" if version >= api.flexible else b""
        self.connection.sendall(struct.pack(">i", len(head) + len(body)) + head + body)

    def receive(self):
        """The next answer's bytes; None once the connection was closed."""
        try:
            size = self._exactly(4)
            return size and self._exactly(min(struct.unpack(">i", size)[0], ANSWER_BYTES_MAX))
        except ConnectionResetError:
            return None

    def _exactly(self, size):
        content = b""
        while len(content) < size:
            piece = self.connection.recv(size - len(content))
            if not piece:
                return None
            content += piece
        return content

    def call(self, name, values, version=None):
        """The answer as a dict; None when the connection was closed instead."""
        api = APIS[name]
        version = api.high if version is None else version
        codec = Codec(api, version)
        self.send(name, version, codec.write_struct(api.request.root, values))
        answer = self.receive()
        if answer is None:
            return None
        data = Data(answer)
        assert data.number(">i") == self.correlation
        if codec.flexible and name != API_VERSIONS:
            data.skip_tags()
        return codec.read_struct(api.response.root, data)

    def login(self, user, token):
        assert self.call("SaslHandshake", {"mechanism": "PLAIN"}, 1)["error_code"] == 0
        answer = self.call("SaslAuthenticate", {"auth_bytes": f"\0{user}\0{token}".encode()}, 2)
        assert answer["error_code"] == 0, answer
        return self

    def versions(self):
        """The largest version that is served of each API, by its name."""
        names = {api.key: name for name, api in APIS.items()}
        return {names[one["api_key"]]: one["max_version"] for one in self.call(API_VERSIONS, {}, 3)["api_keys"]}

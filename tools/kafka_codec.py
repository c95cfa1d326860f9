"""Makes the C++ codecs of the Kafka protocol from the schema files of src/wire/kafka/schema/.

    kafka_codec.py SCHEMA_DIR OUT_DIR PARTS   writes OUT_DIR/wire/kafka/messages/*.h and *.cc (only what changed), the
                                              codecs in PARTS files, evenly

A schema file describes one API; every line below the head is a field, its struct's fields are indented below it:

    # What the API does.
    api 0 Produce versions 3-13 flexible 9+
    request
      transactional_id string? = null      # a comment becomes the comment of the C++ field
      topics []Topic
        name string 0-12                   # the versions that have the field; without: all
        partitions []int32
      cluster_id string? 12+ = null tag 0  # a tagged field
    response
      ...

What travels inside of other messages' bytes is `data NAME versions ...`, with one section `fields`.

Types: bool int8 int16 uint16 int32 uint32 int64 float64 string bytes uuid records, a struct's name, []T. `T?` may be
null, `T?3+` from version 3 on. A struct's name without fields below means the one of that name above in the message.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

CPP = {"bool": "bool", "int8": "int8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t",
       "uint32": "uint32_t", "int64": "int64_t", "float64": "double", "string": "std::string", "bytes": "Bytes",
       "uuid": "Uuid", "records": "Records"}
FIXED_BYTES = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8,
               "uuid": 16}
INTEGERS = ("int8", "int16", "uint16", "int32", "uint32", "int64")
KEYWORDS = {"namespace", "default", "operator", "class", "register", "delete", "new", "private", "public"}
FOREVER = 32767
HEAD = "// Made by tools/kafka_codec.py from src/wire/kafka/schema/. Do not edit.\n"


class SchemaError(Exception):
    pass


@dataclass
class Struct:
    name: str
    fields: list = field(default_factory=list)


@dataclass
class Field:
    name: str
    type: str                   # without [] and ?
    array: bool
    low: int
    high: int
    nullable: int | None        # since which version
    default: str | None         # as written
    tag: int | None
    about: str
    struct: Struct | None = None


@dataclass
class Message:
    name: str                   # ProduceRequest
    root: Struct
    structs: list               # in the order of definition, innermost first


@dataclass
class Api:
    key: int | None             # None: data inside of other messages
    name: str
    low: int
    high: int
    flexible: int               # FOREVER: never
    about: str
    request: Message = None
    response: Message = None

    @property
    def snake(self):
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower()

    @property
    def messages(self):
        return (self.request, self.response) if self.response else (self.request,)


def versions(text):
    """'3' -> (3, 3), '3+' -> (3, FOREVER), '3-5' -> (3, 5)."""
    low, separator, high = re.fullmatch(r"(\d+)(\+|-)?(\d+)?", text).groups()
    if separator == "+":
        return int(low), FOREVER
    return int(low), int(high or low)


HEAD_LINE = re.compile(r"(?:api (\d+)|data) (\w+) versions (\S+) flexible (none|\d+)\+?$")
FIELD_LINE = re.compile(
    r"(?P<name>[a-z]\w*) (?P<array>\[\])?(?P<type>\w+)(?P<null>\?(?:(?P<since>\d+)\+)?)?"
    r"(?: (?P<versions>\d+(?:\+|-\d+)?))?(?: = (?P<default>\S+))?(?: tag (?P<tag>\d+))?$")


def has_records(struct):
    return any(one.type == "records" or one.struct and has_records(one.struct) for one in struct.fields)


class Parser:
    def __init__(self, path):
        self.path = path
        self.api = None
        self.number = 0

    def fail(self, text):
        raise SchemaError(f"{self.path}:{self.number}: {text}")

    def parse(self):
        about, lines = [], []
        for self.number, raw in enumerate(self.path.read_text().splitlines(), 1):
            code, _, comment = raw.partition("#")
            if not code.strip():
                if self.api is None and comment:
                    about.append(comment.strip())
                continue
            if self.api is None:
                self._head(code.strip(), " ".join(about))
            elif self.api.key is None and code.strip() == "fields":
                self.api.request = (self.api.name, lines := [])
            elif self.api.key is not None and code.strip() in ("request", "response"):
                setattr(self.api, code.strip(), (self.api.name + code.strip().capitalize(), lines := []))
            else:
                indent = len(code) - len(code.lstrip())
                if indent % 2 or not indent:
                    self.fail("fields are indented by two blanks a level")
                lines.append((self.number, indent // 2, code.strip(), comment.strip()))
        for kind in ("request", "response") if self.api.key is not None else ("request",):
            section = getattr(self.api, kind)
            if section is None:
                self.fail(f"no {kind}" if self.api.key is not None else "no fields")
            setattr(self.api, kind, self._message(*section))
        return self.api

    def _head(self, line, about):
        match = HEAD_LINE.fullmatch(line)
        if not match or not about:
            self.fail("expected a comment, then: api KEY Name versions LOW-HIGH flexible VERSION+|none")
        low, high = versions(match[3])
        flexible = FOREVER if match[4] == "none" else int(match[4])
        self.api = Api(int(match[1]) if match[1] else None, match[2], low, high, flexible, about)

    def _message(self, name, lines):
        message = Message(name, Struct(name), [])
        open_structs = [message.root]  # by depth; None under a field that takes no fields
        known = {}
        for self.number, depth, code, comment in lines:
            if depth > len(open_structs) or open_structs[depth - 1] is None:
                self.fail("indented below a field that is no new struct")
            one = self._field(re.sub(r"\s+", " ", code), comment)
            if any(other.name == one.name for other in open_structs[depth - 1].fields):
                self.fail(f"{one.name} twice")
            open_structs[depth - 1].fields.append(one)
            del open_structs[depth:]
            open_structs.append(None)
            if one.type not in CPP:
                one.struct = known.setdefault(one.type, Struct(name + one.type))
                if not one.struct.fields:
                    open_structs[depth] = one.struct
        message.structs = []
        self._order(message.root, message.structs)
        return message

    def _order(self, struct, done):
        if not struct.fields and struct.name not in (self.api.name + "Request", self.api.name + "Response"):
            self.fail(f"{struct.name} has no fields")
        for one in struct.fields:
            if one.tag is not None and (one.type == "records" or one.struct and has_records(one.struct)):
                self.fail(f"{one.name}: records are in no tagged field")  # the writer turns tagged fields around
            if one.struct and one.struct not in done:
                self._order(one.struct, done)
        done.append(struct)

    def _field(self, code, comment):
        match = FIELD_LINE.fullmatch(code)
        if not match:
            self.fail(f"not a field: {code}")
        low, high = versions(match["versions"]) if match["versions"] else (0, FOREVER)
        low, high = max(low, self.api.low), min(high, self.api.high)
        if low > high:
            self.fail(f"{match['name']} is in no version of {self.api.low}-{self.api.high}")
        nullable = max(int(match["since"] or 0), low) if match["null"] else None
        tag = int(match["tag"]) if match["tag"] else None
        if tag is not None and low < self.api.flexible:
            self.fail("tagged before the API is flexible")
        if match["type"] == "records" and match["array"]:
            self.fail("records are no array's elements")
        return Field(match["name"], match["type"], bool(match["array"]), low, high, nullable, match["default"], tag,
                     comment)


def load(folder):
    """Every API of a folder by key, then the data inside of others' bytes."""
    apis = [Parser(path).parse() for path in sorted(Path(folder).glob("*.schema"))]
    for path, api in zip(sorted(Path(folder).glob("*.schema")), apis):
        if path.stem != api.snake:
            raise SchemaError(f"{path}: the file of {api.name} is called {api.snake}.schema")
    apis.sort(key=lambda api: (FOREVER if api.key is None else api.key, api.name))
    for one, two in zip(apis, apis[1:]):
        if one.key == two.key is not None:
            raise SchemaError(f"{one.name} and {two.name} have the key {one.key}")
    return apis


def bytes_min(api, one, version):
    """The fewest bytes that a field takes in a version."""
    if not one.low <= version <= one.high or one.tag is not None:
        return 0
    compact = version >= api.flexible
    if one.array or one.type in ("bytes", "records"):
        return 1 if compact else 4
    if one.type == "string":
        return 1 if compact else 2
    if one.nullable is not None:
        return 1
    return element_bytes_min(api, one, version)


def element_bytes_min(api, one, version):
    if one.type == "string":
        return 1 if version >= api.flexible else 2
    if one.struct is None:
        return FIXED_BYTES.get(one.type, 1)
    return sum(bytes_min(api, inner, version) for inner in one.struct.fields) + (version >= api.flexible)


def cpp_name(name):
    return name + "_" if name in KEYWORDS else name


def cpp_type(one):
    inner = one.struct.name if one.struct else CPP[one.type]
    if one.array:
        inner = f"std::vector<{inner}>"
    return f"std::optional<{inner}>" if one.nullable is not None else inner


def cpp_default(one):
    """The initialiser of a field, with its " = ", or nothing where the type's own will do."""
    if one.nullable is not None:
        if one.default == "null" or one.type == "records":
            return ""
        inner = cpp_type(one).removeprefix("std::optional<")[:-1]
        return f" = {inner}()"
    if one.array or one.struct or one.type in ("bytes", "records"):
        return ""
    if one.type == "string":
        return f' = "{one.default}"' if one.default else ""
    if one.type == "uuid":
        return "{}"
    if one.type == "bool":
        return f" = {one.default or 'false'}"
    if one.default == "-9223372036854775808":
        return " = INT64_MIN"
    return f" = {one.default or '0'}"


def condition(api, one):
    """The C++ condition that a version has the field, or nothing when all have."""
    tests = []
    if one.low > api.low:
        tests.append(f"version >= {one.low}")
    if one.high < api.high:
        tests.append(f"version <= {one.high}")
    return " && ".join(tests)


def nullable_argument(api, one):
    if one.nullable is None:
        return ""
    return ", true" if one.nullable <= max(one.low, api.low) else f", version >= {one.nullable}"


def comment_lines(text, indent):
    words, line = text.split(), indent + "//"
    for word in words:
        if len(line) + 1 + len(word) > 118:
            yield line
            line = indent + "//"
        line += " " + word
    yield line


class Header:
    """messages/<api>.h"""

    def __init__(self, api):
        self.api = api

    def text(self):
        lines = [HEAD + "#pragma once\n", "#include <cstdint>", "#include <optional>", "#include <string>",
                 "#include <vector>\n", '#include "base/result.h"', '#include "wire/kafka/types.h"\n',
                 "namespace tarn::kafka {\n", "class Reader;", "class Writer;\n"]
        lines += comment_lines(self.api.about, "")
        for message in self.api.messages:
            for struct in message.structs:
                lines += self._struct(message, struct)
        lines.append("}  // namespace tarn::kafka")
        return "\n".join(lines) + "\n"

    def _struct(self, message, struct):
        yield f"struct {struct.name} {{"
        root = struct is message.root
        if root:
            yield f"    static constexpr int16_t kApiKey = {-1 if self.api.key is None else self.api.key};"
            yield f"    static constexpr int16_t kVersionMin = {self.api.low};"
            yield f"    static constexpr int16_t kVersionMax = {self.api.high};"
            yield f"    static constexpr int16_t kFlexibleSince = {self.api.flexible};"
            yield f'    static constexpr const char* kName = "{message.name}";'
            for other in message.structs[:-1]:
                yield f"    using {other.name.removeprefix(message.name)} = {other.name};"
            yield ""
        for one in struct.fields:
            about = self._about(one)
            if about:
                yield from comment_lines(about, "    ")
            yield f"    {cpp_type(one)} {cpp_name(one.name)}{cpp_default(one)};"
        yield ""
        if root:
            if self.api.key is None:
                yield "    // All of the bytes, after what says the version."
            else:
                yield "    // The rest of a frame, after the header. All of it must be the message."
            yield f"    static tarn::Result<{struct.name}> Decode(Reader& reader, int16_t version);"
            yield "    // Fields that the version does not have are left out."
            yield "    void Encode(Writer& writer, int16_t version) const;"
        yield f"    bool operator==(const {struct.name}& other) const;"
        yield "};\n"

    def _about(self, one):
        text = one.about
        if condition(self.api, one):
            high = "+" if one.high >= self.api.high else ("" if one.high == one.low else f"-{one.high}")
            since = f"versions {one.low}{high}" if high else f"version {one.low}"
            text = f"{text} ({since})" if text else since.capitalize()
        return text


class Source:
    """The decoders and encoders of some APIs."""

    def __init__(self, apis):
        self.apis = apis

    def text(self):
        lines = [HEAD]
        lines += [f'#include "wire/kafka/messages/{api.snake}.h"' for api in self.apis]
        lines += ['#include "wire/kafka/reader.h"', '#include "wire/kafka/writer.h"\n', "namespace tarn::kafka {\n"]
        for api in self.apis:
            for message in api.messages:
                for struct in message.structs:
                    lines.append(f"bool {struct.name}::operator==(const {struct.name}& other) const = default;\n")
                lines.append("namespace {\n")
                for struct in message.structs:
                    lines += self._decode(api, struct)
                    lines += self._encode(api, struct)
                lines.append("}  // namespace\n")
                lines += self._doors(message.root)
        lines.append("}  // namespace tarn::kafka")
        return "\n".join(lines) + "\n"

    def _doors(self, root):
        yield f"Result<{root.name}> {root.name}::Decode(Reader& reader, int16_t version) {{"
        yield f"    TRY(reader.Begin<{root.name}>(version));"
        yield f"    {root.name} message;"
        yield "    DecodeFields(reader, version, message);"
        yield "    TRY(reader.End(kName, version));"
        yield "    return message;"
        yield "}\n"
        yield f"void {root.name}::Encode(Writer& writer, int16_t version) const {{"
        yield "    if (writer.Begin(kName, version, kVersionMin, kVersionMax, kFlexibleSince)) {"
        yield "        EncodeFields(writer, version, *this);"
        yield "    }"
        yield "}\n"

    def _decode(self, api, struct):
        yield (f"void DecodeFields(Reader& reader, [[maybe_unused]] int16_t version, "
               f"[[maybe_unused]] {struct.name}& x) {{")
        for one in struct.fields:
            if one.tag is None:
                yield self._when(api, one) + self._read(api, one)
        tagged = [one for one in struct.fields if one.tag is not None]
        if api.flexible <= api.high:
            yield self._if(api, api.flexible) + "reader.ReadTags([&]([[maybe_unused]] uint32_t tag) {"
            for one in sorted(tagged, key=lambda one: one.tag):
                test = condition(api, one)
                yield f"        if (tag == {one.tag}{' && ' + test if test else ''}) {{"
                yield "            " + self._read(api, one)
                yield "            return true;"
                yield "        }"
            yield "        return false;"
            yield "    });"
        yield "}\n"

    def _encode(self, api, struct):
        yield (f"void EncodeFields(Writer& writer, [[maybe_unused]] int16_t version, "
               f"[[maybe_unused]] const {struct.name}& x) {{")
        for one in struct.fields:
            if one.tag is None:
                yield self._when(api, one) + self._write(api, one)
        tagged = sorted((one for one in struct.fields if one.tag is not None), key=lambda one: one.tag)
        if api.flexible <= api.high:
            indent = "    " if api.flexible <= api.low else "        "
            if indent != "    ":
                yield f"    if (version >= {api.flexible}) {{"
            for one in tagged:
                test = condition(api, one)
                yield f"{indent}bool has_{one.tag} = {test + ' && ' if test else ''}{self._is_set(one)};"
            yield f"{indent}writer.TagCount({' + '.join(f'has_{one.tag}' for one in tagged) or '0'});"
            for one in tagged:
                yield f"{indent}if (has_{one.tag}) {{"
                yield f"{indent}    size_t mark = writer.BeginTag({one.tag});"
                yield f"{indent}    {self._write(api, one)}"
                yield f"{indent}    writer.EndTag(mark);"
                yield f"{indent}}}"
            if indent != "    ":
                yield "    }"
        yield "}\n"

    def _if(self, api, since):
        return "    " if since <= api.low else f"    if (version >= {since}) "

    def _when(self, api, one):
        test = condition(api, one)
        return f"    if ({test}) " if test else "    "

    def _read(self, api, one):
        name, null = cpp_name(one.name), nullable_argument(api, one)
        if one.array:
            least = min(element_bytes_min(api, one, version) for version in range(one.low, one.high + 1))
            if least < 1:
                raise SchemaError(f"{api.name}: elements of {one.name} may have no bytes")
            inner = "DecodeFields(reader, version, e)" if one.struct else 'reader.Read(e, "")'
            return f'reader.ReadArray(x.{name}, "{one.name}", {least}, [&](auto& e) {{ {inner}; }}{null});'
        if one.struct:
            inner = "[&](auto& e) { DecodeFields(reader, version, e); }"
            return f'reader.ReadStruct(x.{name}, "{one.name}", {inner}{null});'
        return f'reader.Read(x.{name}, "{one.name}"{null});'

    def _write(self, api, one):
        name, null = cpp_name(one.name), nullable_argument(api, one)
        if one.array:
            inner = "EncodeFields(writer, version, e)" if one.struct else "writer.Write(e)"
            return f"writer.WriteArray(x.{name}, [&](const auto& e) {{ {inner}; }}{null});"
        if one.struct:
            return f"writer.WriteStruct(x.{name}, [&](const auto& e) {{ EncodeFields(writer, version, e); }}{null});"
        return f"writer.Write(x.{name}{null});"

    def _is_set(self, one):
        """Whether a tagged field differs from its default, so that it must be sent."""
        name = "x." + cpp_name(one.name)
        if one.nullable is not None:
            if one.default == "null":
                return f"{name}.has_value()"
            return f"!({name} && *{name} == {cpp_type(one).removeprefix('std::optional<')[:-1]}())"
        if one.array or one.type in ("string", "bytes"):
            return f"!{name}.empty()"
        if one.struct:
            return f"!({name} == {one.struct.name}())"
        if one.type == "uuid":
            return f"{name} != Uuid{{}}"
        return f"{name} != {one.default or ('false' if one.type == 'bool' else '0')}"


def table_header(apis):
    lines = [HEAD + "#pragma once\n", "#include <cstdint>\n", "namespace tarn::kafka {\n",
             "enum class ApiKey : int16_t {"]
    lines += [f"    k{api.name} = {api.key}," for api in apis]
    lines += ["};\n", "}  // namespace tarn::kafka"]
    return "\n".join(lines) + "\n"


def table_source(apis):
    lines = [HEAD, '#include "wire/kafka/api.h"\n', "namespace tarn::kafka {", "namespace {\n",
             "constexpr Api kApis[] = {"]
    lines += [f'    {{{api.key}, "{api.name}", {api.low}, {api.high}, {api.flexible}}},' for api in apis]
    lines += ["};\n", "}  // namespace\n", "std::span<const Api> Apis() { return kApis; }\n",
              "}  // namespace tarn::kafka"]
    return "\n".join(lines) + "\n"


def fill_source(apis, all_apis):
    """For tests: random values for the fields that a version has."""
    lines = [HEAD] + [f'#include "wire/kafka/messages/{api.snake}.h"' for api in apis]
    lines += ['#include "wire/kafka/messages_for_test.h"\n', "namespace tarn::kafka {", "namespace {\n"]
    for api in apis:
        for message in api.messages:
            for struct in message.structs:
                lines.append(f"void FillFields([[maybe_unused]] Filler& filler, [[maybe_unused]] int16_t version, "
                             f"[[maybe_unused]] {struct.name}& x) {{")
                for one in struct.fields:
                    test = condition(api, one)
                    null = nullable_argument(api, one)
                    inner = "[&](auto& e) { " + ("FillFields(filler, version, e)" if one.struct else "filler.Fill(e)")
                    what = f"filler.Fill(x.{cpp_name(one.name)}{null});"
                    if one.array or one.struct:
                        kind = "FillArray" if one.array else "FillStruct"
                        what = f"filler.{kind}(x.{cpp_name(one.name)}, {inner}; }}{null});"
                    lines.append(f"    {'if (' + test + ') ' if test else ''}{what}")
                lines.append("}\n")
    lines += ["}  // namespace\n", f"void AddCases{all_apis}(std::vector<MessageCase>& cases) {{"]
    for api in apis:
        for kind, message in zip(("true", "false"), api.messages):
            lines.append(f"    cases.push_back(MakeCase<{message.name}>({kind}, [](Filler& filler, int16_t version, "
                         f"{message.name}& x) {{")
            lines.append("        FillFields(filler, version, x);")
            lines.append("    }));")
    lines += ["}\n", "}  // namespace tarn::kafka"]
    return "\n".join(lines) + "\n"


def cases_source(parts):
    lines = [HEAD, '#include "wire/kafka/messages_for_test.h"\n', "namespace tarn::kafka {\n"]
    lines += [f"void AddCases{part}(std::vector<MessageCase>& cases);" for part in range(parts)]
    lines += ["", "std::vector<MessageCase> MessageCases() {", "    std::vector<MessageCase> cases;"]
    lines += [f"    AddCases{part}(cases);" for part in range(parts)]
    lines += ["    return cases;", "}\n", "}  // namespace tarn::kafka"]
    return "\n".join(lines) + "\n"


def load_errors(folder):
    """(number, name, retriable) of each row of errors.list."""
    for line in (Path(folder) / "errors.list").read_text().splitlines():
        if line and not line.startswith("#"):
            number, name, *retriable = line.split()
            yield int(number), name, bool(retriable)


def camel(name):
    return "k" + name.title().replace("_", "")


def error_header(errors):
    lines = [HEAD + "#pragma once\n", "#include <cstdint>\n", "namespace tarn::kafka {\n",
             "enum class KafkaError : int16_t {"]
    lines += [f"    {camel(name)} = {number}," for number, name, _ in errors]
    lines += ["};\n", "}  // namespace tarn::kafka"]
    return "\n".join(lines) + "\n"


def error_source(errors):
    lines = [HEAD, '#include "wire/kafka/errors.h"\n', "namespace tarn::kafka {", "namespace {\n",
             "constexpr ErrorRow kErrors[] = {"]
    lines += [f'    {{KafkaError::{camel(name)}, "{name}", {str(retriable).lower()}}},'
              for _, name, retriable in errors]
    lines += ["};\n", "}  // namespace\n", "std::span<const ErrorRow> ErrorRows() { return kErrors; }\n",
              "}  // namespace tarn::kafka"]
    return "\n".join(lines) + "\n"


def weight(api):
    return sum(len(struct.fields) + 2 for message in api.messages for struct in message.structs)


def spread(apis, parts):
    """The APIs in `parts` groups of about the same weight."""
    groups = [[] for _ in range(parts)]
    for api in sorted(apis, key=lambda api: (-weight(api), api.name)):
        min(groups, key=lambda group: sum(map(weight, group))).append(api)
    return [sorted(group, key=lambda api: api.name) for group in groups]


def write(path, text):
    """Leaves a file alone that is as it should be, so that nothing is compiled again for it."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def generate(schema_dir, out_dir, parts):
    apis = load(schema_dir)
    folder = Path(out_dir) / "wire" / "kafka" / "messages"
    folder.mkdir(parents=True, exist_ok=True)
    for api in apis:
        write(folder / f"{api.snake}.h", Header(api).text())
    with_keys = [api for api in apis if api.key is not None]
    write(folder / "api_key.h", table_header(with_keys))
    write(folder / "api_table.cc", table_source(with_keys))
    errors = sorted(load_errors(schema_dir))
    write(folder / "error_codes.h", error_header(errors))
    write(folder / "error_table.cc", error_source(errors))
    for number, group in enumerate(spread(apis, parts)):
        write(folder / f"messages_{number}.cc", Source(group).text())
        write(folder / f"fill_{number}.cc", fill_source(group, number))
    write(folder / "cases.cc", cases_source(parts))


def main(arguments):
    if len(arguments) != 3:
        print(__doc__)
        return 2
    try:
        generate(arguments[0], arguments[1], int(arguments[2]))
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

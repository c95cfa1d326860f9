"""Compares our schema files of the Kafka protocol with the message definitions that Apache Kafka's client ships.

    kafka_conformance.py SCHEMA_DIR kafka-clients-4.2.0.jar

Every field of every version that we have must have the same name, type, versions, nullable versions, tag and default
there, and nothing may be missing. Prints each difference; the last line counts.
"""

import json
import re
import sys
import zipfile

from kafka_codec import CPP, FOREVER, load, versions


def definitions(jar):
    """Its name, "ProduceRequest" -> definition."""
    found = {}
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if name.startswith("common/message/") and name.endswith(".json"):
                text = archive.read(name).decode()
                one = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
                found[one["name"]] = one
    return found


def plain(name):
    return name.replace("_", "").lower()


def range_of(text, low, high):
    """A range of theirs within ours, or None."""
    if text is None or text == "none":
        return None
    start, end = versions(text)
    start, end = max(start, low), min(end, high)
    return (start, end) if start <= end else None


class Comparison:
    def __init__(self):
        self.fields = 0
        self.differences = []

    def differ(self, where, what, ours, theirs):
        self.differences.append(f"{where}: {what} is {ours} here, {theirs} there")

    def message(self, api, message, theirs):
        where = message.name
        flexible = range_of(theirs["flexibleVersions"], api.low, FOREVER)
        if (flexible[0] if flexible else FOREVER) != max(api.flexible, api.low):
            self.differ(where, "flexible since", api.flexible, theirs["flexibleVersions"])
        low, high = versions(theirs["validVersions"])
        if api.low < low or api.high > high:
            self.differ(where, "versions", f"{api.low}-{api.high}", theirs["validVersions"])
        self.common = {one["name"]: one for one in theirs.get("commonStructs", ())}
        self.structs(where, message.root, theirs["fields"], api.low, api.high)

    def structs(self, where, ours, theirs, low, high):
        left = {plain(one.name): one for one in ours.fields}
        expected = [one for one in theirs if range_of(one["versions"], low, high)]
        order = [plain(one["name"]) for one in expected]
        if [name for name in left if name in order] != [name for name in order if name in left]:
            self.differ(where, "the order of fields", list(left), order)
        for one in expected:
            mine = left.pop(plain(one["name"]), None)
            if mine is None:
                self.differ(where, one["name"], "missing", one["versions"])
            else:
                self.one_field(f"{where}.{mine.name}", mine, one, low, high)
        for name in left:
            self.differ(where, name, "there", "missing")

    def one_field(self, where, ours, theirs, low, high):
        self.fields += 1
        inner = theirs["type"].removeprefix("[]")
        array = theirs["type"].startswith("[]")
        mine, other = (name if name in CPP else "struct" for name in (ours.type, inner))
        if ours.array != array or mine != other:
            self.differ(where, "the type", ("[]" if ours.array else "") + ours.type, theirs["type"])
        mine_low, mine_high = max(ours.low, low), min(ours.high, high)
        if (mine_low, mine_high) != range_of(theirs["versions"], low, high):
            self.differ(where, "its versions", f"{mine_low}-{mine_high}", theirs["versions"])
        nullable = range_of(theirs.get("nullableVersions"), mine_low, mine_high)
        mine = None if ours.nullable is None or ours.nullable > mine_high else (max(ours.nullable, mine_low), mine_high)
        if mine != nullable:
            self.differ(where, "nullable", mine, theirs.get("nullableVersions"))
        if ours.tag != theirs.get("tag"):
            self.differ(where, "the tag", ours.tag, theirs.get("tag"))
        if ours.tag is not None and range_of(theirs["taggedVersions"], low, high) != (mine_low, mine_high):
            self.differ(where, "tagged in", f"{mine_low}-{mine_high}", theirs["taggedVersions"])
        if default_of(ours.type, array, ours.default) != default_of(inner, array, theirs.get("default")):
            self.differ(where, "the default", ours.default, theirs.get("default"))
        if ours.struct and inner not in CPP:
            fields = theirs.get("fields") or self.common[inner]["fields"]
            self.structs(where, ours.struct, fields, mine_low, mine_high)


def default_of(type_name, array, value):
    """What a field is when it is not set, whatever way it is written."""
    value = None if value is None else str(value).lower()
    if value == "null" or (type_name == "records" and value is None):
        return None
    if array or type_name in ("bytes", "string") or type_name not in CPP:
        return value or ""
    if type_name == "bool":
        return value == "true"
    if type_name == "uuid":
        return value or 0
    return float(value or 0) if type_name == "float64" else int(value or "0", 0)


def compare(schema_dir, jar):
    """(APIs, fields of these and of data, differences, versions that they have and we do not)."""
    comparison, newer = Comparison(), []
    theirs = definitions(jar)
    apis = load(schema_dir)
    for api in apis:
        for message in api.messages:
            definition = theirs.get(message.name)
            if definition is None:
                comparison.differ(message.name, "the message", "there", "missing")
            elif definition.get("apiKey") != api.key:
                comparison.differ(message.name, "its key", api.key, definition.get("apiKey"))
            else:
                comparison.message(api, message, definition)
        low, high = versions(theirs[api.request.name]["validVersions"])
        if (low, high) != (api.low, api.high):
            newer.append(f"{api.name}: {api.low}-{api.high} of {low}-{high}")
    return sum(api.key is not None for api in apis), comparison.fields, comparison.differences, newer


def main(arguments):
    if len(arguments) != 2:
        print(__doc__)
        return 2
    apis, fields, differences, newer = compare(*arguments)
    for line in newer:
        print("part of the versions:", line)
    for line in differences:
        print(line)
    print(f"{apis} APIs, {fields} fields, {len(differences)} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#include <gtest/gtest.h>

#include "ingestion/registry/schema.h"

namespace tarn::registry {
namespace {

std::unique_ptr<Schema> Parse(const std::string& text, const std::vector<ReferencedSchema>& references = {}) {
    auto schema = ParseSchema(SchemaType::kAvro, text, references, {.check_defaults = true});
    EXPECT_TRUE(schema.ok()) << text << ": " << schema.error().ToString();
    return schema.ok() ? std::move(schema).value() : nullptr;
}

std::string ErrorOf(const std::string& text) {
    auto schema = ParseSchema(SchemaType::kAvro, text, {}, {.check_defaults = true});
    return schema.ok() ? "" : schema.error().message();
}

std::string Record(const std::string& fields, const std::string& name = "r") {
    return fmt::format(R"({{"type":"record","name":"{}","fields":[{}]}})", name, fields);
}

// The kinds of what stops `reader` from reading `writer`.
std::string Kinds(const std::string& reader, const std::string& writer) {
    std::string kinds;
    for (const Difference& one : Parse(reader)->Differences(*Parse(writer), {"new", "old"})) {
        kinds += (kinds.empty() ? "" : " ") + one.kind;
    }
    return kinds;
}

TEST(Avro, TheCanonicalTextIsWithoutWhiteSpaceAndInOneOrder) {
    std::string text = R"( {"name": "a.b.Order", "type": "record", "x": {"b": 1, "a": 2}, "doc": "d", "fields": [
        {"type": "int", "default": 1, "name": "n", "order": "ascending"},
        {"name": "e", "type": {"symbols": ["A", "B"], "type": "enum", "name": "E", "default": "A"}},
        {"name": "again", "type": ["null", "E"], "default": null, "aliases": ["f"]},
        {"name": "m", "type": {"type": "map", "values": {"type": "array", "items": "a.b.Order"}}},
        {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4}}]} )";
    std::string expected =
        R"({"type":"record","name":"Order","namespace":"a.b","doc":"d","fields":[)"
        R"({"name":"n","type":"int","default":1},)"
        R"({"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}},)"
        R"({"name":"again","type":["null","E"],"default":null,"aliases":["f"]},)"
        R"({"name":"m","type":{"type":"map","values":{"type":"array","items":"Order"}}},)"
        R"({"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4}}],"x":{"b":1,"a":2}})";
    auto schema = Parse(text);
    EXPECT_EQ(schema->Canonical(), expected);
    EXPECT_EQ(Parse(expected)->Canonical(), expected);
    EXPECT_EQ(Parse(schema->Normal())->Normal(), schema->Normal());
    EXPECT_NE(schema->Normal().find(R"("x":{"a":2,"b":1})"), std::string::npos);
    EXPECT_EQ(Parse("\"string\"")->Canonical(), "\"string\"");
}

TEST(Avro, WhatIsReferredToIsNotWrittenOut) {
    std::string inner = Record(R"({"name":"f","type":"string"})", "com.x.Inner");
    std::string outer = Record(R"({"name":"i","type":"com.x.Inner"},{"name":"l","type":["null","com.x.Inner"]})");
    EXPECT_EQ(Parse(outer, {{"com.x.Inner", inner}})->Canonical(),
              R"({"type":"record","name":"r","fields":[{"name":"i","type":"com.x.Inner"},)"
              R"({"name":"l","type":["null","com.x.Inner"]}]})");
    EXPECT_NE(ErrorOf(outer), "");
}

TEST(Avro, WhatIsWrongIsSaid) {
    const std::vector<std::pair<std::string, std::string>> kCases = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"1", "a type is a name"},
        {"\"strin\"", "\"strin\" is no type"},
        {"{}", "has no \"type\""},
        {R"({"type":"record","fields":[]})", "has no \"name\""},
        {R"({"type":"record","name":"a"})", "has no list of \"fields\""},
        {R"({"type":"record","name":"1a","fields":[]})", "is no name"},
        {R"({"type":"record","name":"a","namespace":"b..c","fields":[]})", "is no name"},
        {R"({"type":"record","name":"int","fields":[]})", "names no other"},
        {Record(R"({"name":"f","type":"int"},{"name":"f","type":"int"})"), "twice"},
        {Record(R"({"name":"f"})"), "has no type"},
        {Record(R"({"name":"f","type":"nope"})"), "field f of r: \"nope\" is no type"},
        {Record(R"({"name":"f","type":"int","default":"x"})"), "the default of the field f of r"},
        {Record(R"({"name":"f","type":"int","default":3000000000})"), "the default"},
        {Record(R"({"name":"f","type":["null","string"],"default":1})"), "is no union"},
        {R"(["int","int"])", "in a union twice"},
        {R"(["int",["string"]])", "holds no union"},
        {R"({"type":"enum","name":"e"})", "has no \"symbols\""},
        {R"({"type":"enum","name":"e","symbols":["A","A"]})", "twice"},
        {R"({"type":"enum","name":"e","symbols":["A"],"default":"B"})", "none of its symbols"},
        {R"({"type":"fixed","name":"f"})", "has no \"size\""},
        {R"({"type":"array"})", "has no \"items\""},
        {std::string(500, '[') + std::string(500, ']'), "nested deeper"},
    };
    for (const auto& [text, part] : kCases) EXPECT_NE(ErrorOf(text).find(part), std::string::npos) << ErrorOf(text);
}

TEST(Avro, ReadersAndWriters) {
    std::string f1 = R"({"name":"f1","type":"string"})";
    std::string f2 = R"({"name":"f2","type":"string"})";
    std::string f2_default = R"({"name":"f2","type":"string","default":"x"})";
    std::string tree = Record(f1 + R"(,{"name":"next","type":["null","r"]})");
    struct Case {
        std::string reader, writer, kinds;
    };
    const std::vector<Case> kCases = {
        {Record(f1), Record(f1), ""},
        {Record(f1 + "," + f2_default), Record(f1), ""},
        {Record(f1 + "," + f2), Record(f1), "READER_FIELD_MISSING_DEFAULT_VALUE"},
        {Record(f1), Record(f1 + "," + f2), ""},
        {Record(R"({"name":"g","type":"string","aliases":["f1"]})"), Record(f1), ""},
        {Record(R"({"name":"f1","type":"int"})"), Record(f1), "TYPE_MISMATCH"},
        {Record(R"({"name":"f1","type":["null","string"]})"), Record(f1), ""},
        {Record(f1), Record(R"({"name":"f1","type":["null","string"]})"), "TYPE_MISMATCH"},
        {Record(R"({"name":"f1","type":["null","int"]})"), Record(R"({"name":"f1","type":["null","int","string"]})"),
         "MISSING_UNION_BRANCH"},
        {Record(f1, "other"), Record(f1), "NAME_MISMATCH"},
        {Record(f1, "a.r"), Record(f1, "b.r"), ""},
        {"\"long\"", "\"int\"", ""},
        {"\"int\"", "\"long\"", "TYPE_MISMATCH"},
        {"\"double\"", "\"long\"", ""},
        {"\"float\"", "\"double\"", "TYPE_MISMATCH"},
        {"\"string\"", "\"bytes\"", ""},
        {R"({"type":"enum","name":"e","symbols":["A"]})", R"({"type":"enum","name":"e","symbols":["A","B"]})",
         "MISSING_ENUM_SYMBOLS"},
        {R"({"type":"enum","name":"e","symbols":["A"],"default":"A"})",
         R"({"type":"enum","name":"e","symbols":["A","B"]})", ""},
        {R"({"type":"fixed","name":"x","size":4})", R"({"type":"fixed","name":"x","size":8})", "FIXED_SIZE_MISMATCH"},
        {R"({"type":"array","items":"long"})", R"({"type":"array","items":"int"})", ""},
        {R"({"type":"map","values":"int"})", R"({"type":"map","values":"string"})", "TYPE_MISMATCH"},
        {tree, tree, ""},
        {Record(R"({"name":"f1","type":"int"},{"name":"next","type":["null","r"]})"), tree, "TYPE_MISMATCH"},
    };
    for (const Case& one : kCases) EXPECT_EQ(Kinds(one.reader, one.writer), one.kinds) << one.reader << one.writer;
}

// Each record holds the one before it: through names a short text nests deep.
TEST(Avro, DeepGraphsAreNotFollowedToTheEndOfTheStack) {
    auto chain = [](const char* leaf) {
        std::string fields = fmt::format(R"({{"name":"f0","type":{}}})",
                                         Record(fmt::format(R"({{"name":"x","type":"{}"}})", leaf), "t0"));
        for (int i = 1; i < 5000; ++i) {
            fields += fmt::format(R"(,{{"name":"f{}","type":{}}})", i,
                                  Record(fmt::format(R"({{"name":"x","type":"t{}"}})", i - 1), fmt::format("t{}", i)));
        }
        return Record(R"({"name":"all","type":)" + Record(fields, "all") + R"(},{"name":"first","type":"t4999"})");
    };
    std::string same = chain("int");
    EXPECT_EQ(Kinds(same, same), "");
    std::string text = Record(R"({"name":"first","type":"t4999"})", "deep");
    auto deep = Parse(text, {{"all", chain("int")}});
    auto findings = deep->Differences(*Parse(text, {{"all", chain("string")}}), {"new", "old"});
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings[0].kind, "UNKNOWN");
}

}  // namespace
}  // namespace tarn::registry

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "ingestion/registry/schema.h"

namespace tarn::registry {
namespace {

Result<std::unique_ptr<Schema>> Read(const std::string& text, const std::vector<ReferencedSchema>& references = {}) {
    return ParseSchema(SchemaType::kProtobuf, text, references);
}

std::unique_ptr<Schema> Parse(const std::string& text, const std::vector<ReferencedSchema>& references = {}) {
    auto schema = Read(text, references);
    EXPECT_TRUE(schema.ok()) << text << ": " << schema.error().ToString();
    return schema.ok() ? std::move(schema).value() : nullptr;
}

std::string Message(const std::string& fields, const std::string& package = "p") {
    return fmt::format("syntax = \"proto3\"; package {}; message M {{ {} }}", package, fields);
}

std::string Kinds(const std::string& reader, const std::string& writer) {
    std::string kinds;
    for (const Difference& one : Parse(reader)->Differences(*Parse(writer), {"new", "old"})) {
        kinds += (kinds.empty() ? "" : " ") + one.kind;
    }
    return kinds;
}

TEST(Protobuf, TheCanonicalTextReadsAsItself) {
    std::string text = R"(syntax = "proto3";
        package a.b;
        import "google/protobuf/timestamp.proto";
        // An order.
        message Order {
          int64 id = 1;   optional string note = 2;
          map<string, Line> lines = 3;
          oneof how { bool cash = 4; string card = 5; }
          google.protobuf.Timestamp at = 6;
          enum State { NEW = 0; DONE = 1; }
          repeated State states = 7 [deprecated = true];
          message Line { double price = 1; }
          reserved 9, 20 to 30; reserved "old";
        })";
    std::string canonical = Parse(text)->Canonical();
    EXPECT_NE(canonical.find("// An order."), std::string::npos) << canonical;
    EXPECT_EQ(Parse(canonical)->Canonical(), canonical);
    std::string normal = Parse(text)->Normal();
    EXPECT_EQ(normal.find("//"), std::string::npos);
    EXPECT_EQ(Parse(canonical)->Normal(), normal);
    std::string serialized = Parse(text)->Formatted("serialized").value();
    EXPECT_TRUE(Base64Decode(serialized).ok());
    EXPECT_EQ(Parse(serialized)->Normal(), normal);
}

TEST(Protobuf, NumbersAndWireTypesCount) {
    std::string id = "int64 id = 1;", note = "string note = 2;";
    struct Case {
        std::string reader, writer, kinds;
    };
    const std::vector<Case> kCases = {
        {Message(id + note), Message(id), ""},
        {Message(id), Message(id + note), ""},
        {Message("uint32 number = 1;"), Message(id), ""},
        {Message("sint64 id = 1;"), Message(id), "FIELD_SCALAR_KIND_CHANGED"},
        {Message("string id = 1;"), Message(id), "FIELD_SCALAR_KIND_CHANGED"},
        {Message("bytes note = 2;"), Message(note), ""},
        {Message("repeated string note = 2;"), Message(note), ""},
        {Message("repeated int64 id = 1;"), Message(id), "FIELD_NUMERIC_LABEL_CHANGED"},
        {Message("M id = 1;"), Message(id), "FIELD_KIND_CHANGED"},
        {Message("map<string, int32> m = 1;"), Message("map<string, string> m = 1;"), "FIELD_SCALAR_KIND_CHANGED"},
        {Message(id, "q"), Message(id), "PACKAGE_CHANGED"},
        {Message(id), Message(id) + "message N {}", "MESSAGE_REMOVED"},
        {Message("oneof o { int64 id = 1; }"), Message(id), ""},
        {Message("oneof o { int64 id = 1; string note = 2; }"), Message(id + note), "MULTIPLE_FIELDS_MOVED_TO_ONEOF"},
        {Message("oneof o { int64 id = 1; }"), Message("oneof o { int64 id = 1; string note = 2; }"),
         "ONEOF_FIELD_REMOVED"},
        {Message("optional int64 id = 1; optional string note = 2;"), Message(id + note), ""},
        {"message M { required int32 a = 1; }", "message M { }", "REQUIRED_FIELD_ADDED"},
        {"message M { }", "message M { required int32 a = 1; }", "REQUIRED_FIELD_REMOVED"},
    };
    for (const Case& one : kCases) EXPECT_EQ(Kinds(one.reader, one.writer), one.kinds) << one.reader << one.writer;
}

TEST(Protobuf, ImportsAreReferences) {
    auto inner = [](const char* type) {
        return fmt::format("syntax = \"proto3\"; package i; message Inner {{ {} x = 1; Inner next = 2; }}", type);
    };
    std::string outer = "syntax = \"proto3\"; import \"common/i.proto\"; message M { i.Inner inner = 1; }";
    auto with = [&](const char* type) { return Parse(outer, {{"common/i.proto", inner(type)}}); };
    EXPECT_TRUE(with("int32")->Differences(*with("int64"), {"new", "old"}).empty());
    auto found = with("int32")->Differences(*with("string"), {"new", "old"});
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[1].kind, "FIELD_NAMED_TYPE_CHANGED");
    auto missing = Read(outer);
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().message(), "the import \"common/i.proto\" is no reference of the schema's");
}

TEST(Protobuf, WhatIsWrongIsSaid) {
    std::string deep;
    for (int i = 0; i < 20'000; ++i) deep += "message A {";
    const std::vector<std::pair<std::string, std::string>> kCases = {
        {"{}", "line 1, column 1"},
        {"syntax = \"proto3\"; message M { int32 a = 0; }", "Field numbers must be positive"},
        {"message M { Nope a = 1; }", "line 1"},
        {"syntax = \"proto3\"; message M { Nope a = 1; }", "\"Nope\" is not defined"},
        {"syntax = \"proto3\"; message M { int32 a = 1; int32 b = 1; }", "already been used"},
        {deep, "nested more than 64 deep"},
        {"AAAA", "line 1"},
    };
    for (const auto& [text, part] : kCases) {
        auto schema = Read(text);
        ASSERT_FALSE(schema.ok()) << text;
        EXPECT_NE(schema.error().message().find(part), std::string::npos) << text << schema.error().message();
    }
}

}  // namespace
}  // namespace tarn::registry

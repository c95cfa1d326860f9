#include <gtest/gtest.h>

#include "ingestion/registry/schema.h"

namespace tarn::registry {
namespace {

Result<std::unique_ptr<Schema>> Read(const std::string& text, const std::vector<ReferencedSchema>& references = {}) {
    return ParseSchema(SchemaType::kJson, text, references);
}

std::unique_ptr<Schema> Parse(const std::string& text, const std::vector<ReferencedSchema>& references = {}) {
    auto schema = Read(text, references);
    EXPECT_TRUE(schema.ok()) << text << ": " << schema.error().ToString();
    return schema.ok() ? std::move(schema).value() : nullptr;
}

std::string Kinds(const std::string& reader, const std::string& writer) {
    std::string kinds;
    for (const Difference& one : Parse(reader)->Differences(*Parse(writer), {"new", "old"})) {
        kinds += (kinds.empty() ? "" : " ") + one.kind;
    }
    return kinds;
}

std::string Object(const std::string& properties, const std::string& more = "") {
    return fmt::format(R"({{"type":"object","properties":{{{}}}{}}})", properties, more);
}
const std::string kClosed = R"(,"additionalProperties":false)";

TEST(JsonSchema, TheOrderOfMembersIsKeptUnlessNormalised) {
    auto schema = Parse(R"( {"type": "object",  "a": 1} )");
    EXPECT_EQ(schema->Canonical(), R"({"type":"object","a":1})");
    EXPECT_EQ(schema->Normal(), R"({"a":1,"type":"object"})");
}

TEST(JsonSchema, ContentModels) {
    std::string a = R"("a":{"type":"string"})", b = R"("b":{"type":"string"})";
    EXPECT_EQ(Kinds(Object(a + "," + b), Object(a)), "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL");
    EXPECT_EQ(Kinds(Object(a), Object(a + "," + b)), "");
    EXPECT_EQ(Kinds(Object(a + "," + b, kClosed), Object(a, kClosed)), "");
    EXPECT_EQ(Kinds(Object(a, kClosed), Object(a + "," + b, kClosed)), "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL");
    EXPECT_EQ(Kinds(Object(a, kClosed), Object(a)), "ADDITIONAL_PROPERTIES_REMOVED");
    std::string strings = R"(,"additionalProperties":{"type":"string"})";
    EXPECT_EQ(Kinds(Object(a + "," + b, strings), Object(a, strings)), "");
    EXPECT_EQ(Kinds(Object(a, R"(,"required":["a"])"), Object(a)), "REQUIRED_ATTRIBUTE_ADDED");
    EXPECT_EQ(Kinds(Object(a + "," + b, kClosed + R"(,"required":["b"])"), Object(a, kClosed)),
              "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL");
}

TEST(JsonSchema, BoundsTypesAndCombinations) {
    struct Case {
        std::string reader, writer, kinds;
    };
    const std::vector<Case> kCases = {
        {R"({"type":"number"})", R"({"type":"integer"})", ""},
        {R"({"type":"integer"})", R"({"type":"number"})", "TYPE_NARROWED"},
        {R"({"type":"string"})", R"({"type":"integer"})", "TYPE_CHANGED"},
        {R"({"type":["string","null"]})", R"({"type":"string"})", ""},
        {R"({"type":"string"})", R"({"type":["string","null"]})", "TYPE_CHANGED"},
        {R"({"type":"string","maxLength":5})", R"({"type":"string"})", "MAX_LENGTH_ADDED"},
        {R"({"type":"string","maxLength":5})", R"({"type":"string","maxLength":4})", ""},
        {R"({"type":"number","minimum":2})", R"({"type":"number","minimum":1})", "MINIMUM_INCREASED"},
        {R"({"type":"number","minimum":1,"exclusiveMinimum":true})", R"({"type":"number"})", "EXCLUSIVE_MINIMUM_ADDED"},
        {R"({"type":"number","multipleOf":2})", R"({"type":"number","multipleOf":4})", ""},
        {R"({"type":"number","multipleOf":4})", R"({"type":"number","multipleOf":2})", "MULTIPLE_OF_EXPANDED"},
        {R"({"enum":[1,2]})", R"({"enum":[1]})", ""},
        {R"({"enum":[1]})", R"({"enum":[1,2]})", "ENUM_ARRAY_NARROWED"},
        {R"({"oneOf":[{"type":"string"},{"type":"null"}]})", R"({"oneOf":[{"type":"string"}]})", ""},
        {R"({"oneOf":[{"type":"string"}]})", R"({"oneOf":[{"type":"string"},{"type":"null"}]})", "SUM_TYPE_NARROWED"},
        {R"({"type":"array","items":{"type":"string"}})", R"({"type":"array"})", "SCHEMA_ADDED"},
        {R"({"type":"array","uniqueItems":true})", R"({"type":"array"})", "UNIQUE_ITEMS_ADDED"},
        {R"({"if":{"type":"string"},"then":{"minLength":1}})", R"({"if":{"type":"string"},"then":{"minLength":2}})",
         "CONDITION_CHANGED"},
        {"true", R"({"type":"string"})", ""},
        {R"({"type":"string"})", "false", ""},
        {R"({"type":"string"})", "true", "TYPE_CHANGED"},
    };
    for (const Case& one : kCases) EXPECT_EQ(Kinds(one.reader, one.writer), one.kinds) << one.reader << one.writer;
}

TEST(JsonSchema, ReferencesAreFollowedWithinAndBetweenTexts) {
    std::string tree =
        R"({"$ref":"#/definitions/t","definitions":{"t":{"type":"object","properties":{"v":{"type":"TYPE"},
        "next":{"$ref":"#/definitions/t"}}}}})";
    auto with = [&](const std::string& type) { return std::string(tree).replace(tree.find("TYPE"), 4, type); };
    EXPECT_EQ(Kinds(with("integer"), with("integer")), "");
    EXPECT_NE(Kinds(with("integer"), with("number")), "");
    std::string outer =
        R"({"$id":"http://x.org/outer.json","type":"object","properties":{"a":{"$ref":"inner.json#/$defs/a"}}})";
    auto a = [](const char* type) { return fmt::format(R"({{"$defs":{{"a":{{"type":"{}"}}}}}})", type); };
    for (const char* name : {"inner.json", "http://x.org/inner.json"}) {
        auto reader = Parse(outer, {{name, a("string")}});
        EXPECT_TRUE(reader->Differences(*Parse(outer, {{name, a("string")}}), {"new", "old"}).empty());
        EXPECT_FALSE(reader->Differences(*Parse(outer, {{name, a("integer")}}), {"new", "old"}).empty());
    }
    auto missing = Read(outer);
    ASSERT_FALSE(missing.ok());
    EXPECT_NE(missing.error().message().find("nothing is fetched"), std::string::npos);
}

TEST(JsonSchema, WhatIsWrongIsSaid) {
    const std::vector<std::pair<std::string, std::string>> kCases = {
        {"{", "not JSON"},
        {"3", "a schema is an object"},
        {R"({"type":"number","maximum":1e999})", "number overflow"},
        {R"({"type":"strin"})", "is no type"},
        {R"({"type":3})", "is no type"},
        {R"({"properties":[]})", "\"properties\" is an object"},
        {R"({"properties":{"a":1}})", "property a: a schema is an object"},
        {R"({"type":"object","required":"a"})", "\"required\" is a list"},
        {R"({"allOf":{}})", "\"allOf\" is a list"},
        {R"({"enum":1})", "\"enum\" is a list"},
        {R"({"$ref":"#"})", "leads back to itself"},
        {R"({"$ref":"#/nowhere"})", "leads nowhere"},
        {R"({"$ref":1})", "a $ref is text"},
        {std::string(500, '[') + std::string(500, ']'), "nested deeper"},
    };
    for (const auto& [text, part] : kCases) {
        auto schema = Read(text);
        ASSERT_FALSE(schema.ok()) << text;
        EXPECT_NE(schema.error().message().find(part), std::string::npos) << text << schema.error().message();
    }
}

// Combinations of combinations that all refer to each other: without memory this takes for ever.
TEST(JsonSchema, EntangledDefinitionsEnd) {
    auto entangled = [](const char* leaf) {
        std::string definitions;
        for (int i = 0; i < 40; ++i) {
            std::string parts;
            for (int j = 0; j < 8; ++j) {
                parts += fmt::format(R"({}{{"type":"object","properties":{{"p{}":{{"$ref":"#/definitions/d{}"}}}}}})",
                                     j ? "," : "", j, (i * 7 + j * 11) % 40);
            }
            definitions += fmt::format(R"({}"d{}":{{"anyOf":[{},{{"type":"{}"}}]}})", i ? "," : "", i, parts, leaf);
        }
        return fmt::format(R"({{"$ref":"#/definitions/d0","definitions":{{{}}}}})", definitions);
    };
    EXPECT_EQ(Kinds(entangled("string"), entangled("string")), "");
    EXPECT_NE(Kinds(entangled("string"), entangled("integer")), "");
    std::string chain;
    for (int i = 0; i < 1000; ++i) {
        chain += fmt::format(R"("c{}":{{"type":"array","items":{{"$ref":"#/definitions/c{}"}}}},)", i, i + 1);
    }
    auto deep = [&](const char* leaf) {
        return fmt::format(R"({{"$ref":"#/definitions/c0","definitions":{{{}"c1000":{{"type":"{}"}}}}}})", chain, leaf);
    };
    EXPECT_EQ(Kinds(deep("string"), deep("integer")), "UNKNOWN");
}

}  // namespace
}  // namespace tarn::registry

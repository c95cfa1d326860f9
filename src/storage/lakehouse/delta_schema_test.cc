#include "storage/lakehouse/delta_schema.h"

#include <gtest/gtest.h>

#include "storage/lakehouse/schema_plan.h"

namespace tarn::lakehouse {
namespace {

std::string RoundTrip(const std::string& engine_type) {
    auto type = FromEngineType(engine_type);
    if (!type.ok()) return type.error().message();
    return ToEngineType(*type).value();
}

TEST(DeltaSchema, EveryEngineTypeHasAStoredForm) {
    EXPECT_EQ(RoundTrip("BIGINT"), "BIGINT");
    EXPECT_EQ(RoundTrip("DECIMAL(12,2)"), "DECIMAL(12,2)");
    EXPECT_EQ(RoundTrip("HUGEINT"), "DECIMAL(38,0)");
    EXPECT_EQ(RoundTrip("UBIGINT"), "DECIMAL(20,0)");
    EXPECT_EQ(RoundTrip("TIMESTAMP"), "TIMESTAMP");
    EXPECT_EQ(RoundTrip("TIMESTAMP_NS"), "TIMESTAMP");
    EXPECT_EQ(RoundTrip("TIMESTAMP WITH TIME ZONE"), "TIMESTAMP WITH TIME ZONE");
    EXPECT_EQ(RoundTrip("UUID"), "VARCHAR");
    EXPECT_EQ(RoundTrip("ENUM('a', 'b)')"), "VARCHAR");
    EXPECT_EQ(RoundTrip("INTEGER[3]"), "INTEGER[]");
    EXPECT_EQ(RoundTrip("STRUCT(a INTEGER, \"b c\" VARCHAR[])[]"), "STRUCT(\"a\" INTEGER, \"b c\" VARCHAR[])[]");
    EXPECT_EQ(RoundTrip("MAP(VARCHAR, STRUCT(x DECIMAL(4,1)))"), "MAP(VARCHAR, STRUCT(\"x\" DECIMAL(4,1)))");
    EXPECT_FALSE(FromEngineType("UNION(a INTEGER, b VARCHAR)").ok());
}

TEST(DeltaSchema, ReadsItsOwnJson) {
    const std::string json =
        R"({"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{"comment":"x"}},)"
        R"({"name":"m","type":{"type":"map","keyType":"string","valueType":{"type":"array","elementType":"date",)"
        R"("containsNull":true},"valueContainsNull":true},"nullable":false,"metadata":{}}]})";
    auto schema = ParseSchema(json);
    ASSERT_TRUE(schema.ok()) << schema.error().ToString();
    EXPECT_EQ(SchemaToJson(*schema), json);
    EXPECT_EQ((*schema)[0].Comment(), "x");
    EXPECT_EQ(ToEngineType((*schema)[1].type).value(), "MAP(VARCHAR, DATE[])");
}

TEST(DeltaSchema, RefusesWhatIsMalformed) {
    EXPECT_EQ(ParseSchema("").error().code(), ErrorCode::kCorruption);
    EXPECT_EQ(ParseSchema(R"({"type":"array"})").error().code(), ErrorCode::kCorruption);
    EXPECT_EQ(ParseSchema(R"({"type":"struct","fields":[{"type":"long"}]})").error().code(), ErrorCode::kCorruption);
    EXPECT_EQ(ParseSchema(R"({"type":"struct","fields":[{"name":"a","type":"void"}]})").error().code(),
              ErrorCode::kNotSupported);
    EXPECT_EQ(ParseSchema(R"({"type":"struct","fields":[{"name":"a","type":"long"},{"name":"A","type":"long"}]})")
                  .error()
                  .code(),
              ErrorCode::kCorruption);
}

std::string Common(const std::string& left, const std::string& right) {
    auto type = CommonType(FromEngineType(left).value(), FromEngineType(right).value());
    return type ? ToEngineType(*type).value() : "none";
}

TEST(DeltaSchema, WidensOnlyWithoutLoss) {
    EXPECT_EQ(Common("INTEGER", "BIGINT"), "BIGINT");
    EXPECT_EQ(Common("INTEGER", "DOUBLE"), "DOUBLE");
    EXPECT_EQ(Common("BIGINT", "DOUBLE"), "none");
    EXPECT_EQ(Common("DECIMAL(10,2)", "DECIMAL(8,4)"), "DECIMAL(12,4)");
    EXPECT_EQ(Common("DECIMAL(38,0)", "DECIMAL(38,10)"), "none");
    EXPECT_EQ(Common("VARCHAR", "BIGINT"), "none");
    EXPECT_EQ(Common("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"), "none");
    EXPECT_EQ(Common("STRUCT(a INTEGER)", "STRUCT(a BIGINT, b VARCHAR)"), "STRUCT(\"a\" BIGINT, \"b\" VARCHAR)");
}

TEST(SchemaPlan, RefusesNamesThatCannotBeStored) {
    auto plan = PlanSchema(WriteMode::kOverwrite, nullptr, {{.name = "count(*)", .type = "BIGINT"}}, {});
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().hint(), "rename it with AS");
    plan = PlanSchema(WriteMode::kOverwrite, nullptr, {{.name = "a", .type = "BIGINT"}, {.name = "A", .type = "DATE"}},
                      {});
    EXPECT_FALSE(plan.ok());
}

TEST(SchemaPlan, ExtendsByNewColumnsAndWiderTypes) {
    auto existing = PlanSchema(WriteMode::kOverwrite, nullptr,
                               {{.name = "a", .type = "INTEGER"}, {.name = "b", .type = "VARCHAR"}}, {});
    ASSERT_TRUE(existing.ok());
    auto plan = PlanSchema(WriteMode::kAppend, &existing->schema,
                           {{.name = "c", .type = "DATE"}, {.name = "A", .type = "BIGINT"}}, {});
    ASSERT_TRUE(plan.ok()) << plan.error().ToString();
    EXPECT_TRUE(plan->changed);
    EXPECT_TRUE(plan->rewrites);
    EXPECT_EQ(plan->SelectResult("r"), R"(SELECT "A" AS "a", CAST(NULL AS VARCHAR) AS "b", "c" AS "c" FROM r)");
    EXPECT_EQ(plan->SelectTable("t"),
              R"(SELECT CAST("a" AS BIGINT) AS "a", "b" AS "b", CAST(NULL AS DATE) AS "c" FROM t)");
    auto refused = PlanSchema(WriteMode::kAppend, &existing->schema, {{.name = "b", .type = "BIGINT"}}, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().hint(), "write CAST(b AS VARCHAR) AS b");
}

}  // namespace
}  // namespace tarn::lakehouse

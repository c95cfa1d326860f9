// Binary forms of values: numeric against text, and parameters.
#include "analysis/query/pg_types.h"

#include <gtest/gtest.h>

#include "analysis/query/pg_numeric.h"
#include "base/env.h"
#include "base/text.h"

namespace tarn::query {
namespace {

std::string Binary(std::string_view text) {
    wire::PgFrameWriter writer;
    Status written = WriteNumeric(writer, text);
    EXPECT_TRUE(written.ok()) << written.error().ToString();
    return writer.buffer();
}
std::string Words(const std::vector<int>& words) {
    wire::PgFrameWriter writer;
    for (int word : words) writer.Int16(static_cast<int16_t>(word));
    return writer.buffer();
}

TEST(PgNumeric, AsPostgresWritesIt) {
    // count, weight, sign, scale, digits: what numeric_send gives.
    EXPECT_EQ(Binary("0"), Words({0, 0, 0, 0}));
    EXPECT_EQ(Binary("0.00"), Words({0, 0, 0, 2}));
    EXPECT_EQ(Binary("1"), Words({1, 0, 0, 0, 1}));
    EXPECT_EQ(Binary("10000"), Words({1, 1, 0, 0, 1}));
    EXPECT_EQ(Binary("-12345.678"), Words({3, 1, 0x4000, 3, 1, 2345, 6780}));
    EXPECT_EQ(Binary("0.0001"), Words({1, -1, 0, 4, 1}));
    EXPECT_EQ(Binary("0.00001"), Words({1, -2, 0, 5, 1000}));
    EXPECT_EQ(Binary("-0.0"), Words({0, 0, 0, 1}));
}

TEST(PgNumeric, TextsComeBackAsTheyWere) {
    Random& random = SystemEnv().random();
    uint64_t seed = random.Next();
    SCOPED_TRACE(fmt::format("seed {}", seed));
    uint64_t state = seed;
    auto next = [&](uint64_t below) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return (state >> 33) % below;
    };
    for (int round = 0; round < 20000; ++round) {
        std::string whole;
        for (uint64_t digits = next(24); digits > 0; --digits) whole += static_cast<char>('0' + next(3) * next(4));
        whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
        std::string fraction;
        for (uint64_t digits = next(16); digits > 0; --digits) fraction += static_cast<char>('0' + next(2) * next(10));
        std::string text = (whole.empty() ? "0" : whole) + (fraction.empty() ? "" : "." + fraction);
        bool zero = text.find_first_not_of("0.") == std::string::npos;
        if (next(2) == 1 && !zero) text = "-" + text;
        auto back = NumericText(Binary(text));
        ASSERT_TRUE(back.ok()) << text;
        ASSERT_EQ(*back, text);
    }
}

TEST(PgNumeric, GarbageIsAnError) {
    EXPECT_EQ(NumericText(Words({1, 3, 0, 0, 12})).value(), "12000000000000");
    EXPECT_EQ(NumericText(Words({0, 5, 0, 2})).value(), "0.00");
    EXPECT_FALSE(NumericText("").ok());
    EXPECT_FALSE(NumericText(Words({2, 0, 0, 0, 1})).ok());
    EXPECT_FALSE(NumericText(Words({1, 0, 0, 0, 10000})).ok());
    EXPECT_FALSE(NumericText(Words({1, 0, 0, 0, -1})).ok());
    EXPECT_FALSE(NumericText(Words({-1, 0, 0, 0})).ok());
    EXPECT_FALSE(NumericText(Words({1, 0, 0, -1, 1})).ok());
    for (int sign : {0xC000, 0xD000, 0xF000}) EXPECT_FALSE(NumericText(Words({0, 0, sign, 0})).ok()) << sign;
    Bytes noise(64);
    for (int round = 0; round < 5000; ++round) {
        SystemEnv().random().Fill(noise);
        (void)NumericText(AsText(noise).substr(0, static_cast<size_t>(round % 64))).ok();
    }
}

std::string Integer(int64_t value, int bytes) {
    std::string text;
    for (int byte = bytes - 1; byte >= 0; --byte) text += static_cast<char>(value >> (8 * byte));
    return text;
}
std::string Parameter(int32_t oid, std::string_view binary) {
    auto text = ParameterText(oid, binary);
    return text.ok() ? *text : "error: " + text.error().message();
}

TEST(PgTypes, ParametersAsText) {
    EXPECT_EQ(Parameter(16, "\x01"), "true");
    EXPECT_EQ(Parameter(21, Integer(-2, 2)), "-2");
    EXPECT_EQ(Parameter(23, Integer(-2147483648, 4)), "-2147483648");
    EXPECT_EQ(Parameter(20, Integer(std::numeric_limits<int64_t>::min(), 8)), "-9223372036854775808");
    EXPECT_EQ(Parameter(701, Integer(0x3FB999999999999A, 8)), "0.1");
    EXPECT_EQ(Parameter(1082, Integer(4749, 4)), "2013-01-01");
    EXPECT_EQ(Parameter(1082, Integer(-730119, 4)), "0001-01-01");
    EXPECT_EQ(Parameter(1082, Integer(2921939, 4)), "9999-12-31");
    EXPECT_EQ(Parameter(1082, Integer(2147483647, 4)), "infinity");
    EXPECT_EQ(Parameter(1082, Integer(-2147483648LL, 4)), "-infinity");
    EXPECT_EQ(Parameter(1082, Integer(2147483646, 4)).substr(0, 5), "error");
    EXPECT_EQ(Parameter(1114, Integer(1, 8)), "2000-01-01T00:00:00.000001Z");
    EXPECT_EQ(Parameter(1184, Integer(std::numeric_limits<int64_t>::max(), 8)), "infinity");
    EXPECT_EQ(Parameter(1184, Integer(std::numeric_limits<int64_t>::max() - 1, 8)).substr(0, 5), "error");
    EXPECT_EQ(Parameter(1083, Integer(86399999999, 8)), "23:59:59.999999");
    EXPECT_EQ(Parameter(1083, Integer(-1, 8)).substr(0, 5), "error");
    EXPECT_EQ(Parameter(2950, std::string(16, '\x11')), "11111111-1111-1111-1111-111111111111");
    EXPECT_EQ(Parameter(17, std::string("\x00z", 2)), "\\x00\\x7A");
    EXPECT_EQ(Parameter(3802, "\x01{}"), "{}");
    EXPECT_EQ(Parameter(25, "x"), "x");
    for (int32_t oid : {16, 20, 21, 23, 700, 701, 1082, 1083, 1114, 1184, 2950, 3802, 1700}) {
        EXPECT_EQ(Parameter(oid, "").substr(0, 5), "error") << oid;
    }
    EXPECT_EQ(Parameter(600, "x").substr(0, 5), "error");
}

TEST(PgTypes, ArraysAndIntervals) {
    auto array = [](int32_t item_oid, const std::vector<std::string>& items, int32_t dimensions = 1) {
        std::string binary = Integer(dimensions, 4) + Integer(0, 4) + Integer(item_oid, 4);
        if (dimensions > 0) binary += Integer(static_cast<int64_t>(items.size()), 4) + Integer(1, 4);
        for (const std::string& item : items) {
            binary += item == "NULL" ? Integer(-1, 4) : Integer(static_cast<int64_t>(item.size()), 4) + item;
        }
        return binary;
    };
    EXPECT_EQ(Parameter(1016, array(20, {Integer(7, 8), "NULL", Integer(-1, 8)})), "[\"7\",NULL,\"-1\"]");
    EXPECT_EQ(Parameter(1009, array(25, {"a \"b\" \\", ""})), "[\"a \\\"b\\\" \\\\\",\"\"]");
    EXPECT_EQ(Parameter(1009, array(25, {}, 0)), "[]");
    EXPECT_EQ(Parameter(1009, array(25, {"x"}, 2)).substr(0, 5), "error");
    // A count that is not there allocates nothing and ends at the first item.
    EXPECT_EQ(Parameter(1007, Integer(1, 4) + Integer(0, 4) + Integer(23, 4) + Integer(2147483647, 4) + Integer(1, 4))
                  .substr(0, 5),
              "error");
    std::string month = Integer(3'000'000, 8) + Integer(-2, 4) + Integer(14, 4);
    EXPECT_EQ(Parameter(1186, month), "14 months -2 days 3000000 microseconds");
    EXPECT_EQ(Parameter(1186, "x").substr(0, 5), "error");
}

TEST(PgTypes, NumbersThatNeedAnotherDecimal) {
    EXPECT_EQ(DecimalTypeOf("1.5"), "");
    EXPECT_EQ(DecimalTypeOf("-1.50000000000000000"), "");
    EXPECT_EQ(DecimalTypeOf("0.12345678901"), "DECIMAL(38,11)");
    EXPECT_EQ(DecimalTypeOf("12345678901234567890123456789"), "DECIMAL(38,0)");
    EXPECT_EQ(DecimalTypeOf("-00012345678901234567890123456789.5"), "DECIMAL(38,1)");
    EXPECT_EQ(DecimalTypeOf(std::string(60, '9')), "");
    EXPECT_EQ(DecimalTypeOf("1e5"), "");
    EXPECT_EQ(DecimalTypeOf(""), "");
    EXPECT_EQ(DecimalTypeOf("."), "");
}

TEST(PgTypes, TypesHaveTheirNumbers) {
    auto oid = [](std::string type) { return PgOidOf(type); };
    EXPECT_EQ(oid("BIGINT"), 20);
    EXPECT_EQ(oid("VARCHAR"), 25);
    EXPECT_EQ(oid("VARCHAR[]"), 1009);
    EXPECT_EQ(oid("DECIMAL(12,2)"), 1700);
    EXPECT_EQ(oid("DECIMAL(12,2)[]"), 1231);
    EXPECT_EQ(oid("BIGINT[3]"), 1016);
    EXPECT_EQ(oid("BIGINT[][]"), 114);  // may be ragged, as no array of PostgreSQL's is
    EXPECT_EQ(oid("STRUCT(a INTEGER)[]"), 114);
    EXPECT_EQ(oid("ENUM('a', 'b')[]"), 1009);
    EXPECT_EQ(oid("STRUCT(a INTEGER)"), 114);
    EXPECT_EQ(oid("TIMESTAMP WITH TIME ZONE"), 1184);
    EXPECT_EQ(oid("HUGEINT"), 1700);
    EXPECT_EQ(oid("WHATEVER"), 25);
    for (int32_t known : {16, 17, 20, 21, 23, 25, 700, 701, 1082, 1083, 1114, 1184, 2950}) {
        EXPECT_EQ(PgOidOf(EngineTypeOf(known)), known);
    }
    EXPECT_EQ(EngineTypeOf(0), "");
}

}  // namespace
}  // namespace tarn::query

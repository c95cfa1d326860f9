#include <bit>
#include <chrono>

#include "engine/engine_for_test.h"

namespace tarn::engine {
namespace {

class RowWriterTest : public EngineFixture {
  protected:
    // Reads written files back with DuckDB's own reader.
    std::string ReadBack(const std::vector<WrittenFile>& written, const std::string& select) {
        std::string list;
        for (const auto& file : written) list += (list.empty() ? "'tarn://" : ", 'tarn://") + file.path + "'";
        auto rows = Rows(*trusted, select + " FROM read_parquet([" + list + "])");
        return rows.ok() ? *rows : rows.error().ToString();
    }
    template <typename T>
    static std::string Big(T value) {
        std::string bytes(sizeof(T), '\0');
        for (size_t i = 0; i < sizeof(T); i++)
            bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
        return bytes;
    }
};

TEST_F(RowWriterTest, TextRowsAreCast) {
    RowWriterOptions options{.columns = {{.name = "n", .type = "INTEGER"},
                                         {.name = "d", .type = "DECIMAL(10,2)"},
                                         {.name = "s", .type = "VARCHAR"},
                                         {.name = "tz", .type = "TIMESTAMPTZ"}}};
    options.write.prefix = "raw/x/";
    auto writer = session->StartRows(options).value();
    ASSERT_TRUE(writer->AddRow({"1", "2.5", "ä", "2020-01-01 00:00:00+00"}).ok());
    ASSERT_TRUE(writer->AddRow({std::nullopt, std::nullopt, "", std::nullopt}).ok());
    auto written = writer->Finish();
    ASSERT_TRUE(written.ok()) << written.error().ToString();
    EXPECT_EQ(written->at(0).rows, 2);
    EXPECT_EQ(written->at(0).statistics.at("n").max, 1);
    EXPECT_EQ(written->at(0).statistics.at("d").nulls, 1);
    EXPECT_EQ(ReadBack(*written, "SELECT n, d, s, tz"), "1|2.50|ä|2020-01-01 00:00:00+00\nNULL|NULL||NULL\n");
}

TEST_F(RowWriterTest, AWrongCellIsNamed) {
    RowWriterOptions options{.columns = {{.name = "n", .type = "INTEGER"}}};
    options.write.prefix = "raw/x/";
    auto writer = session->StartRows(options).value();
    ASSERT_TRUE(writer->AddRow({"abc"}).ok());
    auto written = writer->Finish();
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().message(), "column n: 'abc' is no INTEGER");
    EXPECT_TRUE(files.files.empty());
    writer.reset();
    auto dropped = session->StartRows(options).value();
    ASSERT_TRUE(dropped->AddRow({"1"}).ok());
    dropped.reset();
    EXPECT_TRUE(files.files.empty());
}

TEST_F(RowWriterTest, FilesAreRotated) {
    RowWriterOptions options{.columns = {{.name = "n", .type = "BIGINT"}}};
    options.write = {.prefix = "raw/x/", .rows_per_file_max = 10000};
    auto writer = session->StartRows(options).value();
    for (int i = 0; i < 25000; i++) ASSERT_TRUE(writer->AddRow({std::to_string(i)}).ok());
    auto written = writer->Finish().value();
    EXPECT_EQ(written.size(), 3u);
    EXPECT_EQ(ReadBack(written, "SELECT count(*), sum(n)"), "25000|312487500\n");
}

TEST_F(RowWriterTest, BinaryRows) {
    RowWriterOptions options;
    std::vector<std::string> cells;
    auto add = [&](const char* name, const char* type, uint32_t oid, std::string bytes) {
        options.columns.push_back({.name = name, .type = type});
        options.postgres_oids.push_back(oid);
        cells.push_back(std::move(bytes));
    };
    add("b", "BOOLEAN", 16, "\x01");
    add("i2", "SMALLINT", 21, Big<int16_t>(-2));
    add("i4", "INTEGER", 23, Big<int32_t>(-70000));
    add("i8", "BIGINT", 20, Big<int64_t>(-5'000'000'000));
    add("f4", "FLOAT", 700, Big<uint32_t>(std::bit_cast<uint32_t>(1.5F)));
    add("f8", "DOUBLE", 701, Big<uint64_t>(std::bit_cast<uint64_t>(-0.1)));
    add("t", "VARCHAR", 25, "häl");
    add("y", "BLOB", 17, std::string("\0\xff", 2));
    add("d", "DATE", 1082, Big<int32_t>(4749));  // 2013-01-01
    add("at", "TIMESTAMP", 1114, Big<int64_t>(4749LL * 86400000000 + 18000000001));
    add("tz", "TIMESTAMPTZ", 1184, Big<int64_t>(4749LL * 86400000000));
    add("n", "DECIMAL(12,3)", 1700,
        Big<int16_t>(3) + Big<int16_t>(1) + Big<int16_t>(0x4000) + Big<int16_t>(2) + Big<int16_t>(12) +
            Big<int16_t>(3456) + Big<int16_t>(7800));
    add("nt", "VARCHAR", 1700,
        Big<int16_t>(1) + Big<int16_t>(-2) + Big<int16_t>(0) + Big<int16_t>(7) + Big<int16_t>(1230));
    add("u", "VARCHAR", 2950, std::string("\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef", 16));
    add("j", "VARCHAR", 3802, "\x01{\"a\": 1}");
    add("iv", "VARCHAR", 1186, Big<int64_t>(3'600'000'000) + Big<int32_t>(2) + Big<int32_t>(14));
    add("a", "VARCHAR", 1007,
        Big<int32_t>(1) + Big<int32_t>(1) + Big<int32_t>(23) + Big<int32_t>(2) + Big<int32_t>(1) + Big<int32_t>(4) +
            Big<int32_t>(5) + Big<int32_t>(-1));
    add("ti", "VARCHAR", 1083, Big<int64_t>(3'723'500'000));
    options.write.prefix = "raw/x/";
    auto writer = session->StartRows(options);
    ASSERT_TRUE(writer.ok()) << writer.error().ToString();
    std::vector<std::optional<ByteSpan>> row;
    for (const auto& cell : cells) row.push_back(AsBytes(cell));
    ASSERT_TRUE((*writer)->AddBinaryRow(row).ok());
    ASSERT_TRUE((*writer)->AddBinaryRow(std::vector<std::optional<ByteSpan>>(row.size())).ok());
    auto written = (*writer)->Finish();
    ASSERT_TRUE(written.ok()) << written.error().ToString();
    EXPECT_EQ(
        ReadBack(*written, "SELECT *"),
        "t|-2|-70000|-5000000000|1.5|-0.1|häl|\\x00ff|2013-01-01|2013-01-01 05:00:00.000001|2013-01-01 00:00:00+00|"
        "-123456.780|0.0000123|01234567-89ab-cdef-0123-456789abcdef|{\"a\": 1}|1 year 2 mons 2 days "
        "01:00:00|{5,NULL}|01:02:03.5\n"
        "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL\n");
    // A value that the column cannot hold names itself.
    row[11] = AsBytes(cells[12]);
    auto again = session->StartRows(options).value();
    EXPECT_EQ(again->AddBinaryRow(row).error().message(), "column n: '0.0000123' is no DECIMAL(12,3)");
}

// Not a measurement to trust on a busy machine, but a floor that a mistake would fall below.
TEST_F(RowWriterTest, BinaryRowsAreFast) {
    RowWriterOptions options;
    for (int i = 0; i < 4; i++) options.columns.push_back({.name = "i" + std::to_string(i), .type = "INTEGER"});
    options.columns.push_back({.name = "s", .type = "VARCHAR"});
    options.columns.push_back({.name = "t", .type = "VARCHAR"});
    options.columns.push_back({.name = "n", .type = "DECIMAL(12,2)"});
    options.columns.push_back({.name = "d", .type = "DATE"});
    options.postgres_oids = {23, 23, 23, 23, 25, 25, 1700, 1082};
    options.write.prefix = "raw/x/";
    auto writer = session->StartRows(options).value();
    constexpr int kRows = 1'000'000;
    auto started = SystemEnv().clock().Monotonic();
    std::vector<std::optional<ByteSpan>> row(8);
    std::string day = Big<int32_t>(4749);
    std::string numeric =
        Big<int16_t>(2) + Big<int16_t>(0) + Big<int16_t>(0) + Big<int16_t>(2) + Big<int16_t>(1234) + Big<int16_t>(5600);
    std::string bytes(4, '\0');
    std::string text;
    for (int i = 0; i < kRows; i++) {
        bytes = Big<int32_t>(i);
        text = "customer " + std::to_string(i % 1000);
        for (int c = 0; c < 4; c++) row[c] = AsBytes(bytes);
        row[4] = row[5] = AsBytes(text);
        row[6] = AsBytes(numeric);
        row[7] = AsBytes(day);
        ASSERT_TRUE(writer->AddBinaryRow(row).ok());
    }
    auto written = writer->Finish().value();
    double seconds = std::chrono::duration<double>(SystemEnv().clock().Monotonic() - started).count();
    RecordProperty("rows_per_second", static_cast<int>(kRows / seconds));
    EXPECT_EQ(written.at(0).rows, kRows);
}

}  // namespace
}  // namespace tarn::engine

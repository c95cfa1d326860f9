// What users' SQL may not do, said in as many ways as SQL has.

#include "engine/engine_for_test.h"

namespace tarn::engine {
namespace {

class SandboxTest : public EngineFixture {
  protected:
    void SetUp() override {
        EngineFixture::SetUp();
        MakeTable("d", "t", "SELECT i AS a, 'x' || i AS b FROM range(3) t(i)");
    }
};

TEST_F(SandboxTest, StatementsThatAreNoQueries) {
    for (const char* sql : {
             "COPY (SELECT 1) TO '/tmp/x.csv'",
             "COPY d.t FROM '/etc/passwd'",
             "ATTACH '/tmp/x.db'",
             "DETACH tarn",
             "LOAD httpfs",
             "INSTALL httpfs",
             "PRAGMA version",
             "PRAGMA database_list",
             "CALL pragma_version()",
             "EXPORT DATABASE '/tmp/x'",
             "IMPORT DATABASE '/tmp/x'",
             "VACUUM",
             "CHECKPOINT",
             "ANALYZE",
             "CREATE TABLE x (i INT)",
             "CREATE TEMP TABLE x AS SELECT 1",
             "CREATE VIEW v AS SELECT 1",
             "CREATE MACRO m(a) AS a",
             "CREATE SECRET s (TYPE s3)",
             "CREATE TYPE e AS ENUM ('a')",
             "CREATE SCHEMA s",
             "CREATE SEQUENCE s",
             "CREATE INDEX i ON d.t (a)",
             "INSERT INTO d.t VALUES (1, 'a')",
             "DELETE FROM d.t",
             "UPDATE d.t SET a = 1",
             "DROP TABLE d.t",
             "ALTER TABLE d.t ADD COLUMN c INT",
             "TRUNCATE d.t",
             "MERGE INTO d.t USING d.t s ON t.a = s.a WHEN MATCHED THEN DELETE",
             "PREPARE p AS SELECT 1",
             "EXECUTE p",
             "SET memory_limit = '1GB'",
             "SET GLOBAL threads = 1",
             "SET enable_external_access = true",
             "RESET lock_configuration",
             "SET VARIABLE x = 1",
             "SET temp_directory = '/tmp'",
             "SET allowed_paths = ['/']",
             "EXPLAIN COPY (SELECT 1) TO '/tmp/x.csv'",
             "EXPLAIN ANALYZE INSERT INTO d.t VALUES (1, 'a')",
             "COMMENT ON TABLE d.t IS 'x'",
             "UPDATE EXTENSIONS",
             "SHOW ALL TABLES",
             "SHOW VARIABLES",
         }) {
        auto rows = Rows(*session, sql);
        ASSERT_FALSE(rows.ok()) << sql;
        auto code = rows.error().code();
        EXPECT_TRUE(code == ErrorCode::kNotSupported || code == ErrorCode::kPermissionDenied ||
                    code == ErrorCode::kSyntax)
            << sql << " -> " << rows.error().ToString();
    }
    EXPECT_EQ(Refusal("INSERT INTO d.t VALUES (1, 'a')").hint(), "tables are made by files of the workspace");
}

TEST_F(SandboxTest, FilesFunctionsAndInsides) {
    // Each stands where an expression or a table stands, in many places of a query.
    const char* tables[] = {
        "'/etc/passwd'",
        "'x.parquet'",
        "\"tarn://lake/d/t/x.parquet\"",
        "read_csv('/etc/passwd')",
        "read_text('*')",
        "read_parquet('tarn://lake/d/t/x.parquet')",
        "parquet_scan('x')",
        "parquet_metadata('x')",
        "glob('*')",
        "duckdb_settings()",
        "duckdb_secrets()",
        "duckdb_tables()",
        "duckdb_functions()",
        "pragma_version()",
        "duckdb_settings",
        "duckdb_tables",
        "system.main.duckdb_settings",
        "memory.main.x",
        "temp.main.x",
        "query('SELECT 1')",
        "query_table('d.t')",
        "sniff_csv('x')",
        "read_blob('x')",
        "read_json('x')",
        "json_execute_serialized_sql('x')",
        "sql_auto_complete('SEL')",
        "test_all_types()",
        "seq_scan('t')",
        "tarn_scan('x')",
        "checkpoint()",
        "enable_logging()",
        "pg_catalog.duckdb_settings()",
        "sqlite_master",
        "system.information_schema.tables",
        "main.read_csv('x')",
        "system.main.read_csv('/etc/passwd')",
        "(SELECT * FROM read_csv('/etc/passwd'))",
        "LATERAL (SELECT * FROM read_text('x'))",
        "which_secret('a','b')",
        "(DESCRIBE SELECT * FROM read_csv('/etc/passwd'))",
        "(SUMMARIZE FROM 'x.csv')",
        "histogram_values('t', a)",
        "(PIVOT (SELECT * FROM read_csv('x')) ON a IN (1) USING count(*))",
        "(VALUES (getenv('HOME')))",
    };
    for (const char* table : tables) {
        for (const char* form : {"SELECT * FROM {}", "SELECT * FROM d.t, {}", "SELECT (SELECT count(*) FROM {})",
                                 "WITH c AS (SELECT * FROM {}) SELECT * FROM c", "SELECT 1 UNION ALL SELECT 1 FROM {}",
                                 "SELECT * FROM d.t WHERE EXISTS (FROM {})", "FROM {}", "EXPLAIN SELECT * FROM {}"}) {
            std::string sql = fmt::format(fmt::runtime(form), table);
            EXPECT_FALSE(Rows(*session, sql).ok()) << sql;
        }
    }
}

TEST_F(SandboxTest, FunctionsInExpressions) {
    const char* expressions[] = {
        "getenv('HOME')",
        "current_setting('temp_directory')",
        "getvariable('x')",
        "nextval('s')",
        "main.getenv('A')",
        "system.main.getenv('A')",
        "__internal_compress_integral_utinyint(1, 1)",
        "write_log('x')",
        "tarn_fence(1)",
        "list_transform([1], lambda x: getenv('HOME'))",
        "CASE WHEN true THEN getenv('HOME') END",
        "[getenv('HOME')]",
        "{'a': getenv('HOME')}",
        "(getenv('HOME'))::VARCHAR",
        "getenv('HOME') IS NULL",
        "getenv('A') BETWEEN '' AND ''",
        "count(*) FILTER (getenv('HOME') = '')",
        "sum(1) OVER (ORDER BY getenv('HOME'))",
        "max(a ORDER BY getenv('A'))",
        "(SELECT getenv('HOME'))",
        "1 IN (SELECT length(getenv('HOME')))",
        "COLUMNS(c -> getenv('HOME') = '')",
        "GETENV('HOME')",
        "\"getenv\"('HOME')",
        "getenv('HOME') COLLATE nocase",
        "sum(1) OVER (ROWS length(getenv('A')) PRECEDING)",
        "sum(a) EXPORT_STATE",
        "'HOME'.getenv()",
    };
    for (const char* expression : expressions) {
        for (const char* form :
             {"SELECT {} FROM d.t", "SELECT 1 FROM d.t WHERE ({}) IS NULL", "SELECT 1 FROM d.t ORDER BY {}",
              "SELECT 1 FROM d.t GROUP BY {}", "SELECT 1 FROM d.t QUALIFY ({}) IS NULL",
              "SELECT 1 FROM d.t LIMIT length({})", "SELECT DISTINCT ON ({}) 1 FROM d.t",
              "SELECT * REPLACE ({} AS a) FROM d.t", "VALUES ({})", "SELECT 1 FROM d.t x JOIN d.t y ON ({}) IS NULL",
              "SELECT 1 FROM d.t HAVING ({}) IS NULL", "SELECT * FROM range(length({}))", "SELECT * FROM unnest([{}])",
              "SELECT * FROM d.t AT (VERSION => {})"}) {
            std::string sql = fmt::format(fmt::runtime(form), expression);
            EXPECT_FALSE(Rows(*session, sql).ok()) << sql;
        }
    }
}

TEST_F(SandboxTest, WhatUsersMayDo) {
    for (const char* sql : {
             "SELECT 1",
             "VALUES (1), (2)",
             "WITH x AS (SELECT 1 AS a) FROM x",
             "FROM d.t",
             "DESCRIBE d.t",
             "DESCRIBE SELECT 1",
             "SUMMARIZE d.t",
             "SHOW TABLES",
             "SHOW d.t",
             "EXPLAIN SELECT * FROM d.t",
             "EXPLAIN ANALYZE SELECT * FROM d.t",
             "PIVOT d.t ON a IN (1, 2) USING count(*)",
             "UNPIVOT d.t ON a INTO NAME n VALUE v",
             "SELECT * FROM range(3)",
             "SELECT * FROM generate_series(1, 3)",
             "SELECT unnest([1, 2])",
             "SELECT * FROM unnest([1])",
             "TABLE d.t",
             "SELECT t.* EXCLUDE (a) FROM d.t t",
             "SELECT COLUMNS('a|b') FROM d.t",
             "SELECT x.a FROM d.t x, LATERAL (SELECT x.a + 1) y",
             "SELECT * FROM d.t TABLESAMPLE 50%",
             "SELECT a, count(*) FROM d.t GROUP BY ALL ORDER BY ALL",
             "SELECT list_transform([1, 2], lambda x: x + 1)",
             "SELECT now() > '2000-01-01', version(), pi()",
             "SELECT * FROM d.t ASOF JOIN d.t u USING (b, a)",
             "SELECT regexp_matches('a', 'A', 'i')",
             "SELECT 'a' GLOB 'a*'",
         }) {
        auto rows = Rows(*session, sql);
        EXPECT_TRUE(rows.ok()) << sql << " -> " << rows.error().ToString();
    }
}

TEST_F(SandboxTest, DepthIsAnErrorAndNoCrash) {
    auto nest = [](const char* open, const char* middle, const char* close, int depth) {
        std::string sql = "SELECT ";
        for (int i = 0; i < depth; i++) sql += open;
        sql += middle;
        for (int i = 0; i < depth; i++) sql += close;
        return sql;
    };
    struct Nest {
        const char* open;
        const char* middle;
        const char* close;
    };
    for (const Nest& one :
         {Nest{"(", "1", ")"}, Nest{"(SELECT ", "1", ")"}, Nest{"abs(", "1", ")"}, Nest{"[", "1", "]"},
          Nest{"- ", "1", ""}, Nest{"NOT ", "true", ""}, Nest{"CASE WHEN true THEN ", "1", " END"}}) {
        for (int depth : {1100, 20000}) {
            auto rows = Rows(*session, nest(one.open, one.middle, one.close, depth));
            // Brackets without a meaning are gone after parsing; everything else is too deep.
            if (std::string_view(one.open) != "(") {
                EXPECT_FALSE(rows.ok() && depth > 2000) << one.open;
            }
        }
    }
    for (const char* more : {" + 1", " UNION ALL SELECT 1", " UNION SELECT 1", " CROSS JOIN (SELECT 1)"}) {
        std::string sql = "SELECT 1";
        if (std::string_view(more).starts_with(" CROSS")) sql += " FROM d.t";
        for (int i = 0; i < 3000; i++) sql += more;
        (void)Rows(*session, sql);
    }
}

// Mutated statements: whatever comes, an answer or an error, and never a path, a secret or a crash.
TEST_F(SandboxTest, Fuzz) {
    const std::vector<std::string> words = {"SELECT",
                                            "FROM",
                                            "WHERE",
                                            "d.t",
                                            "a",
                                            "b",
                                            "(",
                                            ")",
                                            ",",
                                            "*",
                                            "'x'",
                                            "1",
                                            "UNION ALL",
                                            "WITH",
                                            "AS",
                                            "c",
                                            "JOIN",
                                            "USING (a)",
                                            "read_csv('/etc/passwd')",
                                            "'/etc/passwd'",
                                            "getenv('HOME')",
                                            "ORDER BY",
                                            "GROUP BY",
                                            "LATERAL",
                                            "PIVOT",
                                            "ON",
                                            "IN",
                                            "EXISTS",
                                            "[",
                                            "]",
                                            "{'k':",
                                            "}",
                                            "::",
                                            "INTEGER",
                                            "CASE WHEN",
                                            "THEN",
                                            "END",
                                            "$1",
                                            "AT (VERSION =>",
                                            ";",
                                            "--",
                                            "/*",
                                            "*/",
                                            "\"",
                                            "'",
                                            "DESCRIBE",
                                            "SUMMARIZE",
                                            "EXPLAIN",
                                            "COPY",
                                            "TO",
                                            "VALUES",
                                            "OVER (",
                                            "lambda x:",
                                            "LIMIT"};
    uint64_t state = 20261122;  // the same statements every time
    auto next = [&state] { return (state = state * 6364136223846793005ULL + 1442695040888963407ULL) >> 33; };
    for (int round = 0; round < 4000; round++) {
        std::string sql = round % 2 == 0 ? "SELECT " : "";
        int count = 2 + static_cast<int>(next() % 14);
        for (int i = 0; i < count; i++) sql += words[next() % words.size()] + " ";
        auto rows = Rows(*session, sql);
        if (!rows.ok()) {
            EXPECT_NE(rows.error().code(), ErrorCode::kInternal) << sql << " -> " << rows.error().ToString();
        } else {
            EXPECT_EQ(rows->find("root:"), std::string::npos) << sql;
        }
    }
}

}  // namespace
}  // namespace tarn::engine

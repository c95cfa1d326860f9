// Tables through the door: what is wrong with a file, and runs over a real lakehouse.
#include "processing/batch/batch.h"

#include <gtest/gtest.h>

#include "ingestion/connectors/connectors_for_test.h"

namespace tarn::batch {
namespace {

using Texts = std::vector<std::string>;

// A run that the test makes itself: the scheduler is tested where it lives.
class TestRun : public orchestrator::TaskRun {
  public:
    TestRun(orchestrator::TaskSpec spec, int64_t number)
        : spec_(std::move(spec)), id_(std::to_string(number)), number_(number) {}
    const orchestrator::TaskSpec& spec() const override { return spec_; }
    const std::string& run_id() const override { return id_; }
    int64_t number() const override { return number_; }
    const std::string& trigger() const override { return trigger_; }
    const std::string& part() const override { return part_; }
    Timestamp queued_at() const override { return {}; }
    const workspace::ParameterValues& parameters() const override { return parameters_; }
    const CancelToken& cancel() const override { return token; }
    void Progress(const std::string&, int64_t) override {}
    void Write(const std::string& line) override { lines.push_back(line); }
    CancelToken token;
    Texts lines;
    workspace::ParameterValues parameters_;

  private:
    orchestrator::TaskSpec spec_;
    std::string id_;
    std::string trigger_ = "hand";
    std::string part_;
    int64_t number_;
};

class BatchTest : public testing::Test {
  protected:
    BatchTest() {
        house_ = lakehouse::Lakehouse::Create(
                     {sources_.env(), sources_.lake(), sources_.engine(), sources_.gate, sources_.metrics(), NullLog()})
                     .value();
        sources_.catalog().AddProvider(house_->AsProvider());
        orchestrator_ = orchestrator::Orchestrator::Create(
                            {}, {sources_.env(), sources_.metadata(), sources_.gate, sources_.metrics(), NullLog()})
                            .value();
        batch_ = Batch::Create({sources_.env(), sources_.engine(), sources_.catalog(), *house_, sources_.connectors(),
                                *orchestrator_, NullLog()})
                     .value();
        EXPECT_EQ(sources_.Apply({{"inbox", "kind: files\npath: in/*.csv\nstreams: {rows: {}}\n"}}), "");
    }
    // Parses, validates and, if nothing is wrong, activates: file below use_cases/ -> text. What is wrong, as lines.
    std::string Apply(const std::map<std::string, std::string>& files) {
        workspace::Kind kind = batch_->WorkspaceKind();
        workspace::Kind use_case = batch_->UseCaseKind();
        workspace::Issues issues;
        std::vector<workspace::Definition> all = sources_.applied();
        for (const auto& [name, text] : files) {
            workspace::Definition definition{.kind = "table", .file = "use_cases/" + name};
            definition.name = name.substr(0, name.find('/')) + "." + name.substr(name.find('/') + 1);
            definition.name = definition.name.substr(0, definition.name.size() - 4);
            definition.text = text;
            definition.hash = text;
            bool is_use_case = name.ends_with("/" + use_case.suffix);
            if (is_use_case) definition.name = name.substr(0, name.find('/'));
            (is_use_case ? use_case : kind).parse(definition, issues);
            all.push_back(std::move(definition));
        }
        kind.validate(all, issues);
        use_case.validate(all, issues);
        std::string wrong;
        for (const ConfigIssue& issue : issues) {
            wrong += fmt::format("{}:{}:{}: {}\n", issue.file, issue.line, issue.column, issue.message);
        }
        if (!wrong.empty()) return wrong;
        Status activated = kind.activate(all);
        EXPECT_TRUE(activated.ok()) << activated.error().ToString();
        return "";
    }
    std::string ApplyOne(const std::string& text) { return Apply({{"d/t.sql", text}}); }

    Result<orchestrator::TaskOutcome> Run(const std::string& table, int64_t number) {
        for (const orchestrator::TaskSpec& spec : batch_->Tasks()) {
            if (spec.id != "table:" + table) continue;
            TestRun run(spec, number);
            if (cancelled) run.token.Cancel();
            run.parameters_ = told;
            auto outcome = batch_->AsTableTask().Run(run);
            lines = run.lines;
            return outcome;
        }
        return Error(ErrorCode::kNotFound, "no task");
    }
    std::string Ran(const std::string& table, int64_t number) {
        auto outcome = Run(table, number);
        if (!outcome.ok()) return outcome.error().message() + " | " + outcome.error().hint();
        std::string text = outcome->changed ? fmt::format("version {}: {} rows", outcome->version, outcome->rows)
                                            : "unchanged " + outcome->version;
        for (const std::string& warning : outcome->warnings) text += "; " + warning;
        return text;
    }
    Texts Query(const std::string& sql) { return sources_.Query(sql); }

    connectors::TestSources sources_;
    std::unique_ptr<lakehouse::Lakehouse> house_;
    std::unique_ptr<orchestrator::Orchestrator> orchestrator_;
    std::unique_ptr<Batch> batch_;
    // As a run for a part of `table` is told.
    std::string RanPart(const std::string& table, const std::string& key, int64_t number) {
        for (const orchestrator::TaskSpec& spec : batch_->Tasks()) {
            if (spec.id != "table:" + table) continue;
            workspace::Part part = spec.partition.value().Parse(key).value();
            told["partition"] = part.key;
            told["partition_start"] = FormatTime(part.begin);
            told["partition_end"] = FormatTime(part.end);
        }
        return Ran(table, number);
    }
    Texts lines;
    workspace::ParameterValues told;
    bool cancelled = false;
};

TEST_F(BatchTest, HeadersAreCheckedWithTheirLines) {
    std::string wrong = ApplyOne("/* tarn\ndescription: x\nkep: merge\n*/\nSELECT 1 AS a");
    EXPECT_NE(wrong.find("use_cases/d/t.sql:3:"), std::string::npos) << wrong;
    EXPECT_NE(wrong.find("keep"), std::string::npos) << wrong;
    wrong = ApplyOne("/* tarn\nkeep: merge\n*/\nSELECT 1 AS a");
    EXPECT_NE(wrong.find("use_cases/d/t.sql:2:"), std::string::npos) << wrong;
    EXPECT_NE(wrong.find("merge needs `key"), std::string::npos) << wrong;
    EXPECT_NE(ApplyOne("/* tarn\nkeep: append\n*/\nSELECT 1 AS a").find("append needs `since"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\nsince: a\n*/\nSELECT 1 AS a").find("since goes with"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\ndelete_missing: yes\n*/\nSELECT 1 AS a").find("delete_missing"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\nkeep: some\n*/\nSELECT 1 AS a").find("full"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\ncache: twice\n*/\nSELECT 1 AS a").find("yes or no"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\nchecks: [{rows: 'many'}]\n*/\nSELECT 1 AS a").find("comparison"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\nchecks: [{rows: '> 0; DROP'}]\n*/\nSELECT 1 AS a").find("comparison"),
              std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\nchecks: [{rows: '>0', unique: [a]}]\n*/\nSELECT 1 AS a").find("one of"),
              std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\ndescription: x\n").find("use_cases/d/t.sql:1:"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\nevery: 0s\n*/\nSELECT 1 AS a").find("t.sql:2:"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\ntimeout: 0s\n*/\nSELECT 1 AS a").find("timeout is more"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\nretries: -1\n*/\nSELECT 1 AS a").find("0 to 100"), std::string::npos);
    EXPECT_EQ(ApplyOne("/* tarn\nretries: 7\ntimeout: 90s\nevery: 5m\n*/\nSELECT 1 AS a"), "");
    auto tasks = batch_->Tasks();
    auto spec = std::find_if(tasks.begin(), tasks.end(), [](const auto& task) { return task.id == "table:d.t"; });
    ASSERT_NE(spec, tasks.end());
    EXPECT_EQ(spec->timing.retries, 7);
    EXPECT_EQ(spec->timing.timeout, std::chrono::seconds(90));
    EXPECT_EQ(spec->timing.every, std::chrono::minutes(5));
    EXPECT_NE(ApplyOne("/* tarn\ndescription: x\n*/\n-- nothing\n").find("SELECT"), std::string::npos);
}

TEST_F(BatchTest, ParametersStandInTheSqlAsValues) {
    const std::string sql =
        "/* tarn\nparameters: {n: {type: integer, default: 7}, day: {type: date, default: 2024-01-31}, "
        "at: {type: time, default: '2024-01-31T12:00:00Z'}, who: {default: \"it's\"}, on: {type: yes_no, default: yes}}"
        "\n*/\nSELECT $n * 2 AS n, $day + 1 AS day, $at AS at, $who AS who, $on AS yes, '$n' AS text -- $nothing\n";
    EXPECT_EQ(ApplyOne(sql), "");
    told = {{"n", "-4"}, {"day", "2024-02-28"}, {"at", "2024-01-31T12:00:00Z"}, {"who", "a'; DROP"}, {"on", "no"}};
    EXPECT_EQ(Ran("d.t", 1), "version 0: 1 rows");
    EXPECT_EQ(Query("SELECT * FROM d.t"), (Texts{"-8|2024-02-29|2024-01-31 12:00:00|a'; DROP|f|$n"}));
    EXPECT_NE(ApplyOne("SELECT 1 AS a,\n  $day AS b").find("t.sql:2:3: there is no parameter $day"), std::string::npos);
    EXPECT_NE(ApplyOne("/* tarn\nparameters: {partition: {}}\n*/\nSELECT 1 AS a").find("Tarn gives values to"),
              std::string::npos);
}

TEST_F(BatchTest, APartRunAgainReplacesItsRows) {
    for (const char* keep : {"full", "append", "merge"}) {
        SCOPED_TRACE(keep);
        std::string table = std::string("p_") + keep;
        bool merge = std::string_view(keep) == "merge";
        std::string text = fmt::format(
            "/* tarn\nkeep: {}\n{}parameters: {{v: {{default: a}}}}\n"
            "partitions: {{by: day, start: 2024-01-01{}}}\n*/\n"
            "SELECT $partition_start + to_hours(range::INT) AS at, $v AS v, $partition AS part FROM range(24)",
            keep, merge ? "key: [at]\n" : "", merge ? "" : ", column: at");
        ASSERT_EQ(Apply({{"d/" + table + ".sql", text}}), "");
        std::string name = "d." + table;
        told["v"] = "a";
        EXPECT_EQ(RanPart(name, "2024-01-02", 1), "version 0: 24 rows");
        EXPECT_EQ(RanPart(name, "2024-01-01", 2), "version 1: 48 rows");
        EXPECT_EQ(RanPart(name, "2024-01-02", 3), "unchanged 1") << "the same rows";
        told["v"] = "b";
        EXPECT_EQ(RanPart(name, "2024-01-02", 4), "version 2: 48 rows");
        EXPECT_EQ(RanPart(name, "2024-01-02", 4), "unchanged 2") << "the same run";
        EXPECT_EQ(Query("SELECT part, v, count(*) FROM " + name + " GROUP BY ALL ORDER BY ALL"),
                  (Texts{"2024-01-01|a|24", "2024-01-02|b|24"}));
    }
}

TEST_F(BatchTest, ADayOfAZoneHasItsHours) {
    ASSERT_EQ(ApplyOne("/* tarn\npartitions: {by: day, start: 2024-01-01, time_zone: Europe/Berlin, column: at}\n*/\n"
                       "SELECT unnest(generate_series($partition_start, $partition_end - INTERVAL 1 HOUR, "
                       "INTERVAL 1 HOUR)) AS at, $partition AS part"),
              "");
    int64_t number = 0;
    for (const char* day : {"2024-03-31", "2024-10-27", "2024-10-28", "2024-03-31"}) RanPart("d.t", day, ++number);
    EXPECT_EQ(Query("SELECT part, count(*) FROM d.t GROUP BY ALL ORDER BY ALL"),
              (Texts{"2024-03-31|23", "2024-10-27|25", "2024-10-28|24"}));
}

TEST_F(BatchTest, WhatDoesNotGoWithPartitionsIsNamed) {
    auto wrong = [&](const std::string& header) { return ApplyOne("/* tarn\n" + header + "\n*/\nSELECT 1 AS a"); };
    const std::string day = "partitions: {by: day, start: 2024-01-01";
    EXPECT_NE(wrong(day + "}").find("t.sql:2:"), std::string::npos) << wrong(day + "}");
    EXPECT_NE(wrong(day + "}").find("needs `column`"), std::string::npos);
    EXPECT_NE(wrong(day + ", column: a}\nevery: 1h").find("every and cron do not go"), std::string::npos);
    EXPECT_NE(wrong(day + ", column: a, parallel: 4}").find("take turns"), std::string::npos);
    EXPECT_NE(wrong(day + "}\nkeep: merge\nkey: a\ndelete_missing: yes").find("rows of all others"), std::string::npos);
    EXPECT_NE(wrong("partitions: {by: week, start: 2024-01-01}").find("day"), std::string::npos);
    EXPECT_NE(wrong("partitions: {by: day}").find("need a start"), std::string::npos);
    EXPECT_NE(wrong(day + ", time_zone: Mars/Base}").find("no \"Mars/Base\""), std::string::npos);
    EXPECT_NE(wrong("partitions: {by: hour, start: 2024-01-01, time_zone: Europe/Berlin}").find("hours are those"),
              std::string::npos);
    EXPECT_EQ(wrong(day + "}\nkeep: append\nsince: a"), "") << "since is the column";
}

TEST_F(BatchTest, StatementsAreCheckedWithTheirLines) {
    std::string wrong = ApplyOne("/* tarn\ndescription: x\n*/\nSELECT 1 AS a,\n  FROM WHERE");
    EXPECT_NE(wrong.find("use_cases/d/t.sql:5:"), std::string::npos) << wrong;
    wrong = ApplyOne("SELECT 'é' AS a\nFROM raw_inbox.rowz");
    EXPECT_NE(wrong.find("use_cases/d/t.sql:2:6: "), std::string::npos) << wrong;
    EXPECT_NE(wrong.find("did you mean raw_inbox.rows?"), std::string::npos) << wrong;
    EXPECT_NE(ApplyOne("DELETE FROM d.t").find("use_cases/d/t.sql:1:"), std::string::npos);
    EXPECT_NE(ApplyOne("SELECT 1 AS a; SELECT 2 AS b").find("use_cases/d/t.sql:1:"), std::string::npos);
    EXPECT_NE(ApplyOne("SELECT * FROM read_text('/etc/passwd')").find("use_cases/d/t.sql:1:15: "), std::string::npos);
}

TEST_F(BatchTest, CirclesAndOtherUseCasesAreNamed) {
    std::string wrong =
        Apply({{"d/a.sql", "SELECT x FROM d.b"}, {"d/b.sql", "SELECT x\nFROM c"}, {"d/c.sql", "SELECT x FROM a"}});
    EXPECT_NE(wrong.find("d.a"), std::string::npos) << wrong;
    EXPECT_NE(wrong.find("d.a <- d.b <- d.c <- d.a"), std::string::npos) << wrong;
    EXPECT_EQ(std::count(wrong.begin(), wrong.end(), '\n'), 1) << wrong;
    wrong = Apply({{"d/a.sql", "SELECT x FROM d.a"}});
    EXPECT_NE(wrong.find("use_cases/d/a.sql:1:15"), std::string::npos) << wrong;
    wrong = Apply({{"d/a.sql", "SELECT 1 AS x"}, {"e/b.sql", "SELECT x FROM d.a"}});
    EXPECT_NE(wrong.find("use_cases/e/b.sql:1:15: e.b reads d.a of another use case"), std::string::npos) << wrong;
    EXPECT_NE(wrong.find("imports: [d.a]"), std::string::npos) << wrong;
    EXPECT_EQ(Apply({{"d/a.sql", "WITH b AS (SELECT 1 AS x) SELECT x FROM b"}}), "");
}

TEST_F(BatchTest, WhatAUseCaseImportsItMayRead) {
    const std::pair<std::string, std::string> a = {"d/a.sql", "SELECT 1 AS x"};
    const std::pair<std::string, std::string> b = {"e/b.sql", "SELECT x FROM d.a"};
    EXPECT_EQ(Apply({a, b, {"e/use_case.yaml", "imports: [d.a]\n"}}), "");
    std::string wrong = Apply({a, b, {"d/use_case.yaml", "imports: [e.b]\n"}});
    EXPECT_NE(wrong.find("use_cases/e/b.sql:1:15: "), std::string::npos) << wrong;
    wrong = Apply({a, b, {"e/use_case.yaml", "description: x\nimports: [d.aa, raw_x.y, e.b, z]\n"}});
    EXPECT_NE(wrong.find("use_cases/e/use_case.yaml:2:1: imports: nothing defines d.aa; did you mean d.a?"),
              std::string::npos)
        << wrong;
    EXPECT_NE(wrong.find("raw_x.y needs no import"), std::string::npos) << wrong;
    EXPECT_NE(wrong.find("e.b needs no import"), std::string::npos) << wrong;
    EXPECT_NE(wrong.find("\"z\" is not a table"), std::string::npos) << wrong;
    // Circles go across use cases.
    wrong = Apply({{"d/a.sql", "SELECT x FROM e.b"},
                   b,
                   {"d/use_case.yaml", "imports: [e.b]\n"},
                   {"e/use_case.yaml", "imports: [d.a]\n"}});
    EXPECT_NE(wrong.find("d.a <- e.b <- d.a"), std::string::npos) << wrong;
}

TEST_F(BatchTest, FullReplacesOverPinnedInputs) {
    sources_.Write("in/a.csv", "id,v\n1,a\n2,b\n");
    ASSERT_EQ(sources_.Loaded("inbox", "rows"), "load 1: 2 rows");
    ASSERT_EQ(Apply({{"d/t.sql", "/* tarn\ndescription: All.\n*/\nSELECT id, v AS w FROM raw_inbox.rows; -- the end"},
                     {"d/u.sql", "SELECT count(*) AS n FROM t"}}),
              "");
    EXPECT_EQ(Ran("d.t", 5), "version 0: 2 rows");
    EXPECT_EQ(Ran("d.u", 6), "version 0: 1 rows");
    EXPECT_EQ(lines[0], "reads d.t version 0");
    EXPECT_EQ(Query("SELECT * FROM d.t ORDER BY 1"), (Texts{"1|a", "2|b"}));
    sources_.Write("in/b.csv", "id,v\n3,c\n");
    ASSERT_EQ(sources_.Loaded("inbox", "rows"), "load 2: 1 rows");
    auto outcome = Run("d.t", 7);
    ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
    EXPECT_EQ(outcome->input_versions, (std::map<std::string, std::string>{{"raw_inbox.rows", "2"}}));
    EXPECT_EQ(outcome->version, "1");
    EXPECT_EQ(Query("SELECT count(*) FROM d.t AT (VERSION => 0)"), Texts{"2"});
    EXPECT_EQ(Query("SELECT count(*) FROM d.t"), Texts{"3"});
    auto lineage = sources_.catalog().LineageOf(sources_.alice, "d", "t", "1");
    ASSERT_TRUE(lineage.ok() && *lineage);
    EXPECT_EQ((*lineage)->run_id, "7");
    ASSERT_EQ((*lineage)->inputs.size(), 1U);
    EXPECT_EQ((*lineage)->inputs[0].version, "2");
    ASSERT_EQ((*lineage)->columns.size(), 2U);
    EXPECT_EQ((*lineage)->columns[1].column, "w");
    EXPECT_EQ((*lineage)->columns[1].input_column, "v");
}

TEST_F(BatchTest, ARunStartedAgainIsSkipped) {
    ASSERT_EQ(ApplyOne("SELECT 1 AS a"), "");
    EXPECT_EQ(Ran("d.t", 5), "version 0: 1 rows");
    EXPECT_EQ(Ran("d.t", 5), "unchanged 0");
    EXPECT_EQ(Ran("d.t", 6), "version 1: 1 rows");
}

TEST_F(BatchTest, AppendAddsWhatIsNewer) {
    sources_.Write("in/a.csv", "id,v\n1,a\n2,b\n");
    ASSERT_EQ(sources_.Loaded("inbox", "rows"), "load 1: 2 rows");
    ASSERT_EQ(ApplyOne("/* tarn\nkeep: append\nsince: id\n*/\nSELECT id, v FROM raw_inbox.rows -- all"), "");
    EXPECT_EQ(Ran("d.t", 1), "version 0: 2 rows");
    sources_.Write("in/b.csv", "id,v\n2,again\n3,c\n");
    ASSERT_EQ(sources_.Loaded("inbox", "rows"), "load 2: 2 rows");
    EXPECT_EQ(Ran("d.t", 2), "version 1: 3 rows");
    EXPECT_EQ(Query("SELECT id, v FROM d.t ORDER BY 1"), (Texts{"1|a", "2|b", "3|c"}));
}

TEST_F(BatchTest, MergeUpsertsAndMayDelete) {
    sources_.Write("in/a.csv", "id,v\n1,a\n2,b\n");
    ASSERT_EQ(sources_.Loaded("inbox", "rows"), "load 1: 2 rows");
    std::string sql = "*/\nSELECT id, v FROM raw_inbox.rows";
    ASSERT_EQ(ApplyOne("/* tarn\nkeep: merge\nkey: [id]\n" + sql), "");
    EXPECT_EQ(Ran("d.t", 1), "version 0: 2 rows");
    sources_.Write("in/a.csv", "id,v\n2,x\n3,c\n", std::chrono::seconds(5));
    ASSERT_EQ(sources_.Loaded("inbox", "rows"), "load 2: 2 rows");
    EXPECT_EQ(Ran("d.t", 2), "version 1: 3 rows");
    EXPECT_EQ(Query("SELECT id, v FROM d.t ORDER BY 1"), (Texts{"1|a", "2|x", "3|c"}));
    ASSERT_EQ(ApplyOne("/* tarn\nkeep: merge\nkey: [id]\ndelete_missing: yes\n" + sql), "");
    EXPECT_EQ(Ran("d.t", 3), "version 2: 2 rows");
    EXPECT_EQ(Query("SELECT id, v FROM d.t ORDER BY 1"), (Texts{"2|x", "3|c"}));
}

TEST_F(BatchTest, AFailedCheckPublishesNothing) {
    std::string select = "*/\nSELECT * FROM (VALUES (1, 'a'), (1, NULL), (2, 'b')) AS t(id, v)";
    ASSERT_EQ(ApplyOne("/* tarn\nchecks: [{rows: '>= 3'}, {not_null: [id]}]\n" + select), "");
    EXPECT_EQ(Ran("d.t", 1), "version 0: 3 rows");
    ASSERT_EQ(ApplyOne("/* tarn\nchecks: [{unique: [id]}, {not_null: [id, v]}, {rows: '> 3'}, {expression: id < 2}]\n" +
                       select),
              "");
    std::string refused = Ran("d.t", 2);
    for (const char* part : {"check unique: [id] of d.t does not hold: rows repeat, as (1)",
                             "check not_null: [id, v] of d.t does not hold: 1 rows break it", "rows: > 3",
                             "there are 3 rows", "expression: id < 2", "the version before stays"}) {
        EXPECT_NE(refused.find(part), std::string::npos) << part << " in " << refused;
    }
    EXPECT_EQ(batch_->AsTableTask().CurrentVersion(batch_->Tasks()[1]).value(), "0");
    ASSERT_EQ(ApplyOne("/* tarn\nchecks: [{unique: [id], severity: warn}, {expression: 'v <> ''z'' -- x'}]\n" + select),
              "");
    refused = Ran("d.t", 3);
    EXPECT_NE(refused.find("expression"), std::string::npos) << refused;
    ASSERT_EQ(ApplyOne("/* tarn\nchecks: [{unique: [id], severity: warn}]\n" + select), "");
    EXPECT_EQ(Ran("d.t", 4), "version 1: 3 rows; check unique: [id] of d.t does not hold: rows repeat, as (1)");
    ASSERT_EQ(ApplyOne("/* tarn\nchecks: [{unique: [idd]}]\n" + select), "");
    refused = Ran("d.t", 5);
    EXPECT_NE(refused.find("check unique: [idd]"), std::string::npos) << refused;
    EXPECT_NE(refused.find("\"idd\" not found"), std::string::npos) << refused;
}

TEST_F(BatchTest, ErrorsOfARunHelp) {
    ASSERT_EQ(ApplyOne("SELECT id FROM raw_inbox.rows"), "");
    std::string refused = Ran("d.t", 1);
    EXPECT_NE(refused.find("raw_inbox.rows has no data yet"), std::string::npos) << refused;
    sources_.Write("in/a.csv", "idd\n1\n");
    ASSERT_EQ(sources_.Loaded("inbox", "rows"), "load 1: 1 rows");
    refused = Ran("d.t", 2);
    EXPECT_NE(refused.find("\"id\" not found"), std::string::npos) << refused;
    cancelled = true;
    ASSERT_EQ(ApplyOne("SELECT 1 AS a"), "");
    auto outcome = Run("d.t", 3);
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code(), ErrorCode::kCancelled);
}

TEST_F(BatchTest, TasksCarryTheirGraph) {
    ASSERT_EQ(Apply({{"d/t.sql",
                      "/* tarn\nevery: 1h\n*/\nSELECT a.id FROM raw_inbox.rows a JOIN raw_inbox.rows b USING (id)"}}),
              "");
    auto tasks = batch_->Tasks();
    ASSERT_EQ(tasks.size(), 2U);
    EXPECT_EQ(tasks[0].id, "source:inbox.rows");
    EXPECT_EQ(tasks[1].id, "table:d.t");
    EXPECT_EQ(tasks[1].inputs, Texts{"raw_inbox.rows"});
    EXPECT_EQ(tasks[1].timing.every, std::chrono::hours(1));
    EXPECT_EQ(batch_->AsTableTask().CurrentVersion(tasks[1]).value(), "");
    sources_.Write("in/a.csv", "id\n1\n");
    EXPECT_EQ(batch_->AsSourceTask().CurrentVersion(tasks[0]).value(), "");
    TestRun run(tasks[0], 1);
    EXPECT_EQ(batch_->AsSourceTask().Run(run)->version, "1");
    EXPECT_EQ(run.lines[0].substr(0, 14), "load 1: 1 rows");
    EXPECT_FALSE(batch_->AsSourceTask().HasNew(tasks[0]).value());
}

}  // namespace
}  // namespace tarn::batch

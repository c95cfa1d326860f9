#include "analysis/query/sql_commands.h"

#include <gtest/gtest.h>

namespace tarn::query {
namespace {

class SettingsTest : public testing::Test {
  protected:
    CommandOutcome Run(const std::string& sql) {
        auto outcome = settings_.Run(sql);
        EXPECT_TRUE(outcome.ok() && *outcome) << sql;
        return outcome.ok() && *outcome ? **outcome : CommandOutcome{};
    }
    std::string Shown(const std::string& sql) { return Run(sql).shown.value_or("nothing"); }
    std::string Refused(const std::string& sql) {
        auto outcome = settings_.Run(sql);
        return outcome.ok() ? "taken" : outcome.error().detail_code() + " " + outcome.error().message();
    }
    SessionSettings settings_;
};

TEST_F(SettingsTest, KnowsWhatIsOfTheSession) {
    for (const char* sql : {"SET x = 1", "  begin;", "/* a */ -- b\nCOMMIT", "ROLLBACK TO s", "show all_of_it",
                            "DEALLOCATE ALL", "DISCARD ALL", "RESET ALL", "SAVEPOINT a"}) {
        EXPECT_TRUE(IsSessionCommand(sql)) << sql;
    }
    for (const char* sql :
         {"SELECT 1", "", "-- set", "/* begin", "settings", "SHOW TABLES", "WITH begin AS (SELECT 1) SELECT 2"}) {
        EXPECT_FALSE(IsSessionCommand(sql)) << sql;
    }
}

TEST_F(SettingsTest, SetsShowsAndResets) {
    EXPECT_EQ(Shown("SHOW datestyle"), "ISO, MDY");
    EXPECT_EQ(Run("SET application_name TO 'my ''app'").tag, "SET");
    EXPECT_EQ(Shown("show application_name;"), "my 'app");
    SessionSettings before = settings_;
    EXPECT_EQ(Run("SET SESSION application_name = b").tag, "SET");
    Run("SET search_path = a");  // clients are not told of it
    EXPECT_EQ(settings_.ReportedSince(before), std::vector<std::string>({"application_name"}));
    EXPECT_EQ(Shown("SHOW application_name"), "b");
    Run("RESET application_name");
    EXPECT_EQ(Shown("SHOW application_name"), "");
    Run("SET TIME ZONE 'Europe/Berlin'");
    EXPECT_EQ(Shown("SHOW TIME ZONE"), "Europe/Berlin");
    EXPECT_EQ(Shown("SHOW TimeZone"), "Europe/Berlin");
    Run("SET search_path = a, \"B\"");
    Run("SET NAMES 'UTF8'");
    EXPECT_EQ(Shown("SHOW client_encoding"), "UTF8");
    Run("SET timezone TO DEFAULT");
    EXPECT_EQ(Shown("SHOW timezone"), "UTC");
    Run("DISCARD ALL");
    EXPECT_EQ(Shown("SHOW TRANSACTION ISOLATION LEVEL"), "repeatable read");
    EXPECT_EQ(Run("SET TRANSACTION READ ONLY").tag, "SET");
}

TEST_F(SettingsTest, RefusesWhatItCannotDo) {
    EXPECT_NE(Refused("SET timezon = 'UTC'").find("did you mean timezone?"), std::string::npos)
        << Refused("SET timezon = 'UTC'");
    EXPECT_NE(Refused("SHOW nothing_such").find("42704"), std::string::npos);
    EXPECT_NE(Refused("SET server_version = '9'").find("can't be changed"), std::string::npos)
        << Refused("SET server_version = '9'");
    EXPECT_NE(Refused("SET ROLE admin").find("not supported"), std::string::npos);
    EXPECT_NE(Refused("SET application_name = '" + std::string(5000, 'x') + "'"), "taken");
    for (const char* sql :
         {"SET", "SET ;", "SET = =", "SHOW", "RESET", "DEALLOCATE", "ROLLBACK TO", "SET 'x", "SET \"x\" 'y"}) {
        (void)settings_.Run(sql).ok();
    }
}

TEST_F(SettingsTest, TheEngineIsToldInItsWords) {
    using Texts = std::vector<std::string>;
    EXPECT_EQ(Run("SET search_path TO a, \"B c\"").engine_sql, Texts({"SET search_path = \"a\", \"B c\""}));
    EXPECT_EQ(Run("SET search_path TO DEFAULT").engine_sql, Texts({"RESET search_path"}));
    EXPECT_EQ(Run("SET search_path = \"$user\", public").engine_sql, Texts({"RESET search_path"}));
    EXPECT_EQ(Run("SET TIME ZONE 'x''y'").engine_sql, Texts({"SET timezone = 'x''y'"}));
    EXPECT_EQ(Run("SET TIME ZONE -3").engine_sql, Texts({"SET timezone = 'Etc/GMT+3'"}));
    EXPECT_EQ(Run("SET TIME ZONE LOCAL").engine_sql, Texts({"RESET timezone"}));
    Run("SET application_name = 'a'");
    EXPECT_EQ(settings_.EngineSql(), Texts({"SET application_name = 'a'"}));
    EXPECT_EQ(Run("DISCARD ALL").engine_sql, Texts({"RESET ALL"}));
    EXPECT_EQ(settings_.EngineSql(), Texts());
}

TEST_F(SettingsTest, TimesHaveUnits) {
    for (auto [given, shown, ms] :
         std::vector<std::tuple<std::string, std::string, int64_t>>{{"250", "250ms", 250},
                                                                    {"'5s'", "5s", 5000},
                                                                    {"'2 min'", "2min", 120000},
                                                                    {"'1h'", "1h", 3600000},
                                                                    {"60000", "1min", 60000},
                                                                    {"0", "0", 0}}) {
        Run("SET statement_timeout = " + given);
        EXPECT_EQ(Shown("SHOW statement_timeout"), shown) << given;
        EXPECT_EQ(settings_.StatementTimeoutMs(), ms) << given;
    }
    for (const char* wrong : {"-1", "'5 parsecs'", "'x'", "''", "99999999999", "'9999999d'"}) {
        EXPECT_EQ(Refused(std::string("SET statement_timeout = ") + wrong).substr(0, 5), "22023") << wrong;
    }
}

TEST_F(SettingsTest, SettingsEndWithTheirTransaction) {
    Run("SET LOCAL timezone = 'Asia/Tokyo'");  // outside of a transaction: nothing
    EXPECT_EQ(Shown("SHOW timezone"), "UTC");
    settings_.BeginTransaction();
    Run("SET LOCAL timezone = 'Asia/Tokyo'");
    Run("SET application_name = 'kept'");
    EXPECT_EQ(Shown("SHOW timezone"), "Asia/Tokyo");
    EXPECT_EQ(settings_.EndTransaction(false), std::vector<std::string>({"RESET timezone"}));
    EXPECT_EQ(Shown("SHOW timezone"), "UTC");
    EXPECT_EQ(Shown("SHOW application_name"), "kept");
    settings_.BeginTransaction();
    Run("SET application_name = 'lost'");
    settings_.EndTransaction(true);
    EXPECT_EQ(Shown("SHOW application_name"), "kept");
}

TEST_F(SettingsTest, OptionsOfTheConnection) {
    ASSERT_TRUE(settings_.SetFromOptions("-c statement_timeout=5s -csearch_path=a,b --application-name=x\\ y ").ok());
    EXPECT_EQ(Shown("SHOW statement_timeout"), "5s");
    EXPECT_EQ(Shown("SHOW search_path"), "a,b");
    EXPECT_EQ(Shown("SHOW application_name"), "x y");
    EXPECT_TRUE(settings_.SetFromOptions("").ok());
    for (const char* wrong : {"-c nothing=1", "-x", "-c", "statement_timeout=1", "-c statement_timeout=x"}) {
        EXPECT_FALSE(settings_.SetFromOptions(wrong).ok()) << wrong;
    }
}

TEST_F(SettingsTest, TransactionsMove) {
    EXPECT_EQ(Run("BEGIN ISOLATION LEVEL SERIALIZABLE").transaction, 'T');
    EXPECT_EQ(Run("START TRANSACTION").tag, "START TRANSACTION");
    EXPECT_EQ(Run("END").transaction, 'I');
    EXPECT_EQ(Run("ABORT").tag, "ROLLBACK");
    EXPECT_EQ(Run("ROLLBACK TO SAVEPOINT a").transaction, 'T');
    EXPECT_EQ(Run("DEALLOCATE PREPARE \"a b\"").deallocate, "a b");
    EXPECT_EQ(Run("DEALLOCATE ALL").deallocate, "");
    EXPECT_EQ(Run("CLOSE C").close, "c");
    EXPECT_EQ(Run("CLOSE \"C\"").close, "C");
    EXPECT_EQ(Run("CLOSE ALL").close, "");
    EXPECT_EQ(Run("DISCARD PLANS").deallocate, std::nullopt);
    EXPECT_EQ(Run("SAVEPOINT a").tag, "SAVEPOINT");
}

}  // namespace
}  // namespace tarn::query

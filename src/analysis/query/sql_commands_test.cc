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
    EXPECT_EQ(Run("SET SESSION application_name = b").reported_name, "application_name");
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

TEST_F(SettingsTest, TransactionsMove) {
    EXPECT_EQ(Run("BEGIN ISOLATION LEVEL SERIALIZABLE").transaction, 'T');
    EXPECT_EQ(Run("START TRANSACTION").tag, "START TRANSACTION");
    EXPECT_EQ(Run("END").transaction, 'I');
    EXPECT_EQ(Run("ABORT").tag, "ROLLBACK");
    EXPECT_EQ(Run("ROLLBACK TO SAVEPOINT a").transaction, 'T');
    EXPECT_EQ(Run("DEALLOCATE PREPARE \"a b\"").deallocate, "a b");
    EXPECT_EQ(Run("DEALLOCATE ALL").deallocate, "");
    EXPECT_EQ(Run("SAVEPOINT a").tag, "SAVEPOINT");
}

}  // namespace
}  // namespace tarn::query

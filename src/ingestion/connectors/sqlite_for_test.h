// For tests: makes and changes the SQLite files that they read.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

namespace tarn::connectors {

inline void ExecuteSqlite(const std::string& path, const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_free(error);
    sqlite3_close(database);
}

}  // namespace tarn::connectors

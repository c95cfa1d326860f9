// The demo's registry where no PostgreSQL is installed: the same tables in a SQLite file.
#include <sqlite3.h>

#include "app/demo_sources.h"
#include "base/text.h"

namespace tarn::app {
namespace {

using Connection = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;

struct Table {
    const char* name;
    const char* create;
    size_t columns;  // of the CSV file
};

constexpr Table kTables[] = {
    {"airlines", "CREATE TABLE airlines (carrier TEXT PRIMARY KEY, name TEXT NOT NULL)", 2},
    {"airports",
     "CREATE TABLE airports (faa TEXT PRIMARY KEY, name TEXT NOT NULL, lat REAL, lon REAL, alt INTEGER, tz INTEGER, "
     "dst TEXT, tzone TEXT, updated_at TEXT)",
     8},
    {"planes",
     "CREATE TABLE planes (tailnum TEXT PRIMARY KEY, year INTEGER, type TEXT, manufacturer TEXT, model TEXT, "
     "engines INTEGER, seats INTEGER, speed INTEGER, engine TEXT)",
     9},
};

Status Execute(sqlite3* connection, const std::string& sql) {
    if (sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return Ok();
    return Error(ErrorCode::kIo, "the demo's SQLite: {}", sqlite3_errmsg(connection));
}

Status Fill(Env& env, sqlite3* connection, const std::string& data_directory, const Table& table) {
    TRY(Execute(connection, table.create));
    auto reader = TRY(LineReader::Open(env, fmt::format("{}/{}.csv", data_directory, table.name)));
    std::string_view line;
    TRY(reader.Next(line));
    bool stamped = std::string_view(table.name) == "airports";
    int row = 0;
    while (TRY(reader.Next(line))) {
        std::string values;
        for (const std::string& cell : Split(line, ',')) {
            values += (values.empty() ? "" : ", ") + (cell == "NA" ? "NULL" : QuoteLiteral(cell));
        }
        ++row;
        if (stamped) {
            values += fmt::format(", '2013-01-{:02}T{:02}:{:02}:00Z'", 1 + row / 1440, row / 60 % 24, row % 60);
        }
        TRY(Execute(connection, fmt::format("INSERT INTO {} VALUES ({})", table.name, values)));
    }
    return Ok();
}

}  // namespace

Status WriteDemoSqlite(Env& env, const std::string& data_directory, const std::string& path) {
    if (env.files().Exists(path)) return Ok();
    std::string unfinished = path + ".new";
    TRY(env.files().RemoveTree(unfinished));
    {
        sqlite3* opened = nullptr;
        int code = sqlite3_open(unfinished.c_str(), &opened);
        Connection connection(opened, sqlite3_close);
        if (code != SQLITE_OK) return Error(ErrorCode::kIo, "cannot make {}", unfinished);
        TRY(Execute(opened, "BEGIN"));
        for (const Table& table : kTables) TRY(Fill(env, opened, data_directory, table));
        TRY(Execute(opened, "COMMIT"));
    }
    return env.files().Rename(unfinished, path);
}

}  // namespace tarn::app

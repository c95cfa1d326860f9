// The demo's live sources, and the CSV files they are made of. Internal to app.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/net.h"
#include "base/result.h"

namespace tarn::buffer {
class Topics;
}

namespace tarn::app {

// A text file read line by line; lines end at '\n'.
class LineReader {
  public:
    static Result<LineReader> Open(Env& env, const std::string& path);
    // False at the end. The line lives until the next call.
    Result<bool> Next(std::string_view& line);

  private:
    std::unique_ptr<File> file_;
    uint64_t offset_ = 0;
    std::string buffer_;
    size_t at_ = 0;
};

struct DatabaseOptions {
    std::string data_directory;  // the folder with the CSV files
    std::string directory;       // <demo>/.demo
    int port = 0;
    std::string admin_password;
    std::string reader_password;
};

// A running PostgreSQL with database `registry`; stops when destroyed.
class DemoDatabase {
  public:
    // Where PostgreSQL's programs lie; empty when it is not installed.
    static std::string FindPrograms(Env& env);
    static Result<std::unique_ptr<DemoDatabase>> Start(Env& env, const DatabaseOptions& options);
    virtual ~DemoDatabase() = default;
};

// The same tables as a SQLite file, for machines without PostgreSQL.
Status WriteDemoSqlite(Env& env, const std::string& data_directory, const std::string& path);

// GET /v1/observations?after=&since=&limit=: pages of weather for whoever has the token; sometimes 429.
class WeatherApi {
  public:
    static Result<std::unique_ptr<WeatherApi>> Start(Env& env, const std::string& csv_path, const Address& listen,
                                                     const std::string& token);
    virtual ~WeatherApi() = default;
    virtual int port() const = 0;
};

// What happened to the flights, minute by minute, produced into topic `flight_events` at so many events a second. It
// goes on where an earlier one ended, and ends when destroyed.
class EventReplay {
  public:
    static std::unique_ptr<EventReplay> Start(Env& env, buffer::Topics& topics, const std::string& csv_path,
                                              int64_t a_second);
    virtual ~EventReplay() = default;
    virtual bool over() const = 0;
    virtual Status outcome() const = 0;
};

// flights-2013-01.csv.gz ... -12, those that are missing.
Status WriteMonthlyFiles(Env& env, const std::string& csv_path, const std::string& inbox);

// A port of loopback that nobody listens on: `wanted` if that is free.
Result<int> FreePort(int wanted);

}  // namespace tarn::app

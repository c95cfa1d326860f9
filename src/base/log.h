// The program's log: JSON lines to a rotated file, text on a terminal. Never carries a secret or a row of data.
//
//   log.Info("load committed", {{"source", name}, {"rows", rows}});
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/env.h"
#include "base/json.h"
#include "base/result.h"

namespace tarn {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

struct LogConfig {
    std::string path;               // empty: no file
    int64_t file_bytes_max = 64 << 20;
    int files_max = 5;              // rotated ones kept: tarn.log.1 is the newest
    bool terminal = false;          // human text on stderr
    LogLevel level = LogLevel::kInfo;
};

using LogFields = std::initializer_list<std::pair<std::string_view, Json>>;

class Log {
  public:
    static Result<std::unique_ptr<Log>> Create(Env& env, LogConfig config);
    virtual ~Log() = default;
    // Any thread. Control characters are escaped; a failing disk never fails the caller.
    virtual void Write(LogLevel level, std::string_view message, LogFields fields) = 0;

    void Debug(std::string_view message, LogFields fields = {}) { Write(LogLevel::kDebug, message, fields); }
    void Info(std::string_view message, LogFields fields = {}) { Write(LogLevel::kInfo, message, fields); }
    void Warning(std::string_view message, LogFields fields = {}) { Write(LogLevel::kWarning, message, fields); }
    void Error(std::string_view message, LogFields fields = {}) { Write(LogLevel::kError, message, fields); }
};

// Writes nothing; for tests.
Log& NullLog();

}  // namespace tarn

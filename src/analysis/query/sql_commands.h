// Statements about the session itself, which the engine never sees: SET, SHOW, RESET, BEGIN, COMMIT, DISCARD ...
//
// Drivers send these at connect and around every statement. Settings are checked and remembered per session; those
// that would change what Tarn does in a way it does not support are refused.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::query {

struct CommandOutcome {
    std::string tag;                  // "SET", "BEGIN" ...
    std::optional<std::string> shown; // SHOW: the value
    std::string shown_name;
    char transaction = 0;             // 'T' begins, 'I' ends, 0 nothing
    bool rollback = false;
    std::optional<std::string> reported_name;  // a setting that clients are told of (ParameterStatus)
    std::string engine_sql;  // what the engine's session must be told too: SET TimeZone, search_path
    std::optional<std::string> deallocate;  // name of a prepared statement; empty: all
};

class SessionSettings {
  public:
    SessionSettings();
    // Empty when the statement is not one of these.
    Result<std::optional<CommandOutcome>> Run(std::string_view sql);
    // From the start packet; unknown ones are ignored as PostgreSQL's "options" extras would be refused later.
    void SetFromStart(const std::string& name, const std::string& value);
    const std::string& Get(const std::string& name) const;

  private:
    Result<CommandOutcome> Set(std::string_view rest);
    Result<CommandOutcome> Show(std::string_view rest) const;
    Status Assign(const std::string& name, const std::string& value);
    std::map<std::string, std::string> values_;
    std::map<std::string, std::string> defaults_;
};

// True when a SQL text is this kind of command, by its first words: the dispatcher's row is chosen by it.
bool IsSessionCommand(std::string_view sql);

}  // namespace tarn::query

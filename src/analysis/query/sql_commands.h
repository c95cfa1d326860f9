// Statements about the session itself, which the engine never sees: SET, SHOW, RESET, BEGIN, COMMIT, DISCARD ...
//
// Drivers send these at connect and around every statement. Settings are checked and remembered per session; those
// that would change what Tarn does in a way it does not support are refused.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::query {

struct CommandOutcome {
    std::string tag;                  // "SET", "BEGIN" ...
    std::optional<std::string> shown; // SHOW: the value
    std::string shown_name;
    char transaction = 0;             // 'T' begins, 'I' ends, 0 nothing
    bool rollback = false;
    std::vector<std::string> engine_sql;    // what the engine's session must be told too, in this order
    std::optional<std::string> deallocate;  // name of a prepared statement; empty: all
    std::optional<std::string> close;       // name of a cursor; empty: all
};

class SessionSettings {
  public:
    SessionSettings();
    // Empty when the statement is not one of these.
    Result<std::optional<CommandOutcome>> Run(std::string_view sql);
    // From the start packet; unknown ones are ignored as PostgreSQL's "options" extras would be refused later.
    void SetFromStart(const std::string& name, const std::string& value);
    // The start packet's "options": -c name=value, --name=value. One that is not known or fits not is an error.
    Status SetFromOptions(std::string_view options);
    const std::string& Get(const std::string& name) const;
    // What makes the engine's session agree with all settings that are not what they are at first.
    std::vector<std::string> EngineSql() const;
    // Settings that clients are told of (ParameterStatus) and that are another value in `before`.
    std::vector<std::string> ReportedSince(const SessionSettings& before) const;
    // At the end of a transaction: SET LOCAL ends, and all SETs do when it is rolled back. Answers what the engine must
    // be told.
    std::vector<std::string> EndTransaction(bool rolled_back);
    void BeginTransaction() { before_ = local_ = values_; }
    // statement_timeout; none: 0.
    int64_t StatementTimeoutMs() const;

  private:
    Result<CommandOutcome> Set(std::string_view rest);
    Result<CommandOutcome> Show(std::string_view rest) const;
    Status Assign(const std::string& name, const std::string& value);
    std::map<std::string, std::string> values_;
    std::string EngineSqlOf(const std::string& name) const;
    std::map<std::string, std::string> defaults_;
    std::map<std::string, std::string> before_;  // the transaction; empty outside of one
    std::map<std::string, std::string> local_;  // what holds after its commit
};

// True when a SQL text is this kind of command, by its first words: the dispatcher's row is chosen by it.
bool IsSessionCommand(std::string_view sql);

}  // namespace tarn::query

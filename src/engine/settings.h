// SET, SHOW and transactions of a session: answered by us, never by DuckDB.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/sql_tokens.h"

namespace tarn::engine {

struct SettingsCommand {
    enum class Action { kSet, kReset, kShow, kShowAll, kNothing };
    StatementKind kind = StatementKind::kSet;
    Action action = Action::kNothing;
    std::string name;  // lower case
    std::vector<std::string> values;
    std::vector<std::string> columns;  // of the answer
};
struct SettingsAnswer {
    std::vector<std::string> columns;
    std::vector<std::vector<std::string>> rows;
};

// Statements that the parser need not know, as the protocols answer them: cursors, COPY, prepared statements.
bool IsOfTheProtocol(std::string_view sql);

// The command a statement is, or nothing if it is for DuckDB; kPermissionDenied for a setting that users may not touch.
Result<std::optional<SettingsCommand>> SettingsCommandOf(std::string_view sql);

// What a session starts with, in order of names: for pg_settings.
std::vector<std::pair<std::string, std::string>> DefaultSettings();
// A setting that users may set and that changes nothing: set_config answers for it.
bool IsWithoutEffect(const std::string& name);

class SessionSettings {
  public:
    // Carries a command out; what matters to the engine (time zone, schema) goes into `options`.
    Result<SettingsAnswer> Apply(const SettingsCommand& command, SessionOptions& options);
    // As current_setting(name) and SHOW answer; empty for a name that no one knows.
    std::optional<std::string> Get(const std::string& name, const SessionOptions& options) const;

  private:
    std::map<std::string, std::string> values_;  // what PostgreSQL's drivers set and ask for
};

}  // namespace tarn::engine

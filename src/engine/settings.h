// SET, SHOW and transactions of a session: answered by us, never by DuckDB.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"

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

// One word, number, quoted text or sign of SQL with its place; comments and blanks are gone.
struct SqlToken {
    enum class Kind { kWord, kQuotedName, kText, kNumber, kSign };
    Kind kind = Kind::kSign;
    std::string text;  // words in lower case, quoted ones unquoted
    size_t begin = 0;  // byte offsets
    size_t end = 0;
};
// Up to `tokens_max` tokens; an unended quote or comment is kSyntax with its position.
Result<std::vector<SqlToken>> Tokenize(std::string_view sql, size_t tokens_max = SIZE_MAX);
// The statements of a script, each without its semicolon: [begin, end) in bytes.
Result<std::vector<std::pair<size_t, size_t>>> SplitScript(std::string_view script);

// The command a statement is, or nothing if it is for DuckDB; kPermissionDenied for a setting that users may not touch.
Result<std::optional<SettingsCommand>> SettingsCommandOf(std::string_view sql);

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

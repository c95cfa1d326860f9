#include "engine/settings.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tarn::engine {
namespace {

constexpr std::string_view kDefaults[][2] = {
    {"application_name", ""},
    {"bytea_output", "hex"},
    {"client_encoding", "UTF8"},
    {"client_min_messages", "notice"},
    {"datestyle", "ISO, MDY"},
    {"default_table_access_method", "heap"},
    {"default_transaction_isolation", "repeatable read"},
    {"default_transaction_read_only", "on"},
    {"extra_float_digits", "1"},
    {"idle_in_transaction_session_timeout", "0"},
    {"in_hot_standby", "off"},
    {"integer_datetimes", "on"},
    {"intervalstyle", "postgres"},
    {"is_superuser", "off"},
    {"jit", "off"},
    {"lc_collate", "C"},
    {"lc_ctype", "C"},
    {"lock_timeout", "0"},
    {"max_identifier_length", "63"},
    {"max_index_keys", "32"},
    {"row_security", "on"},
    {"server_encoding", "UTF8"},
    {"server_version", "15.0"},
    {"server_version_num", "150000"},
    {"standard_conforming_strings", "on"},
    {"statement_timeout", "0"},
    {"synchronize_seqscans", "on"},
    {"transaction_isolation", "repeatable read"},
    {"transaction_read_only", "on"},
};
// What drivers set on every connection: taken, kept for SHOW, and without an effect on what a query answers.
constexpr std::string_view kSettable[] = {
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "intervalstyle",
    "row_security",
    "standard_conforming_strings",
    "synchronize_seqscans",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "transaction_isolation",
    "transaction_read_only",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "statement_timeout",
    "default_table_access_method",
    "jit",
};

// Reads the words of one command.
class Words {
  public:
    explicit Words(std::vector<SqlToken> tokens) : tokens_(std::move(tokens)) {}
    bool Take(std::string_view word) {
        if (at_ >= tokens_.size() || tokens_[at_].text != word || tokens_[at_].kind == SqlToken::Kind::kText) {
            return false;
        }
        at_++;
        return true;
    }
    bool done() const { return at_ >= tokens_.size(); }
    std::string TakeAny() { return done() ? std::string() : tokens_[at_++].text; }
    // a.b.c
    std::string TakeName() {
        std::string name = ToLower(TakeAny());
        while (Take(".")) name += "." + ToLower(TakeAny());
        return name;
    }
    std::vector<std::string> TakeValues() {
        std::vector<std::string> values(1);
        while (!done()) {
            if (Take(",")) {
                values.emplace_back();
            } else {
                values.back() += TakeAny();
            }
        }
        return values;
    }

  private:
    std::vector<SqlToken> tokens_;
    size_t at_ = 0;
};

SettingsCommand Nothing(StatementKind kind) { return {.kind = kind, .action = SettingsCommand::Action::kNothing}; }

std::optional<SettingsCommand> TransactionOf(Words& words) {
    for (const char* word : {"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"}) {
        if (words.Take(word)) return Nothing(StatementKind::kTransaction);
    }
    return std::nullopt;
}

Status CheckSettable(const SettingsCommand& command) {
    const std::string& name = command.name;
    if (name == "timezone" || name == "search_path" || name == "schema" || name == "all") return Ok();
    if (std::find(std::begin(kSettable), std::end(kSettable), name) != std::end(kSettable)) return Ok();
    return Error(ErrorCode::kPermissionDenied, "the setting {} cannot be changed here", name)
        .WithDetailCode("42501")
        .WithHint("TimeZone, search_path and schema can be");
}

Result<std::optional<SettingsCommand>> SetOf(Words& words) {
    SettingsCommand command{.kind = StatementKind::kSet, .action = SettingsCommand::Action::kSet};
    bool session = words.Take("session");
    if (!session && !words.Take("local")) words.Take("global");
    if (words.Take("characteristics") || words.Take("transaction") || words.Take("constraints")) {
        return std::optional(Nothing(StatementKind::kSet));
    }
    if (words.Take("time")) {
        words.Take("zone");
        command.name = "timezone";
    } else if (words.Take("names")) {
        command.name = "client_encoding";
    } else {
        command.name = words.TakeName();
        if (!words.Take("=")) words.Take("to");
    }
    command.values = words.TakeValues();
    TRY(CheckSettable(command));
    return std::optional(std::move(command));
}

std::optional<SettingsCommand> ShowOf(Words& words) {
    // These are DuckDB's: about tables and not settings.
    for (const char* word : {"tables", "databases", "schemas", "variables"}) {
        if (words.Take(word)) return std::nullopt;
    }
    SettingsCommand command{.kind = StatementKind::kShow, .action = SettingsCommand::Action::kShow};
    if (words.Take("all")) {
        if (!words.done()) return std::nullopt;
        command.action = SettingsCommand::Action::kShowAll;
        command.columns = {"name", "setting", "description"};
        return command;
    }
    if (words.Take("time") && words.Take("zone")) {
        command.name = "timezone";
    } else if (words.Take("transaction") && words.Take("isolation")) {
        words.Take("level");
        command.name = "transaction_isolation";
    } else {
        command.name = words.TakeName();
    }
    bool known = command.name == "timezone" || command.name == "search_path" || command.name == "schema" ||
                 command.name == "session_authorization";
    for (const auto& [name, value] : kDefaults) known = known || command.name == name;
    if (!known || !words.done()) return std::nullopt;  // SHOW table
    command.columns = {command.name};
    return command;
}

}  // namespace

bool IsOfTheProtocol(std::string_view sql) {
    static constexpr std::string_view kFirst[] = {"close", "copy", "deallocate", "declare",
                                                  "fetch", "move", "unlisten"};
    auto first = Tokenize(sql, 1);
    bool word = first.ok() && !first->empty() && first->front().kind == SqlToken::Kind::kWord;
    return word && std::find(std::begin(kFirst), std::end(kFirst), first->front().text) != std::end(kFirst);
}

Result<std::optional<SettingsCommand>> SettingsCommandOf(std::string_view sql) {
    constexpr size_t kWordsMax = 200;
    auto tokens = TRY(Tokenize(sql, kWordsMax));
    while (!tokens.empty() && tokens.back().text == ";") tokens.pop_back();
    if (tokens.empty() || tokens[0].kind != SqlToken::Kind::kWord) return std::optional<SettingsCommand>();
    Words words(std::move(tokens));
    if (words.Take("set")) return SetOf(words);
    if (words.Take("use")) {
        SettingsCommand command{.action = SettingsCommand::Action::kSet, .name = "schema"};
        command.values = {words.TakeName()};
        return std::optional(std::move(command));
    }
    if (words.Take("reset")) {
        SettingsCommand command{.action = SettingsCommand::Action::kReset, .name = words.TakeName()};
        TRY(CheckSettable(command));
        return std::optional(std::move(command));
    }
    if (words.Take("discard")) {
        return std::optional(SettingsCommand{.action = SettingsCommand::Action::kReset, .name = "all"});
    }
    if (words.Take("show")) return ShowOf(words);
    return TransactionOf(words);
}

std::vector<std::pair<std::string, std::string>> DefaultSettings() {
    std::vector<std::pair<std::string, std::string>> settings;
    for (const auto& [name, value] : kDefaults) settings.emplace_back(name, value);
    return settings;
}

bool IsWithoutEffect(const std::string& name) {
    return name != "statement_timeout" &&
           std::find(std::begin(kSettable), std::end(kSettable), name) != std::end(kSettable);
}

std::optional<std::string> SessionSettings::Get(const std::string& name, const SessionOptions& options) const {
    std::string key = ToLower(name);
    if (key == "timezone") return options.time_zone;
    if (key == "search_path" || key == "schema") return options.default_schema;
    if (key == "session_authorization") return options.principal.name;
    auto set = values_.find(key);
    if (set != values_.end()) return set->second;
    for (const auto& [known, value] : kDefaults) {
        if (known == key) return std::string(value);
    }
    return std::nullopt;
}

Result<SettingsAnswer> SessionSettings::Apply(const SettingsCommand& command, SessionOptions& options) {
    SettingsAnswer answer{.columns = command.columns, .rows = {}};
    switch (command.action) {
        case SettingsCommand::Action::kNothing:
            break;
        case SettingsCommand::Action::kShow:
            answer.rows.push_back({Get(command.name, options).value_or("")});
            break;
        case SettingsCommand::Action::kShowAll:
            for (const auto& [name, value] : kDefaults) {
                answer.rows.push_back({std::string(name), Get(std::string(name), options).value_or(""), ""});
            }
            answer.rows.push_back({"search_path", options.default_schema, ""});
            answer.rows.push_back({"timezone", options.time_zone, ""});
            break;
        case SettingsCommand::Action::kReset:
            if (command.name == "all") values_.clear();
            values_.erase(command.name);
            if (command.name == "all" || command.name == "timezone") options.time_zone = "UTC";
            if (command.name != "timezone" && command.name != "all" && !values_.contains(command.name) &&
                (command.name == "search_path" || command.name == "schema")) {
                options.default_schema = "main";
            }
            break;
        case SettingsCommand::Action::kSet:
            if (command.name == "timezone") {
                std::string zone = command.values.empty() ? "" : command.values[0];
                bool standard = EqualsIgnoreCase(zone, "default") || EqualsIgnoreCase(zone, "local") || zone.empty();
                options.time_zone = standard ? "UTC" : zone;
            } else if (command.name == "search_path" || command.name == "schema") {
                for (const std::string& schema : command.values) {
                    // "$user" and the system's schemas are always searched, or never exist.
                    if (schema.empty() || schema == "$user" || schema == "pg_catalog" || schema == "default") continue;
                    options.default_schema = schema == "public" ? "main" : schema;
                    break;
                }
            } else {
                values_[command.name] = Join(command.values, ", ");
            }
            break;
    }
    return answer;
}

}  // namespace tarn::engine

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
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off"},
    {"extra_float_digits", "1"},
    {"idle_in_transaction_session_timeout", "0"},
    {"in_hot_standby", "off"},
    {"integer_datetimes", "on"},
    {"intervalstyle", "postgres"},
    {"is_superuser", "off"},
    {"lc_collate", "C.UTF-8"},
    {"lc_ctype", "C.UTF-8"},
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
    {"transaction_isolation", "read committed"},
    {"transaction_read_only", "off"},
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
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool IsWordStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<uint8_t>(c) >= 0x80;
}
bool IsWord(char c) { return IsWordStart(c) || (c >= '0' && c <= '9') || c == '$'; }

Error Unended(const char* what, std::string_view sql, size_t at) {
    int64_t position = 1;
    for (size_t i = 0; i < at; i++) position += (static_cast<uint8_t>(sql[i]) & 0xC0) != 0x80;
    return Error(ErrorCode::kSyntax, "{} is not ended", what).WithDetailCode("42601").WithPosition(position);
}

// Reads one script from front to back.
class Scanner {
  public:
    explicit Scanner(std::string_view sql) : sql_(sql) {}

    Result<bool> Next(SqlToken& token) {
        TRY(SkipBlanks());
        if (at_ >= sql_.size()) return false;
        token = SqlToken{.begin = at_};
        TRY(Read(token));
        token.end = at_;
        return true;
    }

  private:
    char Peek(size_t ahead) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

    Status SkipBlanks() {
        while (at_ < sql_.size()) {
            if (IsBlank(sql_[at_])) {
                at_++;
            } else if (Peek(0) == '-' && Peek(1) == '-') {
                while (at_ < sql_.size() && sql_[at_] != '\n') at_++;
            } else if (Peek(0) == '/' && Peek(1) == '*') {
                TRY(SkipComment());
            } else {
                break;
            }
        }
        return Ok();
    }
    Status SkipComment() {  // they nest
        size_t begin = at_;
        int depth = 0;
        while (at_ < sql_.size()) {
            if (Peek(0) == '/' && Peek(1) == '*') {
                depth++, at_ += 2;
            } else if (Peek(0) == '*' && Peek(1) == '/') {
                depth--, at_ += 2;
                if (depth == 0) return Ok();
            } else {
                at_++;
            }
        }
        return Unended("the comment", sql_, begin);
    }

    Status Read(SqlToken& token) {
        char c = sql_[at_];
        if (c == '\'') return Quoted(token, '\'', SqlToken::Kind::kText, false);
        if (c == '"') return Quoted(token, '"', SqlToken::Kind::kQuotedName, false);
        if ((c == 'e' || c == 'E') && Peek(1) == '\'') {
            at_++;
            return Quoted(token, '\'', SqlToken::Kind::kText, true);
        }
        if (c == '$' && DollarQuoted(token)) return token.text.empty() && failed_ ? Dollar() : Ok();
        if (IsWordStart(c)) {
            token.kind = SqlToken::Kind::kWord;
            while (at_ < sql_.size() && IsWord(sql_[at_])) at_++;
            token.text = ToLower(sql_.substr(token.begin, at_ - token.begin));
        } else if (c >= '0' && c <= '9') {
            token.kind = SqlToken::Kind::kNumber;
            while (at_ < sql_.size() && (IsWord(sql_[at_]) || sql_[at_] == '.')) at_++;
            token.text = sql_.substr(token.begin, at_ - token.begin);
        } else {
            token.text = sql_.substr(at_++, 1);
        }
        return Ok();
    }

    Status Quoted(SqlToken& token, char quote, SqlToken::Kind kind, bool escapes) {
        token.kind = kind;
        size_t begin = at_++;
        while (at_ < sql_.size()) {
            if (escapes && sql_[at_] == '\\' && at_ + 1 < sql_.size()) {
                token.text += sql_[at_ + 1];
                at_ += 2;
            } else if (sql_[at_] != quote) {
                token.text += sql_[at_++];
            } else if (Peek(1) == quote) {
                token.text += quote;
                at_ += 2;
            } else {
                at_++;
                return Ok();
            }
        }
        return Unended("the quoted text", sql_, begin);
    }

    // $tag$ ... $tag$. False if it is a parameter or a lone sign.
    bool DollarQuoted(SqlToken& token) {
        size_t tag_end = at_ + 1;
        if (tag_end < sql_.size() && sql_[tag_end] >= '0' && sql_[tag_end] <= '9') return false;
        while (tag_end < sql_.size() && IsWord(sql_[tag_end]) && sql_[tag_end] != '$') tag_end++;
        if (tag_end >= sql_.size() || sql_[tag_end] != '$') return false;
        std::string_view tag = sql_.substr(at_, tag_end + 1 - at_);
        size_t close = sql_.find(tag, tag_end + 1);
        token.kind = SqlToken::Kind::kText;
        if (close == std::string_view::npos) {
            failed_ = true;
            return true;
        }
        token.text = sql_.substr(tag_end + 1, close - tag_end - 1);
        at_ = close + tag.size();
        return true;
    }
    Status Dollar() { return Unended("the dollar-quoted text", sql_, at_); }

    std::string_view sql_;
    size_t at_ = 0;
    bool failed_ = false;
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

Result<std::vector<SqlToken>> Tokenize(std::string_view sql, size_t tokens_max) {
    std::vector<SqlToken> tokens;
    Scanner scanner(sql);
    SqlToken token;
    while (tokens.size() < tokens_max && TRY(scanner.Next(token))) tokens.push_back(token);
    return tokens;
}

Result<std::vector<std::pair<size_t, size_t>>> SplitScript(std::string_view script) {
    std::vector<std::pair<size_t, size_t>> parts;
    Scanner scanner(script);
    SqlToken token;
    bool open = false;
    while (TRY(scanner.Next(token))) {
        if (token.kind == SqlToken::Kind::kSign && token.text == ";") {
            open = false;
        } else if (!open) {
            parts.emplace_back(token.begin, token.end);
            open = true;
        } else {
            parts.back().second = token.end;
        }
    }
    return parts;
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

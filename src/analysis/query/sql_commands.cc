#include "analysis/query/sql_commands.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/number.h"
#include "base/text.h"

namespace tarn::query {
namespace {

constexpr std::array<std::string_view, 15> kFirstWords = {"set",       "show",    "reset",      "begin", "start",
                                                          "commit",    "end",     "rollback",   "abort", "discard",
                                                          "savepoint", "release", "deallocate", "close", "unlisten"};
// What clients are told of when it changes (protocol documentation, "Asynchronous Operations").
constexpr std::array<std::string_view, 5> kReported = {"application_name", "client_encoding", "datestyle", "timezone",
                                                       "intervalstyle"};
constexpr size_t kValueBytesMax = 1024;
constexpr int64_t kTimeoutMsMax = 2147483647;
constexpr struct {
    std::string_view unit;
    int64_t ms;
} kUnits[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1000}, {"ms", 1}};

// The next word (or quoted text) of `rest`; '=' and ',' stand alone.
std::string_view NextWord(std::string_view& rest) {
    rest = Trim(rest);
    if (rest.empty()) return {};
    size_t end = 1;
    if (rest[0] == '\'' || rest[0] == '"') {
        // A doubled quote is one of the text.
        end = rest.find(rest[0], 1);
        while (end != std::string_view::npos && rest.substr(end + 1, 1) == rest.substr(0, 1))
            end = rest.find(rest[0], end + 2);
        end = std::min(end, rest.size() - 1) + 1;
    } else if (rest[0] != '=' && rest[0] != ',') {
        end = std::min(rest.find_first_of(" \t\r\n=,;'\""), rest.size());
    }
    std::string_view word = rest.substr(0, std::max<size_t>(end, 1));
    rest.remove_prefix(word.size());
    return word;
}

std::string Unquote(std::string_view word) {
    if (word.size() < 2 || (word[0] != '\'' && word[0] != '"')) return std::string(word);
    std::string text;
    for (size_t at = 1; at + 1 < word.size(); ++at) {
        text += word[at];
        if (word[at] == word[0]) ++at;
    }
    return text;
}

// A name as PostgreSQL reads it: in lower case unless it is quoted.
std::string NameOf(std::string_view word) { return word.starts_with('"') ? Unquote(word) : ToLower(word); }

std::string_view WithoutComments(std::string_view sql) {
    while (true) {
        sql = Trim(sql);
        size_t end = std::string_view::npos;
        if (sql.starts_with("--"))
            end = sql.find('\n');
        else if (sql.starts_with("/*"))
            end = sql.find("*/") == std::string_view::npos ? sql.npos : sql.find("*/") + 1;
        else
            break;
        if (end == std::string_view::npos) return {};
        sql.remove_prefix(end + 1);
    }
    while (!sql.empty() && (sql.back() == ';' || std::isspace(static_cast<unsigned char>(sql.back())))) {
        sql.remove_suffix(1);
    }
    return sql;
}

// "90s" and " 1min": milliseconds where no unit is told. kInvalidArgument for anything else.
Result<int64_t> ParseMs(std::string_view name, std::string_view text) {
    Error wrong =
        Error(ErrorCode::kInvalidArgument, "{} takes milliseconds or a time as 5s or 1min, not \"{}\"", name, text)
            .WithDetailCode("22023");
    std::string_view rest = Trim(text);
    size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0 || digits > 10) return wrong;
    int64_t number = IntegerOrZero(rest.substr(0, digits));
    std::string unit = ToLower(Trim(rest.substr(digits)));
    for (const auto& known : kUnits) {
        if (unit != known.unit && !(unit.empty() && known.ms == 1)) continue;
        if (number > kTimeoutMsMax / known.ms) return wrong;
        return number * known.ms;
    }
    return wrong;
}

// As SHOW prints it: the largest unit that loses nothing.
std::string FormatMs(int64_t ms) {
    if (ms == 0) return "0";
    for (const auto& known : kUnits) {
        if (ms % known.ms == 0) return fmt::format("{}{}", ms / known.ms, known.unit);
    }
    return fmt::format("{}ms", ms);
}

bool IsTime(std::string_view name) { return name.ends_with("_timeout"); }

// SET TIME ZONE takes a distance from UTC in hours too; "Etc/GMT-2" lies two hours east.
std::string ZoneOf(const std::string& value) {
    std::string_view digits = value;
    bool west = digits.starts_with("-");
    if (west || digits.starts_with("+")) digits.remove_prefix(1);
    if (digits.empty() || digits.size() > 2 || digits.find_first_not_of("0123456789") != digits.npos) return value;
    int64_t hours = IntegerOrZero(digits);
    return hours == 0 ? "UTC" : fmt::format("Etc/GMT{}{}", west ? "+" : "-", hours);
}

}  // namespace

bool IsSessionCommand(std::string_view sql) {
    std::string_view rest = WithoutComments(sql);
    std::string first = ToLower(NextWord(rest));
    if (std::find(kFirstWords.begin(), kFirstWords.end(), first) == kFirstWords.end()) return false;
    // SHOW TABLES and its like are the engine's.
    std::string second = ToLower(NextWord(rest));
    bool engine = first == "show" && (second == "tables" || second == "all" || second == "databases" ||
                                      second == "schemas" || second == "columns");
    return !engine;
}

SessionSettings::SessionSettings() {
    defaults_ = {{"application_name", ""},
                 {"client_encoding", "UTF8"},
                 {"client_min_messages", "notice"},
                 {"datestyle", "ISO, MDY"},
                 {"default_transaction_isolation", "repeatable read"},
                 {"default_transaction_read_only", "on"},
                 {"extra_float_digits", "1"},
                 {"bytea_output", "hex"},
                 {"integer_datetimes", "on"},
                 {"intervalstyle", "postgres"},
                 {"is_superuser", "off"},
                 {"lc_collate", "C"},
                 {"lc_ctype", "C"},
                 {"max_identifier_length", "63"},
                 {"search_path", "\"$user\", public"},
                 {"server_encoding", "UTF8"},
                 {"server_version", "15.0"},
                 {"server_version_num", "150000"},
                 {"standard_conforming_strings", "on"},
                 {"statement_timeout", "0"},
                 {"lock_timeout", "0"},
                 {"idle_in_transaction_session_timeout", "0"},
                 {"row_security", "on"},
                 {"timezone", "UTC"},
                 {"transaction_isolation", "repeatable read"},
                 {"transaction_read_only", "on"},
                 {"synchronize_seqscans", "on"},
                 {"default_table_access_method", "heap"},
                 {"jit", "off"}};
    values_ = defaults_;
}

const std::string& SessionSettings::Get(const std::string& name) const { return values_.at(name); }

void SessionSettings::SetFromStart(const std::string& name, const std::string& value) {
    std::string lower = ToLower(name);
    if (values_.contains(lower)) (void)Assign(lower, value);
}

Status SessionSettings::Assign(const std::string& name, const std::string& value) {
    if (!values_.contains(name)) {
        std::vector<std::string> names;
        for (const auto& [known, unused] : values_) names.push_back(known);
        std::string nearest = NearestWord(name, names);
        return Error(ErrorCode::kInvalidArgument, "there is no setting \"{}\"{}", name,
                     nearest.empty() ? "" : "; did you mean " + nearest + "?")
            .WithDetailCode("42704");
    }
    if (value.size() > kValueBytesMax) {
        return Error(ErrorCode::kInvalidArgument, "the value of {} is longer than {} bytes", name, kValueBytesMax);
    }
    std::string lower = ToLower(value);
    bool utf8 = lower == "utf8" || lower == "utf-8" || lower == "unicode" || lower == "sql_ascii";
    if (name == "client_encoding" && !utf8) {
        return Error(ErrorCode::kNotSupported, "client_encoding {} is not supported; use UTF8", value);
    }
    if (name == "datestyle" && lower.find("iso") == std::string::npos) {
        return Error(ErrorCode::kNotSupported, "DateStyle {} is not supported; use ISO", value);
    }
    bool fixed = name.starts_with("server_") || name == "is_superuser" || name == "integer_datetimes";
    if (fixed) return Error(ErrorCode::kInvalidArgument, "{} can't be changed", name).WithDetailCode("55P02");
    if (IsTime(name)) {
        values_[name] = FormatMs(TRY(ParseMs(name, value)));
        return Ok();
    }
    if (name == "datestyle")
        values_[name] = "ISO, MDY";
    else if (name == "client_encoding")
        values_[name] = "UTF8";
    else
        values_[name] = value;
    return Ok();
}

int64_t SessionSettings::StatementTimeoutMs() const {
    auto ms = ParseMs("statement_timeout", Get("statement_timeout"));
    return ms.ok() ? *ms : 0;
}

Status SessionSettings::SetFromOptions(std::string_view options) {
    std::vector<std::string> words(1);
    for (size_t at = 0; at < options.size(); ++at) {
        if (options[at] == '\\' && at + 1 < options.size())
            words.back() += options[++at];
        else if (options[at] != ' ')
            words.back() += options[at];
        else if (!words.back().empty())
            words.emplace_back();
    }
    for (size_t index = 0; index < words.size(); ++index) {
        std::string word = words[index];
        if (word.empty()) continue;
        bool short_form = word.starts_with("-c");
        if (word == "-c" && index + 1 < words.size()) word += words[++index];
        size_t equals = word.find('=');
        if ((!short_form && !word.starts_with("--")) || equals == std::string::npos) {
            return Error(ErrorCode::kInvalidArgument, "the option \"{}\" of the connection is not understood", word)
                .WithDetailCode("22023")
                .WithHint("options are given as -c name=value");
        }
        std::string name = ToLower(word.substr(2, equals - 2));
        std::replace(name.begin(), name.end(), '-', '_');
        TRY(Assign(name, word.substr(equals + 1)));
    }
    return Ok();
}

// Of a list of schemas each is quoted by itself; everything else is one text.
std::string SessionSettings::EngineSqlOf(const std::string& name) const {
    const std::string& value = values_.at(name);
    if (value == defaults_.at(name)) return "RESET " + name;
    if (name != "search_path") return fmt::format("SET {} = {}", name, QuoteLiteral(value));
    std::string list;
    std::string_view rest = value;
    for (std::string_view word = NextWord(rest); !word.empty(); word = NextWord(rest)) {
        if (word == ",") continue;
        list += (list.empty() ? "" : ", ") + QuoteIdentifier(Unquote(word));
    }
    return list.empty() ? "RESET search_path" : "SET search_path = " + list;
}

std::vector<std::string> SessionSettings::EngineSql() const {
    std::vector<std::string> statements;
    for (const auto& [name, value] : values_) {
        if (value != defaults_.at(name)) statements.push_back(EngineSqlOf(name));
    }
    return statements;
}

std::vector<std::string> SessionSettings::EndTransaction(bool rolled_back) {
    std::vector<std::string> statements;
    if (before_.empty()) return statements;
    std::map<std::string, std::string> now = std::exchange(values_, rolled_back ? before_ : local_);
    before_.clear();
    for (const auto& [name, value] : values_) {
        if (now[name] != value) statements.push_back(EngineSqlOf(name));
    }
    return statements;
}

std::vector<std::string> SessionSettings::ReportedSince(const SessionSettings& before) const {
    std::vector<std::string> names;
    for (std::string_view name : kReported) {
        if (Get(std::string(name)) != before.Get(std::string(name))) names.emplace_back(name);
    }
    return names;
}

Result<CommandOutcome> SessionSettings::Set(std::string_view rest) {
    CommandOutcome outcome;
    outcome.tag = "SET";
    std::string name = ToLower(Unquote(NextWord(rest)));
    bool local = name == "local";
    if (name == "session" || local) name = ToLower(Unquote(NextWord(rest)));
    if (name == "transaction" || name == "characteristics") return outcome;  // every statement reads one snapshot
    if (name == "role" || name == "authorization") {
        return Error(ErrorCode::kNotSupported, "SET ROLE is not supported; connect as that user");
    }
    if (name == "names")
        name = "client_encoding", rest = std::string_view(rest);
    else if (name == "time")
        name = "timezone", NextWord(rest);
    else
        NextWord(rest);  // '=' or TO
    std::string value;
    bool schemas = name == "search_path";
    for (std::string_view word = NextWord(rest); !word.empty(); word = NextWord(rest)) {
        if (!value.empty() && word != ",") value += ' ';
        // "$user" stays quoted, as every schema whose name needs it.
        value += schemas && word.starts_with('"') ? std::string(word) : Unquote(word);
    }
    std::string lower = ToLower(value);
    bool standard = lower == "default" || (name == "timezone" && lower == "local");
    if (standard && defaults_.contains(name)) value = defaults_.at(name);
    if (name == "timezone") value = ZoneOf(value);
    if (local && before_.empty()) return outcome;  // ends with the transaction, and there is none
    TRY(Assign(name, value));
    if (!local && !before_.empty()) local_[name] = values_[name];
    outcome.engine_sql.push_back(EngineSqlOf(name));
    return outcome;
}

Result<CommandOutcome> SessionSettings::Show(std::string_view rest) const {
    std::string name = ToLower(Unquote(NextWord(rest)));
    if (name == "time") name = "timezone";
    if (name == "transaction") name = "transaction_isolation";
    auto found = values_.find(name);
    if (found == values_.end()) {
        return Error(ErrorCode::kInvalidArgument, "there is no setting \"{}\"", name).WithDetailCode("42704");
    }
    CommandOutcome outcome;
    outcome.tag = "SHOW";
    outcome.shown = found->second;
    outcome.shown_name = name == "timezone" ? "TimeZone" : name == "datestyle" ? "DateStyle" : name;
    return outcome;
}

Result<std::optional<CommandOutcome>> SessionSettings::Run(std::string_view sql) {
    if (!IsSessionCommand(sql)) return std::optional<CommandOutcome>();
    std::string_view rest = WithoutComments(sql);
    std::string first = ToLower(NextWord(rest));
    CommandOutcome outcome;
    if (first == "set") return std::optional(TRY(Set(rest)));
    if (first == "show") return std::optional(TRY(Show(rest)));
    if (first == "begin" || first == "start") {
        outcome.tag = first == "begin" ? "BEGIN" : "START TRANSACTION";
        outcome.transaction = 'T';
    } else if (first == "commit" || first == "end") {
        outcome.tag = "COMMIT";
        outcome.transaction = 'I';
    } else if (first == "rollback" || first == "abort") {
        std::string second = ToLower(NextWord(rest));
        outcome.tag = "ROLLBACK";
        outcome.rollback = true;
        // ROLLBACK TO a savepoint stays in the transaction, and heals a failed one.
        outcome.transaction = second == "to" ? 'T' : 'I';
    } else if (first == "reset") {
        std::string name = ToLower(Unquote(NextWord(rest)));
        bool session = name == "session" || name == "role";  // RESET SESSION AUTHORIZATION and ROLE: they never differ
        if (name == "time") name = "timezone";
        if (name == "all") {
            values_ = local_ = defaults_;
            outcome.engine_sql.push_back("RESET ALL");
        } else if (!session) {
            TRY(Assign(name, defaults_.contains(name) ? defaults_.at(name) : ""));
            outcome.engine_sql.push_back("RESET " + name);
        }
        outcome.tag = "RESET";
    } else if (first == "deallocate") {
        std::string name = NameOf(NextWord(rest));
        if (name == "prepare") name = NameOf(NextWord(rest));
        outcome.deallocate = name == "all" ? "" : name;
        outcome.tag = "DEALLOCATE";
    } else if (first == "discard") {
        std::string what = ToLower(NextWord(rest));
        if (what == "all") {
            values_ = defaults_;
            outcome.deallocate = "";
            outcome.close = "";
            outcome.engine_sql.push_back("RESET ALL");
        }
        for (char& character : what) character = static_cast<char>(std::toupper(character));
        outcome.tag = "DISCARD " + what;
    } else if (first == "close") {
        std::string name = NameOf(NextWord(rest));
        outcome.close = name == "all" ? "" : name;
        outcome.tag = "CLOSE CURSOR";
    } else {
        outcome.tag = first;
        for (char& character : outcome.tag) character = static_cast<char>(std::toupper(character));
    }
    return std::optional(outcome);
}

}  // namespace tarn::query

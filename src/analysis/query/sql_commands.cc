#include "analysis/query/sql_commands.h"

#include <algorithm>
#include <array>
#include <vector>

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
    if (name == "datestyle")
        values_[name] = "ISO, MDY";
    else if (name == "client_encoding")
        values_[name] = "UTF8";
    else
        values_[name] = value;
    return Ok();
}

Result<CommandOutcome> SessionSettings::Set(std::string_view rest) {
    CommandOutcome outcome;
    outcome.tag = "SET";
    std::string name = ToLower(Unquote(NextWord(rest)));
    if (name == "session" || name == "local") name = ToLower(Unquote(NextWord(rest)));
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
    for (std::string_view word = NextWord(rest); !word.empty(); word = NextWord(rest)) {
        if (!value.empty() && word != ",") value += ' ';
        value += Unquote(word);
    }
    if (ToLower(value) == "default" && defaults_.contains(name)) value = defaults_.at(name);
    TRY(Assign(name, value));
    if (std::find(kReported.begin(), kReported.end(), name) != kReported.end()) outcome.reported_name = name;
    if (name == "timezone") outcome.engine_sql = "SET TimeZone = " + QuoteLiteral(values_[name]);
    if (name == "search_path" && value != defaults_.at(name)) {
        outcome.engine_sql = "SET search_path = " + QuoteLiteral(value);
    }
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
        if (name == "all")
            values_ = defaults_;
        else if (defaults_.contains(name))
            TRY(Assign(name, defaults_.at(name)));
        outcome.tag = "RESET";
    } else if (first == "deallocate") {
        std::string name = Unquote(NextWord(rest));
        if (ToLower(name) == "prepare") name = Unquote(NextWord(rest));
        outcome.deallocate = ToLower(name) == "all" ? "" : name;
        outcome.tag = "DEALLOCATE";
    } else if (first == "discard") {
        values_ = defaults_;
        outcome.deallocate = "";
        outcome.tag = "DISCARD ALL";
    } else {
        outcome.tag = first;
        for (char& character : outcome.tag) character = static_cast<char>(std::toupper(character));
    }
    return std::optional(outcome);
}

}  // namespace tarn::query

#include "workspace/sql_text.h"

#include "base/text.h"

namespace tarn::workspace {
namespace {

// The place after the comment that starts here; comments between /* and */ nest.
size_t AfterComment(std::string_view sql, size_t at) {
    if (sql[at] == '-') return std::min(sql.find('\n', at), sql.size());
    int depth = 0;
    while (at < sql.size()) {
        std::string_view two = sql.substr(at, 2);
        depth += two == "/*" ? 1 : two == "*/" ? -1 : 0;
        at += two == "/*" || two == "*/" ? 2 : 1;
        if (depth == 0) return at;
    }
    return sql.size();
}

// The place after 'text' or "name", where a doubled quote is one of the text; after E'text' a backslash takes the next.
size_t AfterQuoted(std::string_view sql, size_t at, bool escapes) {
    char quote = sql[at++];
    for (; at < sql.size(); ++at) {
        if (escapes && sql[at] == '\\')
            ++at;
        else if (sql[at] == quote && sql.substr(at + 1, 1) == sql.substr(at, 1))
            ++at;
        else if (sql[at] == quote)
            return at + 1;
    }
    return sql.size();
}

// The place after $tag$text$tag$, or after the '$' that starts none.
size_t AfterDollar(std::string_view sql, size_t at) {
    size_t close = at + 1;
    while (close < sql.size() && (std::isalnum(static_cast<unsigned char>(sql[close])) || sql[close] == '_')) ++close;
    bool tag = close < sql.size() && sql[close] == '$' && !std::isdigit(static_cast<unsigned char>(sql[at + 1]));
    if (!tag) return at + 1;
    std::string_view mark = sql.substr(at, close + 1 - at);
    size_t end = sql.find(mark, close + 1);
    return end == std::string_view::npos ? sql.size() : end + mark.size();
}

// Letters outside of ASCII belong to names.
bool IsWord(char character) {
    auto byte = static_cast<unsigned char>(character);
    return std::isalnum(byte) || byte == '_' || byte >= 0x80;
}

}  // namespace

size_t ByteOfCharacter(std::string_view text, int64_t character) {
    for (size_t at = 0; at < text.size(); ++at) {
        bool begins = (static_cast<uint8_t>(text[at]) & 0xc0) != 0x80;
        if (begins && --character <= 0) return at;
    }
    return text.size();
}

std::vector<SqlToken> SqlTokens(std::string_view sql) {
    std::vector<SqlToken> tokens;
    for (size_t at = 0; at < sql.size();) {
        char character = sql[at];
        std::string_view two = sql.substr(at, 2);
        if (two == "--" || two == "/*") {
            at = AfterComment(sql, at);
            continue;
        }
        if (std::isspace(static_cast<unsigned char>(character))) {
            ++at;
            continue;
        }
        SqlToken token{SqlToken::Kind::kSymbol, at, at + 1};
        bool escapes = (character == 'e' || character == 'E') && two.size() == 2 && two[1] == '\'';
        if (escapes || character == '\'') {
            token = {SqlToken::Kind::kText, at, AfterQuoted(sql, at + (escapes ? 1 : 0), escapes)};
        } else if (character == '"') {
            token = {SqlToken::Kind::kQuotedName, at, AfterQuoted(sql, at, false)};
        } else if (IsWord(character)) {
            token.kind = SqlToken::Kind::kWord;
            while (token.end < sql.size() && (IsWord(sql[token.end]) || sql[token.end] == '$')) ++token.end;
        } else if (character == '$') {
            token = {SqlToken::Kind::kText, at, AfterDollar(sql, at)};
        }
        at = token.end;
        tokens.push_back(token);
    }
    return tokens;
}

Result<std::string> BindSqlNames(std::string_view sql, const std::map<std::string, std::string>& literals) {
    std::vector<SqlToken> tokens = SqlTokens(sql);
    std::string bound;
    size_t copied = 0;
    for (size_t index = 0; index + 1 < tokens.size(); ++index) {
        const SqlToken& dollar = tokens[index];
        const SqlToken& name = tokens[index + 1];
        bool is_name = sql.substr(dollar.begin, dollar.end - dollar.begin) == "$" &&
                       name.kind == SqlToken::Kind::kWord && name.begin == dollar.end;
        if (!is_name) continue;
        auto literal = literals.find(std::string(sql.substr(name.begin, name.end - name.begin)));
        if (literal == literals.end()) {
            std::vector<std::string> known;
            for (const auto& [each, unused] : literals) known.push_back("$" + each);
            Error error(ErrorCode::kInvalidArgument, "there is no parameter ${}; {}",
                        sql.substr(name.begin, name.end - name.begin),
                        known.empty() ? "declare it under `parameters`" : "known are " + Join(known, ", "));
            return std::move(error).WithPosition(static_cast<int64_t>(dollar.begin) + 1);
        }
        bound += sql.substr(copied, dollar.begin - copied);
        bound += literal->second;
        copied = name.end;
    }
    bound += sql.substr(copied);
    return bound;
}

std::string BareSelect(std::string_view sql) {
    std::vector<SqlToken> tokens = SqlTokens(sql);
    while (!tokens.empty() && sql.substr(tokens.back().begin, 1) == ";") tokens.pop_back();
    return std::string(Trim(sql.substr(0, tokens.empty() ? 0 : tokens.back().end)));
}

}  // namespace tarn::workspace

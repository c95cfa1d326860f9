#include "engine/sql_tokens.h"

#include "base/text.h"

namespace tarn::engine {
namespace {

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

}  // namespace tarn::engine

#include "analysis/query/cursor_commands.h"

#include <vector>

#include "base/number.h"
#include "engine/sql_tokens.h"

namespace tarn::query {
namespace {

using engine::SqlToken;

constexpr size_t kWordsMax = 40;  // before the query of a DECLARE, or of a whole FETCH

Error Syntax(std::string_view what) { return Error(ErrorCode::kSyntax, "{}", what).WithDetailCode("42601"); }
Error NoWayBack() { return Error(ErrorCode::kNotSupported, "cursors go forward only").WithDetailCode("55000"); }

class Words {
  public:
    explicit Words(std::vector<SqlToken> tokens) : tokens_(std::move(tokens)) {}
    bool Take(std::string_view word) {
        bool plain = at_ < tokens_.size() && tokens_[at_].kind != SqlToken::Kind::kText &&
                     tokens_[at_].kind != SqlToken::Kind::kQuotedName;
        if (!plain || tokens_[at_].text != word) return false;
        ++at_;
        return true;
    }
    std::string TakeName() {
        bool named = at_ < tokens_.size() &&
                     (tokens_[at_].kind == SqlToken::Kind::kWord || tokens_[at_].kind == SqlToken::Kind::kQuotedName);
        return named ? tokens_[at_++].text : std::string();
    }
    std::optional<int64_t> TakeNumber() {
        size_t start = at_;
        bool minus = Take("-");
        bool number = at_ < tokens_.size() && tokens_[at_].kind == SqlToken::Kind::kNumber &&
                      tokens_[at_].text.size() < 18 && tokens_[at_].text.find('.') == std::string::npos;
        if (!number) return at_ = start, std::nullopt;
        auto value = ParseInteger(tokens_[at_++].text);
        if (!value) return at_ = start, std::nullopt;
        return minus ? -*value : *value;
    }
    bool done() const { return at_ >= tokens_.size(); }
    size_t begin() const { return done() ? 0 : tokens_[at_].begin; }

  private:
    std::vector<SqlToken> tokens_;
    size_t at_ = 0;
};

Result<CursorCommand> Declare(std::string_view sql, Words& words) {
    CursorCommand command;
    command.name = words.TakeName();
    if (command.name.empty()) return Syntax("DECLARE takes the name of a cursor");
    while (!words.Take("cursor")) {
        bool known = words.Take("insensitive") || words.Take("asensitive") || words.Take("scroll");
        if (words.Take("binary"))
            command.binary = known = true;
        else if (words.Take("no"))
            known = words.Take("scroll");
        if (!known) return Syntax("DECLARE name CURSOR FOR query is meant");
    }
    bool with = words.Take("with");
    if (with || words.Take("without")) {
        if (!words.Take("hold")) return Syntax("WITH HOLD is meant");
        command.hold = with;
    }
    if (!words.Take("for") || words.done()) return Syntax("DECLARE name CURSOR FOR query is meant");
    size_t begin = words.begin();
    command.query = std::string(sql.substr(begin));
    for (size_t at = 0; at < begin; ++at) command.query_position += (static_cast<uint8_t>(sql[at]) & 0xC0) != 0x80;
    return command;
}

// How far: FETCH [NEXT | n | ALL | FORWARD [n | ALL] | RELATIVE n | ABSOLUTE n | FIRST] [FROM | IN] name.
Status Distance(Words& words, CursorCommand& command) {
    if (words.Take("prior") || words.Take("last") || words.Take("backward")) return NoWayBack();
    if (words.Take("first")) return command.absolute = true, Ok();
    command.absolute = words.Take("absolute");
    command.skip = !command.absolute && words.Take("relative");
    if (!command.absolute && !command.skip && (words.Take("next") || !(words.Take("forward"), true))) return Ok();
    if (words.Take("all")) return command.count = -1, Ok();
    if (auto count = words.TakeNumber()) {
        if (*count < 0) return NoWayBack();
        command.count = *count;
    } else if (command.absolute || command.skip) {
        return Syntax("a number of rows is meant");
    }
    return Ok();
}

}  // namespace

Result<std::optional<CursorCommand>> CursorCommandOf(std::string_view sql) {
    auto tokens = engine::Tokenize(sql, kWordsMax);
    if (!tokens.ok() || tokens->empty() || tokens->front().kind != SqlToken::Kind::kWord) {
        return std::optional<CursorCommand>();
    }
    std::string first = tokens->front().text;
    if (first != "declare" && first != "fetch" && first != "move") return std::optional<CursorCommand>();
    while (first != "declare" && tokens->back().text == ";") tokens->pop_back();
    Words words(std::move(*tokens));
    words.Take(first);
    if (first == "declare") return std::optional(TRY(Declare(sql, words)));
    CursorCommand command;
    command.action = first == "fetch" ? CursorCommand::Action::kFetch : CursorCommand::Action::kMove;
    TRY(Distance(words, command));
    if (!words.Take("from")) words.Take("in");
    command.name = words.TakeName();
    if (command.name.empty() || !words.done()) return Syntax("FETCH count FROM cursor is meant");
    return std::optional(std::move(command));
}

}  // namespace tarn::query

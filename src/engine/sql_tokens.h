// SQL taken apart as text, before anybody parses it: for statements that the parser does not know.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tarn::engine {

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

}  // namespace tarn::engine

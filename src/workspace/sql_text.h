// SQL as text: what can be said of a statement without a parser. For those who make a statement part of another one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::workspace {

struct SqlToken {
    enum class Kind : uint8_t { kWord, kQuotedName, kText, kSymbol };  // kSymbol: one character
    Kind kind = Kind::kSymbol;
    size_t begin = 0;  // bytes in the statement
    size_t end = 0;
};
// Without spaces and comments. What is never closed reaches to the end.
std::vector<SqlToken> SqlTokens(std::string_view sql);

// A SELECT without the semicolons, comments and spaces that follow it: so it can become part of another statement.
std::string BareSelect(std::string_view sql);

// `sql` with each $name (outside of texts and comments) replaced by its literal. kInvalidArgument names what is
// unknown.
Result<std::string> BindSqlNames(std::string_view sql, const std::map<std::string, std::string>& literals);

// The byte at which the 1-based character of a UTF-8 text begins; past the end, the text's size.
size_t ByteOfCharacter(std::string_view text, int64_t character);

}  // namespace tarn::workspace

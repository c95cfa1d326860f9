// DECLARE, FETCH and MOVE as words: cursors of SQL, which drivers use for results that do not fit into memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::query {

struct CursorCommand {
    enum class Action { kDeclare, kFetch, kMove };
    Action action = Action::kDeclare;
    std::string name;
    // DECLARE
    std::string query;
    int64_t query_position = 1;  // of it in the statement, in characters
    bool hold = false;           // survives its transaction
    bool binary = false;
    // FETCH and MOVE: rows ahead of the place; of an absolute one, that row alone. -1: all that are left.
    int64_t count = 1;
    bool absolute = false;
    bool skip = false;  // RELATIVE n: only the last of them
};
// Nothing if it is another statement; kSyntax if it is a mistaken one; kNotSupported for a way back.
Result<std::optional<CursorCommand>> CursorCommandOf(std::string_view sql);

}  // namespace tarn::query

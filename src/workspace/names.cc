#include "workspace/workspace.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tarn::workspace {
namespace {

constexpr size_t kNameBytesMax = 63;  // as PostgreSQL, so that every driver can carry it
constexpr std::array<std::string_view, 6> kReserved = {"system",     "topic", "information_schema",
                                                       "pg_catalog", "main",  "temp_input"};

bool IsNameCharacter(char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') || character == '_';
}

}  // namespace

Status CheckName(std::string_view what, std::string_view name) {
    if (name.empty()) return Error(ErrorCode::kInvalidArgument, "the name of a {} is empty", what);
    bool good = name.size() <= kNameBytesMax && !(name[0] >= '0' && name[0] <= '9') &&
                std::all_of(name.begin(), name.end(), IsNameCharacter);
    if (!good) {
        return Error(ErrorCode::kInvalidArgument,
                     "\"{}\" can't be the name of a {}: use lower-case letters, digits and '_', at most {} of them, "
                     "not starting with a digit",
                     name, what, kNameBytesMax);
    }
    bool reserved = name.starts_with("raw_") || std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
    if (reserved && what == "use case") {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" is a reserved schema: choose another name for the {}", name,
                     what);
    }
    return Ok();
}

Result<SqlFile> SplitSqlFile(std::string_view text) {
    SqlFile file;
    size_t start = text.find_first_not_of(" \t\r\n");
    constexpr std::string_view kOpen = "/* tarn";
    if (start == std::string_view::npos || !text.substr(start).starts_with(kOpen)) {
        file.sql = std::string(text);
        return file;
    }
    size_t header = start + kOpen.size();
    size_t end = text.find("*/", header);
    int first_line = 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<long>(header), '\n'));
    if (end == std::string_view::npos) {
        return Error(ErrorCode::kSyntax, "the header that starts with \"/* tarn\" in line {} is not closed: add \"*/\"",
                     first_line);
    }
    file.header = std::string(text.substr(header, end - header));
    file.header_line = first_line;
    file.sql_offset = end + 2;
    file.sql = std::string(text.substr(file.sql_offset));
    file.sql_line = 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<long>(end), '\n'));
    return file;
}

}  // namespace tarn::workspace

// DuckDB's exceptions as our errors, with the SQLSTATE that PostgreSQL's clients know.
#include "engine/adapter.h"
#include "engine/delta_statistics.h"

namespace tarn::engine {
namespace {

using duckdb::ExceptionType;

struct Mapping {
    ErrorCode code;
    const char* sqlstate;
};

bool Has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

Mapping MapCatalog(std::string_view message) {
    if (Has(message, "Function with name")) return {ErrorCode::kInvalidArgument, "42883"};
    if (Has(message, "Type with name")) return {ErrorCode::kInvalidArgument, "42704"};
    if (Has(message, "chema with name")) return {ErrorCode::kNotFound, "3F000"};
    if (Has(message, "configuration parameter")) return {ErrorCode::kInvalidArgument, "42704"};
    if (Has(message, "does not exist")) return {ErrorCode::kNotFound, "42P01"};
    return {ErrorCode::kInvalidArgument, "42P01"};
}

Mapping MapBinder(std::string_view message) {
    if (Has(message, "mbiguous")) return {ErrorCode::kInvalidArgument, "42702"};
    if (Has(message, "Referenced column") || Has(message, "does not have a column") ||
        Has(message, "not found in FROM clause") || Has(message, "Column with name")) {
        return {ErrorCode::kInvalidArgument, "42703"};
    }
    if (Has(message, "Referenced table") || Has(message, "missing FROM-clause")) {
        return {ErrorCode::kInvalidArgument, "42P01"};
    }
    if (Has(message, "No function matches")) return {ErrorCode::kInvalidArgument, "42883"};
    if (Has(message, "GROUP BY")) return {ErrorCode::kInvalidArgument, "42803"};
    if (Has(message, "Cannot compare") || Has(message, "Cannot mix") || Has(message, "cast")) {
        return {ErrorCode::kInvalidArgument, "42804"};
    }
    return {ErrorCode::kInvalidArgument, "42601"};
}

Mapping MapType(ExceptionType type, std::string_view message) {
    switch (type) {
        case ExceptionType::PARSER:
        case ExceptionType::SYNTAX:
            return {ErrorCode::kSyntax, "42601"};
        case ExceptionType::CATALOG:
            return MapCatalog(message);
        case ExceptionType::BINDER:
            return MapBinder(message);
        case ExceptionType::CONVERSION:
            return {ErrorCode::kInvalidArgument, Has(message, "out of range") ? "22003" : "22P02"};
        case ExceptionType::OUT_OF_RANGE:
            return {ErrorCode::kInvalidArgument, "22003"};
        case ExceptionType::MISMATCH_TYPE:
        case ExceptionType::INVALID_TYPE:
            return {ErrorCode::kInvalidArgument, "42804"};
        case ExceptionType::DIVIDE_BY_ZERO:
            return {ErrorCode::kInvalidArgument, "22012"};
        case ExceptionType::OUT_OF_MEMORY:
            return {ErrorCode::kResourceExhausted, "53200"};
        case ExceptionType::INTERRUPT:
            return {ErrorCode::kCancelled, "57014"};
        case ExceptionType::NOT_IMPLEMENTED:
            return {ErrorCode::kNotSupported, "0A000"};
        case ExceptionType::PERMISSION:
            return {ErrorCode::kPermissionDenied, "42501"};
        case ExceptionType::IO:
            return {ErrorCode::kIo, "58030"};
        case ExceptionType::PARAMETER_NOT_RESOLVED:
            return {ErrorCode::kInvalidArgument, "42P18"};
        case ExceptionType::INVALID_INPUT:
            if (Has(message, "Could not convert") || Has(message, "Failed to cast")) {
                return {ErrorCode::kInvalidArgument, "22P02"};
            }
            return {ErrorCode::kInvalidArgument, "22023"};
        case ExceptionType::INVALID_CONFIGURATION:
            return {ErrorCode::kInvalidArgument, "22023"};
        case ExceptionType::FATAL:
        case ExceptionType::INTERNAL:
            return {ErrorCode::kInternal, "XX000"};
        case ExceptionType::INVALID:
        case ExceptionType::UNKNOWN_TYPE:
            return {ErrorCode::kInternal, "XX000"};
        default:
            return {ErrorCode::kInvalidArgument, "22000"};
    }
}

// DuckDB puts its suggestion on a line of its own: it becomes the hint.
void SplitHint(std::string& message, std::string& hint) {
    for (const char* mark : {"\nDid you mean", "\nCandidate", "\nHINT: ", "\n\nCandidate", "\n* "}) {
        size_t at = message.find(mark);
        if (at == std::string::npos) continue;
        hint = message.substr(message.find_first_not_of('\n', at));
        message.resize(at);
        break;
    }
    // "LINE 1: ..." repeats the text that the caller has; the position says where.
    size_t line = message.find("\n\nLINE ");
    if (line != std::string::npos) message.resize(line);
    while (!message.empty() && message.back() == '\n') message.pop_back();
    line = hint.find("\n\nLINE ");
    if (line != std::string::npos) hint.resize(line);
    // Settings are not the user's to change.
    for (const char* advice : {" Use \"SET ", "\n\nUse \"SET ", "\n* Use SET "}) {
        size_t at = message.find(advice);
        if (at != std::string::npos) message.resize(at);
    }
    if (hint.starts_with("HINT: ")) hint.erase(0, 6);
    while (!hint.empty() && hint.back() == '\n') hint.pop_back();
}

}  // namespace

int64_t CharacterPosition(std::string_view sql, size_t byte_offset) {
    int64_t position = 1;
    for (size_t i = 0; i < byte_offset && i < sql.size(); i++) {
        if ((static_cast<uint8_t>(sql[i]) & 0xC0) != 0x80) position++;
    }
    return position;
}

Error ToError(const duckdb::ErrorData& given, std::string_view sql) {
    // Connections answer errors as JSON, so that the position survives; parse it back.
    duckdb::ErrorData parsed = given;
    if (!given.RawMessage().empty() && given.RawMessage()[0] == '{') parsed = duckdb::ErrorData(given.RawMessage());
    std::string message = parsed.RawMessage();
    std::string hint;
    SplitHint(message, hint);
    Mapping mapping = MapType(parsed.Type(), message);
    // A stack trace or a path of the machine is nothing for users.
    if (mapping.code == ErrorCode::kInternal) message = "the SQL engine failed: " + message.substr(0, 300);
    Error error = Error(mapping.code, std::move(message)).WithDetailCode(mapping.sqlstate);
    if (!hint.empty()) std::move(error).WithHint(std::move(hint));
    auto position = parsed.ExtraInfo().find("position");
    if (position != parsed.ExtraInfo().end()) {
        auto offset = static_cast<size_t>(WholeNumber(position->second));
        if (offset <= sql.size()) std::move(error).WithPosition(CharacterPosition(sql, offset));
    }
    return error;
}

Error ToError(const std::exception& exception, std::string_view sql) {
    return ToError(duckdb::ErrorData(exception), sql);
}

}  // namespace tarn::engine

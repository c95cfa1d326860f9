// JSON for everything that is not hot: nlohmann's value type, with parsing that answers a Result and a depth limit.
#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

#include "base/result.h"

namespace tarn {

using Json = nlohmann::json;
// Keeps the order of keys as written; for files and answers that people read.
using OrderedJson = nlohmann::ordered_json;

inline constexpr int kJsonDepthMax = 128;

// Parses one JSON text. Error kSyntax with the position of the first wrong byte; deeper than kJsonDepthMax is refused.
Result<Json> ParseJson(std::string_view text);

// Typed access to a member of an object: kInvalidArgument naming the key when it is missing or of another type.
Result<std::string> JsonString(const Json& object, std::string_view key);
Result<int64_t> JsonInteger(const Json& object, std::string_view key);
// As above with a default for a missing (or null) member; a wrong type still is an error.
Result<std::string> JsonStringOr(const Json& object, std::string_view key, std::string fallback);
Result<int64_t> JsonIntegerOr(const Json& object, std::string_view key, int64_t fallback);
Result<bool> JsonBoolOr(const Json& object, std::string_view key, bool fallback);

// Text that is never invalid: bytes that are not UTF-8 are replaced. Use for everything sent or logged.
std::string DumpJson(const Json& value, int indent = -1);

}  // namespace tarn

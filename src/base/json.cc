#include "base/json.h"

namespace tarn {
namespace {

const Json* Member(const Json& object, std::string_view key) {
    if (!object.is_object()) return nullptr;
    auto found = object.find(std::string(key));
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

Error WrongType(std::string_view key, const char* wanted, const Json& value) {
    return Error(ErrorCode::kInvalidArgument, "\"{}\" must be {}, got {}", key, wanted, value.type_name());
}

Error Missing(std::string_view key) { return Error(ErrorCode::kInvalidArgument, "\"{}\" is missing", key); }

}  // namespace

Result<Json> ParseJson(std::string_view text) {
    bool too_deep = false;
    auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
        if (depth > kJsonDepthMax) too_deep = true;
        return !too_deep;
    };
    try {
        Json value = Json::parse(text, watch_depth);
        if (too_deep) {
            return Error(ErrorCode::kResourceExhausted, "JSON is nested deeper than {} levels", kJsonDepthMax);
        }
        return value;
    } catch (const Json::parse_error& error) {
        return Error(ErrorCode::kSyntax, "not JSON: {}", error.what()).WithPosition(static_cast<int64_t>(error.byte));
    } catch (const Json::exception& error) {  // a number that no double holds
        return Error(ErrorCode::kSyntax, "not JSON that can be read: {}", error.what());
    }
}

Result<std::string> JsonString(const Json& object, std::string_view key) {
    const Json* value = Member(object, key);
    if (!value) return Missing(key);
    if (!value->is_string()) return WrongType(key, "text", *value);
    return value->get<std::string>();
}

Result<int64_t> JsonInteger(const Json& object, std::string_view key) {
    const Json* value = Member(object, key);
    if (!value) return Missing(key);
    if (!value->is_number_integer()) return WrongType(key, "a whole number", *value);
    return value->get<int64_t>();
}

Result<std::string> JsonStringOr(const Json& object, std::string_view key, std::string fallback) {
    if (!Member(object, key)) return fallback;
    return JsonString(object, key);
}

Result<int64_t> JsonIntegerOr(const Json& object, std::string_view key, int64_t fallback) {
    if (!Member(object, key)) return fallback;
    return JsonInteger(object, key);
}

Result<bool> JsonBoolOr(const Json& object, std::string_view key, bool fallback) {
    const Json* value = Member(object, key);
    if (!value) return fallback;
    if (!value->is_boolean()) return WrongType(key, "true or false", *value);
    return value->get<bool>();
}

std::string DumpJson(const Json& value, int indent) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tarn

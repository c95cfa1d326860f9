// Subject: under what a schema has versions, in a context; and errors as Confluent numbers them. Internal to the
// component.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::registry {

inline constexpr std::string_view kDefaultContext = ".";
inline constexpr std::string_view kGlobalContext = ".__GLOBAL";  // settings for all contexts, never schemas
inline constexpr size_t kSubjectBytesMax = 1024;

struct Subject {
    std::string context{kDefaultContext};  // with its dot: ".team"
    std::string name;                      // empty: the context as a whole
    auto operator<=>(const Subject&) const = default;
    bool IsContext() const { return name.empty(); }
    bool IsGlobal() const { return name.empty() && context == kDefaultContext; }
    // "orders-value", ":.team:orders-value", ":.team:"; empty for the default context as a whole.
    std::string Text() const;
};

// 42208 for what is none.
Result<Subject> ParseSubject(std::string_view text);
// A subject as one that a schema of `parent` refers to: in the parent's context unless it says another.
Result<Subject> ParseSubjectIn(std::string_view text, const std::string& context);

// An error with Confluent's five digits, of which the first three are the HTTP status.
Error RegistryError(int code, std::string message);

inline constexpr int kSubjectNotFound = 40401;
inline constexpr int kVersionNotFound = 40402;
inline constexpr int kSchemaNotFound = 40403;
inline constexpr int kSubjectSoftDeleted = 40404;
inline constexpr int kSubjectNotSoftDeleted = 40405;
inline constexpr int kVersionSoftDeleted = 40406;
inline constexpr int kVersionNotSoftDeleted = 40407;
inline constexpr int kNoSubjectCompatibility = 40408;
inline constexpr int kNoSubjectMode = 40409;
inline constexpr int kIncompatible = 40901;
inline constexpr int kInvalidSchema = 42201;
inline constexpr int kInvalidVersion = 42202;
inline constexpr int kInvalidCompatibility = 42203;
inline constexpr int kInvalidMode = 42204;
inline constexpr int kNotPermitted = 42205;
inline constexpr int kReferenceExists = 42206;
inline constexpr int kInvalidSubject = 42208;
inline constexpr int kSchemaTooLarge = 42209;
inline constexpr int kInvalidRules = 42210;
inline constexpr int kContextNotEmpty = 42211;

}  // namespace tarn::registry

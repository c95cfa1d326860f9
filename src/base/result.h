// Result and Error: how every fallible function in Tarn answers.
//
// A function that can fail returns Result<T> (or Status, which is Result<void>). No exception crosses a component's
// door. An Error is for people: it says what was wrong, where, and what to do next. The code is for programs: each
// protocol maps it once (HTTP status, S3 code, SQLSTATE). Add context at each door with Error::Context.
//
//   Result<int> Parse(std::string_view text);
//   Status Load() {
//       int count = TRY(Parse("12"));
//       if (count < 0) return Error(ErrorCode::kInvalidArgument, "count must not be negative, got {}", count);
//       return Ok();
//   }
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace tarn {

// What kind of failure it is. Stable: protocols map each one exactly once (base/error_map.h).
enum class ErrorCode : uint8_t {
    kInvalidArgument,     // the caller's input is wrong; the same call fails again
    kSyntax,              // text that could not be parsed (SQL, YAML, JSON); `position` may be set
    kNotFound,            // the thing named does not exist, or the caller may not know that it does
    kAlreadyExists,       // create-once lost: something of that name is there
    kUnauthenticated,     // no credential, or a wrong one
    kPermissionDenied,    // known who, not allowed
    kConflict,            // somebody else changed it in between; read again, then retry
    kFailedPrecondition,  // the state does not allow it now (If-Match, not empty, not started)
    kOutOfRange,          // a range or offset outside of what exists
    kNotSupported,        // clear, honest: Tarn does not do this
    kResourceExhausted,   // a configured limit; the message names it
    kUnavailable,         // temporary; retry with back-off
    kTimeout,
    kCancelled,
    kCorruption,  // stored bytes are not what was written
    kIo,          // the operating system failed us (disk full, failed fsync ...)
    kInternal,    // an invariant of ours is broken
};

// The code's stable lower-case name ("not_found"), used in JSON errors, logs and metrics.
std::string_view ErrorCodeName(ErrorCode code);

class [[nodiscard]] Error {
  public:
    Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
    template <typename First, typename... Rest>
    Error(ErrorCode code, fmt::format_string<First, Rest...> format, First&& first, Rest&&... rest)
        : code_(code), message_(fmt::format(format, std::forward<First>(first), std::forward<Rest>(rest)...)) {}

    ErrorCode code() const { return code_; }
    const std::string& message() const { return message_; }
    // What to do next; empty when the message says it.
    const std::string& hint() const { return hint_; }
    // A protocol's own finer code where one is known, e.g. an SQLSTATE ("42P01") or an S3 code ("NoSuchKey").
    const std::string& detail_code() const { return detail_code_; }
    // 1-based character position in the text that the user gave, for kSyntax and SQL errors.
    std::optional<int64_t> position() const { return position_; }

    Error&& WithHint(std::string hint) && { return hint_ = std::move(hint), std::move(*this); }
    Error&& WithDetailCode(std::string code) && { return detail_code_ = std::move(code), std::move(*this); }
    Error&& WithPosition(int64_t position) && { return position_ = position, std::move(*this); }
    // Puts "context: " before the message; the code stays.
    Error&& Context(std::string_view context) && {
        message_ = fmt::format("{}: {}", context, message_);
        return std::move(*this);
    }
    // "not_found: no table delays.flihgts (hint: did you mean delays.flights?)"
    std::string ToString() const;

  private:
    ErrorCode code_;
    std::string message_;
    std::string hint_;
    std::string detail_code_;
    std::optional<int64_t> position_;
};

template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose
    template <typename U>
        requires(std::is_convertible_v<U &&, T> && !std::is_same_v<std::decay_t<U>, T> &&
                 !std::is_same_v<std::decay_t<U>, Error> && !std::is_same_v<std::decay_t<U>, Result>)
    Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}  // NOLINT: implicit on purpose

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }
    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    // By value, so that `for (auto& x : List().value())` iterates over something that lives.
    T value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    const Error& error() const& { return std::get<1>(state_); }
    Error&& error() && { return std::get<1>(std::move(state_)); }
    T value_or(T fallback) && { return ok() ? std::move(*this).value() : std::move(fallback); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

    bool ok() const { return !error_.has_value(); }
    explicit operator bool() const { return ok(); }
    void value() const {}
    const Error& error() const& { return *error_; }
    Error&& error() && { return std::move(*error_); }

  private:
    std::optional<Error> error_;
};

using Status = Result<void>;
inline Status Ok() { return {}; }

}  // namespace tarn

// Evaluates to the value of a Result, or returns its error from the enclosing function. Not in coroutines.
#define TRY(expression)                                                       \
    ({                                                                        \
        auto tarn_try_result = (expression);                                  \
        if (!tarn_try_result.ok()) return std::move(tarn_try_result).error(); \
        std::move(tarn_try_result).value();                                   \
    })

// As TRY, and puts "context: " before the error's message.
#define TRY_CONTEXT(expression, context)                                                       \
    ({                                                                                         \
        auto tarn_try_result = (expression);                                                   \
        if (!tarn_try_result.ok()) return std::move(tarn_try_result).error().Context(context); \
        std::move(tarn_try_result).value();                                                    \
    })

// An invariant of ours, kept on in release. Never fires on input: input gets an Error.
#define TARN_CHECK(condition) ((condition) ? void() : ::tarn::CheckFailed(#condition, __FILE__, __LINE__))

namespace tarn {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace tarn

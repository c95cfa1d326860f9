#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace tarn {
namespace {

Result<int> Half(int number) {
    if (number % 2 != 0) return Error(ErrorCode::kInvalidArgument, "{} is odd", number);
    return number / 2;
}

Result<int> Quarter(int number) {
    int half = TRY_CONTEXT(Half(number), "first half");
    return TRY(Half(half));
}

Result<std::unique_ptr<int>> Boxed(int number) { return std::make_unique<int>(TRY(Half(number))); }

TEST(Result, CarriesValueOrError) {
    EXPECT_EQ(Quarter(8).value(), 2);
    EXPECT_EQ(Quarter(6).error().message(), "3 is odd");
    EXPECT_EQ(Quarter(7).error().ToString(), "invalid_argument: first half: 7 is odd");
    EXPECT_EQ(**Boxed(4), 2);
    EXPECT_FALSE(Boxed(3).ok());
}

Result<std::vector<int>> Numbers() { return std::vector<int>{1, 2, 3}; }

TEST(Result, RangeForOverATemporaryIsSafe) {
    int sum = 0;
    for (int number : Numbers().value()) sum += number;
    EXPECT_EQ(sum, 6);
}

TEST(Error, KeepsHintCodeAndPosition) {
    Error error = Error(ErrorCode::kSyntax, "bad").WithHint("do this").WithDetailCode("42601").WithPosition(7);
    EXPECT_EQ(error.ToString(), "syntax: bad (hint: do this)");
    EXPECT_EQ(error.detail_code(), "42601");
    EXPECT_EQ(error.position(), 7);
}

}  // namespace
}  // namespace tarn

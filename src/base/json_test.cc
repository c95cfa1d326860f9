#include "base/json.h"

#include <gtest/gtest.h>

namespace tarn {
namespace {

TEST(Json, WhatCannotBeReadIsAnErrorOfWhoSentIt) {
    for (const char* text : {"", "{", "[1,]", "1e999", R"({"a": [-1e999]})", "\"\xff\""}) {
        auto json = ParseJson(text);
        ASSERT_FALSE(json.ok()) << text;
        EXPECT_EQ(json.error().code(), ErrorCode::kSyntax) << text;
    }
    EXPECT_TRUE(ParseJson("[1, 2").error().position());
    std::string deep(kJsonDepthMax + 10, '[');
    EXPECT_EQ(ParseJson(deep + std::string(deep.size(), ']')).error().code(), ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace tarn

// For tests that are a game of chance: the same rounds each time, others and more of them by TARN_SEED (the first
// round's) and TARN_ROUNDS, which ./dev soak sets. A round that fails says its seed.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string_view>

namespace tarn {

inline uint64_t NumberOfEnvironment(const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    if (!text) return otherwise;
    std::string_view digits(text);
    uint64_t number = otherwise;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

inline void ForSeeds(uint64_t rounds, const std::function<void(uint64_t seed)>& round) {
    uint64_t first = NumberOfEnvironment("TARN_SEED", 1);
    rounds = NumberOfEnvironment("TARN_ROUNDS", rounds);
    for (uint64_t seed = first; seed < first + rounds; ++seed) {
        round(seed);
        if (testing::Test::HasFailure()) FAIL() << "again: TARN_SEED=" << seed << " TARN_ROUNDS=1";
    }
}

}  // namespace tarn

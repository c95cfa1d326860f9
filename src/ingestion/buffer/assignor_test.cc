#include "ingestion/buffer/assignor.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/fault_disk.h"
#include "base/seeds_for_test.h"

namespace tarn::buffer {
namespace {

using TopicKey = std::array<uint8_t, 16>;
using Sizes = std::map<TopicKey, int32_t>;

TopicKey Topic(uint8_t number) { return {number}; }

size_t CountOf(const Share& share) {
    size_t count = 0;
    for (const auto& [topic, partitions] : share) count += partitions.size();
    return count;
}

// How many partitions changed hands.
size_t Moves(const std::vector<AssignorMember>& members, const std::vector<Share>& shares) {
    size_t moves = 0;
    for (size_t member = 0; member < members.size(); ++member) {
        for (const auto& [topic, partitions] : members[member].had) {
            for (int32_t partition : partitions) {
                auto now = shares[member].find(topic);
                moves += now == shares[member].end() || !now->second.contains(partition) ? 1 : 0;
            }
        }
    }
    return moves;
}

void ExpectWhole(const std::vector<AssignorMember>& members, const Sizes& sizes, const std::vector<Share>& shares) {
    std::map<std::pair<TopicKey, int32_t>, int> given;
    for (size_t member = 0; member < members.size(); ++member) {
        for (const auto& [topic, partitions] : shares[member]) {
            EXPECT_TRUE(members[member].topics.contains(topic));
            for (int32_t partition : partitions) ++given[{topic, partition}];
        }
    }
    for (const auto& [topic, size] : sizes) {
        bool wanted =
            std::any_of(members.begin(), members.end(), [&](const auto& one) { return one.topics.contains(topic); });
        for (int32_t partition = 0; partition < size; ++partition) {
            EXPECT_EQ((given[{topic, partition}]), wanted ? 1 : 0) << partition;
        }
    }
}

TEST(AssignUniform, IsEvenAndSticky) {
    Sizes sizes = {{Topic(1), 6}, {Topic(2), 5}};
    std::vector<AssignorMember> members;
    for (const char* id : {"a", "b", "c"}) members.push_back({.id = id, .topics = {Topic(1), Topic(2)}, .had = {}});
    std::vector<Share> shares = AssignUniform(members, sizes);
    ExpectWhole(members, sizes, shares);
    for (size_t member = 0; member < 3; ++member) members[member].had = shares[member];
    EXPECT_EQ(AssignUniform(members, sizes), shares);
    // One comes: only what it gets moves.
    members.push_back({.id = "d", .topics = {Topic(1), Topic(2)}, .had = {}});
    std::vector<Share> four = AssignUniform(members, sizes);
    ExpectWhole(members, sizes, four);
    EXPECT_EQ(Moves(members, four), CountOf(four[3]));
    EXPECT_EQ(CountOf(four[3]), 2U);
    // One goes: the others keep theirs.
    members.erase(members.begin());
    EXPECT_EQ(Moves(members, AssignUniform(members, sizes)), 0U);
}

TEST(AssignUniform, IsWholeAndEvenWhateverMembersWant) {
    ForSeeds(200, [](uint64_t seed) {
        SeededNumbers numbers(seed);
        Sizes sizes;
        for (uint8_t topic = 0; topic < 5; ++topic) sizes[Topic(topic)] = static_cast<int32_t>(numbers.Below(12));
        std::vector<AssignorMember> members(1 + numbers.Below(8));
        for (AssignorMember& member : members) {
            for (uint8_t topic = 0; topic < 5; ++topic) {
                if (numbers.Below(3) > 0) member.topics.insert(Topic(topic));
                for (int32_t partition = 0; partition < 12; ++partition) {
                    if (numbers.Below(10) == 0) member.had[Topic(topic)].insert(partition);
                }
            }
        }
        std::vector<Share> shares = AssignUniform(members, sizes);
        ExpectWhole(members, sizes, shares);
        // Nobody could give one away to somebody with two less.
        for (size_t from = 0; from < members.size(); ++from) {
            for (const auto& [topic, partitions] : shares[from]) {
                for (size_t to = 0; to < members.size(); ++to) {
                    if (!members[to].topics.contains(topic)) continue;
                    EXPECT_LE(CountOf(shares[from]), CountOf(shares[to]) + 1);
                }
            }
        }
    });
}

TEST(AssignRange, GivesTheSameRangeOfEachTopic) {
    Sizes sizes = {{Topic(1), 7}, {Topic(2), 7}};
    std::vector<AssignorMember> members;
    for (const char* id : {"a", "b", "c"}) members.push_back({.id = id, .topics = {Topic(1), Topic(2)}, .had = {}});
    std::vector<Share> shares = AssignRange(members, sizes);
    ExpectWhole(members, sizes, shares);
    for (const Share& share : shares) EXPECT_EQ(share.at(Topic(1)), share.at(Topic(2)));
}

TEST(Assignors, TakeNobodyAndNothing) {
    EXPECT_TRUE(AssignUniform({}, {{Topic(1), 3}}).empty());
    EXPECT_TRUE(AssignRange({}, {{Topic(1), 3}}).empty());
    EXPECT_EQ(AssignUniform({{.id = "a", .topics = {}, .had = {}}}, {{Topic(1), 3}}), std::vector<Share>(1));
}

}  // namespace
}  // namespace tarn::buffer

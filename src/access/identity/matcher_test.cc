#include "access/identity/matcher.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

#include "base/text.h"

namespace tarn::identity {
namespace {

std::set<uint32_t> All(const PatternTable& table, std::string_view text) {
    std::set<uint32_t> found;
    table.AnyMatch(text, [&](uint32_t value) { return found.insert(value), false; });
    return found;
}

TEST(PatternTable, FindsExactPrefixSuffixAndInnerPatterns) {
    PatternTable table;
    const char* patterns[] = {"delays.flights", "delays.*", "*", "*.flights", "*lay*", "del?ys.*s", "", "?", "*e*.f*"};
    for (uint32_t i = 0; i < std::size(patterns); ++i) table.Add(patterns[i], i);
    EXPECT_EQ(All(table, "delays.flights"), (std::set<uint32_t>{0, 1, 2, 3, 4, 5, 8}));
    EXPECT_EQ(All(table, "delays."), (std::set<uint32_t>{1, 2, 4}));
    EXPECT_EQ(All(table, "delays"), (std::set<uint32_t>{2, 4}));
    EXPECT_EQ(All(table, ""), (std::set<uint32_t>{2, 6}));
    EXPECT_EQ(All(table, "x"), (std::set<uint32_t>{2, 7}));
    EXPECT_EQ(All(table, ".flights"), (std::set<uint32_t>{2, 3}));
}

// The index must find exactly what trying every pattern finds.
TEST(PatternTable, AgreesWithTryingEveryPattern) {
    auto text = [] { return rc::gen::container<std::string>(rc::gen::element('a', 'b', '.')); };
    auto pattern = [] { return rc::gen::container<std::string>(rc::gen::element('a', 'b', '.', '*', '?')); };
    bool holds = rc::check("index = all patterns", [&] {
        auto patterns = *rc::gen::container<std::vector<std::string>>(pattern());
        std::string name = *text();
        PatternTable table;
        std::set<uint32_t> expected;
        for (uint32_t i = 0; i < patterns.size(); ++i) {
            table.Add(patterns[i], i);
            if (MatchesWildcard(patterns[i], name)) expected.insert(i);
        }
        RC_ASSERT(All(table, name) == expected);
    });
    EXPECT_TRUE(holds);
}

TEST(CompiledRole, SaysWhichStatementDecided) {
    RoleDefinition role;
    role.allow.push_back({.actions = {"table:*"}, .resources = {"delays.*"}, .line = 4});
    role.deny.push_back({.actions = {"*"}, .resources = {"delays.salaries"}, .line = 6});
    CompiledRole compiled("policies/a.yaml", "analyst", role);
    ASSERT_NE(compiled.Allows("table:Read", "delays.flights"), nullptr);
    EXPECT_EQ(*compiled.Allows("table:Read", "delays.flights"), "allowed by policies/a.yaml:4 (role analyst)");
    EXPECT_EQ(compiled.Denies("table:Read", "delays.flights"), nullptr);
    ASSERT_NE(compiled.Denies("lake:GetObject", "delays.salaries"), nullptr);
    EXPECT_EQ(*compiled.Denies("lake:GetObject", "delays.salaries"), "denied by policies/a.yaml:6 (role analyst)");
    EXPECT_EQ(compiled.Allows("lake:GetObject", "delays.flights"), nullptr);
    EXPECT_EQ(compiled.Allows("table:Read", "fleet.planes"), nullptr);
    EXPECT_EQ(compiled.Allows("Table:Read", "delays.flights"), nullptr);
}

}  // namespace
}  // namespace tarn::identity

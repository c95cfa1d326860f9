#include "access/identity/restriction.h"

#include <gtest/gtest.h>

namespace tarn::identity {
namespace {

class Facts : public security::TableFacts {
  public:
    security::TableTags TagsOf(const std::string& table) const override {
        auto found = tags.find(table);
        return found == tags.end() ? security::TableTags() : found->second;
    }
    std::string TableOfObject(std::string_view) const override { return {}; }
    uint64_t facts_epoch() const override { return epoch; }
    std::map<std::string, security::TableTags> tags;
    uint64_t epoch = 1;
};

RowFilterDefinition Filter(RestrictedSubject subject, const std::string& table, const std::string& where) {
    return {.subject = std::move(subject), .table = table, .tag = {}, .where = where, .line = 3};
}
MaskDefinition Mask(RestrictedSubject subject, const std::string& column, const std::string& tag,
                    const std::string& with) {
    return {.subject = std::move(subject), .column = column, .tag = tag, .with = with, .line = 5};
}
RestrictedSubject Role(const std::string& role, std::vector<std::string> except = {}) {
    return {.role = role, .user = {}, .except = std::move(except)};
}

TEST(RestrictionTest, FillsWordsAndNothingElse) {
    EXPECT_EQ(FillExpression("left(value, 2) || 'value'", "tail\"num", ""), "left(\"tail\"\"num\", 2) || 'value'");
    EXPECT_EQ(FillExpression("t.value + Value + \"value\"", "a", ""), "t.value + \"a\" + \"value\"");
    EXPECT_EQ(FillExpression("owner = current_user", "", "o'hara"), "owner = 'o''hara'");
    EXPECT_EQ(FillExpression("value > 1", "", "x"), "value > 1");  // of a filter: a column of that name
    EXPECT_EQ(FillExpression("NULL", "a", "b"), "NULL");
}

TEST(RestrictionTest, FiltersOfAllRolesHoldTogether) {
    Restrictions both({"bob", {"analyst", "west"}, {}}, nullptr);
    for (auto* file : {"policies/a.yaml"}) {
        both.Add(file, Filter(Role("analyst"), "delays.flights", "carrier = 'UA'"));
        both.Add(file, Filter(Role("west"), "delays.*", "dest > 'M' OR dest IS NULL"));
        both.Add(file, Filter(Role("other"), "delays.flights", "false"));
    }
    auto of = both.Of("delays.flights");
    EXPECT_EQ(of->obligations.row_filter, "(carrier = 'UA') AND (dest > 'M' OR dest IS NULL)");
    EXPECT_EQ(of->reason, "policies/a.yaml:3, policies/a.yaml:3");
    EXPECT_EQ(both.Of("delays.by_route")->obligations.row_filter, "(dest > 'M' OR dest IS NULL)");
    EXPECT_TRUE(both.Of("fleet.planes")->obligations.empty());
}

TEST(RestrictionTest, EverybodyButThoseWhoAreSpared) {
    auto filter = Filter(Role("*", {"role:auditor", "user:ann", "group:stewards"}), "a.b", "false");
    auto is_spared = [&](RestrictedPerson person) {
        Restrictions restrictions(std::move(person), nullptr);
        restrictions.Add("p.yaml", filter);
        return restrictions.empty();
    };
    EXPECT_FALSE(is_spared({"bob", {"analyst"}, {"crew"}}));
    EXPECT_FALSE(is_spared({"bob", {"admin"}, {}}));
    EXPECT_TRUE(is_spared({"bob", {"auditor"}, {}}));
    EXPECT_TRUE(is_spared({"ann", {}, {}}));
    EXPECT_TRUE(is_spared({"bob", {}, {"stewards"}}));
}

TEST(RestrictionTest, AColumnsOwnMaskComesBeforeOneByTagAndDisputeIsNull) {
    Facts facts;
    facts.tags["d.f"] = {{}, {{"tail", {"id"}}, {"name", {"id", "pii"}}}};
    Restrictions restrictions({"bob", {"r"}, {}}, &facts);
    restrictions.Add("p", Mask(Role("r"), "", "id", "hash(value)"));
    restrictions.Add("p", Mask(Role("r"), "", "pii", "'***'"));
    restrictions.Add("p", Mask(Role("r"), "*.F.Tail", "", "left(value, 2)"));
    restrictions.Add("p", Mask({.role = {}, .user = "eve", .except = {}}, "d.f.other", "", "NULL"));
    auto of = restrictions.Of("d.f");
    ASSERT_EQ(of->obligations.masks.size(), 2u);
    EXPECT_EQ(of->obligations.masks[0].column, "name");
    EXPECT_EQ(of->obligations.masks[0].expression, "NULL");  // hash(value) or '***': neither can be right
    EXPECT_EQ(of->obligations.masks[1].column, "tail");
    EXPECT_EQ(of->obligations.masks[1].expression, "left(\"tail\", 2)");
}

TEST(RestrictionTest, ANewTagHoldsAtOnce) {
    Facts facts;
    Restrictions restrictions({"bob", {"r"}, {}}, &facts);
    restrictions.Add("p", Mask(Role("r"), "", "id", "NULL"));
    EXPECT_TRUE(restrictions.Of("d.f")->obligations.empty());
    facts.tags["d.f"] = {{}, {{"tail", {"id"}}}};
    ++facts.epoch;
    EXPECT_FALSE(restrictions.Of("d.f")->obligations.empty());
}

TEST(RestrictionTest, BadOnesAreRefusedWithWhatToWrite) {
    auto issues_of = [](const std::string& text) {
        std::vector<MaskDefinition> masks;
        std::vector<RowFilterDefinition> filters;
        auto issues = ReadConfig(text, "p.yaml", 1, [&](ConfigBinder& binder) {
            binder.List("masks", masks, "");
            binder.List("row_filters", filters, "");
        });
        return FormatIssues(issues);
    };
    EXPECT_EQ(issues_of("masks: [{role: a, tag: t, with: \"NULL\"}]\nrow_filters: [{user: a, table: b.c, where: x}]"),
              "");
    EXPECT_NE(issues_of("masks: [{tag: t, with: x}]").find("role: NAME"), std::string::npos);
    EXPECT_NE(issues_of("masks: [{role: a, user: b, tag: t, with: x}]").find("either `role"), std::string::npos);
    EXPECT_NE(issues_of("masks: [{role: a, column: \"d.f.*\", with: x}]").find("give them a tag"), std::string::npos);
    EXPECT_NE(issues_of("masks: [{role: a, column: tailnum, with: x}]").find("schema.table.column"), std::string::npos);
    EXPECT_NE(issues_of("masks: [{role: a, tag: t}]").find("with"), std::string::npos);
    EXPECT_NE(issues_of("row_filters: [{role: a, table: flights, where: x}]").find("schema.table"), std::string::npos);
    EXPECT_NE(issues_of("row_filters: [{role: a, where: x}]").find("`tag: TAG`"), std::string::npos);
    EXPECT_NE(issues_of("row_filters: [{role: a, except: [bob], tag: t, where: x}]").find("user:NAME"),
              std::string::npos);
}

}  // namespace
}  // namespace tarn::identity

#include "ingestion/buffer/acls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace tarn::buffer {
namespace {

using enum AclOperation;

class RolesInMemory final : public security::RoleStore {
  public:
    std::vector<security::StoredRole> StoredRoles() const override {
        std::vector<security::StoredRole> all;
        for (const auto& [name, role] : roles) all.push_back(role);
        return all;
    }
    Status PutRole(const security::StoredRole& role) override {
        roles[role.name] = role;
        return Ok();
    }
    Status RemoveRole(const std::string& name) override {
        return roles.erase(name) > 0 ? Ok() : Status(Error(ErrorCode::kNotFound, "no role {}", name));
    }
    std::map<std::string, security::StoredRole> roles;
};

std::vector<Acl> Listed(const Acls& acls, const AclFilter& filter = {}) {
    std::vector<Acl> found;
    for (const Acls::Listed& one : acls.All()) {
        if (filter.Matches(one.acl)) found.push_back(one.acl);
    }
    std::sort(found.begin(), found.end());
    return found;
}

TEST(Acls, ComeBackAsTheyWereMade) {
    RolesInMemory roles;
    Acls acls(roles);
    std::vector<Acl> made;
    for (auto [resource, operation] :
         std::vector<std::pair<AclResource, AclOperation>>{{AclResource::kTopic, kAll},
                                                           {AclResource::kTopic, kRead},
                                                           {AclResource::kTopic, kWrite},
                                                           {AclResource::kTopic, kCreate},
                                                           {AclResource::kTopic, kDelete},
                                                           {AclResource::kTopic, kAlter},
                                                           {AclResource::kTopic, kDescribe},
                                                           {AclResource::kTopic, kDescribeConfigs},
                                                           {AclResource::kTopic, kAlterConfigs},
                                                           {AclResource::kGroup, kAll},
                                                           {AclResource::kGroup, kRead},
                                                           {AclResource::kGroup, kDelete},
                                                           {AclResource::kGroup, kDescribe},
                                                           {AclResource::kTransactionalId, kAll},
                                                           {AclResource::kTransactionalId, kWrite},
                                                           {AclResource::kTransactionalId, kDescribe}}) {
        for (AclPermission permission : {AclPermission::kAllow, AclPermission::kDeny}) {
            Acl acl{.resource = resource, .principal = "User:ann", .operation = operation, .permission = permission};
            acl.name = "orders";
            made.push_back(acl);
            acl.pattern = AclPattern::kPrefixed;
            made.push_back(acl);
            acl.pattern = AclPattern::kLiteral;
            acl.name = "*";
            made.push_back(acl);
        }
    }
    for (AclOperation operation : {kDescribe, kIdempotentWrite, kCreate}) {
        made.push_back({AclResource::kCluster, "kafka-cluster", AclPattern::kLiteral, "User:ann", "*", operation,
                        AclPermission::kAllow});
    }
    ASSERT_TRUE(acls.Add("User:ann", made).ok());
    std::sort(made.begin(), made.end());
    EXPECT_EQ(Listed(acls), made);
    EXPECT_EQ(roles.roles.size(), 1U);
    ASSERT_TRUE(acls.Remove("User:ann", made).ok());
    EXPECT_TRUE(roles.roles.empty());
}

TEST(Acls, AreRolesThatGrantWhatKafkaSaysIsImplied) {
    RolesInMemory roles;
    Acls acls(roles);
    Acl read{.name = "orders-", .pattern = AclPattern::kPrefixed, .principal = "User:*"};
    Acl denied{.name = "orders-secret", .principal = "User:*", .permission = AclPermission::kDeny};
    ASSERT_TRUE(acls.Add("User:*", {read, denied}).ok());
    const security::StoredRole& role = roles.roles.at(Acls::RoleOf("User:*"));
    EXPECT_EQ(role.members, std::vector<std::string>{"user:*"});
    ASSERT_EQ(role.allow.size(), 1U);
    EXPECT_EQ(role.allow[0].actions, (std::vector<std::string>{"topic:Read", "topic:Describe"}));
    EXPECT_EQ(role.allow[0].resources, std::vector<std::string>{"orders-*"});
    ASSERT_EQ(role.deny.size(), 1U);
    EXPECT_EQ(role.deny[0].actions, std::vector<std::string>{"topic:Read"});
}

TEST(Acls, OfOtherRolesAreListedAndNotOurs) {
    RolesInMemory roles;
    roles.roles["reader"] = {.name = "reader",
                             .file = "policies/a.yaml:3",
                             .members = {"group:readers"},
                             .users = {"ann", "bob"},
                             .allow = {{{"topic:Read", "table:Read"}, {"flights", "f*s", "events-*"}}, {{"*"}, {"x"}}}};
    Acls acls(roles);
    EXPECT_EQ(Listed(acls, {.principal = "User:bob", .operation = kRead}).size(), 2U);  // "f*s" has no word
    EXPECT_EQ(Listed(acls, {.principal = "User:ann", .operation = kAll}).size(), 3U);  // topic, group, transaction
    for (const Acls::Listed& one : acls.All()) {
        EXPECT_FALSE(one.own);
        EXPECT_EQ(one.where, "policies/a.yaml:3");
    }
}

TEST(Acls, FiltersMatchAsKafkas) {
    Acl literal{.name = "orders", .principal = "User:ann"};
    Acl prefix{.name = "ord", .pattern = AclPattern::kPrefixed, .principal = "User:ann"};
    Acl all{.name = "*", .principal = "User:ann"};
    AclFilter match{.name = "orders", .pattern = AclPattern::kMatch};
    EXPECT_TRUE(match.Matches(literal) && match.Matches(prefix) && match.Matches(all));
    AclFilter exact{.name = "orders", .pattern = AclPattern::kLiteral};
    EXPECT_TRUE(exact.Matches(literal) && !exact.Matches(prefix) && !exact.Matches(all));
    AclFilter any{.name = "ord", .pattern = AclPattern::kAny};
    EXPECT_TRUE(!any.Matches(literal) && any.Matches(prefix));
    EXPECT_FALSE(AclFilter{.host = "10.0.0.1"}.Matches(literal));
    EXPECT_FALSE(AclFilter{.permission = AclPermission::kDeny}.Matches(literal));
    EXPECT_FALSE(AclFilter{.resource = AclResource::kGroup}.Matches(literal));
}

TEST(Acls, WhatHasNoMeaningHereIsRefused) {
    const std::pair<Acl, const char*> kWrong[] = {
        {{.name = "t", .principal = "Group:x"}, "no principal"},
        {{.name = "t", .principal = "User:ann", .host = "10.0.0.1"}, "every host"},
        {{.name = "a*b", .principal = "User:ann"}, "no name"},
        {{.name = "", .principal = "User:ann"}, "no name"},
        {{.name = "t", .pattern = AclPattern::kMatch, .principal = "User:ann"}, "prefix"},
        {{.resource = AclResource::kCluster, .name = "kafka-cluster", .principal = "User:ann", .operation = kAlter},
         "policies/*.yaml"},
        {{.resource = AclResource::kCluster, .name = "x", .principal = "User:ann", .operation = kCreate},
         "kafka-cluster"},
        {{.name = "t", .principal = "User:ann", .permission = AclPermission::kAny}, "allows or denies"},
    };
    for (const auto& [acl, told] : kWrong) {
        Status checked = Acls::Check(acl);
        ASSERT_FALSE(checked.ok()) << told;
        EXPECT_NE(checked.error().message().find(told), std::string::npos) << checked.error().message();
    }
}

}  // namespace
}  // namespace tarn::buffer

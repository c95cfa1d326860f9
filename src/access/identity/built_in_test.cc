// What everybody who is logged in may do, and that a deny takes it away.
#include "access/identity/built_in.h"

#include <gtest/gtest.h>

#include "access/identity/identity_for_test.h"

namespace tarn::identity {
namespace {

TEST_F(IdentityTest, WhoIsLoggedInMayAskAndLookAfterItselfButSeesNoData) {
    Check(identity_->CreateUser("alice"));
    EXPECT_TRUE(May("alice", "sql:Query", "*"));
    EXPECT_EQ(Why("alice", "sql:Query", "*").reason, "allowed: built in, for everybody who is logged in");
    for (std::string_view action : kOwnActions) {
        EXPECT_TRUE(May("alice", action, "alice")) << action;
        EXPECT_FALSE(May("alice", action, "admin")) << action;
        EXPECT_FALSE(May("alice", action, "*")) << action;
    }
    for (const char* action : {"table:Read", "table:Describe", "lake:GetObject", "run:Read", "user:Delete"}) {
        EXPECT_FALSE(May("alice", action, "alice")) << action;
    }
    EXPECT_FALSE(May("nobody", "sql:Query", "*"));
    EXPECT_FALSE(identity_->Decide(security::Principal::Anonymous(), "sql:Query", {"sql", "*"}).allowed);
}

TEST_F(IdentityTest, ADenyTakesTheBuiltInGrantAway) {
    Check(identity_->CreateUser("robot"));
    SetPolicy(
        "roles:\n"
        "  machines:\n"
        "    members: [user:robot]\n"
        "    deny: [{actions: [\"sql:*\", \"token:Create\"], resources: [\"*\"]}]\n");
    EXPECT_FALSE(May("robot", "sql:Query", "*"));
    EXPECT_FALSE(May("robot", "token:Create", "robot"));
    EXPECT_TRUE(May("robot", "token:Read", "robot"));
    EXPECT_EQ(Why("robot", "sql:Query", "*").reason, "denied by policies/test.yaml:4 (role machines)");
}

}  // namespace
}  // namespace tarn::identity

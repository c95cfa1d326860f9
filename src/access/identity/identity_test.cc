#include "access/identity/identity.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

#include "access/identity/credential.h"
#include "access/identity/identity_for_test.h"

namespace tarn::identity {
namespace {

constexpr const char* kPolicy = R"(roles:
  analyst:
    members: [user:alice, group:analysts]
    allow:
      - {actions: [table:Read], resources: ["delays.*"]}
    deny:
      - {actions: ["*"], resources: ["delays.salaries"]}
  keeper:
    members: [user:alice]
    allow:
      - {actions: ["lake:*"], resources: ["raw/*"]}
groups: {analysts: [bob]}
)";

// ---- users and decisions

TEST_F(IdentityTest, FirstStartMakesOneAdminWithoutACredential) {
    auto users = identity_->Users();
    ASSERT_EQ(users.size(), 1u);
    EXPECT_EQ(users[0].name, "admin");
    EXPECT_EQ(users[0].roles, std::vector<std::string>{"admin"});
    EXPECT_FALSE(users[0].has_password);
    EXPECT_TRUE(identity_->NeedsAdminLink());
    EXPECT_TRUE(May("admin", "anything:AtAll", "x"));
}

TEST_F(IdentityTest, NobodyMayAnythingByDefault) {
    Check(identity_->CreateUser("alice"));
    EXPECT_FALSE(May("alice", "table:Read", "delays.flights"));
    EXPECT_FALSE(May("nobody", "table:Read", "delays.flights"));
    EXPECT_FALSE(identity_->Decide(security::Principal::Anonymous(), "table:Read", {"table", "x"}).allowed);
    EXPECT_TRUE(identity_->Decide(security::Principal::System("lake"), "table:Read", {"table", "x"}).allowed);
}

TEST_F(IdentityTest, PoliciesAllowDenyAndExplain) {
    for (const char* name : {"alice", "bob", "carol"}) Check(identity_->CreateUser(name));
    SetPolicy(kPolicy);
    EXPECT_TRUE(May("alice", "table:Read", "delays.flights"));
    EXPECT_TRUE(May("bob", "table:Read", "delays.flights"));
    EXPECT_FALSE(May("carol", "table:Read", "delays.flights"));
    EXPECT_FALSE(May("alice", "table:Write", "delays.flights"));
    EXPECT_FALSE(May("alice", "table:Read", "delays.salaries"));
    EXPECT_TRUE(May("alice", "lake:GetObject", "raw/a/b"));
    EXPECT_FALSE(May("bob", "lake:GetObject", "raw/a/b"));
    EXPECT_EQ(Why("bob", "table:Read", "delays.flights").reason, "allowed by policies/test.yaml:5 (role analyst)");
    EXPECT_EQ(Why("alice", "table:Read", "delays.salaries").reason, "denied by policies/test.yaml:7 (role analyst)");
    EXPECT_EQ(Why("carol", "table:Read", "x").reason, "carol has no role, so nothing is allowed");
    EXPECT_EQ(Why("bob", "table:Read", "x").reason, "no statement of bob's roles (analyst) allows it");
    auto explained = identity_->Explain("user:bob", "table:Read", {"table", "delays.flights"});
    ASSERT_TRUE(explained.ok());
    EXPECT_TRUE(explained->allowed);
    EXPECT_EQ(CodeOf(identity_->Explain("user:nobody", "table:Read", {"table", "x"})), ErrorCode::kNotFound);
}

TEST_F(IdentityTest, ADenyOfOneRoleBeatsAnAllowOfAnother) {
    Check(identity_->CreateUser("alice"));
    SetPolicy(
        "roles:\n"
        "  all: {members: [user:alice], allow: [{actions: ['*'], resources: ['*']}]}\n"
        "  none: {members: [user:alice], deny: [{actions: ['table:*'], resources: ['*']}]}\n");
    EXPECT_FALSE(May("alice", "table:Read", "x"));
    EXPECT_TRUE(May("alice", "lake:GetObject", "x"));
}

TEST_F(IdentityTest, PoliciesAreReplacedWholeAndSurviveARestart) {
    Check(identity_->CreateUser("alice"));
    SetPolicy(kPolicy);
    uint64_t epoch = identity_->epoch();
    SetPolicy(kPolicy);
    EXPECT_EQ(identity_->epoch(), epoch) << "the same files again change nothing";
    Restart();
    EXPECT_TRUE(May("alice", "table:Read", "delays.flights"));
    epoch = identity_->epoch();
    SetPolicy("roles: {}\n");
    EXPECT_GT(identity_->epoch(), epoch);
    EXPECT_FALSE(May("alice", "table:Read", "delays.flights"));
    Restart();
    EXPECT_FALSE(May("alice", "table:Read", "delays.flights"));
}

TEST_F(IdentityTest, BadPoliciesLeaveTheOldOnesInForce) {
    Check(identity_->CreateUser("alice"));
    SetPolicy(kPolicy);
    auto first = ParsePolicyFile("roles: {a: {}}\n", "policies/1.yaml").value();
    auto second = ParsePolicyFile("roles: {a: {}}\n", "policies/2.yaml").value();
    EXPECT_EQ(CodeOf(identity_->SetPolicies({first, second})), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(May("alice", "table:Read", "delays.flights"));
}

TEST_F(IdentityTest, UnknownServicesAreRefusedOnceTheRowsAreKnown) {
    with_operations_ = true;
    Restart();
    registry_.Add({.protocol = "http", .name = "GET /x", .action = "chart:Read", .resource = "chart"});
    SetPolicy("roles: {a: {allow: [{actions: ['chart:Read', 'table:Read'], resources: ['*']}]}}\n");
    auto wrong = ParsePolicyFile("roles: {a: {deny: [{actions: ['tabel:Read'], resources: ['*']}]}}\n", "p.yaml");
    EXPECT_EQ(CodeOf(identity_->SetPolicies({wrong.value()})), ErrorCode::kInvalidArgument);
}

TEST_F(IdentityTest, TheTokenOfARunIsVoidAfterItAndMakesNoOther) {
    Check(identity_->CreateUser("alice", {"admin"}));
    std::string token = identity_->StartRun("alice", "17", std::chrono::hours(1)).value();
    security::Principal run = identity_->ByToken(token).value();
    EXPECT_EQ(run.Id(), "user:alice");
    EXPECT_EQ(run.credential, "run:17");
    EXPECT_TRUE(identity_->Tokens("alice").empty()) << "it is in no list";
    EXPECT_TRUE(identity_->Refresh(run).ok());
    EXPECT_TRUE(identity_->Decide(run, "table:Read", {"table", "x"}).allowed);
    for (const char* action :
         {"token:Create", "user:SetPassword", "user:Create", "role:Write", "user:CreateLoginLink"}) {
        EXPECT_FALSE(identity_->Decide(run, action, {"user", "alice"}).allowed) << action;
    }
    std::string again = identity_->StartRun("alice", "17", std::chrono::hours(1)).value();
    EXPECT_EQ(CodeOf(identity_->ByToken(token)), ErrorCode::kUnauthenticated) << "a new start of the run voids the old";
    identity_->EndRun("17");
    EXPECT_EQ(CodeOf(identity_->ByToken(again)), ErrorCode::kUnauthenticated);
    EXPECT_EQ(CodeOf(identity_->Refresh(run)), ErrorCode::kUnauthenticated);
    std::string expired = identity_->StartRun("alice", "18", std::chrono::seconds(-1)).value();
    EXPECT_EQ(CodeOf(identity_->ByToken(expired)), ErrorCode::kUnauthenticated);
    EXPECT_EQ(CodeOf(identity_->StartRun("nobody", "19", std::chrono::hours(1))), ErrorCode::kNotFound);
    std::string left = identity_->StartRun("alice", "20", std::chrono::hours(1)).value();
    Check(identity_->CreateUser("bob", {"admin"}));
    Check(identity_->DeleteUser("alice"));
    EXPECT_EQ(CodeOf(identity_->ByToken(left)), ErrorCode::kUnauthenticated);
}

TEST_F(IdentityTest, ADecisionFollowsTheNameNotTheRolesThatAPrincipalCarries) {
    Check(identity_->CreateUser("alice", {"admin"}));
    security::Principal stale = identity_->ByToken(identity_->CreateToken("alice", "t").value()).value();
    EXPECT_TRUE(stale.HasRole("admin"));
    Check(identity_->RevokeRole("alice", "admin"));
    EXPECT_FALSE(identity_->Decide(stale, "table:Read", {"table", "x"}).allowed);
}

TEST_F(IdentityTest, TheLastAdminStays) {
    EXPECT_EQ(CodeOf(identity_->DeleteUser("admin")), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(CodeOf(identity_->RevokeRole("admin", "admin")), ErrorCode::kFailedPrecondition);
    Check(identity_->CreateUser("alice", {"admin"}));
    Check(identity_->DeleteUser("admin"));
    EXPECT_EQ(CodeOf(identity_->DeleteUser("alice")), ErrorCode::kFailedPrecondition);
}

TEST_F(IdentityTest, RolesOfFilesBelongToTheirFiles) {
    Check(identity_->CreateUser("carol"));
    SetPolicy(kPolicy);
    Status granted = identity_->GrantRole("carol", "analyst");
    EXPECT_EQ(CodeOf(granted), ErrorCode::kFailedPrecondition);
    EXPECT_NE(granted.error().message().find("policies/test.yaml:3"), std::string::npos) << granted.error().message();
    EXPECT_EQ(CodeOf(identity_->PutApiRole("analyst", Json::object())), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(CodeOf(identity_->DeleteApiRole("analyst")), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(CodeOf(identity_->GrantRole("carol", "unknown")), ErrorCode::kNotFound);
}

TEST_F(IdentityTest, RolesOfTheApi) {
    Check(identity_->CreateUser("carol"));
    Json definition = {{"allow", {{{"actions", {"table:Read"}}, {"resources", {"fleet.*"}}}}}};
    Check(identity_->PutApiRole("pilot", definition));
    EXPECT_FALSE(May("carol", "table:Read", "fleet.planes"));
    Check(identity_->GrantRole("carol", "pilot"));
    EXPECT_TRUE(May("carol", "table:Read", "fleet.planes"));
    Restart();
    EXPECT_TRUE(May("carol", "table:Read", "fleet.planes"));
    EXPECT_EQ(CodeOf(identity_->PutApiRole("pilot", {{"masks", 1}})), ErrorCode::kInvalidArgument);
    EXPECT_EQ(CodeOf(identity_->PutApiRole("admin", Json::object())), ErrorCode::kInvalidArgument);
    Check(identity_->DeleteApiRole("pilot"));
    EXPECT_FALSE(May("carol", "table:Read", "fleet.planes"));
    Check(identity_->PutApiRole("pilot", definition));
    EXPECT_FALSE(May("carol", "table:Read", "fleet.planes")) << "a role made anew has no old members";
}

TEST_F(IdentityTest, ARoleOfEverybodyIsOfUsersToComeToo) {
    Check(identity_->CreateUser("carol"));
    Check(identity_->PutRole({.name = "all", .members = {"user:*"}, .allow = {{{"table:Read"}, {"fleet.*"}}}}));
    EXPECT_TRUE(May("carol", "table:Read", "fleet.planes"));
    Check(identity_->CreateUser("dora"));
    EXPECT_TRUE(May("dora", "table:Read", "fleet.planes"));
    auto roles = identity_->StoredRoles();
    auto all = std::find_if(roles.begin(), roles.end(), [](const auto& role) { return role.name == "all"; });
    ASSERT_NE(all, roles.end());
    EXPECT_EQ(all->allow[0].resources, std::vector<std::string>{"fleet.*"});
    EXPECT_EQ(all->users.size(), 3U);  // and admin
    Check(identity_->RemoveRole("all"));
    EXPECT_FALSE(May("dora", "table:Read", "fleet.planes"));
}

// ---- tokens

TEST_F(IdentityTest, TokensAreShownOnceNamedAndExpire) {
    Check(identity_->CreateUser("alice"));
    std::string token = identity_->CreateToken("alice", "ci", std::chrono::hours(1)).value();
    auto principal = identity_->ByToken(token);
    ASSERT_TRUE(principal.ok());
    EXPECT_EQ(principal->name, "alice");
    EXPECT_EQ(principal->credential, "token:ci");
    EXPECT_EQ(CodeOf(identity_->CreateToken("alice", "ci")), ErrorCode::kAlreadyExists);
    EXPECT_EQ(CodeOf(identity_->CreateToken("nobody", "ci")), ErrorCode::kNotFound);
    EXPECT_EQ(CodeOf(identity_->CreateToken("alice", "a b")), ErrorCode::kInvalidArgument);
    EXPECT_EQ(CodeOf(identity_->CreateToken("alice", "x", std::chrono::hours(24 * 1000))), ErrorCode::kInvalidArgument);
    Restart();
    EXPECT_TRUE(identity_->ByToken(token).ok());
    ASSERT_EQ(identity_->Tokens("alice").size(), 1u);
    EXPECT_EQ(identity_->Tokens("alice")[0].last_used_at, fake_.clock.Now());
    fake_.clock.Sleep(std::chrono::hours(1));
    EXPECT_EQ(CodeOf(identity_->ByToken(token)), ErrorCode::kUnauthenticated);
}

TEST_F(IdentityTest, ARevokedTokenEndsAtOnceAndStaysRevoked) {
    std::string token = identity_->CreateToken("admin", "ci").value();
    security::Principal open = identity_->ByToken(token).value();
    EXPECT_TRUE(identity_->Refresh(open).ok());
    Check(identity_->DeleteToken("admin", "ci"));
    EXPECT_EQ(CodeOf(identity_->ByToken(token)), ErrorCode::kUnauthenticated);
    EXPECT_EQ(CodeOf(identity_->Refresh(open)), ErrorCode::kUnauthenticated);
    EXPECT_EQ(CodeOf(identity_->DeleteToken("admin", "ci")), ErrorCode::kNotFound);
    Restart();
    EXPECT_EQ(CodeOf(identity_->ByToken(token)), ErrorCode::kUnauthenticated);
}

TEST_F(IdentityTest, MintedTokensReplaceEachOtherAndLeaveTheLinkNeeded) {
    std::string first = identity_->MintToken("admin", "scripts", std::chrono::hours(24)).value();
    std::string second = identity_->MintToken("admin", "scripts", std::chrono::hours(24)).value();
    EXPECT_FALSE(identity_->ByToken(first).ok());
    EXPECT_TRUE(identity_->ByToken(second).ok());
    EXPECT_TRUE(identity_->NeedsAdminLink());
    EXPECT_TRUE(identity_->CreateToken("admin", "mine").ok());
    EXPECT_FALSE(identity_->NeedsAdminLink());
}

TEST_F(IdentityTest, TimesOfLastUseAreKept) {
    std::string token = identity_->CreateToken("admin", "ci").value();
    fake_.clock.Sleep(std::chrono::hours(2));
    Timestamp used = fake_.clock.Now();
    EXPECT_TRUE(identity_->ByToken(token).ok());
    identity_->Stop();
    Restart();
    EXPECT_EQ(identity_->Tokens("admin")[0].last_used_at, used);
}

TEST_F(IdentityTest, NoCredentialIsOnTheDisk) {
    std::string token = identity_->CreateToken("admin", "ci").value();
    Check(identity_->SetPassword("admin", "correct horse"));
    auto session = identity_->Login("admin", "correct horse", "127.0.0.1").value();
    auto key = identity_->CreateS3Key("admin", "").value();
    std::string link = SecretOf(identity_->AdminLink().value());
    std::string all;
    for (const char* table : {"users", "tokens", "sessions", "s3_keys", "links"}) {
        Check(database_->Scan(fmt::format("SELECT * FROM identity_{}", table), {}, [&](const metadata::Row& row) {
            for (const metadata::Value& value : row)
                all += value.text() + "|" + std::string(AsText(value.blob())) + "|";
            return true;
        }));
    }
    EXPECT_NE(all.find(HashOf(token)), std::string::npos);
    std::string secret(key.secret_access_key.text());
    for (const std::string& credential : {token, session.cookie, secret, link, std::string("correct horse")}) {
        EXPECT_EQ(all.find(credential), std::string::npos);
    }
}

// ---- passwords

TEST_F(IdentityTest, PasswordsLogInAndFailAlike) {
    Check(identity_->CreateUser("alice"));
    Check(identity_->CreateUser("tokenonly"));
    Check(identity_->SetPassword("alice", "correct horse"));
    auto principal = identity_->ByPassword("alice", "correct horse");
    ASSERT_TRUE(principal.ok());
    EXPECT_EQ(principal->name, "alice");
    auto wrong = identity_->ByPassword("alice", "wrong");
    auto unknown = identity_->ByPassword("nobody", "wrong");
    auto none = identity_->ByPassword("tokenonly", "");
    EXPECT_EQ(CodeOf(wrong), ErrorCode::kUnauthenticated);
    EXPECT_EQ(wrong.error().ToString(), unknown.error().ToString());
    EXPECT_EQ(wrong.error().ToString(), none.error().ToString());
    EXPECT_EQ(CodeOf(identity_->SetPassword("alice", "short")), ErrorCode::kInvalidArgument);
    EXPECT_EQ(CodeOf(identity_->SetPassword("nobody", "correct horse")), ErrorCode::kNotFound);
}

TEST_F(IdentityTest, ANewPasswordReplacesBothVerifiersAndEndsSessions) {
    Check(identity_->CreateUser("alice"));
    Check(identity_->SetPassword("alice", "correct horse"));
    auto kept = identity_->Login("alice", "correct horse", "a").value();
    auto other = identity_->Login("alice", "correct horse", "b").value();
    security::Principal open = identity_->AfterScram("alice").value();
    security::ScramVerifier before = identity_->ScramOf("alice");
    EXPECT_TRUE(identity_->Refresh(open).ok());
    Check(identity_->SetPassword("alice", "battery staple", kept.principal.credential.substr(8)));
    security::ScramVerifier after = identity_->ScramOf("alice");
    EXPECT_NE(before.salt, after.salt);
    EXPECT_NE(before.stored_key, after.stored_key);
    EXPECT_NE(before.server_key, after.server_key);
    EXPECT_FALSE(identity_->ByPassword("alice", "correct horse").ok());
    EXPECT_TRUE(identity_->ByPassword("alice", "battery staple").ok());
    EXPECT_EQ(CodeOf(identity_->Refresh(open)), ErrorCode::kUnauthenticated);
    EXPECT_TRUE(identity_->BySession(kept.cookie).ok());
    EXPECT_FALSE(identity_->BySession(other.cookie).ok());
    Restart();
    EXPECT_EQ(identity_->ScramOf("alice").stored_key, after.stored_key);
    EXPECT_FALSE(identity_->BySession(other.cookie).ok());
    Check(identity_->SetPassword("alice", ""));
    EXPECT_FALSE(identity_->ByPassword("alice", "battery staple").ok());
    EXPECT_FALSE(identity_->HasPassword("alice"));
}

TEST_F(IdentityTest, ScramOfUnknownUsersIsAStableFake) {
    security::ScramVerifier first = identity_->ScramOf("nobody");
    EXPECT_FALSE(first.known);
    EXPECT_EQ(first.salt.size(), identity_->ScramOf("somebody").salt.size());
    EXPECT_NE(first.salt, identity_->ScramOf("somebody").salt);
    Restart();
    EXPECT_EQ(first.salt, identity_->ScramOf("nobody").salt);
    EXPECT_TRUE(identity_->HasPassword("nobody"));
    EXPECT_EQ(CodeOf(identity_->AfterScram("nobody")), ErrorCode::kUnauthenticated);
}

TEST_F(IdentityTest, GuessingIsBraked) {
    Check(identity_->SetPassword("admin", "correct horse"));
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(CodeOf(identity_->Login("admin", "wrong", "10.0.0.1")), ErrorCode::kUnauthenticated);
    }
    EXPECT_EQ(CodeOf(identity_->Login("admin", "correct horse", "10.0.0.1")), ErrorCode::kResourceExhausted);
    EXPECT_TRUE(identity_->Login("admin", "correct horse", "10.0.0.2").ok());
    fake_.clock.Sleep(std::chrono::seconds(2));
    EXPECT_TRUE(identity_->Login("admin", "correct horse", "10.0.0.1").ok());
}

// ---- sessions and the link

TEST_F(IdentityTest, SessionsEndIdleOverdueOrLoggedOut) {
    Check(identity_->SetPassword("admin", "correct horse"));
    auto session = identity_->Login("admin", "correct horse", "127.0.0.1").value();
    EXPECT_EQ(identity_->BySession(session.cookie).value().credential, session.principal.credential);
    Restart();
    EXPECT_TRUE(identity_->BySession(session.cookie).ok());
    for (int i = 0; i < 13; ++i) {
        fake_.clock.Sleep(std::chrono::hours(11));
        EXPECT_TRUE(identity_->BySession(session.cookie).ok()) << i;
    }
    fake_.clock.Sleep(std::chrono::hours(12));
    EXPECT_FALSE(identity_->BySession(session.cookie).ok()) << "idle";

    auto second = identity_->Login("admin", "correct horse", "127.0.0.1").value();
    for (int i = 0; i < 16; ++i) {
        fake_.clock.Sleep(std::chrono::hours(10));
        EXPECT_TRUE(identity_->BySession(second.cookie).ok());
    }
    fake_.clock.Sleep(std::chrono::hours(9));
    EXPECT_FALSE(identity_->BySession(second.cookie).ok()) << "a week old";

    auto third = identity_->Login("admin", "correct horse", "127.0.0.1").value();
    EXPECT_EQ(identity_->Sessions("admin").size(), 1u);
    Check(identity_->Logout(third.cookie));
    EXPECT_FALSE(identity_->BySession(third.cookie).ok());
    EXPECT_FALSE(identity_->BySession("").ok());
    Restart();
    EXPECT_FALSE(identity_->BySession(third.cookie).ok());
}

TEST_F(IdentityTest, SessionsAreListedEndedAndLimited) {
    config_.sessions_per_user_max = 2;
    Restart();
    Check(identity_->SetPassword("admin", "correct horse"));
    auto first = identity_->Login("admin", "correct horse", "1").value();
    fake_.clock.Sleep(std::chrono::seconds(1));
    auto second = identity_->Login("admin", "correct horse", "2").value();
    fake_.clock.Sleep(std::chrono::seconds(1));
    auto third = identity_->Login("admin", "correct horse", "3").value();
    EXPECT_FALSE(identity_->BySession(first.cookie).ok());
    auto sessions = identity_->Sessions("admin");
    ASSERT_EQ(sessions.size(), 2u);
    EXPECT_EQ(CodeOf(identity_->EndSession("somebody", sessions[0].id)), ErrorCode::kNotFound);
    Check(identity_->EndSession("admin", sessions[0].id));
    EXPECT_FALSE(identity_->BySession(third.cookie).ok());
    EXPECT_TRUE(identity_->BySession(second.cookie).ok());
}

TEST_F(IdentityTest, TheLinkWorksOnce) {
    std::string path = identity_->AdminLink().value();
    EXPECT_TRUE(path.starts_with("/login#link=")) << path;
    EXPECT_EQ(SecretOf(path).size(), 43u);
    EXPECT_FALSE(identity_->LoginByLink("wrong", "").ok());
    auto session = identity_->LoginByLink(SecretOf(path), "127.0.0.1");
    ASSERT_TRUE(session.ok()) << session.error().ToString();
    EXPECT_TRUE(session->principal.HasRole("admin"));
    EXPECT_EQ(CodeOf(identity_->LoginByLink(SecretOf(path), "")), ErrorCode::kUnauthenticated);
}

TEST_F(IdentityTest, TheLinkExpiresAndANewOneVoidsIt) {
    std::string first = SecretOf(identity_->AdminLink().value());
    std::string second = SecretOf(identity_->AdminLink().value());
    EXPECT_FALSE(identity_->LoginByLink(first, "").ok());
    fake_.clock.Sleep(std::chrono::hours(1));
    EXPECT_FALSE(identity_->LoginByLink(second, "").ok());
}

TEST_F(IdentityTest, OfManyWhoUseTheLinkAtOnceOneGetsIn) {
    std::string secret = SecretOf(identity_->AdminLink().value());
    std::atomic<int> in{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] { in += identity_->LoginByLink(secret, "").ok() ? 1 : 0; });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(in, 1);
}

// ---- S3 keys

TEST_F(IdentityTest, S3KeysComeBackWholeForSignatures) {
    Check(identity_->CreateUser("alice"));
    auto made = identity_->CreateS3Key("alice", "laptop");
    ASSERT_TRUE(made.ok());
    Restart();
    auto key = identity_->ByS3KeyId(made->access_key_id);
    ASSERT_TRUE(key.ok());
    EXPECT_EQ(key->principal.name, "alice");
    EXPECT_EQ(key->principal.credential, "s3-key:" + made->access_key_id);
    EXPECT_EQ(key->secret_access_key.text(), made->secret_access_key.text());
    EXPECT_EQ(identity_->S3Keys("alice")[0].description, "laptop");
    Check(identity_->DeleteS3Key(made->access_key_id));
    EXPECT_EQ(CodeOf(identity_->ByS3KeyId(made->access_key_id)), ErrorCode::kUnauthenticated);
    EXPECT_EQ(CodeOf(identity_->Refresh(key->principal)), ErrorCode::kUnauthenticated);
}

TEST_F(IdentityTest, ADeletedUserHasNothingLeftEvenUnderTheSameName) {
    Check(identity_->CreateUser("alice"));
    Check(identity_->SetPassword("alice", "correct horse"));
    std::string token = identity_->CreateToken("alice", "ci").value();
    auto session = identity_->Login("alice", "correct horse", "").value();
    std::string key = identity_->CreateS3Key("alice", "").value().access_key_id;
    Check(identity_->DeleteUser("alice"));
    for (int round = 0; round < 3; ++round) {
        EXPECT_FALSE(identity_->ByToken(token).ok());
        EXPECT_FALSE(identity_->BySession(session.cookie).ok());
        EXPECT_FALSE(identity_->ByS3KeyId(key).ok());
        EXPECT_FALSE(identity_->ByPassword("alice", "correct horse").ok());
        if (round == 0) Check(identity_->CreateUser("alice"));
        if (round == 1) Restart();
    }
}

TEST_F(IdentityTest, LimitsHold) {
    config_.users_max = 2;
    config_.tokens_per_user_max = 1;
    config_.s3_keys_per_user_max = 1;
    Restart();
    Check(identity_->CreateUser("alice"));
    EXPECT_EQ(CodeOf(identity_->CreateUser("bob")), ErrorCode::kResourceExhausted);
    EXPECT_EQ(CodeOf(identity_->CreateUser("alice")), ErrorCode::kAlreadyExists);
    EXPECT_EQ(CodeOf(identity_->CreateUser("A")), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(identity_->CreateToken("alice", "a").ok());
    EXPECT_EQ(CodeOf(identity_->CreateToken("alice", "b")), ErrorCode::kResourceExhausted);
    EXPECT_TRUE(identity_->CreateS3Key("alice", "").ok());
    EXPECT_EQ(CodeOf(identity_->CreateS3Key("alice", "")), ErrorCode::kResourceExhausted);
}

TEST_F(IdentityTest, ManyThreadsDecideWhilePoliciesChange) {
    Check(identity_->CreateUser("alice"));
    std::string token = identity_->CreateToken("alice", "t").value();
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            while (!stop) {
                EXPECT_TRUE(identity_->ByToken(token).ok());
                // Never allowed by any of the policies that come and go.
                EXPECT_FALSE(May("alice", "table:Read", "delays.salaries"));
            }
        });
    }
    for (int i = 0; i < 20; ++i) {
        SetPolicy(i % 2 == 0 ? kPolicy : "roles: {}\n");
        Check(identity_->CreateUser(fmt::format("user{}", i)));
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
}

TEST_F(IdentityTest, PolicyKindFitsTheWorkspace) {
    workspace::Kind kind = identity_->PolicyKind();
    workspace::Definition definition{.kind = "policy", .name = "test", .file = "policies/test.yaml", .text = kPolicy};
    workspace::Issues issues;
    kind.parse(definition, issues);
    kind.validate({definition}, issues);
    EXPECT_EQ(FormatIssues(issues), "");
    Check(identity_->CreateUser("bob"));
    Check(kind.activate({definition}));
    EXPECT_TRUE(May("bob", "table:Read", "delays.flights"));
}

}  // namespace
}  // namespace tarn::identity

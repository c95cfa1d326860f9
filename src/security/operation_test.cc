#include "security/operation.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "security/fakes_for_test.h"
#include "security/hidden.h"

namespace tarn::security {
namespace {

constexpr Operation kReadRun{.protocol = "http", .name = "GET /runs", .action = "run:Read", .resource = "run"};
constexpr Operation kCancelRun{.protocol = "http",
                               .name = "DELETE /runs",
                               .action = "run:Cancel",
                               .resource = "run",
                               .audit_class = AuditClass::kChange};
constexpr Operation kHealth{.protocol = "http",
                            .name = "GET /health",
                            .action = kPublicAction,
                            .resource = "platform",
                            .audit_class = AuditClass::kPublic};
constexpr Operation kLogin{.protocol = "http",
                           .name = "POST /login",
                           .action = kPublicAction,
                           .resource = "platform",
                           .audit_class = AuditClass::kAdministration};
constexpr Operation kMe{.protocol = "http", .name = "GET /me", .action = kSelfAction, .resource = "user"};

Principal User(std::string name) {
    Principal principal;
    principal.kind = PrincipalKind::kUser;
    principal.name = std::move(name);
    principal.credential = "token:test";
    return principal;
}

class DispatcherTest : public testing::Test {
  protected:
    Status Run(
        const Operation& operation, const Principal& principal,
        const std::function<Status(Call&)>& handler = [](Call&) { return Ok(); }) {
        return dispatcher_.Run(operation, principal, {"run", "7"}, "127.0.0.1:5000", handler);
    }
    ErrorCode CodeOf(const Status& status) { return status.ok() ? ErrorCode::kInternal : status.error().code(); }

    FakeEnv fake_;
    FakeGate gate_;
    FakeAudit audit_;
    Metrics metrics_;
    Dispatcher dispatcher_{fake_.env, gate_, audit_, metrics_};
};

TEST_F(DispatcherTest, RecordsBeginBeforeTheHandlerAndEndAfterIt) {
    gate_.allowed.insert("user:alice run:Read 7");
    ASSERT_TRUE(Run(kReadRun, User("alice"), [&](Call& call) {
                    EXPECT_EQ(audit_.events.size(), 1u);
                    EXPECT_TRUE(call.decision.allowed);
                    call.rows = 3;
                    call.bytes = 42;
                    call.details["sql"] = "SELECT 1";
                    fake_.clock.Sleep(Duration(500));
                    return Ok();
                }).ok());
    ASSERT_EQ(audit_.events.size(), 2u);
    const AuditEvent& begin = audit_.events[0].first;
    const AuditEvent& end = audit_.events[1].first;
    EXPECT_EQ(begin.phase, AuditPhase::kBegin);
    EXPECT_EQ(end.phase, AuditPhase::kEnd);
    EXPECT_EQ(begin.call_id, end.call_id);
    EXPECT_EQ(end.principal, "user:alice");
    EXPECT_EQ(end.credential, "token:test");
    EXPECT_EQ(end.remote, "127.0.0.1:5000");
    EXPECT_EQ(end.resource, "run:7");
    EXPECT_EQ(end.status, "ok");
    EXPECT_EQ(end.rows, 3);
    EXPECT_EQ(end.bytes, 42);
    EXPECT_EQ(end.duration_us, 500);
    EXPECT_EQ(end.details["sql"], "SELECT 1");
    EXPECT_EQ(audit_.events[1].second, AuditDurability::kWritten);
}

TEST_F(DispatcherTest, EndOfAChangeIsSyncedBeforeRunReturns) {
    gate_.allowed.insert("user:alice run:Cancel 7");
    ASSERT_TRUE(Run(kCancelRun, User("alice")).ok());
    ASSERT_EQ(audit_.events.size(), 2u);
    EXPECT_EQ(audit_.events[0].second, AuditDurability::kWritten);
    EXPECT_EQ(audit_.events[1].second, AuditDurability::kSynced);
}

TEST_F(DispatcherTest, DenialIsSyncedAndTheHandlerNeverRuns) {
    bool ran = false;
    Status status = Run(kReadRun, User("bob"), [&](Call&) { return ran = true, Ok(); });
    EXPECT_EQ(CodeOf(status), ErrorCode::kPermissionDenied);
    EXPECT_FALSE(ran);
    ASSERT_EQ(audit_.events.size(), 1u);
    EXPECT_EQ(audit_.events[0].first.phase, AuditPhase::kDenied);
    EXPECT_EQ(audit_.events[0].first.details["reason"], "no statement allows it");
    EXPECT_EQ(audit_.events[0].second, AuditDurability::kSynced);
}

TEST_F(DispatcherTest, HandlersErrorIsRecordedAndReturned) {
    gate_.allowed.insert("user:alice run:Read 7");
    Status status = Run(kReadRun, User("alice"), [](Call&) -> Status { return Error(ErrorCode::kNotFound, "gone"); });
    EXPECT_EQ(CodeOf(status), ErrorCode::kNotFound);
    EXPECT_EQ(audit_.events.back().first.status, "not_found");
}

TEST_F(DispatcherTest, AnExceptionClosesTheCallToo) {
    gate_.allowed.insert("user:alice run:Read 7");
    Status status = Run(kReadRun, User("alice"), [](Call&) -> Status { throw std::runtime_error("boom"); });
    EXPECT_EQ(CodeOf(status), ErrorCode::kInternal);
    EXPECT_EQ(audit_.events.back().first.status, "internal");
}

TEST_F(DispatcherTest, ARefusalBelowTheDispatchIsASyncedDenial) {
    Status status =
        Run(kMe, User("alice"), [](Call&) -> Status { return Error(ErrorCode::kPermissionDenied, "not yours"); });
    EXPECT_EQ(CodeOf(status), ErrorCode::kPermissionDenied);
    ASSERT_EQ(audit_.events.size(), 2u);
    EXPECT_EQ(audit_.events[1].first.phase, AuditPhase::kDenied);
    EXPECT_EQ(audit_.events[1].first.call_id, audit_.events[0].first.call_id);
    EXPECT_EQ(audit_.events[1].first.status, "permission_denied");
    EXPECT_EQ(audit_.events[1].first.details["reason"], "not yours");
    EXPECT_EQ(audit_.events[1].second, AuditDurability::kSynced);
}

TEST_F(DispatcherTest, WhatIsHiddenIsADenialToTheLogAndAbsentToTheCaller) {
    Status status = Run(kMe, User("alice"), [](Call&) -> Status {
        return Error(ErrorCode::kPermissionDenied, "there is no table a.b that you may read")
            .WithDetailCode(std::string(kHiddenDetailCode))
            .WithHint("did you mean a.c?")
            .WithPosition(15);
    });
    ASSERT_EQ(CodeOf(status), ErrorCode::kNotFound);
    EXPECT_EQ(status.error().message(), "there is no table a.b that you may read");
    EXPECT_EQ(status.error().detail_code(), "42P01");
    EXPECT_EQ(status.error().hint(), "did you mean a.c?");
    EXPECT_EQ(status.error().position(), 15);
    EXPECT_EQ(audit_.events.back().first.phase, AuditPhase::kDenied);
    EXPECT_EQ(audit_.events.back().first.status, "permission_denied");
    EXPECT_EQ(audit_.events.back().second, AuditDurability::kSynced);
}

TEST_F(DispatcherTest, TheOpeningRecordSaysWhatIsAskedOnceTheGateSaidYes) {
    auto tell = [](Call& call) { return call.details["sql"] = "SELECT 1", Ok(); };
    auto handler = [&](Call&) {
        EXPECT_EQ(audit_.events.back().first.details, (Json{{"tables", {"a.b"}}, {"sql", "SELECT 1"}}));
        return Ok();
    };
    gate_.allowed.insert("user:alice run:Read 7");
    Opening opening{.details = {{"tables", {"a.b"}}}, .tell = tell};
    EXPECT_TRUE(dispatcher_.Run(kReadRun, User("alice"), {"run", "7"}, "", handler, opening).ok());
    EXPECT_EQ(audit_.events.size(), 2u);
    bool told = false;
    opening.tell = [&](Call&) { return told = true, Ok(); };
    EXPECT_FALSE(dispatcher_.Run(kReadRun, User("bob"), {"run", "7"}, "", handler, opening).ok());
    EXPECT_FALSE(told);
}

TEST_F(DispatcherTest, AnOpeningThatFailsEndsTheCallWithBothRecords) {
    gate_.allowed.insert("user:alice run:Read 7");
    bool ran = false;
    Opening opening{.tell = [](Call&) -> Status { return Error(ErrorCode::kInvalidArgument, "the body is empty"); }};
    auto handler = [&](Call&) { return ran = true, Ok(); };
    Status status = dispatcher_.Run(kReadRun, User("alice"), {"run", "7"}, "", handler, std::move(opening));
    EXPECT_EQ(CodeOf(status), ErrorCode::kInvalidArgument);
    EXPECT_FALSE(ran);
    ASSERT_EQ(audit_.events.size(), 2u);
    EXPECT_EQ(audit_.events[1].first.status, "invalid_argument");
}

TEST_F(DispatcherTest, WhatTheProgramDoesByItselfIsOnDiskBeforeItBegins) {
    Operation own = kCancelRun;
    own.protocol = "internal";
    ASSERT_TRUE(Run(own, Principal::System("batch")).ok());
    ASSERT_EQ(audit_.events.size(), 2u);
    EXPECT_EQ(audit_.events[0].first.principal, "system:batch");
    EXPECT_EQ(audit_.events[0].second, AuditDurability::kSynced);
    EXPECT_EQ(audit_.events[1].second, AuditDurability::kSynced);
}

TEST(StatementText, IsBoundedAtACharacter) {
    EXPECT_EQ(StatementText("SELECT 1"), "SELECT 1");
    std::string text = StatementText(std::string(kStatementBytesMax - 1, 'x') + "äöü");
    EXPECT_EQ(text, std::string(kStatementBytesMax - 1, 'x') + "… (65541 bytes)");
}

TEST_F(DispatcherTest, NoRecordNoHandler) {
    gate_.allowed.insert("user:alice run:Read 7");
    audit_.fails_at = 0;
    bool ran = false;
    Status status = Run(kReadRun, User("alice"), [&](Call&) { return ran = true, Ok(); });
    EXPECT_EQ(CodeOf(status), ErrorCode::kIo);
    EXPECT_FALSE(ran);
}

TEST_F(DispatcherTest, NoClosingRecordNoAnswer) {
    gate_.allowed.insert("user:alice run:Cancel 7");
    audit_.fails_at = 1;
    EXPECT_EQ(CodeOf(Run(kCancelRun, User("alice"))), ErrorCode::kIo);
}

TEST_F(DispatcherTest, DenialThatCannotBeRecordedStaysADenial) {
    audit_.fails_at = 0;
    EXPECT_FALSE(Run(kReadRun, User("bob")).ok());
}

TEST_F(DispatcherTest, SelfNeedsOnlyALogin) {
    EXPECT_TRUE(Run(kMe, User("bob")).ok());
    EXPECT_EQ(gate_.decisions, 0);
    EXPECT_EQ(CodeOf(Run(kMe, Principal::Anonymous())), ErrorCode::kUnauthenticated);
}

TEST_F(DispatcherTest, AnonymousIsNeverAskedAboutAtTheGate) {
    gate_.allowed.insert("anonymous run:Read 7");
    EXPECT_EQ(CodeOf(Run(kReadRun, Principal::Anonymous())), ErrorCode::kUnauthenticated);
    EXPECT_EQ(gate_.decisions, 0);
}

TEST_F(DispatcherTest, PublicIsOnlyCounted) {
    EXPECT_TRUE(Run(kHealth, Principal::Anonymous()).ok());
    EXPECT_TRUE(audit_.events.empty());
    Labels labels = {{"protocol", "http"}, {"operation", "GET /health"}};
    EXPECT_EQ(metrics_.GetCounter("tarn_security_calls_total", "Calls of an operation.", labels).value(), 1);
}

TEST_F(DispatcherTest, FloodBeforeLoginIsSampledAndCounted) {
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(Run(kReadRun, Principal::Anonymous()).ok());
    EXPECT_EQ(audit_.events.size(), 20u);
    fake_.clock.Sleep(std::chrono::seconds(2));
    EXPECT_FALSE(Run(kReadRun, Principal::Anonymous()).ok());
    ASSERT_EQ(audit_.events.size(), 21u);
    EXPECT_EQ(audit_.events.back().first.details["unrecorded_before"], 980);
    EXPECT_EQ(metrics_.GetCounter("tarn_security_anonymous_denials_total", "").value(), 1001);
}

TEST_F(DispatcherTest, FailedLoginsAreSampledButEveryLoginIsRecorded) {
    auto fails = [](Call&) -> Status { return Error(ErrorCode::kUnauthenticated, "wrong"); };
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(Run(kLogin, Principal::Anonymous(), fails).ok());
    size_t before = audit_.events.size();
    EXPECT_EQ(before, 20u);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(Run(kLogin, Principal::Anonymous()).ok());
    EXPECT_EQ(audit_.events.size(), before + 5);
    EXPECT_EQ(audit_.events.back().second, AuditDurability::kSynced);
}

TEST(Dispatcher, LeavesTheLastCountWhenItStops) {
    FakeEnv fake;
    FakeGate gate;
    FakeAudit audit;
    Metrics metrics;
    {
        Dispatcher dispatcher(fake.env, gate, audit, metrics);
        auto handler = [](Call&) { return Ok(); };
        for (int i = 0; i < 30; ++i) {
            EXPECT_FALSE(dispatcher.Run(kMe, Principal::Anonymous(), {"user", "*"}, "", handler).ok());
        }
    }
    EXPECT_EQ(audit.events.back().first.details["unrecorded_before"], 10);
}

TEST_F(DispatcherTest, RefusesBeyondTheConcurrencyLimit) {
    Operation narrow = kMe;
    narrow.limits.concurrent_max = 1;
    Status inner;
    EXPECT_TRUE(Run(narrow, User("alice"), [&](Call&) {
                    inner = Run(narrow, User("bob"));
                    return Ok();
                }).ok());
    EXPECT_EQ(CodeOf(inner), ErrorCode::kResourceExhausted);
    EXPECT_TRUE(Run(narrow, User("bob")).ok());
}

TEST_F(DispatcherTest, SystemOnBehalfOfSomebodyIsRecordedAsBoth) {
    Principal system = Principal::System("orchestrator");
    system.on_behalf_of = "alice";
    EXPECT_TRUE(Run(kReadRun, system).ok());
    EXPECT_EQ(audit_.events[0].first.principal, "system:orchestrator");
    EXPECT_EQ(audit_.events[0].first.details["on_behalf_of"], "alice");
}

TEST(OperationRegistry, RefusesAnUnauditedRowThatNeedsAPermission) {
    OperationRegistry registry;
    Operation row = kReadRun;
    row.audit_class = AuditClass::kPublic;
    EXPECT_DEATH(registry.Add(row), "broken invariant");
}

TEST(Require, SaysWhoMayNotDoWhat) {
    FakeGate gate;
    Status status = Require(gate, User("bob"), "table:Read", {"table", "delays.flights"});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_EQ(status.error().message(), "user:bob may not table:Read on table:delays.flights");
    EXPECT_EQ(Require(gate, Principal::Anonymous(), "table:Read", {"table", "x"}).error().code(),
              ErrorCode::kUnauthenticated);
    EXPECT_TRUE(Require(gate, Principal::System("lake"), "table:Read", {"table", "x"}).ok());
}

}  // namespace
}  // namespace tarn::security

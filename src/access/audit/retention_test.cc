#include <gtest/gtest.h>

#include <algorithm>

#include "access/audit/audit.h"
#include "access/audit/audit_for_test.h"
#include "access/audit/segment.h"
#include "access/monitoring/http_for_test.h"
#include "base/fault_env.h"

namespace tarn::access {
namespace {

constexpr auto kKeep = std::chrono::hours(24 * 30);
constexpr auto kLonger = std::chrono::hours(24 * 31);

std::vector<uint64_t> Numbers(Env& env) { return ListSegments(env, kFolder).value(); }

// 30 old records in several segments, then 10 of now.
class RetentionTest : public testing::Test {
  protected:
    void SetUp() override {
        log_.keep = kKeep;
        ASSERT_TRUE(log_.Open().ok());
        log_.AppendMany(30);
        old_segment_ = Numbers(env_).back();
        ASSERT_GT(old_segment_, 5u);
        env_.AdvanceTime(kLonger);
        log_.AppendMany(10);
        ASSERT_TRUE(log_.audit().StoreHead().ok());
    }
    std::string Content(uint64_t number) { return *ReadFile(env_, Segment(number)); }
    void Write(uint64_t number, const std::string& content) {
        ASSERT_TRUE(WriteFileDurably(env_, Segment(number), content).ok());
    }
    void Remove(uint64_t number) { ASSERT_TRUE(env_.files().Remove(Segment(number)).ok()); }
    void ExpectFound(AuditIssueKind kind, uint64_t segment) {
        AuditReport report = log_.Verify();
        ASSERT_GE(report.issue_count, 1u);
        EXPECT_EQ(AuditIssueKindName(report.issues[0].kind), AuditIssueKindName(kind)) << report.issues[0].message;
        EXPECT_EQ(report.issues[0].segment, segment);
    }

    FaultEnv env_;
    Log4Test log_{env_, 1000};
    uint64_t old_segment_ = 0;  // the last that an old record is in
};

TEST_F(RetentionTest, DropsWholeOldSegmentsAndSaysSo) {
    AuditHead before = log_.audit().head();
    uint64_t dropped = log_.Drop().value();
    // The last segment with an old record also holds new ones, or begins behind the last old record.
    EXPECT_GE(dropped, 20u);
    EXPECT_LE(dropped, 30u);
    AuditReport report = log_.Verify();
    ASSERT_EQ(report.issue_count, 0u) << report.issues[0].message;
    ASSERT_TRUE(report.dropped.has_value());
    EXPECT_EQ(report.dropped->through.sequence, dropped);
    EXPECT_EQ(report.dropped->rule, "audit.keep 30d");
    EXPECT_EQ(report.dropped->set_by, "tarn.yaml");
    EXPECT_EQ(report.dropped->newest, env_.clock().Now() - kLonger);
    EXPECT_EQ(report.dropped->at, env_.clock().Now());
    EXPECT_EQ(report.dropped->sequence, before.sequence + 1);
    EXPECT_EQ(report.records, 41 - dropped);
    EXPECT_EQ(Numbers(env_).front(), report.dropped->through.segment + 1);
    auto page = log_.audit().Read({.action = "audit:Drop"}, 10);
    ASSERT_EQ(page->entries.size(), 1u);
    EXPECT_EQ(page->entries[0].event.details["sequence"], dropped);
    EXPECT_EQ(page->entries[0].event.audit_class, security::AuditClass::kAdministration);
    // Nothing more is due, also after a restart.
    EXPECT_EQ(log_.Drop().value(), 0u);
    ASSERT_TRUE(log_.Open().ok());
    EXPECT_TRUE(log_.audit().Health().ok());
    EXPECT_EQ(log_.Drop().value(), 0u);
    EXPECT_EQ(log_.Verify().issue_count, 0u);
}

TEST_F(RetentionTest, DropsAgainLaterAndTheRecordOfTheFirstGoesToo) {
    uint64_t first = log_.Drop().value();
    log_.AppendMany(10);
    env_.AdvanceTime(kLonger);
    log_.AppendMany(3);
    uint64_t second = log_.Drop().value();
    EXPECT_GT(second, 0u);
    AuditReport report = log_.Verify();
    ASSERT_EQ(report.issue_count, 0u) << report.issues[0].message;
    EXPECT_EQ(report.dropped->through.sequence, first + second);
    EXPECT_EQ(log_.audit().Read({.action = "audit:Drop"}, 10)->entries.size(), 1u);
}

TEST_F(RetentionTest, NothingGoesForEverOrWhileItIsYoung) {
    log_.keep = Duration(0);
    ASSERT_TRUE(log_.Open().ok());
    EXPECT_EQ(log_.Drop().value(), 0u);
    log_.keep = AuditConfig{}.keep;
    ASSERT_TRUE(log_.Open().ok());
    EXPECT_EQ(log_.Drop().value(), 0u);
    EXPECT_EQ(Numbers(env_).front(), 1u);
    EXPECT_FALSE(log_.Verify().dropped.has_value());
}

TEST_F(RetentionTest, OverHttp) {
    uint64_t dropped = log_.Drop().value();
    TestHttp http(log_.audit().Routes());
    Json report = http.CallJson("GET", "/api/v1/audit/verify");
    EXPECT_EQ(report["issue_count"], 0);
    EXPECT_EQ(report["dropped"]["records"], dropped);
    EXPECT_EQ(report["dropped"]["rule"], "audit.keep 30d");
}

// ---- tampering

TEST_F(RetentionTest, AFileThatVanishedWithoutARecordIsFound) {
    Remove(1);
    ExpectFound(AuditIssueKind::kDropped, 2);
    // And no later rule covers it up: nothing goes that is not whole.
    EXPECT_EQ(log_.Drop().error().code(), ErrorCode::kCorruption);
    EXPECT_EQ(Numbers(env_).front(), 2u);
    ASSERT_TRUE(log_.Open().ok());
    EXPECT_EQ(log_.Drop().error().code(), ErrorCode::kCorruption);
    ExpectFound(AuditIssueKind::kDropped, 2);
}

TEST_F(RetentionTest, WhatIsDamagedIsNotDropped) {
    ASSERT_TRUE(env_.Corrupt(Segment(2), 300).ok());
    EXPECT_EQ(log_.Drop().error().code(), ErrorCode::kCorruption);
    EXPECT_EQ(Numbers(env_).front(), 1u);
    EXPECT_GE(log_.Verify().issue_count, 1u);
}

TEST_F(RetentionTest, AWrongLinkAheadIsNotBlessed) {
    // The first segment that would stay claims to follow something else.
    std::string content = Content(old_segment_);
    content[45] ^= 1;
    Write(old_segment_, content);
    EXPECT_FALSE(log_.Drop().ok());
    EXPECT_EQ(Numbers(env_).front(), 1u);
}

TEST_F(RetentionTest, AFileBehindTheDropIsMissed) {
    ASSERT_GT(log_.Drop().value(), 0u);
    uint64_t first = Numbers(env_).front();
    Remove(first);
    ExpectFound(AuditIssueKind::kDropped, first + 1);
    ASSERT_TRUE(log_.Open().ok());
    env_.AdvanceTime(kLonger);
    ASSERT_TRUE(log_.Append("user:x").ok());
    EXPECT_FALSE(log_.Drop().ok());
    ExpectFound(AuditIssueKind::kDropped, first + 1);
}

TEST_F(RetentionTest, ACutOffRecordOfTheDropIsFound) {
    ASSERT_GT(log_.Drop().value(), 0u);
    uint64_t last = Numbers(env_).back();
    std::string content = Content(last);
    uint64_t offset = SegmentHeader::kBytes, before = offset;
    while (auto frame = FrameAt(AsBytes(content), offset)) {
        before = offset;
        offset = frame->end();
    }
    Write(last, content.substr(0, before));
    EXPECT_GE(log_.Verify().issue_count, 1u);
    ASSERT_TRUE(log_.Open().ok());
    EXPECT_FALSE(log_.audit().Health().ok());
    EXPECT_GE(log_.Verify().issue_count, 1u);
}

// What an intruder without the key can write: records sealed with a key of its own, and copies of ours.
TEST_F(RetentionTest, AForgedRecordOfADropIsFound) {
    Json details{{"segment", 1},   {"offset", 1}, {"sequence", 5}, {"chain", std::string(64, '0')},
                 {"newest_us", 1}, {"rule", "x"}, {"set_by", "x"}};
    // Everything but the key is right: it follows from what would be the front.
    auto header = *DecodeHeader(AsBytes(Content(2)));
    details["sequence"] = header.first_sequence - 1;
    details["chain"] = HexEncode(header.previous);
    Json event{{"time", 1},
               {"phase", "end"},
               {"class", "administration"},
               {"principal", "system:audit"},
               {"protocol", "internal"},
               {"action", "audit:Drop"},
               {"details", details}};
    uint64_t last = Numbers(env_).back();
    std::string content = Content(last);
    auto last_header = *DecodeHeader(AsBytes(content));
    AuditHead head = log_.audit().head();
    Sha256Digest chain;
    Secret key = SegmentKey(DeriveKey(AsBytes("another root"), "audit"), last_header);
    std::string text = DumpJson(event);
    Bytes forged = EncodeRecord(env_.random(), key, {last, head.sequence + 1, head.chain}, AsBytes(text), chain);
    Write(last, content + std::string(AsText(forged)));
    Remove(1);
    ExpectFound(AuditIssueKind::kDropped, 2);
    ASSERT_TRUE(log_.Open().ok());  // cuts the end that does not open
    EXPECT_FALSE(log_.Verify().dropped.has_value());
    ExpectFound(AuditIssueKind::kDropped, 2);
}

TEST_F(RetentionTest, ARecordOfAnotherLogSaysNothing) {
    // The same root key, the same numbers: its record opens nowhere else.
    FaultEnv other_env(7);
    Log4Test other(other_env, 1000);
    other.keep = kKeep;
    ASSERT_TRUE(other.Open().ok());
    other.AppendMany(30);
    other_env.AdvanceTime(kLonger);
    other.AppendMany(10);
    ASSERT_GT(other.Drop().value(), 0u);
    uint64_t last = Numbers(other_env).back();
    std::string foreign = *ReadFile(other_env, Segment(last));
    while (Numbers(env_).back() < last) log_.AppendMany(1);
    Write(last, foreign);
    Remove(1);
    AuditReport report = log_.Verify();
    EXPECT_GE(report.issue_count, 1u);
}

TEST_F(RetentionTest, ARepeatedRecordOfADropIsFound) {
    uint64_t dropped = log_.Drop().value();
    ASSERT_GT(dropped, 0u);
    uint64_t last = Numbers(env_).back();
    std::string content = Content(last);
    uint64_t offset = SegmentHeader::kBytes, before = offset;
    while (auto frame = FrameAt(AsBytes(content), offset)) {
        before = offset;
        offset = frame->end();
    }
    std::string record = content.substr(before);
    log_.AppendMany(2);
    Write(last, Content(last) + record);
    EXPECT_EQ(log_.Verify().issue_count, 0u);  // behind what was written: the next start cuts it
    ASSERT_TRUE(log_.Open().ok());
    AuditReport report = log_.Verify();
    EXPECT_EQ(report.issue_count, 0u);
    EXPECT_EQ(report.dropped->through.sequence, dropped);
    Remove(Numbers(env_).front());
    EXPECT_GE(log_.Verify().issue_count, 1u);
}

// ---- crashes

// What is there is proven, and what is not was dropped by the rule: no record of now is gone.
void ExpectWhole(Log4Test& log, const std::string& what) {
    ASSERT_TRUE(log.audit().Health().ok()) << what << ": " << log.audit().Health().error().ToString();
    AuditReport report = log.Verify();
    ASSERT_EQ(report.issue_count, 0u) << what << ": " << report.issues[0].message;
    auto principals = log.Principals();
    for (int i = 0; i < 8; ++i) {
        std::string name = fmt::format("now:{}", i);
        ASSERT_EQ(std::count(principals.begin(), principals.end(), name), 1) << what << ": " << name;
    }
}

struct Fates {
    int untouched = 0;  // nothing had been removed
    int partly = 0;     // a record tells of the drop, not all of its files are gone
    int done = 0;
};

void DropThroughACrash(uint64_t seed, int64_t crash, bool power, bool& finished, Fates& fates) {
    std::string what = fmt::format("seed {} crash {} {}", seed, crash, power ? "power cut" : "kill");
    FaultEnv env(seed);
    Log4Test log(env, 1000);
    log.keep = kKeep;
    ASSERT_TRUE(log.Open().ok());
    log.AppendMany(20);
    env.AdvanceTime(kLonger);
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(log.Append(fmt::format("now:{}", i)).ok());
    ASSERT_TRUE(log.audit().StoreHead().ok());
    size_t segments = Numbers(env).size();
    int64_t begin = env.operations();
    env.CrashAt(begin + crash);
    bool dropped = log.Drop().ok();
    finished = env.operations() <= begin + crash;
    ASSERT_EQ(dropped, finished) << what;
    power ? env.PowerCut(seed * 977 + static_cast<uint64_t>(crash)) : log.Abandon();
    ASSERT_TRUE(log.Open().ok()) << what;
    ExpectWhole(log, what);
    auto numbers = Numbers(env);
    bool all = numbers.front() == 1 && numbers.size() >= segments;
    AuditReport report = log.Verify();
    bool gone = report.dropped && numbers.front() > report.dropped->through.segment;
    ++(all ? fates.untouched : gone ? fates.done : fates.partly);
    // The next one ends what was begun.
    ASSERT_TRUE(log.Drop().ok()) << what;
    ExpectWhole(log, what);
    report = log.Verify();
    ASSERT_TRUE(report.dropped.has_value()) << what;
    EXPECT_EQ(Numbers(env).front(), report.dropped->through.segment + 1) << what;
    ASSERT_TRUE(log.Append("user:later").ok());
}

TEST(RetentionCrashTest, ADropSurvivesAnyPowerCutAndKill) {
    Fates fates;
    for (uint64_t seed = 1; seed <= 25; ++seed) {
        for (bool power : {true, false}) {
            bool finished = false;
            for (int64_t crash = 0; !finished; ++crash) {
                DropThroughACrash(seed, crash, power, finished, fates);
                if (HasFatalFailure()) return;
            }
        }
    }
    SCOPED_TRACE(fmt::format("seeds 1 to 25: {} untouched, {} partly removed, {} done", fates.untouched, fates.partly,
                             fates.done));
    EXPECT_GT(fates.untouched, 0);
    EXPECT_GT(fates.partly, 0);
    EXPECT_GT(fates.done, 0);
}

TEST_F(RetentionTest, AFailedRemovalIsFinishedByTheNext) {
    env_.FailNext(FaultOperation::kRemove);
    EXPECT_FALSE(log_.Drop().ok());
    EXPECT_EQ(log_.Verify().issue_count, 0u);
    EXPECT_TRUE(log_.Drop().ok());
    EXPECT_EQ(log_.Verify().issue_count, 0u);
    EXPECT_GT(Numbers(env_).front(), 1u);
}

}  // namespace
}  // namespace tarn::access

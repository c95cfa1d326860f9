#include "access/audit/audit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "access/audit/audit_for_test.h"
#include "access/audit/segment.h"
#include "access/monitoring/http_for_test.h"
#include "base/fault_env.h"

namespace tarn::access {
namespace {

using security::AuditDurability;
using security::AuditEvent;

TEST(AuditTest, KeepsWhatItIsGivenAcrossRestarts) {
    FaultEnv env;
    Log4Test log(env);
    ASSERT_TRUE(log.Open().ok());
    AuditEvent event = EventOf("user:alice", "lake:raw/\xc3\xa9");
    event.phase = security::AuditPhase::kDenied;
    event.call_id = "c1";
    event.credential = "token:ci";
    event.remote = "127.0.0.1:5000";
    event.protocol = "s3";
    event.operation = "GetObject";
    event.audit_class = security::AuditClass::kKeyUse;
    event.bytes = 1LL << 40;
    event.duration_us = 12;
    ASSERT_TRUE(log.audit().Append(event, AuditDurability::kSynced).ok());
    ASSERT_TRUE(log.Open().ok());
    auto page = log.audit().Read({}, 10);
    ASSERT_EQ(page->entries.size(), 1u);
    const AuditEntry& entry = page->entries[0];
    EXPECT_EQ(entry.sequence, 1u);
    EXPECT_EQ(entry.time, env.clock().Now());
    EXPECT_EQ(entry.event.phase, event.phase);
    EXPECT_EQ(entry.event.audit_class, event.audit_class);
    EXPECT_EQ(entry.event.call_id, "c1");
    EXPECT_EQ(entry.event.credential, "token:ci");
    EXPECT_EQ(entry.event.remote, event.remote);
    EXPECT_EQ(entry.event.protocol, "s3");
    EXPECT_EQ(entry.event.operation, "GetObject");
    EXPECT_EQ(entry.event.action, event.action);
    EXPECT_EQ(entry.event.resource, event.resource);
    EXPECT_EQ(entry.event.status, "ok");
    EXPECT_EQ(entry.event.rows, 7);
    EXPECT_EQ(entry.event.bytes, 1LL << 40);
    EXPECT_EQ(entry.event.duration_us, 12);
    EXPECT_EQ(entry.event.details, event.details);
    EXPECT_EQ(page->damaged, 0u);
    std::string stored = *ReadFile(env, Segment(1));
    EXPECT_EQ(stored.find("alice"), std::string::npos);
}

TEST(AuditTest, RotatesAndGoesOnNumbering) {
    FaultEnv env;
    Log4Test log(env, 2000);
    ASSERT_TRUE(log.Open().ok());
    log.AppendMany(50);
    ASSERT_TRUE(log.Open().ok());
    log.AppendMany(50);
    EXPECT_GT(ListSegments(env, kFolder)->size(), 10u);
    EXPECT_EQ(log.Principals().size(), 100u);
    AuditReport report = log.Verify();
    EXPECT_EQ(report.records, 100u);
    EXPECT_EQ(report.issue_count, 0u);
    EXPECT_EQ(report.head, log.audit().head());
}

TEST(AuditTest, ReadsByFilterAndPage) {
    FaultEnv env;
    Log4Test log(env, 3000);
    ASSERT_TRUE(log.Open().ok());
    Timestamp start = env.clock().Now();
    for (int i = 0; i < 60; ++i) {
        ASSERT_TRUE(log.audit()
                        .Append(EventOf(i % 3 ? "user:bob" : "user:alice", fmt::format("table:t{}", i)),
                                AuditDurability::kWritten)
                        .ok());
        env.AdvanceTime(std::chrono::minutes(1));
    }
    EXPECT_EQ(log.audit().Read({.principal = "user:alice"}, 100)->entries.size(), 20u);
    EXPECT_EQ(log.audit().Read({.principal = "user:*", .resource = "table:t5?"}, 100)->entries.size(), 10u);
    EXPECT_EQ(log.audit().Read({.action = "lake:*"}, 100)->entries.size(), 0u);
    EXPECT_EQ(
        log.audit()
            .Read(
                {.status = "ok", .since = start + std::chrono::minutes(10), .until = start + std::chrono::minutes(15)},
                100)
            ->entries.size(),
        5u);
    std::vector<uint64_t> sequences;
    AuditFilter filter{.principal = "user:alice"};
    for (int pages = 0; pages < 10; ++pages) {
        auto page = log.audit().Read(filter, 7);
        for (const AuditEntry& entry : page->entries) sequences.push_back(entry.sequence);
        if (!page->next) break;
        filter.before = page->next;
    }
    EXPECT_EQ(sequences.size(), 20u);
    EXPECT_TRUE(std::is_sorted(sequences.rbegin(), sequences.rend()));
}

TEST(AuditTest, OverlongAndBrokenTextIsCutNotRefused) {
    FaultEnv env;
    Log4Test log(env);
    ASSERT_TRUE(log.Open().ok());
    AuditEvent event = EventOf("user:" + std::string(1 << 20, '\x01'), std::string(1 << 20, '\xff'));
    event.details = {{"sql", std::string(2 << 20, '"')}, {"more", std::string(1 << 20, '\0')}};
    ASSERT_TRUE(log.audit().Append(event, AuditDurability::kSynced).ok());
    auto page = log.audit().Read({}, 10);
    ASSERT_EQ(page->entries.size(), 1u);
    EXPECT_EQ(page->entries[0].event.details["cut"], true);
}

TEST(AuditTest, AFullDiskRefusesUntilThereIsRoom) {
    FaultEnv env;
    Log4Test log(env, 2000);
    ASSERT_TRUE(log.Open().ok());
    env.SetDiskBytes(5000);
    int written = 0;
    Status status;
    while ((status = log.Append("user:x")).ok()) ++written;
    EXPECT_EQ(status.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_FALSE(log.Append("user:x").ok());
    env.SetDiskBytes(1 << 20);
    ASSERT_TRUE(log.Append("user:y").ok());
    EXPECT_EQ(log.Principals().size(), static_cast<size_t>(written) + 1);
    EXPECT_EQ(log.Verify().issue_count, 0u);
}

TEST(AuditTest, AFailedSyncStopsTheLog) {
    FaultEnv env;
    Log4Test log(env);
    ASSERT_TRUE(log.Open().ok());
    ASSERT_TRUE(log.Append("user:a").ok());
    env.FailNext(FaultOperation::kSync);
    EXPECT_EQ(log.Append("user:b").error().code(), ErrorCode::kIo);
    EXPECT_EQ(log.Append("user:c").error().code(), ErrorCode::kIo);
    EXPECT_EQ(log.Append("user:c", AuditDurability::kWritten).error().code(), ErrorCode::kIo);
    EXPECT_EQ(log.audit().Health().error().code(), ErrorCode::kIo);
    ASSERT_TRUE(log.Open().ok());
    EXPECT_TRUE(log.Append("user:d").ok());
    EXPECT_TRUE(log.audit().Health().ok());
}

TEST(AuditTest, ARemovedFileStopsTheLog) {
    FaultEnv env;
    Log4Test log(env);
    ASSERT_TRUE(log.Open().ok());
    ASSERT_TRUE(log.Append("user:a").ok());
    log.audit().CheckFile();
    ASSERT_TRUE(log.audit().Health().ok());
    ASSERT_TRUE(env.files().Remove(Segment(1)).ok());
    log.audit().CheckFile();
    EXPECT_FALSE(log.audit().Health().ok());
    EXPECT_FALSE(log.Append("user:b").ok());
}

TEST(AuditTest, SystemRowsFitTheirColumns) {
    FaultEnv env;
    Log4Test log(env);
    ASSERT_TRUE(log.Open().ok());
    log.AppendMany(3);
    auto rows = log.audit().SystemRows();
    ASSERT_EQ(rows->size(), 3u);
    for (const auto& row : *rows) EXPECT_EQ(row.size(), Audit::SystemColumns().size());
    EXPECT_EQ(rows->at(0)[0], "3");
    EXPECT_EQ(rows->at(0)[4], "user:2");
    EXPECT_EQ(rows->at(0)[6], std::nullopt);
}

TEST(AuditTest, ManyThreadsShareSyncsAndLoseNothing) {
    FaultEnv env;
    Log4Test log(env, 50'000);
    ASSERT_TRUE(log.Open(true).ok());
    std::vector<std::thread> threads;
    std::atomic<int> failed = 0;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            for (int k = 0; k < 200; ++k) {
                auto durability = k % 2 ? AuditDurability::kSynced : AuditDurability::kWritten;
                if (!log.Append(fmt::format("user:{}", i), durability).ok()) ++failed;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(log.Verify().records, 1600u);
    EXPECT_EQ(log.Verify().issue_count, 0u);
    log.audit().Stop();
    EXPECT_FALSE(log.Append("user:late").ok());
    EXPECT_EQ(log.database.row[2].integer(), 1600);
}

TEST(AuditTest, OverHttp) {
    FaultEnv env;
    Log4Test log(env);
    ASSERT_TRUE(log.Open().ok());
    log.AppendMany(5);
    TestHttp http(log.audit().Routes());
    Json page = http.CallJson("GET", "/api/v1/audit?limit=2");
    EXPECT_EQ(page["entries"].size(), 2u);
    EXPECT_EQ(page["entries"][0]["principal"], "user:4");
    EXPECT_EQ(page["next_before"], 4);
    page = http.CallJson("GET", "/api/v1/audit?before=4&principal=user:1");
    EXPECT_EQ(page["entries"].size(), 1u);
    EXPECT_TRUE(page["next_before"].is_null());
    EXPECT_EQ(http.CallJson("GET", "/api/v1/audit?since=2000-01-01&until=2000-01-02")["entries"].size(), 0u);
    for (const char* wrong : {"limit=0", "limit=x", "limit=1001", "since=yesterday", "before=-1"}) {
        EXPECT_EQ(http.Call("GET", std::string("/api/v1/audit?") + wrong).status, 400) << wrong;
    }
    EXPECT_EQ(http.Call("GET", "/api/v1/audit", "", "bob").status, 403);
    EXPECT_EQ(http.CallJson("GET", "/api/v1/audit/head")["sequence"], 5);
    Json report = http.CallJson("GET", "/api/v1/audit/verify");
    EXPECT_EQ(report["records"], 5);
    EXPECT_EQ(report["issue_count"], 0);
}

// ---- tampering: what an intruder with the disk, but without the key, could do

class TamperTest : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(log_.Open().ok());
        log_.AppendMany(40);
        ASSERT_TRUE(log_.audit().StoreHead().ok());
        ASSERT_EQ(log_.Verify().issue_count, 0u);
        ASSERT_GT(ListSegments(env_, kFolder)->size(), 4u);
    }
    std::string Content(uint64_t number) { return *ReadFile(env_, Segment(number)); }
    void Write(uint64_t number, const std::string& content) {
        ASSERT_TRUE(WriteFileDurably(env_, Segment(number), content).ok());
    }
    std::vector<RecordFrame> Frames(const std::string& content) {
        std::vector<RecordFrame> frames;
        uint64_t offset = SegmentHeader::kBytes;
        while (auto frame = FrameAt(AsBytes(content), offset)) {
            frames.push_back(*frame);
            offset = frame->end();
        }
        return frames;
    }
    void ExpectFirst(AuditIssueKind kind, uint64_t segment, uint64_t offset) {
        AuditReport report = log_.Verify();
        ASSERT_GE(report.issue_count, 1u);
        EXPECT_EQ(AuditIssueKindName(report.issues[0].kind), AuditIssueKindName(kind)) << report.issues[0].message;
        EXPECT_EQ(report.issues[0].segment, segment);
        EXPECT_EQ(report.issues[0].offset, offset);
    }

    FaultEnv env_;
    Log4Test log_{env_, 2000};
};

TEST_F(TamperTest, EveryChangedByteIsFound) {
    for (uint64_t number : {1, 2}) {
        std::string good = Content(number);
        for (size_t offset = 0; offset < good.size(); offset += 7) {
            std::string bad = good;
            bad[offset] = static_cast<char>(bad[offset] ^ 0x10);
            Write(number, bad);
            EXPECT_GE(log_.Verify().issue_count, 1u) << number << " at " << offset;
        }
        Write(number, good);
    }
    EXPECT_EQ(log_.Verify().issue_count, 0u);
}

TEST_F(TamperTest, AChangedRecordIsFoundWhereItIs) {
    std::string content = Content(2);
    auto frames = Frames(content);
    content[frames[1].offset + 100] ^= 1;
    Write(2, content);
    ExpectFirst(AuditIssueKind::kChanged, 2, frames[1].offset);
    EXPECT_EQ(log_.Verify().issue_count, 1u);
    EXPECT_EQ(log_.audit().Read({}, 1000)->damaged, 1u);
}

TEST_F(TamperTest, ADroppedRecordIsFound) {
    std::string content = Content(2);
    auto frames = Frames(content);
    Write(2, content.substr(0, frames[1].offset) + content.substr(frames[2].offset));
    ExpectFirst(AuditIssueKind::kDropped, 2, frames[1].offset);
}

TEST_F(TamperTest, AnInsertedRecordIsFound) {
    std::string content = Content(2);
    auto frames = Frames(content);
    std::string copy = content.substr(frames[1].offset, frames[2].offset - frames[1].offset);
    Write(2, content.substr(0, frames[2].offset) + copy + content.substr(frames[2].offset));
    ExpectFirst(AuditIssueKind::kReordered, 2, frames[2].offset);
}

TEST_F(TamperTest, SwappedRecordsAreFound) {
    std::string content = Content(2);
    auto frames = Frames(content);
    std::string first = content.substr(frames[0].offset, frames[1].offset - frames[0].offset);
    std::string second = content.substr(frames[1].offset, frames[2].offset - frames[1].offset);
    Write(2, content.substr(0, frames[0].offset) + second + first + content.substr(frames[2].offset));
    ExpectFirst(AuditIssueKind::kDropped, 2, frames[0].offset);
    // With their numbers swapped as well, their seals show it.
    std::string renumbered = second + first;
    std::swap(renumbered[4], renumbered[second.size() + 4]);
    Write(2, content.substr(0, frames[0].offset) + renumbered + content.substr(frames[2].offset));
    ExpectFirst(AuditIssueKind::kChanged, 2, frames[0].offset);
}

TEST_F(TamperTest, ACutSegmentIsFound) {
    std::string content = Content(2);
    auto frames = Frames(content);
    Write(2, content.substr(0, frames.back().offset));
    ExpectFirst(AuditIssueKind::kDropped, 3, 0);
    Write(2, content.substr(0, frames.back().offset + 10));
    ExpectFirst(AuditIssueKind::kCut, 2, frames.back().offset);
}

TEST_F(TamperTest, ADroppedOrSwappedSegmentIsFound) {
    std::string second = Content(2), third = Content(3);
    ASSERT_TRUE(env_.files().Remove(Segment(2)).ok());
    ExpectFirst(AuditIssueKind::kDropped, 3, 0);
    Write(2, third);
    Write(3, second);
    ExpectFirst(AuditIssueKind::kReordered, 2, 0);
}

TEST_F(TamperTest, ACutEndIsFoundAtTheNextStartAndAfter) {
    auto numbers = *ListSegments(env_, kFolder);
    ASSERT_TRUE(env_.files().Remove(Segment(numbers.back())).ok());
    std::string content = Content(numbers[numbers.size() - 2]);
    Write(numbers[numbers.size() - 2], content.substr(0, Frames(content).back().offset));
    EXPECT_GE(log_.Verify().issue_count, 1u);
    ASSERT_TRUE(log_.Open().ok());
    EXPECT_EQ(log_.audit().Health().error().code(), ErrorCode::kCorruption);
    AuditReport report = log_.Verify();
    ASSERT_GE(report.issue_count, 1u);
    EXPECT_EQ(report.issues[0].kind, AuditIssueKind::kDropped);
    EXPECT_EQ(log_.Principals().back(), "system:audit");  // the damage is on record
    ASSERT_TRUE(log_.Append("user:after").ok());
    ASSERT_TRUE(log_.Open().ok());  // and goes on: what lies behind the damage is whole
    EXPECT_TRUE(log_.audit().Health().ok());
    EXPECT_EQ(log_.Principals().back(), "user:after");
    EXPECT_GE(log_.Verify().issue_count, 1u);
}

TEST_F(TamperTest, ARemovedLogIsFound) {
    ASSERT_TRUE(env_.files().RemoveTree(kFolder).ok());
    ASSERT_TRUE(log_.Open().ok());
    EXPECT_FALSE(log_.audit().Health().ok());
    EXPECT_GE(log_.Verify().issue_count, 1u);
}

TEST_F(TamperTest, DamageBeforeTheKnownHeadIsNotCut) {
    ASSERT_TRUE(log_.Append("user:x").ok());
    auto number = ListSegments(env_, kFolder)->back();
    ASSERT_TRUE(log_.audit().StoreHead().ok());
    std::string content = Content(number);
    ASSERT_TRUE(env_.Corrupt(Segment(number), content.size() - 3).ok());
    ASSERT_TRUE(log_.Open().ok());
    EXPECT_FALSE(log_.audit().Health().ok());
    EXPECT_EQ(Content(number).size(), content.size());
    EXPECT_EQ(ListSegments(env_, kFolder)->back(), number + 1);
}

// ---- crashes

// Runs records of both kinds through every crash; returns those that were answered Ok.
struct Answered {
    std::vector<std::string> written;
    std::vector<std::string> synced;
};

Answered WriteUntilError(Log4Test& log, const std::string& prefix) {
    Answered answered;
    for (int i = 0; i < 24; ++i) {
        std::string name = fmt::format("{}-{}", prefix, i);
        bool synced = i % 3 == 2;
        if (!log.Append(name, synced ? AuditDurability::kSynced : AuditDurability::kWritten).ok()) break;
        answered.written.push_back(name);
        if (synced) answered.synced = answered.written;  // a sync covers all before it
        if (i % 5 == 4 && !log.audit().StoreHead().ok()) break;
    }
    return answered;
}

void ExpectPrefix(const std::vector<std::string>& wanted, std::vector<std::string> found, int64_t crash) {
    std::erase(found, "system:audit");
    ASSERT_GE(found.size(), wanted.size()) << "an answered record is gone, crash " << crash;
    for (size_t i = 0; i < wanted.size(); ++i) ASSERT_EQ(found[i], wanted[i]) << "crash " << crash;
}

TEST(AuditCrashTest, WhatWasAnsweredSurvivesAnyPowerCutAndKill) {
    int64_t cuts = 0;
    for (bool power : {true, false}) {
        for (int64_t crash = 0;; ++crash) {
            FaultEnv env(static_cast<uint64_t>(crash) + 1);
            Log4Test log(env, 1500);
            env.CrashAt(crash);
            Answered answered;
            if (log.Open().ok()) answered = WriteUntilError(log, "first");
            bool finished = env.operations() <= crash;
            power ? env.PowerCut(static_cast<uint64_t>(crash) * 31 + 5) : log.Abandon();
            Status opened = log.Open();
            ASSERT_TRUE(opened.ok()) << "crash " << crash << ": " << opened.error().ToString();
            EXPECT_TRUE(log.audit().Health().ok())
                << "crash " << crash << ": " << log.audit().Health().error().ToString();
            ExpectPrefix(power ? answered.synced : answered.written, log.Principals(), crash);
            ASSERT_TRUE(log.Append("second").ok());
            EXPECT_EQ(log.Principals().back(), "second");
            EXPECT_EQ(log.Verify().issue_count, 0u) << "crash " << crash << ": " << log.Verify().issues[0].message;
            ++cuts;
            if (finished) break;
        }
    }
    EXPECT_GT(cuts, 60);
}

TEST(AuditCrashTest, AHeaderThatEndsInZerosIsATornEnd) {
    for (size_t whole : {24u, 40u, 50u}) {
        FaultEnv env;
        Log4Test log(env, 2000);
        ASSERT_TRUE(log.Open().ok());
        while (ListSegments(env, kFolder)->size() < 3) log.AppendMany(1);
        // The third had just been begun when the power went.
        std::string header = ReadFile(env, Segment(3))->substr(0, whole);
        log.Abandon();
        log.database.row.clear();
        ASSERT_TRUE(WriteFileDurably(env, Segment(3), header + std::string(SegmentHeader::kBytes - whole, '\0')).ok());
        ASSERT_TRUE(log.Open().ok());
        EXPECT_TRUE(log.audit().Health().ok());
        ASSERT_TRUE(log.Append("user:after").ok());
        EXPECT_EQ(log.Verify().issue_count, 0u) << whole << ": " << log.Verify().issues[0].message;
    }
}

TEST(AuditCrashTest, AfterAFailedSyncTheNextProcessStandsOnSolidGround) {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        FaultEnv env(seed);
        Log4Test log(env);
        ASSERT_TRUE(log.Open().ok());
        log.AppendMany(3);
        env.FailNext(FaultOperation::kSync);
        ASSERT_FALSE(log.Append("user:unsure").ok());
        // The machine lives on: what was written can be read, though it may never have reached the disk.
        log.Abandon();
        ASSERT_TRUE(log.Open().ok());
        ASSERT_TRUE(log.Append("user:later").ok());
        env.PowerCut(seed);
        log.Abandon();
        ASSERT_TRUE(log.Open().ok());
        auto principals = log.Principals();
        EXPECT_EQ(std::count(principals.begin(), principals.end(), "user:later"), 1) << "seed " << seed;
        EXPECT_EQ(log.Verify().issue_count, 0u);
    }
}

TEST(AuditCrashTest, ACrashDuringRecoveryIsSurvived) {
    for (int64_t crash = 0;; ++crash) {
        FaultEnv env(static_cast<uint64_t>(crash) + 1);
        Log4Test log(env);
        ASSERT_TRUE(log.Open().ok());
        log.AppendMany(3);
        log.Abandon();
        std::string content = *ReadFile(env, Segment(1));
        ASSERT_TRUE(WriteFileDurably(env, Segment(1), content + std::string(50, '\x7f')).ok());
        env.CrashAt(env.operations() + crash);
        bool opened = log.Open().ok();
        log.Close();
        env.PowerCut(static_cast<uint64_t>(crash));
        ASSERT_TRUE(log.Open().ok()) << crash;
        auto principals = log.Principals();
        std::erase(principals, "system:audit");
        EXPECT_EQ(principals.size(), 3u) << crash;
        EXPECT_EQ(log.Verify().issue_count, 0u) << crash;
        if (opened) break;
    }
}

TEST(AuditCrashTest, ATornEndIsCutKeptAndRecorded) {
    FaultEnv env;
    Log4Test log(env);
    ASSERT_TRUE(log.Open().ok());
    log.AppendMany(3);
    ASSERT_TRUE(log.audit().StoreHead().ok());
    log.Abandon();
    std::string content = *ReadFile(env, Segment(1));
    ASSERT_TRUE(WriteFileDurably(env, Segment(1), content + std::string(50, '\0')).ok());
    ASSERT_TRUE(log.Open().ok());
    EXPECT_TRUE(log.audit().Health().ok());
    EXPECT_EQ(log.Principals().size(), 4u);
    EXPECT_EQ(log.audit().Read({}, 1)->entries[0].event.operation, "CutTornEnd");
    bool kept = false;
    for (const auto& entry : *env.files().List(kFolder)) kept |= entry.name.starts_with("cut-") && entry.bytes == 50;
    EXPECT_TRUE(kept);
    EXPECT_EQ(log.Verify().issue_count, 0u);
}

}  // namespace
}  // namespace tarn::access

// An audit log on a disk in memory, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "access/audit/audit.h"
#include "access/audit/segment.h"
#include "base/fault_env.h"

namespace tarn::access {

inline constexpr const char* kFolder = "/state/audit";

class FixedKeys : public security::KeyProvider {
  public:
    Result<Secret> KeyOf(std::string_view scope) override { return DeriveKey(AsBytes("root"), scope); }
};

// Holds the one row that the audit log keeps; always durable.
class HeadDatabase : public metadata::Database, private metadata::Transaction {
  public:
    Status Migrate(const std::string&, const std::vector<metadata::Migration>&) override { return Ok(); }
    Result<metadata::Rows> Query(const std::string&, const metadata::Parameters&) override {
        return row.empty() ? metadata::Rows{} : metadata::Rows{row};
    }
    Status Scan(const std::string&, const metadata::Parameters&,
                const std::function<bool(const metadata::Row&)>&) override {
        return Ok();
    }
    Status Write(const std::function<Status(metadata::Transaction&)>& work) override { return work(*this); }
    Status CheckIntegrity() override { return Ok(); }
    Result<std::unique_ptr<metadata::FileHold>> HoldFile(const std::function<Status()>&) override {
        return Error(ErrorCode::kNotSupported, "it is no file");
    }
    metadata::Row row;

  private:
    Result<int64_t> Execute(const std::string&, const metadata::Parameters& parameters) override {
        row = parameters;
        return 1;
    }
};

inline security::AuditEvent EventOf(const std::string& principal, const std::string& resource = "table:x") {
    security::AuditEvent event;
    event.principal = principal;
    event.action = "table:Read";
    event.resource = resource;
    event.status = "ok";
    event.rows = 7;
    event.details = {{"sql", "SELECT 1"}};
    return event;
}

// An audit log on a disk in memory.
class Log4Test {
  public:
    explicit Log4Test(FaultEnv& env, int64_t segment_bytes = 16 << 20) : env_(env), segment_bytes_(segment_bytes) {}
    Duration keep = AuditConfig{}.keep;

    Status Open(bool background = false) {
        audit_.reset();
        audit_ = TRY(Audit::Create({.segment = {segment_bytes_}, .keep = keep},
                                   {env_, keys_, database, NullLog(), metrics, kFolder, background}));
        return Ok();
    }
    // As after a kill: nothing is stopped cleanly.
    void Abandon() {
        env_.Kill();
        audit_.reset();
    }
    void Close() { audit_.reset(); }
    Audit& audit() { return *audit_; }

    Status Append(const std::string& principal,
                  security::AuditDurability durability = security::AuditDurability::kSynced) {
        return audit_->Append(EventOf(principal), durability);
    }
    void AppendMany(int count) {
        for (int i = 0; i < count; ++i) ASSERT_TRUE(Append(fmt::format("user:{}", i)).ok());
    }
    // As maintenance does.
    Result<uint64_t> Drop() {
        return audit_->DropOld([] { return false; });
    }
    // Principals from the oldest to the newest.
    std::vector<std::string> Principals() {
        std::vector<std::string> principals;
        auto page = audit_->Read({}, 100'000);
        EXPECT_TRUE(page.ok());
        for (const AuditEntry& entry : page->entries) principals.push_back(entry.event.principal);
        std::reverse(principals.begin(), principals.end());
        return principals;
    }
    AuditReport Verify() {
        auto report = audit_->Verify();
        EXPECT_TRUE(report.ok()) << report.error().ToString();
        return std::move(report).value();
    }

    HeadDatabase database;
    Metrics metrics;

  private:
    FaultEnv& env_;
    const int64_t segment_bytes_;
    FixedKeys keys_;
    std::unique_ptr<Audit> audit_;
};

inline std::string Segment(uint64_t number) { return fmt::format("{}/{}", kFolder, SegmentName(number)); }

}  // namespace tarn::access

#include "app/offline.h"

#include "app/platform_state.h"
#include "base/number.h"
#include "base/text.h"

namespace tarn::app {
namespace {

constexpr size_t kPieceBytes = 1 << 20;

security::Principal Self() { return security::Principal::System("app"); }

Status VerifyAudit(Components& parts, VerifyReport& report) {
    access::AuditReport audit = TRY(parts.audit->Verify());
    report.checked.push_back(fmt::format("audit: {} records in {} segments", audit.records, audit.segments));
    if (audit.dropped) {
        const access::AuditDrop& dropped = *audit.dropped;
        report.checked.push_back(fmt::format("audit: {} records up to {} dropped by rule ({} of {}; told by record {})",
                                             dropped.through.sequence, FormatTime(dropped.newest), dropped.rule,
                                             dropped.set_by, dropped.sequence));
    }
    for (const access::AuditIssue& issue : audit.issues) {
        report.issues.push_back(fmt::format("audit: {} at segment {} offset {} (record {}): {}",
                                            AuditIssueKindName(issue.kind), issue.segment, issue.offset, issue.sequence,
                                            issue.message));
    }
    return Ok();
}

// Commits follow each other without a gap, from the first that is kept.
Status VerifyLog(Components& parts, const lakehouse::TableName& table, VerifyReport& report) {
    constexpr size_t kVersionDigits = 20;
    lake::ListOptions options;
    options.prefix = fmt::format("{}/{}/_delta_log/", table.schema, table.name);
    options.delimiter = "/";
    int64_t next = -1;
    while (true) {
        lake::ListPage page = TRY(parts.lake->List(Self(), lakehouse::Lakehouse::kBucket, options));
        for (const lake::ObjectInfo& object : page.objects) {
            std::string name = object.name.key.substr(options.prefix.size());
            if (name.size() != kVersionDigits + 5 || !name.ends_with(".json")) continue;
            int64_t version = IntegerOrZero(std::string_view(name).substr(0, kVersionDigits));
            if (next >= 0 && version != next) {
                report.issues.push_back(fmt::format("table {}: commits {} to {} are missing in its log",
                                                    table.ToString(), next, version - 1));
            }
            next = version + 1;
        }
        if (!page.truncated) return Ok();
        options.start_after = page.next_start_after;
    }
}

Status VerifyTables(Components& parts, VerifyReport& report) {
    std::vector<lakehouse::TableName> tables = TRY(parts.lakehouse->Tables(Self()));
    for (const lakehouse::TableName& table : tables) {
        TRY(VerifyLog(parts, table, report));
        auto snapshot = parts.lakehouse->Open(Self(), table);
        if (!snapshot.ok()) {
            report.issues.push_back(fmt::format("table {}: {}", table.ToString(), snapshot.error().message()));
            continue;
        }
        for (const engine::ScanFile& file : snapshot->files) {
            size_t slash = file.path.find('/');
            auto head = parts.lake->Head(Self(), {file.path.substr(0, slash), file.path.substr(slash + 1)});
            if (head.ok()) continue;
            report.issues.push_back(fmt::format("table {} version {}: its file {} is missing: {}", table.ToString(),
                                                snapshot->version, file.path, head.error().message()));
        }
    }
    report.checked.push_back(fmt::format("tables: {} logs and the files they name", tables.size()));
    return Ok();
}

Status VerifyLoads(Components& parts, VerifyReport& report) {
    auto& provider = parts.connectors->AsProvider();
    int64_t streams = 0;
    for (const std::string& schema : TRY(provider.Schemas())) {
        auto datasets = provider.Datasets(schema);
        if (!datasets.ok()) {
            report.issues.push_back(fmt::format("raw data {}: {}", schema, datasets.error().message()));
            continue;
        }
        streams += static_cast<int64_t>(datasets->size());
    }
    report.checked.push_back(fmt::format("raw data: loads of {} streams without a gap", streams));
    return Ok();
}

Status ExportObject(Components& parts, Env& env, const lake::ObjectName& name, const std::string& path) {
    auto object = TRY(parts.lake->Open(Self(), name));
    auto existing = env.files().Stat(path);
    if (existing.ok() && existing->bytes == object->info().bytes) return Ok();
    TRY(env.files().CreateDirectories(path.substr(0, path.rfind('/'))));
    auto file = TRY(env.files().Create(path + ".part", {.truncate = true, .mode = 0600}));
    Bytes piece(kPieceBytes);
    for (uint64_t offset = 0; offset < object->info().bytes;) {
        size_t count = TRY(object->ReadAt(offset, piece));
        TRY(file->Append({piece.data(), count}));
        offset += count;
    }
    TRY(file->Sync());
    return env.files().Rename(path + ".part", path);
}

}  // namespace

std::string ExportPath(const std::string& key) {
    std::vector<std::string> safe;
    for (const std::string& part : Split(key, '/')) {
        bool special = part.empty() || part == "." || part == "..";
        safe.push_back(special ? "%" + std::to_string(part.size()) : part);
    }
    return Join(safe, "/");
}

Status VerifyTopics(Components& parts, VerifyReport& report) {
    buffer::LogReport log = TRY(parts.buffer->VerifyLog());
    report.checked.push_back(fmt::format("topics: {} batches in {} segments of the log", log.batches, log.segments));
    for (std::string& issue : log.issues) report.issues.push_back("topics: " + issue);
    return Ok();
}

Result<VerifyReport> VerifyAll(Components& parts, bool audit_only) {
    VerifyReport report;
    TRY(VerifyAudit(parts, report));
    if (audit_only) return report;
    std::vector<std::string> damaged = TRY(parts.lake->Verify());
    for (std::string& issue : damaged) report.issues.push_back("lake: " + issue);
    report.checked.push_back("lake: every block of every object");
    Status metadata = parts.database->CheckIntegrity();
    if (!metadata.ok()) report.issues.push_back("metadata: " + metadata.error().message());
    report.checked.push_back("metadata: every page");
    TRY(VerifyTables(parts, report));
    TRY(VerifyLoads(parts, report));
    TRY(VerifyTopics(parts, report));
    return report;
}

Result<int64_t> ExportAll(Components& parts, Env& env, const std::string& directory,
                          const std::function<void(const std::string&)>& progress) {
    int64_t count = 0;
    for (const lake::BucketInfo& bucket : TRY(parts.lake->ListBuckets(Self()))) {
        lake::ListOptions options;
        while (true) {
            lake::ListPage page = TRY(parts.lake->List(Self(), bucket.name, options));
            for (const lake::ObjectInfo& object : page.objects) {
                std::string path = directory + "/" + bucket.name + "/" + ExportPath(object.name.key);
                TRY_CONTEXT(ExportObject(parts, env, object.name, path), object.name.ToString());
                ++count;
                progress(object.name.ToString());
            }
            if (!page.truncated) break;
            options.start_after = page.next_start_after;
        }
    }
    return count;
}

}  // namespace tarn::app

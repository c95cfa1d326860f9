#include "storage/warehouse/copy_builder.h"

#include <algorithm>

#include "base/number.h"
#include "base/text.h"

namespace tarn::warehouse {
namespace {

void AddText(std::string& text, std::string_view part) { text += fmt::format("{}:{};", part.size(), part); }

int64_t RowsOf(const engine::FileScan& scan) {
    int64_t rows = 0;
    for (const engine::ScanFile& file : scan.files) {
        if (file.rows < 0 || !file.deleted_positions.empty()) return -1;
        rows += file.rows;
    }
    return rows;
}

std::string StatisticsOf(const engine::WrittenFile& file) {
    Json statistics = {{"min", Json::object()}, {"max", Json::object()}, {"nulls", Json::object()}};
    for (const auto& [column, facts] : file.statistics) {
        if (!facts.min.is_null()) statistics["min"][column] = facts.min;
        if (!facts.max.is_null()) statistics["max"][column] = facts.max;
        statistics["nulls"][column] = facts.nulls;
    }
    return DumpJson(statistics);
}

}  // namespace

std::string FingerprintOf(const engine::Relation& relation) {
    std::string text;
    AddText(text, relation.version);
    const auto& scan = std::get<engine::FileScan>(relation.source);
    for (const engine::ScanColumn& column : scan.columns) {
        AddText(text, column.column.name);
        AddText(text, column.column.type);
        AddText(text, column.physical_name);
        text += fmt::format("{},{};", column.field_id, column.partition);
    }
    // Sorted: their order depends on which way a version was read, from its log or from a checkpoint.
    std::vector<std::string> files;
    for (const engine::ScanFile& file : scan.files) {
        std::string& one = files.emplace_back();
        AddText(one, file.path);
        AddText(one, file.deleted_positions);
        for (const auto& [name, value] : file.partition_values) {
            AddText(one, name);
            AddText(one, value.value_or("\x01none"));
        }
    }
    std::sort(files.begin(), files.end());
    for (const std::string& one : files) AddText(text, one);
    return Sha256Hex(AsBytes(text));
}

engine::FileScan ScanOf(const Copy& copy, const engine::Relation& relation) {
    engine::FileScan scan;
    for (const engine::Column& column : relation.columns) {
        scan.columns.push_back({.column = column, .physical_name = column.name});
    }
    scan.files.push_back({.path = copy.path(),
                          .rows = copy.row.rows,
                          .partition_values = {},
                          .deleted_positions = {},
                          .statistics = copy.row.statistics});
    return scan;
}

Result<std::shared_ptr<Copy>> CopyBuilder::Build(const engine::Relation& relation, int64_t bytes_max,
                                                 const CancelToken& cancel) {
    Duration started = env_.clock().Monotonic();
    TRY(files_.Prepare());
    auto session = TRY(engine_.OpenSession({.principal = security::Principal::System("warehouse")}));
    engine::Relation source = relation;
    source.obligations = {};
    TRY(session->Provide("copied", std::move(source)));
    auto cancelling = cancel.OnCancel([running = session.get()] { running->Cancel(); });
    std::string path = files_.Expect(bytes_max);
    // Larger than zstd and quicker to read; the disk's part is bounded by `warehouse.disk`.
    auto written = session->WriteQuery("SELECT * FROM temp_input.copied",
                                       {.prefix = path, .single_file = true, .compression = "snappy"});
    CacheFiles::Finished finished = files_.Take(path);
    if (!written.ok()) return std::move(written).error();
    bool complete = finished.writer && written->size() == 1;
    if (!complete) return Error(ErrorCode::kInternal, "{} files were written instead of one", written->size());
    const engine::WrittenFile& file = written->front();
    int64_t expected = RowsOf(std::get<engine::FileScan>(relation.source));
    if (expected >= 0 && file.rows != expected) {
        return Error(ErrorCode::kInternal, "the copy has {} rows instead of {}", file.rows, expected);
    }
    CacheRow row{.id = finished.writer->id(),
                 .schema = relation.schema,
                 .name = relation.name,
                 .version = ParseInteger(relation.version).value_or(-1),
                 .fingerprint = FingerprintOf(relation),
                 .rows = file.rows,
                 .bytes = finished.bytes,
                 .statistics = StatisticsOf(file),
                 .built_at = env_.clock().Now(),
                 .build_us = (env_.clock().Monotonic() - started).count()};
    TRY(index_.Add(row));
    finished.writer->Keep();
    auto copy = files_.Make(std::move(row));
    Status verified = copy->Verify();
    if (verified.ok()) {
        copy->verified_at = env_.clock().Monotonic();
        return copy;
    }
    copy->Drop();
    TRY(index_.Remove(copy->row.id));
    return std::move(verified).error().Context("a copy was read back");
}

}  // namespace tarn::warehouse

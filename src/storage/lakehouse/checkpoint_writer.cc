#include "storage/lakehouse/checkpoint_writer.h"

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"

namespace tarn::lakehouse {
namespace {

// The columns of a checkpoint (PROTOCOL.md, "Checkpoint Schema"), as json_transform wants types.
constexpr std::string_view kStructure = R"json({
"txn":{"appId":"VARCHAR","version":"BIGINT","lastUpdated":"BIGINT"},
"add":{"path":"VARCHAR","partitionValues":"MAP(VARCHAR,VARCHAR)","size":"BIGINT","modificationTime":"BIGINT",
 "dataChange":"BOOLEAN","stats":"VARCHAR","tags":"MAP(VARCHAR,VARCHAR)",
 "deletionVector":{"storageType":"VARCHAR","pathOrInlineDv":"VARCHAR","offset":"INTEGER","sizeInBytes":"INTEGER",
  "cardinality":"BIGINT"}},
"remove":{"path":"VARCHAR","deletionTimestamp":"BIGINT","dataChange":"BOOLEAN","extendedFileMetadata":"BOOLEAN",
 "partitionValues":"MAP(VARCHAR,VARCHAR)","size":"BIGINT",
 "deletionVector":{"storageType":"VARCHAR","pathOrInlineDv":"VARCHAR","offset":"INTEGER","sizeInBytes":"INTEGER",
  "cardinality":"BIGINT"}},
"metaData":{"id":"VARCHAR","name":"VARCHAR","description":"VARCHAR",
 "format":{"provider":"VARCHAR","options":"MAP(VARCHAR,VARCHAR)"},"schemaString":"VARCHAR",
 "partitionColumns":["VARCHAR"],"configuration":"MAP(VARCHAR,VARCHAR)","createdTime":"BIGINT"},
"protocol":{"minReaderVersion":"INTEGER","minWriterVersion":"INTEGER","readerFeatures":["VARCHAR"],
 "writerFeatures":["VARCHAR"]},
"domainMetadata":{"domain":"VARCHAR","configuration":"VARCHAR","removed":"BOOLEAN"}})json";

struct Content {
    engine::RowSet rows;
    int64_t adds = 0;
};

Content Collect(const TableState& state, int64_t oldest_tombstone_ms) {
    Content content;
    auto append = [&](const Action& action) { content.rows.rows.push_back({ToJsonLine(action)}); };
    append(state.protocol);
    append(state.metadata);
    for (const auto& [application, mark] : state.transactions) append(mark);
    for (const auto& [name, domain] : state.domains) append(domain);
    for (const auto& [key, file] : state.files) {
        AddFile copy = file->Clone();
        copy.data_change = false;
        append(std::move(copy));
        ++content.adds;
    }
    for (const auto& [key, file] : state.tombstones) {
        if (file->deleted_ms < oldest_tombstone_ms) continue;
        RemoveFile copy = file->Clone();
        copy.data_change = false;
        append(std::move(copy));
    }
    return content;
}

engine::Relation ActionsRelation(std::shared_ptr<const Content> content) {
    engine::Relation relation;
    relation.schema = "temp_input";
    relation.name = "actions";
    relation.columns.push_back({.name = "action", .type = "VARCHAR"});
    relation.source = engine::GeneratedRows{[content] { return Result<engine::RowSet>(content->rows); }};
    return relation;
}

std::string Structure() {
    std::string text;
    for (char c : kStructure) {
        if (c != '\n') text += c;
    }
    return text;
}

}  // namespace

Duration TombstoneRetention(const Metadata& metadata) {
    constexpr Duration kWeek = std::chrono::hours(24 * 7);
    // "interval 1 week", "interval 30 days": a number and a unit.
    std::vector<std::string> words = Split(ToLower(metadata.Property("delta.deletedFileRetentionDuration")), ' ');
    if (words.size() != 3 || words[0] != "interval") return kWeek;
    int64_t count = 0;
    std::from_chars(words[1].data(), words[1].data() + words[1].size(), count);
    if (count <= 0 || count > 1'000'000) return kWeek;
    const std::string& unit = words[2];
    if (unit.starts_with("week")) return kWeek * count;
    if (unit.starts_with("day")) return std::chrono::hours(24) * count;
    if (unit.starts_with("hour")) return std::chrono::hours(1) * count;
    if (unit.starts_with("minute")) return std::chrono::minutes(1) * count;
    if (unit.starts_with("second")) return std::chrono::seconds(1) * count;
    return kWeek;
}

Result<CheckpointFile> WriteCheckpointFile(engine::Engine& engine, const TableState& state, int64_t oldest_tombstone_ms,
                                           engine::WriteOptions options) {
    security::Principal self = security::Principal::System("lakehouse");
    auto content = std::make_shared<const Content>(Collect(state, oldest_tombstone_ms));
    auto session = TRY(engine.OpenSession({.principal = self, .trusted = true}));
    TRY(session->Provide("actions", ActionsRelation(content)));
    std::string sql = fmt::format(
        "SELECT a.txn AS txn, a.\"add\" AS \"add\", a.remove AS remove, a.\"metaData\" AS \"metaData\", "
        "a.protocol AS protocol, a.\"domainMetadata\" AS \"domainMetadata\" "
        "FROM (SELECT json_transform(action, {}) AS a FROM temp_input.actions)",
        QuoteLiteral(Structure()));
    options.rows_per_file_max = INT64_MAX;
    options.statistics = false;
    auto files = TRY(session->WriteQuery(sql, options));
    if (files.size() != 1) return Error(ErrorCode::kInternal, "a checkpoint became {} files", files.size());
    OrderedJson hint;
    hint["version"] = state.version;
    hint["size"] = content->rows.rows.size();
    hint["sizeInBytes"] = files[0].bytes;
    hint["numOfAddFiles"] = content->adds;
    return CheckpointFile{std::move(files.front()), hint.dump()};
}

Status WriteCheckpoint(const LakehouseDependencies& dependencies, const TableLocation& location,
                       const TableState& state) {
    security::Principal self = security::Principal::System("lakehouse");
    // A removed file that Maintain shall leave must still be known to have been there.
    Timestamp oldest = dependencies.env.clock().Now() - std::max(TombstoneRetention(state.metadata), dependencies.keep);
    engine::WriteOptions options;
    // Under a name that no reader takes for a checkpoint, until it is whole.
    options.prefix = location.LogName("_tarn_checkpoint_").ToString();
    CheckpointFile written = TRY(WriteCheckpointFile(dependencies.engine, state, ToMillis(oldest), std::move(options)));
    size_t slash = written.file.path.find('/');
    lake::ObjectName draft{written.file.path.substr(0, slash), written.file.path.substr(slash + 1)};
    auto copied =
        dependencies.lake.Copy(self, draft, location.LogName(CheckpointFileName(state.version)), {.if_absent = true});
    TRY(dependencies.lake.Delete(self, draft));
    if (!copied.ok() && copied.error().code() != ErrorCode::kAlreadyExists) return std::move(copied).error();
    TRY(dependencies.lake.PutBytes(self, location.LogName("_last_checkpoint"), AsBytes(written.hint),
                                   {.content_type = "application/json"}));
    return Ok();
}

}  // namespace tarn::lakehouse

#include "storage/lakehouse/write_operation.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "storage/lakehouse/features.h"
#include "storage/lakehouse/merge_step.h"
#include "storage/lakehouse/replace_step.h"

namespace tarn::lakehouse {
namespace {

// Users end their statements with a semicolon; inside of ours it must not stand.
std::string WithoutSemicolon(std::string_view sql) {
    sql = Trim(sql);
    while (sql.ends_with(';')) sql = Trim(sql.substr(0, sql.size() - 1));
    return std::string(sql);
}

const char* ModeName(WriteMode mode) {
    switch (mode) {
        case WriteMode::kOverwrite:
            return "overwrite";
        case WriteMode::kAppend:
            return "append";
        case WriteMode::kMerge:
            return "merge";
        case WriteMode::kReplace:
            return "replace";
    }
    return "";
}

}  // namespace

std::string StatisticsJson(const engine::WrittenFile& file) {
    OrderedJson json;
    json["numRecords"] = file.rows;
    json["minValues"] = OrderedJson::object();
    json["maxValues"] = OrderedJson::object();
    json["nullCount"] = OrderedJson::object();
    for (const auto& [column, statistics] : file.statistics) {
        if (!statistics.min.is_null()) json["minValues"][column] = statistics.min;
        if (!statistics.max.is_null()) json["maxValues"][column] = statistics.max;
        json["nullCount"][column] = statistics.nulls;
    }
    return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

engine::ScanFile ToScanFile(const engine::WrittenFile& file) {
    engine::ScanFile scan;
    scan.path = file.path;
    scan.rows = file.rows;
    scan.partition_values = file.partition_values;
    Json statistics = {{"min", Json::object()}, {"max", Json::object()}, {"nulls", Json::object()}};
    for (const auto& [column, one] : file.statistics) {
        if (!one.min.is_null()) statistics["min"][column] = one.min;
        if (!one.max.is_null()) statistics["max"][column] = one.max;
        statistics["nulls"][column] = one.nulls;
    }
    if (!file.statistics.empty()) scan.statistics = DumpJson(statistics);
    return scan;
}

WriteOperation::WriteOperation(const LakehouseDependencies& dependencies, Table& table, TableName name,
                               const security::Principal& principal, const WriteRequest& request)
    : dependencies_(dependencies),
      table_(table),
      name_(std::move(name)),
      principal_(principal),
      request_(request),
      self_(security::Principal::System("lakehouse")),
      running_(table) {}

// What was written and not published is in nobody's way, but costs space: it goes at once, else with Vacuum.
WriteOperation::~WriteOperation() { DeleteFiles(written_); }

void WriteOperation::DeleteFiles(const std::vector<engine::WrittenFile>& files) {
    for (const engine::WrittenFile& file : files) {
        size_t slash = file.path.find('/');
        Status deleted = dependencies_.lake.Delete(self_, {file.path.substr(0, slash), file.path.substr(slash + 1)});
        if (deleted.ok()) continue;
        dependencies_.log.Warning("an unused file stays until the next vacuum",
                                  {{"file", file.path}, {"error", deleted.error().message()}});
    }
}

Status WriteOperation::Prepare() {
    auto newest = table_.Newest();
    if (newest.ok()) {
        base_ = *newest;
        base_snapshot_ = TRY(table_.SnapshotOf(*base_));
        TRY(CheckWritable(base_->protocol, base_->metadata, base_->schema, ChangeKind::kAppend));
    } else if (newest.error().code() != ErrorCode::kNotFound) {
        return std::move(newest).error();
    }
    engine::SessionOptions options;
    options.principal = principal_;
    options.default_schema = request_.default_schema;
    options.pinned = request_.pinned;
    // The query sees the version that the commit builds on.
    if (base_) options.pinned[name_.ToString()] = base_->version;
    session_ = TRY(dependencies_.engine.OpenSession(std::move(options)));
    if (request_.cancel) cancel_ = request_.cancel->OnCancel([session = session_.get()] { session->Cancel(); });
    return Ok();
}

Result<bool> WriteOperation::IsDone(WriteResult& result) const {
    if (!base_ || request_.transaction_application.empty()) return false;
    auto mark = base_->transactions.find(request_.transaction_application);
    if (mark == base_->transactions.end() || mark->second.version < request_.transaction_version) return false;
    result = TRY(Skip());
    return true;
}

Result<WriteResult> WriteOperation::Skip() const {
    WriteResult result;
    result.skipped = true;
    result.version = base_->version;
    result.rows = base_snapshot_->rows;
    return result;
}

Result<WriteResult> WriteOperation::Run() {
    TRY(Prepare());
    WriteResult done;
    if (TRY(IsDone(done))) return done;
    auto statement = TRY(session_->Prepare(WithoutSemicolon(request_.sql)));
    const engine::StatementInfo& info = statement->info();
    if (info.kind != engine::StatementKind::kSelect) {
        return Error(ErrorCode::kInvalidArgument, "a table is made by one SELECT, this is another statement");
    }
    for (const engine::TableRead& read : info.reads) {
        if (read.schema == name_.schema && read.name == name_.name) reads_itself_ = true;
        inputs_[read.schema + "." + read.name] = read.version;
    }
    plan_ = TRY(PlanSchema(request_.mode, base_ ? &base_->schema : nullptr, info.columns, request_.column_docs));
    statement.reset();
    columns_ = TRY(ToScanColumns(plan_.schema, Layout()));
    if (request_.mode == WriteMode::kMerge) return MergeStep(*this).Run();
    if (request_.mode == WriteMode::kReplace) return ReplaceStep(*this).Run();
    return request_.mode == WriteMode::kAppend ? Append() : Overwrite();
}

// How the files are laid out: partitioned as the table was, by the columns that stay.
Metadata WriteOperation::Layout() const {
    Metadata layout;
    if (!base_) return layout;
    for (const std::string& column : base_->metadata.partition_columns) {
        auto stays = [&](const DeltaField& field) { return field.name == column; };
        if (std::any_of(plan_.schema.begin(), plan_.schema.end(), stays)) layout.partition_columns.push_back(column);
    }
    return layout;
}

std::string WriteOperation::ResultQuery() const {
    return plan_.SelectResult("(\n" + WithoutSemicolon(request_.sql) + "\n)");
}

Result<std::vector<engine::WrittenFile>> WriteOperation::WriteRows(const std::string& sql) {
    engine::WriteOptions options;
    options.prefix = table_.location().Name("").ToString();
    options.partition_by = Layout().partition_columns;
    auto files = TRY(session_->WriteQuery(sql, options));
    std::vector<engine::WrittenFile> kept;
    for (engine::WrittenFile& file : files) {
        written_.push_back(file);
        if (file.rows > 0) kept.push_back(std::move(file));
    }
    return kept;
}

engine::Relation WriteOperation::MakeRelation(const std::string& relation_name,
                                              const std::vector<engine::ScanColumn>& columns,
                                              std::vector<engine::ScanFile> files) const {
    engine::Relation relation;
    relation.schema = "temp_input";
    relation.name = relation_name;
    for (const engine::ScanColumn& column : columns) relation.columns.push_back(column.column);
    relation.source = engine::FileScan{columns, std::move(files)};
    return relation;
}

// The table's rows with a constant beside them, as in a partition.
Status WriteOperation::ProvideFiles(const std::string& name, const std::vector<size_t>& places) {
    std::vector<engine::ScanFile> files;
    for (size_t place : places) {
        files.push_back(base_snapshot_->files[place]);
        files.back().partition_values[kFileColumn] = std::to_string(place);
    }
    std::vector<engine::ScanColumn> columns = base_snapshot_->columns;
    columns.push_back(
        {.column = {.name = kFileColumn, .type = "BIGINT"}, .physical_name = kFileColumn, .partition = true});
    return session_->Provide(name, MakeRelation(name, columns, std::move(files)));
}

Result<WriteOperation::Leaving> WriteOperation::Leave(const std::vector<size_t>& places) const {
    Leaving leaving;
    if (!base_) return leaving;
    const auto& files = base_snapshot_->files;
    std::unordered_map<std::string, std::shared_ptr<const AddFile>> by_path;
    for (const auto& [key, file] : base_->files) by_path[TRY(table_.location().Resolve(file->path))] = file;
    std::vector<bool> goes(files.size(), false);
    for (size_t place : places) {
        goes[place] = true;
        leaving.removed.push_back(by_path.at(files[place].path));
        const auto& vector = leaving.removed.back()->deletion_vector;
        leaving.rows += files[place].rows - (vector ? vector->cardinality : 0);
    }
    for (size_t place = 0; place < files.size(); ++place) {
        if (!goes[place]) leaving.kept.push_back(files[place]);
    }
    return leaving;
}

Status WriteOperation::CheckRequired(const std::vector<engine::WrittenFile>& files) const {
    for (const DeltaField& field : plan_.schema) {
        if (field.nullable) continue;
        for (const engine::WrittenFile& file : files) {
            auto statistics = file.statistics.find(field.name);
            if (statistics == file.statistics.end() || statistics->second.nulls == 0) continue;
            return Error(ErrorCode::kInvalidArgument, "column \"{}\" must not be null, the result has {} nulls in it",
                         field.name, statistics->second.nulls);
        }
    }
    return Ok();
}

Status WriteOperation::Check(const std::vector<engine::ScanFile>& kept, const std::vector<engine::WrittenFile>& added) {
    TRY(CheckRequired(added));
    if (!request_.before_commit) return Ok();
    std::vector<engine::ScanFile> files = kept;
    for (const engine::WrittenFile& file : added) files.push_back(ToScanFile(file));
    engine::Relation result = MakeRelation("result", columns_, std::move(files));
    TRY(session_->Provide("result", result));
    return request_.before_commit(*session_, result);
}

CommitPlan WriteOperation::NewPlan(const char* operation) {
    CommitPlan plan;
    plan.base = base_;
    Protocol needed = base_ ? Upgrade(base_->protocol, plan_.schema) : ProtocolFor(plan_.schema);
    if (!base_ || !(needed == base_->protocol)) plan.protocol = needed;
    bool new_description =
        base_ && !request_.description.empty() && request_.description != base_->metadata.description;
    if (!base_ || plan_.changed || plan_.described || new_description) {
        Metadata metadata = base_ ? base_->metadata : Metadata{};
        if (!base_) {
            metadata.id = NewUuid(dependencies_.env.random());
            metadata.created_ms = ToMillis(dependencies_.env.clock().Now());
        }
        if (!request_.description.empty()) metadata.description = request_.description;
        metadata.schema_json = SchemaToJson(plan_.schema);
        metadata.partition_columns = Layout().partition_columns;
        plan.metadata = std::move(metadata);
    }
    if (!request_.transaction_application.empty()) {
        plan.transaction = TransactionMark{request_.transaction_application, request_.transaction_version,
                                           ToMillis(dependencies_.env.clock().Now())};
    }
    plan.info["operation"] = operation;
    plan.info["userName"] = principal_.Id();
    if (!request_.run_id.empty()) plan.info["userMetadata"] = request_.run_id;
    return plan;
}

AddFile WriteOperation::ToAction(const engine::WrittenFile& file) const {
    AddFile add;
    add.path = table_.location().Relative(file.path);
    for (const auto& [name, value] : file.partition_values) add.partition_values.emplace_back(name, value);
    add.bytes = file.bytes;
    add.modified_ms = ToMillis(dependencies_.env.clock().Now());
    add.statistics = StatisticsJson(file);
    return add;
}

int64_t WriteOperation::RowsOf(const std::vector<engine::WrittenFile>& files) const {
    int64_t rows = 0;
    for (const engine::WrittenFile& file : files) rows += file.rows;
    return rows;
}

Result<WriteResult> WriteOperation::Publish(CommitPlan plan, const std::vector<std::shared_ptr<const AddFile>>& removed,
                                            const std::vector<engine::WrittenFile>& added, WriteResult result) {
    int64_t now_ms = ToMillis(dependencies_.env.clock().Now());
    for (const auto& file : removed) plan.removes.push_back(RemoveFile::Of(*file, now_ms));
    int64_t bytes = base_snapshot_ ? base_snapshot_->bytes : 0;
    for (const auto& file : removed) bytes -= file->bytes;
    for (const engine::WrittenFile& file : added) {
        plan.adds.push_back(ToAction(file));
        result.bytes_written += file.bytes;
    }
    OrderedJson& info = plan.info;
    info["operationMetrics"]["numFiles"] = std::to_string(added.size());
    info["operationMetrics"]["numOutputRows"] = std::to_string(RowsOf(added));
    info["operationMetrics"]["numOutputBytes"] = std::to_string(result.bytes_written);
    info["operationMetrics"]["numRemovedFiles"] = std::to_string(removed.size());
    OrderedJson tarn = OrderedJson::object();
    if (request_.commit_info.is_object()) tarn = OrderedJson::parse(DumpJson(request_.commit_info));
    tarn["mode"] = ModeName(request_.mode);
    if (!request_.run_id.empty()) tarn["run"] = request_.run_id;
    if (!tarn.contains("inputs")) tarn["inputs"] = OrderedJson::parse(DumpJson(inputs_));
    if (!plan_.changes.empty()) tarn["schema_changes"] = plan_.changes;
    tarn["rows"] = result.rows;
    tarn["bytes"] = bytes + result.bytes_written;
    tarn["rows_inserted"] = result.rows_inserted;
    tarn["rows_updated"] = result.rows_updated;
    tarn["rows_deleted"] = result.rows_deleted;
    info["tarn"] = std::move(tarn);

    bool uncertain = false;
    auto outcome = table_.Commit(plan, uncertain);
    if (!outcome.ok()) {
        // The log may name these files, or may not: only Vacuum can tell later.
        if (uncertain) written_.clear();
        return std::move(outcome).error();
    }
    if (outcome->was_there) {
        result = WriteResult{
            .version = outcome->version, .skipped = true, .rows = base_snapshot_ ? base_snapshot_->rows : -1};
        return result;
    }
    std::erase_if(written_, [&](const engine::WrittenFile& file) {
        return std::any_of(added.begin(), added.end(), [&](const auto& kept) { return kept.path == file.path; });
    });
    result.version = outcome->version;
    return result;
}

Result<WriteResult> WriteOperation::Append() {
    std::string sql = ResultQuery();
    auto added = TRY(WriteRows(sql));
    int64_t inserted = RowsOf(added);
    std::vector<std::shared_ptr<const AddFile>> removed;
    std::vector<engine::ScanFile> kept = base_snapshot_ ? base_snapshot_->files : std::vector<engine::ScanFile>();
    if (plan_.rewrites) {
        TRY(CheckWritable(base_->protocol, base_->metadata, base_->schema, ChangeKind::kReplace));
        TRY(session_->Provide("target", MakeRelation("target", base_snapshot_->columns, base_snapshot_->files)));
        for (engine::WrittenFile& file : TRY(WriteRows(plan_.SelectTable("temp_input.target")))) {
            added.push_back(std::move(file));
        }
        for (const auto& [key, file] : base_->files) removed.push_back(file);
        kept.clear();
    }
    bool has_transaction = !request_.transaction_application.empty();
    if (base_ && added.empty() && !plan_.changed && !has_transaction) return Skip();
    TRY(Check(kept, added));
    CommitPlan plan = NewPlan(base_ ? "WRITE" : "CREATE TABLE AS SELECT");
    plan.info["operationParameters"] = {{"mode", "Append"}, {"partitionBy", "[]"}};
    plan.blind_append = !reads_itself_ && removed.empty() && base_ && !plan.metadata && !plan.protocol;
    WriteResult result;
    result.rows_inserted = inserted;
    int64_t before = base_snapshot_ ? base_snapshot_->rows : 0;
    result.rows = before < 0 ? -1 : before + inserted;
    return Publish(std::move(plan), removed, added, result);
}

Result<WriteResult> WriteOperation::Overwrite() {
    std::vector<std::shared_ptr<const AddFile>> removed;
    if (base_) {
        TRY(CheckWritable(base_->protocol, base_->metadata, base_->schema, ChangeKind::kReplace));
        for (const auto& [key, file] : base_->files) removed.push_back(file);
    }
    auto added = TRY(WriteRows(ResultQuery()));
    TRY(Check({}, added));
    CommitPlan plan = NewPlan(base_ ? "WRITE" : "CREATE TABLE AS SELECT");
    plan.info["operationParameters"] = {{"mode", "Overwrite"}, {"partitionBy", "[]"}};
    WriteResult result;
    result.rows = result.rows_inserted = RowsOf(added);
    result.rows_deleted = base_snapshot_ ? std::max<int64_t>(base_snapshot_->rows, 0) : 0;
    return Publish(std::move(plan), removed, added, result);
}

}  // namespace tarn::lakehouse

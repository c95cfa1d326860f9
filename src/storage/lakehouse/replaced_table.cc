#include "storage/lakehouse/replaced_table.h"

#include "base/text.h"
#include "storage/lakehouse/actions.h"
#include "storage/lakehouse/checkpoint_writer.h"
#include "storage/lakehouse/features.h"
#include "storage/lakehouse/log_files.h"
#include "storage/lakehouse/schema_plan.h"
#include "storage/lakehouse/table.h"
#include "storage/lakehouse/table_state.h"
#include "storage/lakehouse/write_operation.h"

namespace tarn::lakehouse {
namespace {

constexpr const char* kWriterKey = "tarnWriter";  // of commitInfo

bool IsBy(const CommitInfo& info, const std::string& writer) {
    auto json = ParseJson(info.json);
    return json.ok() && json->is_object() && json->value(kWriterKey, "") == writer;
}

}  // namespace

ReplacedTable::ReplacedTable(Env& env, std::string writer) : env_(env), writer_(std::move(writer)) {}
ReplacedTable::~ReplacedTable() = default;

std::string ReplacedTable::EntryName(int64_t version) { return CommitFileName(version); }
std::string ReplacedTable::CheckpointName(int64_t version) { return CheckpointFileName(version); }

Status ReplacedTable::Read(int64_t version, std::string_view entry) {
    auto state = std::make_unique<TableState>();
    ActionParser parser;
    bool ours = false;
    for (const std::string& line : Split(entry, '\n')) {
        if (Trim(line).empty()) continue;
        std::optional<Action> action = TRY(parser.Parse(line));
        if (!action) continue;
        if (const auto* info = std::get_if<CommitInfo>(&*action)) ours = ours || IsBy(*info, writer_);
        TRY(state->Apply(std::move(*action), ActionOrigin::kCommit, version));
    }
    if (!ours) {
        return Error(ErrorCode::kFailedPrecondition, "version {} of the Delta table there is by somebody else", version)
            .WithHint("deliver to another name: this one is only replaced as long as nobody else writes it");
    }
    TRY(state->Finish());
    state_ = std::move(state);
    version_ = version;
    return Ok();
}

bool ReplacedTable::Has(const std::string& application, int64_t application_version) const {
    if (!state_) return false;
    auto mark = state_->transactions.find(application);
    return mark != state_->transactions.end() && mark->second.version >= application_version;
}

Result<std::string> ReplacedTable::Plan(const std::vector<engine::ResultColumn>& columns, const std::string& select) {
    SchemaPlan plan = TRY(PlanSchema(WriteMode::kOverwrite, nullptr, columns, {}));
    if (!state_) state_ = std::make_unique<TableState>();
    state_->protocol = Upgrade(state_->protocol, plan.schema);
    schema_json_ = SchemaToJson(plan.schema);
    return plan.SelectResult("(\n" + select + "\n)");
}

std::string ReplacedTable::Next(const std::string& path, const engine::WrittenFile& file,
                                const std::string& application, int64_t application_version) {
    int64_t now_ms = ToMillis(env_.clock().Now());
    std::string text;
    auto append = [&](const Action& action) { text += ToJsonLine(action) + "\n"; };
    CommitInfo info;
    OrderedJson json = {{"timestamp", now_ms},
                        {"operation", "WRITE"},
                        {"operationParameters", {{"mode", "Overwrite"}}},
                        {"engineInfo", "tarn"},
                        {kWriterKey, writer_}};
    info.json = json.dump();
    append(info);
    append(state_->protocol);
    Metadata& metadata = state_->metadata;
    if (metadata.id.empty()) {
        metadata.id = NewUuid(env_.random());
        metadata.created_ms = now_ms;
    }
    metadata.schema_json = schema_json_;
    append(metadata);
    state_->transactions = {{application, {application, application_version, now_ms}}};
    append(state_->transactions[application]);
    for (const auto& [key, gone] : state_->files) append(RemoveFile::Of(*gone, now_ms));
    state_->files.clear();
    AddFile add;
    add.path = UrlEncode(path, true);
    add.bytes = file.bytes;
    add.modified_ms = now_ms;
    add.statistics = StatisticsJson(file);
    append(add.Clone());
    std::string key = add.Key();
    state_->files[key] = std::make_shared<const AddFile>(std::move(add));
    state_->version = ++version_;
    return text;
}

std::vector<std::string> ReplacedTable::Paths() const {
    std::vector<std::string> paths;
    if (!state_) return paths;
    for (const auto& [key, file] : state_->files) paths.push_back(UrlDecode(file->path).value_or(file->path));
    return paths;
}

Result<std::string> ReplacedTable::WriteCheckpoint(engine::Engine& engine, const std::string& path) const {
    engine::WriteOptions options;
    options.prefix = path;
    options.single_file = true;
    CheckpointFile written = TRY(WriteCheckpointFile(engine, *state_, 0, std::move(options)));
    return written.hint;
}

}  // namespace tarn::lakehouse

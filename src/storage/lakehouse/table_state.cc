#include "storage/lakehouse/table_state.h"

#include <utility>

#include "storage/lakehouse/features.h"

namespace tarn::lakehouse {
namespace {

Error Twice(std::string_view what, int64_t version) {
    return Error(ErrorCode::kCorruption, "version {} of the log has {} twice", version, what);
}

}  // namespace

Status TableState::Add(AddFile file, ActionOrigin origin, int64_t at_version) {
    std::string key = file.Key();
    file.added_in = at_version;
    auto present = files.find(key);
    if (present != files.end() && present->second->added_in == at_version) {
        return Twice(fmt::format("the file \"{}\"", file.path), at_version);
    }
    auto tombstone = tombstones.find(key);
    if (tombstone != tombstones.end()) {
        if (origin == ActionOrigin::kCommit && tombstone->second->removed_in == at_version) {
            return Error(ErrorCode::kCorruption, "version {} of the log adds and removes \"{}\"", at_version,
                         file.path);
        }
        tombstones.erase(tombstone);
    }
    files.insert_or_assign(std::move(key), std::make_shared<const AddFile>(std::move(file)));
    return Ok();
}

Status TableState::Remove(RemoveFile file, ActionOrigin origin, int64_t at_version) {
    std::string key = file.Key();
    file.removed_in = at_version;
    auto present = files.find(key);
    if (present != files.end()) {
        if (present->second->added_in == at_version) {
            if (origin == ActionOrigin::kCheckpoint) return Ok();  // the add is the newer of the two
            return Error(ErrorCode::kCorruption, "version {} of the log adds and removes \"{}\"", at_version,
                         file.path);
        }
        files.erase(present);
    }
    tombstones.insert_or_assign(std::move(key), std::make_shared<const RemoveFile>(std::move(file)));
    return Ok();
}

Status TableState::Apply(Action action, ActionOrigin origin, int64_t at_version) {
    if (auto* add = std::get_if<AddFile>(&action)) return Add(std::move(*add), origin, at_version);
    if (auto* remove = std::get_if<RemoveFile>(&action)) return Remove(std::move(*remove), origin, at_version);
    if (auto* found = std::get_if<Metadata>(&action)) {
        if (metadata_version_ == at_version) return Twice("metaData", at_version);
        metadata = std::move(*found);
        metadata_version_ = at_version;
        has_metadata_ = true;
        schema.clear();
        return Ok();
    }
    if (auto* found = std::get_if<Protocol>(&action)) {
        if (protocol_version_ == at_version) return Twice("protocol", at_version);
        protocol = std::move(*found);
        protocol_version_ = at_version;
        has_protocol_ = true;
        return Ok();
    }
    if (auto* mark = std::get_if<TransactionMark>(&action)) {
        transactions[mark->application] = std::move(*mark);
        return Ok();
    }
    if (auto* domain = std::get_if<DomainMetadata>(&action)) {
        if (domain->removed) {
            domains.erase(domain->domain);
        } else {
            domains[domain->domain] = std::move(*domain);
        }
        return Ok();
    }
    if (auto* info = std::get_if<CommitInfo>(&action)) {
        int64_t time_ms = info->in_commit_timestamp_ms >= 0 ? info->in_commit_timestamp_ms : info->timestamp_ms;
        if (time_ms >= 0) committed_ms = time_ms;
    }
    return Ok();
}

Status TableState::Finish() {
    if (!has_protocol_)
        return Error(ErrorCode::kCorruption, "the log has no protocol: this is no readable Delta table");
    TRY(CheckReadable(protocol));
    if (!has_metadata_)
        return Error(ErrorCode::kCorruption, "the log has no metaData: this is no readable Delta table");
    if (metadata.format != "parquet") {
        return Error(ErrorCode::kNotSupported, "the table's files are {}, not Parquet", metadata.format);
    }
    if (metadata.schema_json.empty()) return Error(ErrorCode::kCorruption, "the log's metaData has no schema");
    if (schema.empty()) schema = TRY(ParseSchema(metadata.schema_json));
    if (schema.empty()) return Error(ErrorCode::kCorruption, "the table's schema has no columns");
    return Ok();
}

}  // namespace tarn::lakehouse

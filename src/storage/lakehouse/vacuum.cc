#include "storage/lakehouse/vacuum.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "storage/lakehouse/deletion_vector.h"

namespace tarn::lakehouse {
namespace {

struct Listed {
    lake::ObjectName name;
    Timestamp modified_at;
};

Result<std::vector<Listed>> ListAll(lake::Lake& lake, const security::Principal& principal,
                                    const lake::ObjectName& prefix) {
    std::vector<Listed> objects;
    lake::ListOptions options;
    options.prefix = prefix.key;
    while (true) {
        lake::ListPage page = TRY(lake.List(principal, prefix.bucket, options));
        for (const lake::ObjectInfo& object : page.objects) objects.push_back({object.name, object.modified_at});
        if (!page.truncated) return objects;
        options.start_after = page.next_start_after;
    }
}

// Objects that versions since `cutoff` need, as "bucket/key".
Result<std::set<std::string>> Needed(const TableLocation& location, const TableState& state, Timestamp cutoff) {
    std::set<std::string> needed;
    auto need = [&](const std::string& path, const DeletionVector* vector) -> Status {
        needed.insert(TRY(location.Resolve(path)));
        if (vector && vector->storage_type != 'i') needed.insert(TRY(DeletionVectorPath(location, *vector)));
        return Ok();
    };
    for (const auto& [key, file] : state.files) TRY(need(file->path, file->deletion_vector.get()));
    for (const auto& [key, file] : state.tombstones) {
        if (file->deleted_ms < ToMillis(cutoff)) continue;
        auto known = need(file->path, file->deletion_vector.get());
        if (!known.ok() && known.error().code() != ErrorCode::kNotSupported) return std::move(known).error();
    }
    return needed;
}

// Folders whose names begin so are not data: the log, and what other tools keep; _change_data is data.
bool IsHidden(std::string_view relative) {
    if (relative.starts_with("_change_data/")) return false;
    std::string_view name = relative.substr(0, relative.find('/'));
    bool is_partition = name.find('=') != std::string_view::npos;
    return !is_partition && (name.starts_with("_") || name.starts_with("."));
}

}  // namespace

Result<int64_t> VacuumTable(const LakehouseDependencies& dependencies, Table& table, Duration keep) {
    security::Principal self = security::Principal::System("lakehouse");
    const TableLocation& location = table.location();
    Timestamp cutoff = dependencies.env.clock().Now() - std::max(keep, Duration(0));
    // The order matters: a write that begins now is newer than `oldest_write`, and its files than the cutoff.
    Timestamp untracked_before = std::min(cutoff, table.OldestWrite().value_or(cutoff));
    auto objects = TRY(ListAll(dependencies.lake, self, location.Name("")));
    auto state = TRY(table.Newest());
    auto needed = TRY(Needed(location, *state, cutoff));
    int64_t count = 0;
    for (const Listed& object : objects) {
        std::string_view relative = std::string_view(object.name.key).substr(location.prefix.size() + 1);
        bool is_draft = relative.starts_with("_delta_log/_tarn_checkpoint_");
        if ((IsHidden(relative) && !is_draft) || object.modified_at >= untracked_before) continue;
        if (needed.contains(object.name.ToString())) continue;
        TRY(dependencies.lake.Delete(self, object.name));
        ++count;
    }
    return count;
}

Status DropTable(const LakehouseDependencies& dependencies, Table& table) {
    security::Principal self = security::Principal::System("lakehouse");
    const TableLocation& location = table.location();
    std::string log_prefix = location.LogName("").key;
    auto block = table.BlockCommits();
    auto objects = TRY(ListAll(dependencies.lake, self, location.Name("")));
    if (objects.empty()) return Error(ErrorCode::kNotFound, "there is no table at {}", location.ToString());
    std::stable_partition(objects.begin(), objects.end(),
                          [&](const Listed& object) { return object.name.key.starts_with(log_prefix); });
    for (const Listed& object : objects) TRY(dependencies.lake.Delete(self, object.name));
    table.Forget();
    return Ok();
}

}  // namespace tarn::lakehouse

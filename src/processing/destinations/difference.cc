#include "processing/destinations/difference.h"

#include <set>

#include "base/text.h"
#include "processing/destinations/sql_target.h"

namespace tarn::destinations {
namespace {

using FileId = std::pair<std::string, std::string>;  // path, deleted rows

std::set<FileId> FilesOf(const lakehouse::Snapshot& snapshot) {
    std::set<FileId> files;
    for (const engine::ScanFile& file : snapshot.files) files.emplace(file.path, file.deleted_positions);
    return files;
}

bool SameColumns(const lakehouse::Snapshot& left, const lakehouse::Snapshot& right) {
    return left.schema_json == right.schema_json;
}

// The files of `snapshot` that `other` lacks, as a relation.
engine::Relation Only(const lakehouse::TableName& table, const lakehouse::Snapshot& snapshot,
                      const std::set<FileId>& other) {
    engine::Relation relation = lakehouse::ToRelation(table, snapshot);
    auto& files = std::get<engine::FileScan>(relation.source).files;
    std::erase_if(files, [&](const auto& file) { return other.contains({file.path, file.deleted_positions}); });
    return relation;
}

}  // namespace

Result<std::optional<Difference>> FindDifference(const DestinationsDependencies& dependencies, Delivery& delivery,
                                                 int64_t from) {
    std::optional<Difference> none;
    const TableDelivery& table = delivery.table;
    if (table.key.empty() || delivery.sees_part || delivery.snapshot.rows < 0) return none;
    size_t dot = table.from.find('.');
    lakehouse::TableName name{table.from.substr(0, dot), table.from.substr(dot + 1)};
    auto before = dependencies.lakehouse.Open(security::Principal::System("destinations"), name, {.version = from});
    if (!before.ok() || !SameColumns(*before, delivery.snapshot)) return none;
    Difference difference;
    difference.rows = delivery.snapshot.rows;
    difference.session =
        TRY(dependencies.engine.OpenSession({.principal = security::Principal::System("destinations")}));
    auto* session = difference.session.get();
    difference.on_cancel = delivery.run.cancel().OnCancel([session] { session->Cancel(); });
    TRY(session->Provide("added", Only(name, delivery.snapshot, FilesOf(*before))));
    TRY(session->Provide("removed", Only(name, *before, FilesOf(delivery.snapshot))));
    std::string columns = table.columns.empty() ? "*" : List(table.columns);
    std::string key = List(table.key);
    difference.upserts =
        fmt::format("SELECT {0} FROM temp_input.added EXCEPT SELECT {0} FROM temp_input.removed", columns);
    difference.gone = fmt::format("SELECT {0} FROM temp_input.removed EXCEPT SELECT {0} FROM temp_input.added", key);
    delivery.run.Write(fmt::format("by what changed since version {}", from));
    return std::optional(std::move(difference));
}

Result<Delivered> DifferenceOrWhole(Delivery& delivery, const Once& once) {
    bool by_difference = false;
    auto delivered = once(false, by_difference);
    if (delivered.ok() || !by_difference || delivery.run.cancel().cancelled()) return delivered;
    // Files of the older version may be gone, or others have written to the target.
    delivery.run.Write("the whole version, since: " + delivered.error().message());
    return once(true, by_difference);
}

}  // namespace tarn::destinations

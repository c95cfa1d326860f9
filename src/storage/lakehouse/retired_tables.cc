#include "storage/lakehouse/retired_tables.h"

#include <utility>

namespace tarn::lakehouse {
namespace {

// No schema begins with '_'.
constexpr std::string_view kPrefix = "_retired/";

}  // namespace

RetiredTables::RetiredTables(lake::Lake& lake, std::string bucket)
    : lake_(lake), bucket_(std::move(bucket)), self_(security::Principal::System("lakehouse")) {}

lake::ObjectName RetiredTables::MarkOf(const std::string& table) const {
    return {bucket_, std::string(kPrefix) + table};
}

Status RetiredTables::Load() {
    lake::ListOptions options;
    options.prefix = std::string(kPrefix);
    std::map<std::string, Timestamp> tables;
    while (true) {
        lake::ListPage page = TRY(lake_.List(self_, bucket_, options));
        for (const lake::ObjectInfo& mark : page.objects) {
            tables[mark.name.key.substr(kPrefix.size())] = mark.modified_at;
        }
        if (!page.truncated) break;
        options.start_after = page.next_start_after;
    }
    std::lock_guard lock(mutex_);
    tables_ = std::move(tables);
    ++changes_;
    return Ok();
}

bool RetiredTables::Contains(const std::string& table) const {
    std::lock_guard lock(mutex_);
    return tables_.contains(table);
}

Status RetiredTables::Add(const std::string& table) {
    lake::ObjectInfo mark = TRY(lake_.PutBytes(self_, MarkOf(table), {}));
    std::lock_guard lock(mutex_);
    tables_[table] = mark.modified_at;
    ++changes_;
    return Ok();
}

Status RetiredTables::Remove(const std::string& table) {
    TRY(lake_.Delete(self_, MarkOf(table)));
    std::lock_guard lock(mutex_);
    tables_.erase(table);
    ++changes_;
    return Ok();
}

std::map<std::string, Timestamp> RetiredTables::All() const {
    std::lock_guard lock(mutex_);
    return tables_;
}

}  // namespace tarn::lakehouse

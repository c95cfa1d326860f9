#include "storage/catalog/tag_store.h"

#include <mutex>

#include "base/text.h"

namespace tarn::catalog {
namespace {

// What the version under way comes from, until its lineage stands among the others.
constexpr const char* kTables = R"sql(
CREATE TABLE lineage_expected (
    id TEXT NOT NULL, column_name TEXT NOT NULL, input_id TEXT NOT NULL, input_column TEXT NOT NULL,
    PRIMARY KEY (id, column_name, input_id, input_column))
)sql";

}  // namespace

Result<std::unique_ptr<TagStore>> TagStore::Open(metadata::Database& database) {
    TRY(database.Migrate("lineage_expected", {{1, kTables}}));
    std::unique_ptr<TagStore> store(new TagStore(database));
    TRY(store->Load());
    return store;
}

Status TagStore::Load() {
    decltype(inputs_) inputs;
    for (const char* table : {"lineage_columns", "lineage_expected"}) {
        auto rows =
            TRY(database_.Query(fmt::format("SELECT DISTINCT id, column_name, input_id, input_column FROM {}", table)));
        for (const metadata::Row& row : rows) {
            Column input{row[2].text(), ToLower(row[3].text())};
            inputs[row[0].text()][ToLower(row[1].text())].insert(std::move(input));
        }
    }
    std::unique_lock lock(mutex_);
    inputs_ = std::move(inputs);
    ++epoch_;
    return Ok();
}

void TagStore::Declare(const std::map<std::string, Annotation>& annotations) {
    std::map<std::string, Declared> declared;
    for (const auto& [id, annotation] : annotations) {
        Declared& one = declared[id];
        one.tags = annotation.tags;
        for (const auto& [column, tags] : annotation.column_tags) one.columns[ToLower(column)] = tags;
        for (const std::string& column : annotation.declassified) one.declassified.insert(ToLower(column));
    }
    std::unique_lock lock(mutex_);
    declared_ = std::move(declared);
    ++epoch_;
}

Status TagStore::Expect(const std::string& id, const std::vector<LineageColumn>& columns) {
    std::vector<std::pair<std::string, Column>> unknown;
    {
        std::shared_lock lock(mutex_);
        auto table = inputs_.find(id);
        for (const LineageColumn& column : columns) {
            Column input{column.input_schema + "." + column.input_name, ToLower(column.input_column)};
            std::string name = ToLower(column.column);
            auto found = table == inputs_.end() ? decltype(table->second.end())() : table->second.find(name);
            bool is_known = table != inputs_.end() && found != table->second.end() && found->second.contains(input);
            if (!is_known) unknown.emplace_back(std::move(name), std::move(input));
        }
    }
    if (unknown.empty()) return Ok();
    TRY(database_.Write([&](metadata::Transaction& transaction) -> Status {
        for (const auto& [name, input] : unknown) {
            TRY(transaction.Execute("INSERT INTO lineage_expected VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                                    {id, name, input.table, input.name}));
        }
        return Ok();
    }));
    std::unique_lock lock(mutex_);
    for (auto& [name, input] : unknown) inputs_[id][name].insert(std::move(input));
    ++epoch_;
    return Ok();
}

std::set<std::string> TagStore::TagsOfColumn(const Column& column, std::set<Column>& on_the_way) const {
    std::set<std::string> tags;
    if (!on_the_way.insert(column).second) return tags;  // a table that reads itself, or the same column by two ways
    auto declared = declared_.find(column.table);
    bool is_declassified = false;
    if (declared != declared_.end()) {
        is_declassified = declared->second.declassified.contains(column.name);
        auto own = declared->second.columns.find(column.name);
        if (own != declared->second.columns.end()) tags.insert(own->second.begin(), own->second.end());
    }
    auto table = inputs_.find(column.table);
    if (is_declassified || table == inputs_.end()) return tags;
    auto inputs = table->second.find(column.name);
    if (inputs == table->second.end()) return tags;
    for (const Column& input : inputs->second) tags.merge(TagsOfColumn(input, on_the_way));
    return tags;
}

security::TableTags TagStore::Of(const std::string& id) const {
    security::TableTags result;
    std::shared_lock lock(mutex_);
    std::set<std::string> columns;
    auto declared = declared_.find(id);
    if (declared != declared_.end()) {
        result.tags = declared->second.tags;
        for (const auto& [name, tags] : declared->second.columns) columns.insert(name);
    }
    auto table = inputs_.find(id);
    if (table != inputs_.end()) {
        for (const auto& [name, inputs] : table->second) columns.insert(name);
    }
    for (const std::string& name : columns) {
        std::set<Column> on_the_way;
        auto tags = TagsOfColumn({id, name}, on_the_way);
        if (!tags.empty()) result.columns[name].assign(tags.begin(), tags.end());
    }
    return result;
}

uint64_t TagStore::epoch() const {
    std::shared_lock lock(mutex_);
    return epoch_;
}

}  // namespace tarn::catalog

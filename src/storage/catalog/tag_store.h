// Tags in force: those that files declare, and those that a column inherits from the columns it was computed from.
//
// What a column comes from is known before a version with it can be read: Expect is called before the commit and is
// durable. A column keeps what it inherited from any version whose lineage is still kept, as that version may still be
// read by AT; `declassify` in the table's file ends it. Internal.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "metadata/metadata.h"
#include "security/table_facts.h"
#include "storage/catalog/catalog.h"

namespace tarn::catalog {

class TagStore {
  public:
    static Result<std::unique_ptr<TagStore>> Open(metadata::Database& database);

    // All that is stored, again: names have changed.
    Status Load();
    // By "schema.name"; replaces all that were set before.
    void Declare(const std::map<std::string, Annotation>& annotations);
    // These columns of `id` come from those, from the next version on. Durable when it returns.
    Status Expect(const std::string& id, const std::vector<LineageColumn>& columns);
    security::TableTags Of(const std::string& id) const;
    uint64_t epoch() const;

  private:
    explicit TagStore(metadata::Database& database) : database_(database) {}
    struct Column {
        std::string table;
        std::string name;  // lower case
        auto operator<=>(const Column&) const = default;
    };
    struct Declared {
        std::vector<std::string> tags;
        std::map<std::string, std::vector<std::string>> columns;
        std::set<std::string> declassified;
    };
    std::set<std::string> TagsOfColumn(const Column& column, std::set<Column>& on_the_way) const;

    metadata::Database& database_;
    mutable std::shared_mutex mutex_;
    uint64_t epoch_ = 1;
    std::map<std::string, Declared> declared_;
    std::map<std::string, std::map<std::string, std::set<Column>>> inputs_;  // table -> column -> where it comes from
};

}  // namespace tarn::catalog

// From the columns of a query's result to what is stored: the schema after the write, and the casts it needs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "storage/lakehouse/delta_schema.h"
#include "storage/lakehouse/lakehouse.h"

namespace tarn::lakehouse {

struct SchemaPlan {
    std::vector<DeltaField> schema;         // of the table after the write
    std::vector<std::string> result_select; // over the result: one expression with its name for each column
    std::vector<std::string> table_select;  // over the table as it was; empty if there was none
    bool changed = false;                   // columns or their types: the table's metaData must say so
    bool described = false;                 // only descriptions: stored with the next commit, but worth none alone
    // A column got a wider type: files that hold the narrow one are written anew, since readers without the
    // typeWidening feature could not read them.
    bool rewrites = false;
    std::vector<std::string> changes;  // for people: "added gate VARCHAR", "widened seats from INTEGER to BIGINT"

    std::string SelectResult(const std::string& from) const;  // "SELECT ... FROM from"
    std::string SelectTable(const std::string& from) const;
};

// `existing` is null where there is no table. kInvalidArgument names columns that can't be stored or do not fit.
Result<SchemaPlan> PlanSchema(WriteMode mode, const std::vector<DeltaField>* existing,
                              const std::vector<engine::ResultColumn>& result, const std::vector<engine::Column>& docs);

}  // namespace tarn::lakehouse

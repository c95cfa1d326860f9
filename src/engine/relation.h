// Relation: what a table's name means for one statement. Declared here, answered by the catalog under the gate.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "security/gate.h"
#include "security/principal.h"

namespace tarn::engine {

struct Column {
    std::string name;
    std::string type;  // DuckDB's spelling: "BIGINT", "DECIMAL(12,2)", "STRUCT(a INTEGER, b VARCHAR[])"
    bool nullable = true;
    std::string description;
};

// One Parquet file of a scan.
struct ScanFile {
    std::string path;     // "bucket/key"
    int64_t rows = -1;    // unknown: -1
    std::map<std::string, std::optional<std::string>> partition_values;  // logical name -> text; no value is NULL
    // Positions (row numbers in the file) that are deleted: a serialised 64 bit Roaring bitmap (portable format), or
    // empty for none.
    std::string deleted_positions;
    // min/max/null count per logical column as JSON text {"min": {..}, "max": {..}, "nulls": {..}}; may be empty.
    std::string statistics;
};

// How a logical column is found in the files.
struct ScanColumn {
    Column column;
    std::string physical_name;  // differs under column mapping by name
    int32_t field_id = -1;  // >= 0: found by Parquet field id
    bool partition = false;  // its value comes from ScanFile::partition_values
};

struct FileScan {
    std::vector<ScanColumn> columns;
    std::vector<ScanFile> files;
};

// SQL that we wrote ourselves (never a user): may use file functions on 'tarn://bucket/key' for exactly `files`.
struct TrustedView {
    std::string sql;
    std::vector<std::string> files;  // "bucket/key"
};

// Rows made by the program: system tables. Cells are text; null is no value; cast to the columns' types.
struct RowSet {
    std::vector<std::vector<std::optional<std::string>>> rows;
};
struct GeneratedRows {
    std::function<Result<RowSet>()> make;  // called once when the scan starts
};

// A copy of a relation's version that is scanned in place of its own files: never the only one, never needed.
struct ServedCopy {
    FileScan original;  // what it is a copy of: a statement whose copy fails reads this instead
    std::shared_ptr<const void> held;  // the copy's file stays while somebody has this
};

struct Relation {
    std::string schema;
    std::string name;
    std::string version;  // "17" of a Delta table, a load's number of a raw dataset, empty where nothing is versioned
    std::vector<Column> columns;
    std::variant<FileScan, TrustedView, GeneratedRows> source;
    security::Obligations obligations;  // row filter and masks that the engine applies below the user's expressions
    std::string comment;
    std::shared_ptr<const ServedCopy>
        copy;  // set: `source` is a FileScan of a copy of this very version; shared by plans
};

// AT (VERSION => n) or AT (TIMESTAMP => t).
struct AtClause {
    std::optional<int64_t> version;
    std::optional<Timestamp> timestamp;
};

struct RelationSummary {
    std::string schema;
    std::string name;
    std::string comment;
};

// The relation with its own files again.
Relation WithoutCopy(Relation relation);

class RelationSource {
  public:
    virtual ~RelationSource() = default;
    // kNotFound also for what the principal may not see.
    virtual Result<Relation> Find(const security::Principal& principal, const std::string& schema,
                                  const std::string& name, const AtClause& at) = 0;
    virtual Result<std::vector<std::string>> Schemas(const security::Principal& principal) = 0;
    virtual Result<std::vector<RelationSummary>> Relations(const security::Principal& principal,
                                                           const std::string& schema) = 0;
};

}  // namespace tarn::engine

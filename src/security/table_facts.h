// TableFacts: what the gate must know of data to decide: tags of tables and columns, and which object is whose file.
//
// Implemented by the catalog, asked by the gate. Tags are those in force: declared, and inherited from the columns that
// a column was computed from, of every version that is or is about to be readable.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::security {

struct TableTags {
    std::vector<std::string> tags;  // of the table
    std::map<std::string, std::vector<std::string>> columns;  // lower-case name -> tags
};

class TableFacts {
  public:
    virtual ~TableFacts() = default;
    // Of "schema.table"; empty for one that is not known.
    virtual TableTags TagsOf(const std::string& table) const = 0;
    // "delays.flights" for "lakehouse/delays/flights/part-0.parquet"; empty when no table's file can lie there.
    virtual std::string TableOfObject(std::string_view object) const = 0;
    // Then policies and names do not agree for a moment: its files are closed to whom policies restrict.
    virtual bool IsBeingRenamed(const std::string&) const { return false; }
    // Grows with every change of what TagsOf answers.
    virtual uint64_t facts_epoch() const = 0;
};

}  // namespace tarn::security

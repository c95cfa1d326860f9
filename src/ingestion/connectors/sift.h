// Sifting: takes broken records out of a csv or JSON file, so that the rest of it can be loaded. Internal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ingestion/connectors/connector.h"

namespace tarn::connectors {

struct BrokenRecord {
    int64_t record = 0;  // from 1, without the header
    std::string reason;
    std::string text;    // as it came, byte for byte
};

struct Sifted {
    std::string header;  // csv: the first line with its end, if there is one
    std::vector<std::string_view> good;  // records with their ends, in order
    std::vector<int64_t> good_numbers;   // and their numbers
    std::vector<BrokenRecord> broken;
    int64_t records = 0;
};

// Both stop once more than `broken_max` are broken. Views point into `text`, which must outlive them.
Sifted SiftCsv(std::string_view text, char delimiter, bool header, size_t columns, int64_t broken_max);
// Lines of JSON, or one list: a record is an object.
Sifted SiftJson(std::string_view text, int64_t broken_max);

// How many records may be broken: "100" or "1%"; empty: none, the load fails.
struct BrokenLimit {
    int64_t count = 0;
    double percent = -1;
    bool any() const { return count > 0 || percent > 0; }
    bool Allows(int64_t broken, int64_t records) const;
};
Result<BrokenLimit> ParseBrokenLimit(const std::string& text);

// Infers the columns of the load's new objects; where that fails over broken records and the stream allows some, they
// are put into an object of their own, the rest of the file into another, and the file itself stays beside, unseen.
Status InferOrSift(engine::Engine& engine, const StreamState& state, LoadWriter& writer, const BrokenLimit& limit,
                   const std::string& on_drift);

// An object of broken records, and the records of one.
std::string BrokenText(const std::string& header, const std::vector<BrokenRecord>& broken);
Result<std::vector<BrokenRecord>> ReadBroken(std::string_view content, std::string* header = nullptr);

}  // namespace tarn::connectors

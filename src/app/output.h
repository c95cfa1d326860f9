// What commands print: aligned tables, JSON, CSV.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"

namespace tarn::app {

// A cell as people read it: text without quotes, nothing for null.
std::string CellText(const Json& value);
// Columns as wide as their cells; numbers to the right.
void PrintTable(std::ostream& out, const std::vector<std::string>& columns, const std::vector<std::vector<Json>>& rows);
// The members `keys` of each object.
void PrintObjects(std::ostream& out, const Json& objects, const std::vector<std::string>& keys);
void PrintCsv(std::ostream& out, const std::vector<std::string>& columns, const std::vector<std::vector<Json>>& rows);
// "1,234,567".
std::string GroupDigits(int64_t number);

// What is no text for people: a downloaded file.
class StandardOutput : public ByteWriter {
  public:
    Status Write(ByteSpan bytes) override;
};

}  // namespace tarn::app

// Replaces the rows of a range of time, copy-on-write: files without rows of the range stay; of the others only the
// rows outside of it are written anew. The result must lie within the range, so that a replay never doubles a row.
#pragma once

#include <string>
#include <vector>

#include "storage/lakehouse/write_operation.h"

namespace tarn::lakehouse {

class ReplaceStep {
  public:
    explicit ReplaceStep(WriteOperation& operation) : operation_(operation) {}
    Result<WriteResult> Run();

  private:
    // "column >= begin AND column < end" for the type that the column has in `schema`; empty: it has no such column.
    Result<std::string> Within(const std::vector<DeltaField>& schema) const;
    Status CheckResult(const std::string& within);
    Status FindFiles(const std::string& within);
    Result<bool> IsSame(const std::string& within);
    Result<WriteResult> Finish(std::vector<engine::WrittenFile> added);
    Result<int64_t> Number(const std::string& sql);

    WriteOperation& operation_;
    std::vector<engine::WrittenFile> source_;
    std::vector<size_t> affected_;  // files of the table that hold rows of the range
    int64_t replaced_ = 0;  // rows of the range
};

}  // namespace tarn::lakehouse

// Merge by key, copy-on-write: the result becomes files first; a join with the table tells which of the table's files
// hold rows that change; only those are written anew. Rows that stay as they are cause no writing.
#pragma once

#include <string>
#include <vector>

#include "storage/lakehouse/write_operation.h"

namespace tarn::lakehouse {

class MergeStep {
  public:
    explicit MergeStep(WriteOperation& operation) : operation_(operation) {}
    Result<WriteResult> Run();

  private:
    // Of one file of the table.
    struct Effect {
        int64_t updated = 0;
        int64_t unmatched = 0;
        int64_t matched = 0;
    };

    Status ResolveKey();
    Status CheckKeyNotNull();
    Status CheckKeyUnique();
    Result<std::string> Examples(const std::string& sql);
    Result<WriteResult> CreateTable();
    void ChooseCandidates();
    bool MayShareKeys(const engine::ScanFile& file) const;
    Status FindEffects();
    std::string EffectQuery() const;
    Result<std::vector<engine::WrittenFile>> WriteChanges();
    OrderedJson Parameters() const;
    Result<WriteResult> Finish(std::vector<engine::WrittenFile> added);
    std::string KeysEqual(const std::string& left, const std::string& right) const;
    // "c0 = "a", c1 = "b" ...": the columns after the write under short names, so that users' names can't clash.
    std::string NumberedTarget() const;
    std::string NumberedSource() const;

    WriteOperation& operation_;
    std::vector<engine::WrittenFile> source_;
    std::vector<size_t> key_;         // places in the schema after the write
    std::vector<size_t> candidates_;  // files of the table that may hold keys of the result
    std::vector<Effect> effects_;     // one a file of the table
    int64_t inserted_ = 0;
    std::vector<size_t> affected_;
    std::vector<size_t> unaffected_;  // candidates that stay
};

}  // namespace tarn::lakehouse

// One try of one write: run the query, write its files, check, commit. A lost race ends with kConflict, and the
// lakehouse tries again with a new operation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "storage/lakehouse/schema_plan.h"
#include "storage/lakehouse/table.h"

namespace tarn::lakehouse {

// No stored column can have this name: it has a space.
inline constexpr const char* kFileColumn = "tarn file";

class WriteOperation {
  public:
    WriteOperation(const LakehouseDependencies& dependencies, Table& table, TableName name,
                   const security::Principal& principal, const WriteRequest& request);
    ~WriteOperation();
    Result<WriteResult> Run();

  private:
    friend class MergeStep;
    friend class ReplaceStep;
    // Files of the base that a commit takes away, and what stays.
    struct Leaving {
        std::vector<std::shared_ptr<const AddFile>> removed;
        std::vector<engine::ScanFile> kept;
        int64_t rows = 0;  // in what is removed
    };

    Status Prepare();                     // base state, session, schema
    Result<bool> IsDone(WriteResult& result) const;
    Result<WriteResult> Append();
    Result<WriteResult> Overwrite();

    // Runs a query over the session's relations and writes its rows below the table; remembered until Publish.
    Result<std::vector<engine::WrittenFile>> WriteRows(const std::string& sql);
    // The result of the request's query, cast to the table's columns.
    std::string ResultQuery() const;
    Metadata Layout() const;
    Status Check(const std::vector<engine::ScanFile>& kept, const std::vector<engine::WrittenFile>& added);
    Status CheckRequired(const std::vector<engine::WrittenFile>& files) const;
    // Fills a plan with what is common to all modes.
    CommitPlan NewPlan(const char* operation);
    // `removed`: files of the base that go; `added`: files written by this operation that stay.
    Result<WriteResult> Publish(CommitPlan plan, const std::vector<std::shared_ptr<const AddFile>>& removed,
                                const std::vector<engine::WrittenFile>& added, WriteResult result);
    Result<WriteResult> Skip() const;
    AddFile ToAction(const engine::WrittenFile& file) const;
    engine::Relation MakeRelation(const std::string& relation_name, const std::vector<engine::ScanColumn>& columns,
                                  std::vector<engine::ScanFile> files) const;
    // Files of the base as a relation with the column kFileColumn: which of them a row lies in.
    Status ProvideFiles(const std::string& name, const std::vector<size_t>& places);
    Result<Leaving> Leave(const std::vector<size_t>& places) const;
    void DeleteFiles(const std::vector<engine::WrittenFile>& files);
    int64_t RowsOf(const std::vector<engine::WrittenFile>& files) const;

    const LakehouseDependencies& dependencies_;
    Table& table_;
    TableName name_;
    const security::Principal& principal_;
    const WriteRequest& request_;
    security::Principal self_;
    Table::RunningWrite running_;

    std::shared_ptr<const TableState> base_;        // null: no table yet
    std::shared_ptr<const Snapshot> base_snapshot_; // null: no table yet
    std::unique_ptr<engine::Session> session_;
    std::shared_ptr<void> cancel_;
    SchemaPlan plan_;
    std::vector<engine::ScanColumn> columns_;       // of the table after the write
    bool reads_itself_ = false;
    Json inputs_ = Json::object();                  // "schema.name" -> version
    std::vector<engine::WrittenFile> written_;      // belong to nobody yet
};

// Pure functions of it that tests call, too.
std::string StatisticsJson(const engine::WrittenFile& file);
engine::ScanFile ToScanFile(const engine::WrittenFile& file);

}  // namespace tarn::lakehouse

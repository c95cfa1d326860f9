// What both stores do alike over a connection of theirs, which has
// `Result<int64_t> Run(sql, parameters, on_row)`: it calls `on_row` until that returns false, and answers the rows
// changed.
#pragma once

#include <string>

#include "metadata/metadata.h"

namespace tarn::metadata {

template <typename Connection>
Result<Rows> CollectRows(Connection& connection, const std::string& sql, const Parameters& parameters) {
    Rows rows;
    TRY(connection.Run(sql, parameters, [&](const Row& row) {
        rows.push_back(row);
        return rows.size() <= kQueryRowsMax;
    }));
    if (rows.size() > kQueryRowsMax) {
        return Error(ErrorCode::kResourceExhausted, "a metadata query has more than {} rows", kQueryRowsMax);
    }
    return rows;
}

template <typename Connection>
class ConnectionTransaction : public Transaction {
  public:
    explicit ConnectionTransaction(Connection& connection) : connection_(connection) {}

    Result<Rows> Query(const std::string& sql, const Parameters& parameters) override {
        TRY(failed_);
        auto rows = CollectRows(connection_, sql, parameters);
        if (!rows.ok()) failed_ = rows.error();
        return rows;
    }

    Result<int64_t> Execute(const std::string& sql, const Parameters& parameters) override {
        TRY(failed_);
        auto changed = connection_.Run(sql, parameters, nullptr);
        if (!changed.ok()) failed_ = changed.error();
        return changed;
    }

    // The first statement's error; after it nothing more is run.
    const Status& failed() const { return failed_; }

  private:
    Connection& connection_;
    Status failed_;
};

}  // namespace tarn::metadata

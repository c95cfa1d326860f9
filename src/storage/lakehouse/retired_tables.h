// Tables that the workspace no longer names: nobody finds them, their files stay until their time is over.
//
// Each is an empty object lakehouse/_retired/<schema>/<name>, whose time is when it was retired; all are kept in
// memory, too. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "storage/lake/lake.h"

namespace tarn::lakehouse {

class RetiredTables {
  public:
    RetiredTables(lake::Lake& lake, std::string bucket);
    Status Load();
    // By "schema/name".
    bool Contains(const std::string& table) const;
    Status Add(const std::string& table);
    // It is there again as it was, or gone for good.
    Status Remove(const std::string& table);
    std::map<std::string, Timestamp> All() const;
    // Grows after each change: a listing made since this value is of today.
    uint64_t changes() const { return changes_.load(); }

  private:
    lake::ObjectName MarkOf(const std::string& table) const;

    lake::Lake& lake_;
    const std::string bucket_;
    const security::Principal self_;
    std::atomic<uint64_t> changes_{0};
    mutable std::mutex mutex_;
    std::map<std::string, Timestamp> tables_;
};

}  // namespace tarn::lakehouse

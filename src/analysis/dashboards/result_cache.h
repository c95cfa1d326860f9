// Answers of tiles that need not be computed again: of the same statement and values, over the same versions of its
// tables, under the same filters and masks. Internal to the component.
//
// Never: answers somebody whom the gate was not asked about: the statement is prepared as the viewer first, and only
// what it resolved to is looked up. Nothing is kept of what has no version (system tables), of functions that answer
// otherwise each time, nor when policies changed meanwhile. In memory only. Threads: any.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "base/metrics.h"
#include "engine/engine.h"
#include "security/gate.h"

namespace tarn::dashboards {

struct TileAnswer {
    std::string json;  // `"columns":[...],"rows":[...],"truncated":false`, without braces
    int64_t rows = 0;
};

class ResultCache {
  public:
    ResultCache(security::Gate& gate, Metrics& metrics);

    // What identifies an answer; empty where none may be kept. To be asked after the statement was prepared.
    std::string KeyOf(const security::Principal& principal, const std::string& statement,
                      const std::vector<engine::TableRead>& reads) const;
    std::shared_ptr<const TileAnswer> Find(const std::string& key);
    void Keep(const std::string& key, std::shared_ptr<const TileAnswer> answer);

  private:
    struct Entry {
        std::string key;
        std::shared_ptr<const TileAnswer> answer;
    };
    security::Gate& gate_;
    Counter& hits_;
    Counter& misses_;
    std::mutex mutex_;  // guards all below
    std::list<Entry> entries_;  // used last first
    std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
    size_t bytes_ = 0;
};

// Whether every answer to the statement over the same rows is the same: it calls none of `volatile_functions`.
bool IsRepeatable(const std::string& sql, const std::set<std::string>& volatile_functions);
// In lower case, as the engine tells them.
Result<std::set<std::string>> VolatileFunctions(engine::Engine& engine);

}  // namespace tarn::dashboards

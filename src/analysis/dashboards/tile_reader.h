// Runs what a tile asks, as the person who looks, or finds that its answer is known. Internal to the component.
#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "analysis/dashboards/result_cache.h"
#include "analysis/dashboards/tile_query.h"

namespace tarn::dashboards {

class TileReader {
  public:
    explicit TileReader(DashboardsDependencies& dependencies)
        : dependencies_(dependencies), cache_(dependencies.gate, dependencies.metrics) {}

    struct Question {
        const TileQuery& query;
        int64_t rows_max = 0;
        const Tile* tile = nullptr;  // whose columns' sources are told, if any
    };
    struct Answered {
        std::shared_ptr<const TileAnswer> answer;
        Json reads;
        bool from_cache = false;
    };
    // What was read stands in the call's details, for the closing record.
    Result<Answered> Read(security::Call& call, const CancelToken& cancel, const Question& question);
    Result<Answered> Read(security::HttpCall& call, const Question& question) {
        return Read(call.call, call.request.cancelled, question);
    }
    // Of the viewer's zone, by the engine's clock and zones.
    Today TodayIn(const security::Principal& principal, const std::string& time_zone);

  private:
    Result<std::shared_ptr<const TileAnswer>> Run(const security::Principal& principal, engine::Statement& statement,
                                                  const Question& question);
    Json SourcesOf(const security::Principal& principal, const Tile& tile);
    bool MayKeep(const std::string& sql);

    DashboardsDependencies& dependencies_;
    ResultCache cache_;
    std::mutex mutex_;  // guards volatile_functions_
    std::optional<std::set<std::string>> volatile_functions_;
};

}  // namespace tarn::dashboards

// Quotas: how much users and clients may do in a second, with Kafka's names and precedence (its documentation,
// "Quotas"; KIP-13, 124, 219, 546, 599). Who did more is told how long to wait, and nothing is read from it meanwhile.
// Internal to the component.
//
//   quotas->Alter({.user = "ann", .client_id = ""}, {{"producer_byte_rate", 1e6}}, false);   // each of her clients
//   Duration wait = quotas->Note(QuotaKind::kProduceBytes, "ann", "loader", 4096).wait;
//
// State: table buffer_quotas of metadata. What was done lately is in memory: a start begins anew.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/metrics.h"
#include "metadata/metadata.h"

namespace tarn::buffer {

enum class QuotaKind { kProduceBytes, kFetchBytes, kRequestTime, kMutations };

// Whom a quota is for. A part that isn't set doesn't matter; an empty name stands for each one that has no quota by
// name (Kafka's default entity).
struct QuotaEntity {
    std::optional<std::string> user, client_id;
    auto operator<=>(const QuotaEntity&) const = default;
};

class Quotas {
  public:
    using Limits = std::map<std::string, double, std::less<>>;  // Kafka's names, amounts a second
    struct Change {
        std::string key;
        std::optional<double> value;  // none: the quota is removed
    };
    struct Verdict {
        Duration wait{0};
        bool refused = false;
    };

    static Result<std::unique_ptr<Quotas>> Create(Env& env, metadata::Database& metadata, Metrics& metrics);

    // Whether there are any: without, nothing needs to be counted.
    bool any() const { return any_.load(std::memory_order_relaxed); }
    // Counts what was done: bytes, seconds of the program's time, partitions made or removed. With `strict` nothing is
    // counted and it is refused while what was done before is above the quota. Any thread.
    Verdict Note(QuotaKind kind, const std::string& user, const std::string& client_id, double amount,
                 bool strict = false);
    std::map<QuotaEntity, Limits> All() const;
    // All changes or none, durable. kInvalidArgument: an unknown key, an amount that is none.
    Status Alter(const QuotaEntity& entity, const std::vector<Change>& changes, bool validate_only);

  private:
    static constexpr size_t kQuotasMax = 10'000;  // entities with quotas
    static constexpr size_t kBucketsMax = 10'000;  // users and clients of whom it is known what they did
    // What was done and has not yet been paid for by time.
    struct Bucket {
        double used = 0;
        Duration at{0};
        void DrainUntil(Duration now, double rate);
    };
    struct Match {
        QuotaEntity counted;  // who shares the bucket
        double rate = 0;
    };

    Quotas(Env& env, metadata::Database& metadata, Metrics& metrics);
    Status Load();
    std::optional<Match> Find(QuotaKind kind, const std::string& user, const std::string& client_id) const;
    Bucket& BucketOf(QuotaKind kind, const QuotaEntity& counted);

    Env& env_;
    metadata::Database& metadata_;
    Counter& throttled_;
    std::atomic<bool> any_{false};
    std::mutex changing_;  // one Alter at a time
    mutable std::mutex mutex_;  // guards all below
    std::map<QuotaEntity, Limits> limits_;
    std::map<std::pair<QuotaKind, QuotaEntity>, Bucket> buckets_;
    Duration swept_{0};
};

}  // namespace tarn::buffer

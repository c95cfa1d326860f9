#include "ingestion/buffer/quotas.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"

namespace tarn::buffer {
namespace {

constexpr double kBurstSeconds = 1;  // that much of a second's quota may be done at once
constexpr Duration kSweepEvery = std::chrono::seconds(1);
constexpr Duration kForgottenAfter = std::chrono::minutes(1);  // of silence, by which every throttling is over
constexpr Duration kThrottleMax = std::chrono::seconds(15);  // clients wait 30 s for an answer

struct KindRow {
    QuotaKind kind;
    std::string_view key;
    double unit;  // of the counted amount in one of the quota's
};
constexpr KindRow kKinds[] = {
    {QuotaKind::kProduceBytes, "producer_byte_rate", 1},
    {QuotaKind::kFetchBytes, "consumer_byte_rate", 1},
    {QuotaKind::kRequestTime, "request_percentage", 0.01},  // seconds a second
    {QuotaKind::kMutations, "controller_mutation_rate", 1},
};

Json ToJson(const QuotaEntity& entity) {
    Json json = Json::object();
    if (entity.user) json["user"] = *entity.user;
    if (entity.client_id) json["client-id"] = *entity.client_id;
    return json;
}

QuotaEntity EntityOf(const Json& json) {
    QuotaEntity entity;
    if (json.contains("user")) entity.user = json["user"].get<std::string>();
    if (json.contains("client-id")) entity.client_id = json["client-id"].get<std::string>();
    return entity;
}

}  // namespace

Quotas::Quotas(Env& env, metadata::Database& metadata, Metrics& metrics)
    : env_(env),
      metadata_(metadata),
      throttled_(metrics.GetCounter("tarn_buffer_throttled_total", "Requests of Kafka clients beyond a quota")) {}

Result<std::unique_ptr<Quotas>> Quotas::Create(Env& env, metadata::Database& metadata, Metrics& metrics) {
    std::unique_ptr<Quotas> quotas(new Quotas(env, metadata, metrics));
    TRY(metadata.Migrate("buffer_quotas",
                         {{1, "CREATE TABLE buffer_quotas (entity TEXT PRIMARY KEY, limits TEXT NOT NULL)"}}));
    TRY(quotas->Load());
    return quotas;
}

Status Quotas::Load() {
    std::map<QuotaEntity, Limits> limits;
    for (const metadata::Row& row : TRY(metadata_.Query("SELECT entity, limits FROM buffer_quotas"))) {
        Json entity = TRY(ParseJson(row[0].text()));
        limits[EntityOf(entity)] = TRY(ParseJson(row[1].text())).get<Limits>();
    }
    std::lock_guard lock(mutex_);
    limits_ = std::move(limits);
    any_ = !limits_.empty();
    return Ok();
}

std::map<QuotaEntity, Quotas::Limits> Quotas::All() const {
    std::lock_guard lock(mutex_);
    return limits_;
}

Status Quotas::Alter(const QuotaEntity& entity, const std::vector<Change>& changes, bool validate_only) {
    std::lock_guard one_at_a_time(changing_);
    std::map<QuotaEntity, Limits> all = All();
    Limits limits = all[entity];
    for (const Change& change : changes) {
        if (std::none_of(std::begin(kKinds), std::end(kKinds),
                         [&](const KindRow& row) { return row.key == change.key; })) {
            return Error(ErrorCode::kInvalidArgument,
                         "there is no quota \"{}\" (producer_byte_rate, consumer_byte_rate, request_percentage and "
                         "controller_mutation_rate are known)",
                         change.key);
        }
        if (!change.value) {
            limits.erase(change.key);
        } else if (std::isfinite(*change.value) && *change.value > 0) {
            limits[change.key] = *change.value;
        } else {
            return Error(ErrorCode::kInvalidArgument, "{} is more than 0 a second, not {}", change.key, *change.value);
        }
    }
    if (all.size() > kQuotasMax && !limits.empty()) {
        return Error(ErrorCode::kResourceExhausted, "at most {} users and clients have quotas of their own",
                     kQuotasMax);
    }
    if (validate_only) return Ok();
    std::string name = DumpJson(ToJson(entity));
    TRY(metadata_.Write([&](metadata::Transaction& transaction) -> Status {
        if (limits.empty()) {
            TRY(transaction.Execute("DELETE FROM buffer_quotas WHERE entity = $1", {name}));
        } else {
            TRY(
                transaction.Execute("INSERT INTO buffer_quotas VALUES ($1, $2) "
                                    "ON CONFLICT (entity) DO UPDATE SET limits = excluded.limits",
                                    {name, DumpJson(Json(limits))}));
        }
        return Ok();
    }));
    std::lock_guard lock(mutex_);
    limits_[entity] = limits;
    if (limits.empty()) limits_.erase(entity);
    any_ = !limits_.empty();
    buckets_.clear();  // who is counted with whom may be another now
    return Ok();
}

// The most specific quota counts, as with Kafka: of the user with this client, the user, the client; and of each by
// name before the default.
std::optional<Quotas::Match> Quotas::Find(QuotaKind kind, const std::string& user, const std::string& client_id) const {
    using Name = std::optional<std::string>;
    const Name any = "", none;
    const std::pair<Name, Name> kOrder[] = {{user, client_id}, {user, any}, {user, none},      {any, client_id},
                                            {any, any},        {any, none}, {none, client_id}, {none, any}};
    const KindRow& row =
        *std::find_if(std::begin(kKinds), std::end(kKinds), [kind](auto& one) { return one.kind == kind; });
    for (const auto& [of_user, of_client] : kOrder) {
        auto entity = limits_.find({of_user, of_client});
        if (entity == limits_.end()) continue;
        auto limit = entity->second.find(row.key);
        if (limit == entity->second.end()) continue;
        Match match{{}, limit->second * row.unit};
        if (of_user) match.counted.user = user;
        if (of_client) match.counted.client_id = client_id;
        return match;
    }
    return std::nullopt;
}

void Quotas::Bucket::DrainUntil(Duration now, double rate) {
    used = std::max(0.0, used - rate * std::chrono::duration<double>(now - at).count());
    at = now;
}

Quotas::Bucket& Quotas::BucketOf(QuotaKind kind, const QuotaEntity& counted) {
    auto found = buckets_.find({kind, counted});
    if (found != buckets_.end()) return found->second;
    // Clients choose their ids freely. Beyond the limit they are counted together.
    if (buckets_.size() >= kBucketsMax) return buckets_[{kind, QuotaEntity()}];
    Bucket& made = buckets_[{kind, counted}];
    made.at = env_.clock().Monotonic();
    return made;
}

Quotas::Verdict Quotas::Note(QuotaKind kind, const std::string& user, const std::string& client_id, double amount,
                             bool strict) {
    if (!any()) return {};
    std::lock_guard lock(mutex_);
    std::optional<Match> match = Find(kind, user, client_id);
    if (!match) return {};
    Duration now = env_.clock().Monotonic();
    if (buckets_.size() >= kBucketsMax && now - swept_ > kSweepEvery) {
        std::erase_if(buckets_, [&](const auto& one) { return now - one.second.at > kForgottenAfter; });
        swept_ = now;
    }
    Bucket& bucket = BucketOf(kind, match->counted);
    bucket.DrainUntil(now, match->rate);
    double burst = match->rate * kBurstSeconds;
    bool refused = strict && bucket.used > burst;
    if (!refused) bucket.used += amount;
    if (bucket.used <= burst) return {};
    throttled_.Add();
    auto seconds = std::chrono::duration<double>((bucket.used - burst) / match->rate);
    Duration wait = seconds > kThrottleMax ? kThrottleMax : std::chrono::duration_cast<Duration>(seconds);
    return {wait, refused};
}

}  // namespace tarn::buffer

#include "ingestion/buffer/throughput.h"

#include <algorithm>

namespace tarn::buffer {
namespace {

constexpr size_t kStepsOfAMinute = 6;

Traffic TrafficOf(const Topic& topic) {
    Traffic sum;
    for (const auto& partition : topic.partitions) {
        Traffic one = partition->traffic();
        sum.records += one.records;
        sum.bytes += one.bytes;
    }
    return sum;
}

}  // namespace

void Throughput::Look(const TopicStore& topics) {
    auto all = topics.All();
    std::lock_guard lock(mutex_);
    Duration now = clock_.Monotonic();
    auto seconds = std::max(0.001F, std::chrono::duration<float>(now - looked_).count());
    looked_ = now;
    looked_at_ = clock_.Now();
    std::map<TopicId, Seen> seen;  // deleted topics are left behind
    for (const auto& topic : all) {
        Traffic traffic = TrafficOf(*topic);
        auto known = seen_.find(topic->id);
        if (known == seen_.end() && traffic.records == 0) continue;
        Seen& one = seen[topic->id];
        if (known != seen_.end()) one = std::move(known->second);
        one.steps.push_back({static_cast<float>(traffic.records - one.before.records) / seconds,
                             static_cast<float>(traffic.bytes - one.before.bytes) / seconds});
        one.before = traffic;
        if (one.steps.size() > kThroughputSteps) one.steps.pop_front();
    }
    seen_ = std::move(seen);
}

Throughput::Series Throughput::Of(const TopicId& topic) const {
    std::lock_guard lock(mutex_);
    Series series{looked_at_, {}};
    auto known = seen_.find(topic);
    if (known != seen_.end()) series.steps.assign(known->second.steps.begin(), known->second.steps.end());
    return series;
}

Rate Throughput::LastMinute(const TopicId& topic) const {
    std::lock_guard lock(mutex_);
    auto known = seen_.find(topic);
    if (known == seen_.end()) return {};
    const std::deque<Rate>& steps = known->second.steps;
    Rate mean;
    for (size_t back = 1; back <= std::min(kStepsOfAMinute, steps.size()); ++back) {
        mean.records += steps[steps.size() - back].records / kStepsOfAMinute;
        mean.bytes += steps[steps.size() - back].bytes / kStepsOfAMinute;
    }
    return mean;
}

}  // namespace tarn::buffer

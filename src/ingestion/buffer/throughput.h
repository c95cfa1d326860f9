// Throughput: how much came into each topic, of the last hour, in steps of ten seconds. In memory only: it begins anew
// with the program. Internal to the component. Threads: any.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "ingestion/buffer/topic_store.h"

namespace tarn::buffer {

inline constexpr Duration kThroughputStep = std::chrono::seconds(10);
inline constexpr size_t kThroughputSteps = 360;

struct Rate {
    float records = 0, bytes = 0;  // a second
};

class Throughput {
  public:
    explicit Throughput(Clock& clock) : clock_(clock), looked_(clock.Monotonic()) {}
    // Looks at every topic; called about every kThroughputStep.
    void Look(const TopicStore& topics);
    struct Series {
        Timestamp until;          // when was looked last
        std::vector<Rate> steps;  // the newest is the last; none where nothing came since the start
    };
    Series Of(const TopicId& topic) const;
    // Of the last minute.
    Rate LastMinute(const TopicId& topic) const;

  private:
    struct Seen {
        Traffic before;
        std::deque<Rate> steps;
    };
    Clock& clock_;
    mutable std::mutex mutex_;  // guards all below
    Duration looked_;
    Timestamp looked_at_;
    std::map<TopicId, Seen> seen_;
};

}  // namespace tarn::buffer

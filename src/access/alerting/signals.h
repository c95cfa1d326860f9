// What rules look at: one look gives what is wrong now. Internal to the component.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "access/alerting/alerting.h"
#include "access/alerting/rule.h"

namespace tarn::alerting {

inline constexpr size_t kInstancesMax = 500;   // of one rule; more is an error that says so
inline constexpr size_t kLabelBytesMax = 256;  // a longer value is cut

// How fast a counter grows, by samples of a clock that never jumps. A counter that falls began again at zero.
class RateWindow {
  public:
    explicit RateWindow(Duration window) : window_(window) {}
    void Add(Duration at, double value);
    // A second; nothing until half of the window is known.
    std::optional<double> PerSecond() const;

  private:
    struct Sample {
        Duration at;
        double value;
    };
    Duration window_;
    std::deque<Sample> samples_;  // some hundred at most, the newest last
};

class Signals {
  public:
    Signals(const AlertingDependencies& dependencies, const std::map<std::string, Reports>& reports)
        : dependencies_(dependencies), reports_(reports) {}
    // Any thread; one look of one rule at a time.
    Result<Observation> Look(const Rule& rule, const CancelToken& cancel);

  private:
    using Rates = std::map<std::string, RateWindow>;  // by series
    Result<Observation> LookAtMetric(const Rule& rule);
    Result<Observation> LookAtSql(const Rule& rule, const CancelToken& cancel);
    Result<Observation> LookAtFreshness(const Rule& rule);
    Result<Observation> LookAtTasks(const Rule& rule);
    bool SeesTexts(const Rule& rule, const orchestrator::Run& run) const;

    const AlertingDependencies& dependencies_;
    const std::map<std::string, Reports>& reports_;
    std::mutex mutex_;  // guards rates_
    std::map<std::string, Rates> rates_;  // by rule
};

extern const security::Operation kOwnQuery;    // of a rule, as its owner
extern const security::Operation kOwnReport;   // a dashboard's report that leaves
extern const security::Operation kOwnMessage;  // a message that leaves

}  // namespace tarn::alerting

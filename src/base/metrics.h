// Metrics: counters, gauges and histograms by name and labels, rendered as Prometheus text at /metrics.
//
// Names follow Prometheus: tarn_<component>_<what>_<unit>[_total]. Get an instrument once and keep the reference: it
// lives as long as the registry. Instruments are lock-free; series are limited (kSeriesMax), beyond that one overflow.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace tarn {

class Counter {
  public:
    void Add(int64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
    int64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<int64_t> value_{0};
};

class Gauge {
  public:
    void Set(double value) { value_.store(value, std::memory_order_relaxed); }
    void Add(double amount);
    double value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

// Seconds by default; fixed bounds from 100 microseconds to 100 seconds.
class Histogram {
  public:
    static constexpr double kBounds[] = {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100};
    static constexpr size_t kBoundCount = sizeof(kBounds) / sizeof(kBounds[0]);
    void Observe(double value);
    int64_t bucket(size_t index) const { return buckets_[index].load(std::memory_order_relaxed); }
    int64_t count() const { return count_.load(std::memory_order_relaxed); }
    double sum() const { return sum_.load(std::memory_order_relaxed); }

  private:
    std::atomic<int64_t> buckets_[kBoundCount + 1] = {};
    std::atomic<int64_t> count_{0};
    std::atomic<double> sum_{0};
};

using Labels = std::map<std::string, std::string>;

struct MetricSample {
    std::string name;
    Labels labels;
    double value = 0;
};

class Metrics {
  public:
    static constexpr size_t kSeriesMax = 10000;
    Metrics();
    ~Metrics();
    Counter& GetCounter(std::string_view name, std::string_view help, const Labels& labels = {});
    Gauge& GetGauge(std::string_view name, std::string_view help, const Labels& labels = {});
    Histogram& GetHistogram(std::string_view name, std::string_view help, const Labels& labels = {});
    // Prometheus text exposition format 0.0.4.
    std::string Render() const;
    // Counters, gauges, and _count and _sum of histograms: system.metrics.
    std::vector<MetricSample> Samples() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace tarn

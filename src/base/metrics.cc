#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <variant>

#include "base/result.h"
#include "base/text.h"

namespace tarn {
namespace {

void AddTo(std::atomic<double>& total, double amount) {
    double before = total.load(std::memory_order_relaxed);
    while (!total.compare_exchange_weak(before, before + amount, std::memory_order_relaxed)) {
    }
}

bool IsName(std::string_view name, bool colon) {
    auto letter = [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
    };
    bool valid = !name.empty() && letter(name[0]);
    return valid && std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// `quote`: label values escape quotes too, help texts do not.
std::string Escape(std::string_view text, bool quote) {
    bool valid = IsUtf8(text);
    std::string escaped;
    for (char c : text) {
        if (c == '\\') {
            escaped += "\\\\";
        } else if (c == '\n') {
            escaped += "\\n";
        } else if (c == '"' && quote) {
            escaped += "\\\"";
        } else {
            escaped += valid || static_cast<signed char>(c) >= 0 ? c : '?';
        }
    }
    return escaped;
}

std::string FormatNumber(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return fmt::format("{}", value);
}

std::string FormatLabels(const Labels& labels, std::string_view bound = {}) {
    std::vector<std::string> parts;
    for (const auto& [name, value] : labels) parts.push_back(fmt::format("{}=\"{}\"", name, Escape(value, true)));
    if (!bound.empty()) parts.push_back(fmt::format("le=\"{}\"", bound));
    return parts.empty() ? "" : "{" + Join(parts, ",") + "}";
}

using Instrument = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;

// All series of one name.
struct Family {
    std::string help;
    size_t kind = 0;  // index into Instrument
    std::map<Labels, Instrument> series;
};

constexpr std::string_view kKindNames[] = {"counter", "gauge", "histogram"};

void RenderHistogram(const std::string& name, const Labels& labels, const Histogram& histogram, std::string& text) {
    // The count is summed from the buckets that were read: a scrape in the middle of Observe stays consistent.
    int64_t count = 0;
    for (size_t i = 0; i <= Histogram::kBoundCount; i++) {
        count += histogram.bucket(i);
        std::string bound = i < Histogram::kBoundCount ? FormatNumber(Histogram::kBounds[i]) : "+Inf";
        text += fmt::format("{}_bucket{} {}\n", name, FormatLabels(labels, bound), count);
    }
    text += fmt::format("{}_sum{} {}\n", name, FormatLabels(labels), FormatNumber(histogram.sum()));
    text += fmt::format("{}_count{} {}\n", name, FormatLabels(labels), count);
}

struct Renderer {
    const std::string& name;
    const Labels& labels;
    std::string& text;

    void operator()(const std::unique_ptr<Counter>& counter) const {
        text += fmt::format("{}{} {}\n", name, FormatLabels(labels), counter->value());
    }
    void operator()(const std::unique_ptr<Gauge>& gauge) const {
        text += fmt::format("{}{} {}\n", name, FormatLabels(labels), FormatNumber(gauge->value()));
    }
    void operator()(const std::unique_ptr<Histogram>& histogram) const {
        RenderHistogram(name, labels, *histogram, text);
    }
};

struct Sampler {
    const std::string& name;
    const Labels& labels;
    std::vector<MetricSample>& samples;

    void operator()(const std::unique_ptr<Counter>& counter) const {
        samples.push_back({name, labels, static_cast<double>(counter->value())});
    }
    void operator()(const std::unique_ptr<Gauge>& gauge) const { samples.push_back({name, labels, gauge->value()}); }
    void operator()(const std::unique_ptr<Histogram>& histogram) const {
        samples.push_back({name + "_count", labels, static_cast<double>(histogram->count())});
        samples.push_back({name + "_sum", labels, histogram->sum()});
    }
};

}  // namespace

void Gauge::Add(double amount) { AddTo(value_, amount); }

void Histogram::Observe(double value) {
    size_t index = 0;
    while (index < kBoundCount && !(value <= kBounds[index])) index++;
    buckets_[index].fetch_add(1, std::memory_order_relaxed);
    count_.fetch_add(1, std::memory_order_relaxed);
    AddTo(sum_, value);
}

struct Metrics::State {
    mutable std::mutex mutex;
    std::map<std::string, Family, std::less<>> families;
    size_t series_count = 0;

    template <typename T>
    T& Get(std::string_view name, std::string_view help, const Labels& labels) {
        using Holder = std::unique_ptr<T>;
        const size_t kind = Instrument(Holder()).index();
        std::lock_guard lock(mutex);
        auto found = families.find(name);
        if (found == families.end()) {
            TARN_CHECK(IsName(name, true));
            found = families.emplace(std::string(name), Family{std::string(help), kind, {}}).first;
        }
        Family& family = found->second;
        TARN_CHECK(family.kind == kind);  // one name, one kind: names come from our code
        auto series = family.series.find(labels);
        if (series == family.series.end()) series = Add(family, labels, std::make_unique<T>());
        return *std::get<Holder>(series->second);
    }

    // Past the limit all further label sets of a family share one series, so a peer cannot fill the memory.
    std::map<Labels, Instrument>::iterator Add(Family& family, Labels labels, Instrument instrument) {
        for (const auto& label : labels) TARN_CHECK(IsName(label.first, false));
        if (series_count >= kSeriesMax) {
            labels = {{"overflow", "true"}};
        } else {
            series_count++;
        }
        return family.series.try_emplace(std::move(labels), std::move(instrument)).first;
    }
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::GetCounter(std::string_view name, std::string_view help, const Labels& labels) {
    return state_->Get<Counter>(name, help, labels);
}

Gauge& Metrics::GetGauge(std::string_view name, std::string_view help, const Labels& labels) {
    return state_->Get<Gauge>(name, help, labels);
}

Histogram& Metrics::GetHistogram(std::string_view name, std::string_view help, const Labels& labels) {
    return state_->Get<Histogram>(name, help, labels);
}

std::string Metrics::Render() const {
    std::string text;
    std::lock_guard lock(state_->mutex);
    for (const auto& [name, family] : state_->families) {
        text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, Escape(family.help, false), name,
                            kKindNames[family.kind]);
        for (const auto& [labels, instrument] : family.series) std::visit(Renderer{name, labels, text}, instrument);
    }
    return text;
}

std::vector<MetricSample> Metrics::Samples() const {
    std::vector<MetricSample> samples;
    std::lock_guard lock(state_->mutex);
    for (const auto& [name, family] : state_->families) {
        for (const auto& [labels, instrument] : family.series) std::visit(Sampler{name, labels, samples}, instrument);
    }
    return samples;
}

}  // namespace tarn

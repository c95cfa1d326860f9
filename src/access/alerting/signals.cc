#include "access/alerting/signals.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace tarn::alerting {
namespace {

using engine::CellKind;
using security::AuditClass;
using security::Principal;

constexpr int kSamplesOfWindow = 200;
constexpr size_t kTextBytesMax = 1000;
constexpr const char* kCheckSays = " does not hold: ";  // processing/batch/checks.cc

Error TooMany(size_t count) {
    return Error(ErrorCode::kResourceExhausted, "{} things are wrong, a rule knows {} at most", count, kInstancesMax)
        .WithHint("make the rule narrower, or let its SQL aggregate");
}

// At the end of a character.
std::string Cut(std::string text, size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return text.substr(0, end) + "…";
}

bool IsNumber(CellKind kind) {
    switch (kind) {
        case CellKind::kInt8:
        case CellKind::kInt16:
        case CellKind::kInt32:
        case CellKind::kInt64:
        case CellKind::kUInt8:
        case CellKind::kUInt16:
        case CellKind::kUInt32:
        case CellKind::kUInt64:
        case CellKind::kFloat:
        case CellKind::kDouble:
        case CellKind::kDecimal:
            return true;
        default:
            return false;
    }
}
// What names a row; numbers and moments change from look to look.
bool IsLabel(CellKind kind) { return kind == CellKind::kText || kind == CellKind::kBool || kind == CellKind::kDate; }

std::optional<double> NumberOf(const std::string& text) {
    double number = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
    return number;
}

Observed ObservedOf(const std::vector<engine::ResultColumn>& columns, const engine::Chunk& chunk, size_t row) {
    Observed seen;
    std::vector<std::string> parts;
    for (size_t column = 0; column < columns.size(); ++column) {
        bool none = chunk.IsNull(row, column);
        std::string text = none ? "" : Cut(chunk.Text(row, column), kLabelBytesMax);
        parts.push_back(fmt::format("{} = {}", columns[column].name, none ? "NULL" : text));
        if (IsLabel(columns[column].kind)) seen.labels[columns[column].name] = text;
        if (!none && !seen.value && IsNumber(columns[column].kind)) seen.value = NumberOf(text);
    }
    seen.text = Cut(Join(parts, ", "), kTextBytesMax);
    return seen;
}

Result<Observation> RowsOf(engine::ResultStream& stream) {
    Observation observation;
    while (const engine::Chunk* chunk = TRY(stream.Next())) {
        for (size_t row = 0; row < chunk->rows(); ++row) {
            observation.wrong.push_back(ObservedOf(stream.columns(), *chunk, row));
            if (observation.wrong.size() > kInstancesMax) return TooMany(observation.wrong.size());
        }
    }
    return observation;
}

Result<Observation> ValueOf(engine::ResultStream& stream, const Comparison& is) {
    Observation observation;
    const engine::Chunk* chunk = TRY(stream.Next());
    if (!chunk || chunk->rows() == 0 || chunk->IsNull(0, 0)) return observation;
    std::string text = chunk->Text(0, 0);
    auto value = NumberOf(text);
    if (!value) {
        return Error(ErrorCode::kInvalidArgument, "the query answers \"{}\", which is no number to compare",
                     Cut(text, kLabelBytesMax));
    }
    if (!is.Holds(*value)) return observation;
    observation.wrong.push_back(
        {{}, *value, fmt::format("{} is {}: {}", stream.columns()[0].name, is.ToString(), text)});
    return observation;
}

bool MatchesAny(const std::vector<std::string>& globs, const std::string& name) {
    return std::any_of(globs.begin(), globs.end(),
                       [&](const std::string& glob) { return MatchesWildcard(glob, name); });
}

bool FitsLabels(const Labels& wanted, const Labels& labels) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
        auto found = labels.find(pair.first);
        return found != labels.end() && MatchesWildcard(pair.second, found->second);
    });
}

constexpr const char* kHiddenFromOwner =
    "(what it said may hold values: give the rule an owner who may read all that the task reads and makes)";

// What is wrong with a task's last run; empty: nothing.
std::string WhatFailed(const TaskRule& rule, const orchestrator::Run& last) {
    bool failed = last.state == orchestrator::RunState::kFailed;
    if (rule.kind == "runs") return failed ? last.error : "";
    if (failed && last.error.find(kCheckSays) != std::string::npos) return last.error;
    for (const std::string& warning : last.warnings) {
        if (rule.warnings && warning.find(kCheckSays) != std::string::npos) return warning;
    }
    return "";
}

std::optional<Observed> AgeOf(const catalog::Dataset& dataset, Duration max_age, Timestamp now) {
    std::string name = dataset.schema + "." + dataset.name;
    if (!dataset.updated_at) return Observed{{{"dataset", name}}, std::nullopt, name + " has no data yet"};
    Duration age = std::max(Duration(0), now - *dataset.updated_at);
    if (age <= max_age) return std::nullopt;
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age);
    return Observed{{{"dataset", name}},
                    static_cast<double>(seconds.count()),
                    fmt::format("{} was last updated {} ago, at {}; {} is allowed", name, FormatDuration(seconds),
                                FormatTime(*dataset.updated_at), FormatDuration(max_age))};
}

}  // namespace

constexpr security::OperationLimits kOwnLimits{.body_bytes_max = 0, .concurrent_max = 64};
constexpr security::Operation kOwnQuery = {"internal",  "AlertQuery",      "sql:Query",
                                           "statement", AuditClass::kRead, kOwnLimits};
constexpr security::Operation kOwnMessage = {"internal", "AlertMessage",    "alert:Notify",
                                             "alert",    AuditClass::kRead, kOwnLimits};

std::vector<security::Operation> OwnOperations() { return {kOwnQuery, kOwnMessage, kOwnReport}; }

void RateWindow::Add(Duration at, double value) {
    bool soon = samples_.size() > 1 && at - samples_[samples_.size() - 2].at < window_ / kSamplesOfWindow;
    // So close to the one before that it may replace it, unless a fall would be lost.
    if (soon && value >= samples_.back().value) samples_.pop_back();
    samples_.push_back({at, value});
    while (samples_.size() > 2 && at - samples_[1].at >= window_) samples_.pop_front();
}

std::optional<double> RateWindow::PerSecond() const {
    if (samples_.size() < 2) return std::nullopt;
    Duration span = samples_.back().at - samples_.front().at;
    if (span * 2 < window_ || span <= Duration(0)) return std::nullopt;
    double grown = 0;
    for (size_t index = 1; index < samples_.size(); ++index) {
        double step = samples_[index].value - samples_[index - 1].value;
        grown += step < 0 ? samples_[index].value : step;
    }
    return grown / std::chrono::duration<double>(span).count();
}

Result<Observation> Signals::LookAtMetric(const Rule& rule) {
    const MetricRule& metric = *rule.metric;
    Observation observation;
    Duration now = dependencies_.env.clock().Monotonic();
    bool found = false;
    for (const MetricSample& sample : dependencies_.samples()) {
        if (sample.name != metric.name || !FitsLabels(metric.labels, sample.labels)) continue;
        found = true;
        std::optional<double> value = sample.value;
        if (metric.rate) {
            std::lock_guard lock(mutex_);
            RateWindow& rate = rates_[rule.name].try_emplace(DumpJson(Json(sample.labels)), *metric.rate).first->second;
            rate.Add(now, sample.value);
            value = rate.PerSecond();
        }
        if (!value) observation.complete = false;
        if (!value || !metric.is.Holds(*value)) continue;
        std::string unit = metric.rate ? " a second" : "";
        observation.wrong.push_back(
            {sample.labels, value,
             fmt::format("{} is {:.6g}{}, which is {}", metric.name, *value, unit, metric.is.ToString())});
        if (observation.wrong.size() > kInstancesMax) return TooMany(observation.wrong.size());
    }
    // A counter appears with the first thing that it counts; a name that never comes is a rule that never fires.
    if (!found && !metric.is.Holds(0)) return observation;
    if (!found) return Error(ErrorCode::kNotFound, "there is no metric {} with these labels yet", metric.name);
    return observation;
}

Result<Observation> Signals::LookAtSql(const Rule& rule, const CancelToken& cancel) {
    Principal owner = TRY_CONTEXT(dependencies_.person(rule.owner), "the owner of this rule");
    owner.credential = "alert:" + rule.name;
    Observation observation;
    security::Opening opening{.details = {{"alert", rule.name}, {"sql", security::StatementText(rule.sql->query)}},
                              .tell = nullptr};
    TRY(dependencies_.dispatcher.Run(
        kOwnQuery, owner, {"sql", "*"}, "",
        [&](security::Call& call) -> Status {
            auto session = TRY(dependencies_.engine.OpenSession({.principal = owner}));
            auto stop = cancel.OnCancel([&session] { session->Cancel(); });
            auto stream = TRY(session->Query(rule.sql->query));
            if (stream->columns().empty()) return Error(ErrorCode::kInvalidArgument, "the query answers no column");
            observation = TRY(rule.sql->is ? ValueOf(*stream, *rule.sql->is) : RowsOf(*stream));
            call.rows = static_cast<int64_t>(observation.wrong.size());
            return Ok();
        },
        std::move(opening)));
    return observation;
}

Result<Observation> Signals::LookAtFreshness(const Rule& rule) {
    const FreshnessRule& freshness = *rule.freshness;
    const Principal self = Principal::System("alerting");
    Timestamp now = dependencies_.env.clock().Now();
    Observation observation;
    std::vector<catalog::Dataset> datasets = TRY(dependencies_.catalog.List(self));
    for (const std::string& glob : freshness.datasets) {
        bool found = false;
        for (const catalog::Dataset& dataset : datasets) {
            if (!MatchesWildcard(glob, dataset.schema + "." + dataset.name) || dataset.kind == "system") continue;
            found = true;
            if (auto old = AgeOf(dataset, freshness.max_age, now)) observation.wrong.push_back(std::move(*old));
        }
        if (!found) observation.wrong.push_back({{{"dataset", glob}}, std::nullopt, "there is no dataset " + glob});
    }
    if (observation.wrong.size() > kInstancesMax) return TooMany(observation.wrong.size());
    return observation;
}

// What a run said may hold values: an alert tells no more of them than its owner may see.
bool Signals::SeesTexts(const Rule& rule, const orchestrator::Run& run) const {
    auto owner = dependencies_.person(rule.owner);
    if (!owner.ok()) return false;
    orchestrator::Run shown = run;
    if (!dependencies_.orchestrator.ShowTo(*owner, shown)) return false;
    return shown.error == run.error && shown.warnings == run.warnings;
}

Result<Observation> Signals::LookAtTasks(const Rule& rule) {
    const TaskRule& wanted = *rule.tasks;
    Observation observation;
    if (auto reports = reports_.find(wanted.kind); reports != reports_.end()) {
        observation.wrong = TRY(reports->second(wanted.tasks));
    } else {
        for (const auto& task : TRY(dependencies_.orchestrator.Tasks(Principal::System("alerting")))) {
            bool meant = MatchesAny(wanted.tasks, task.spec.id) || MatchesAny(wanted.tasks, task.spec.dataset);
            if (!meant || !task.last) continue;
            std::string failed = WhatFailed(wanted, *task.last);
            if (failed.empty()) continue;
            if (!SeesTexts(rule, *task.last)) failed = kHiddenFromOwner;
            observation.wrong.push_back({{{"task", task.spec.id}},
                                         std::nullopt,
                                         fmt::format("run {}: {}", task.last->id, Cut(failed, kTextBytesMax))});
        }
    }
    if (observation.wrong.size() > kInstancesMax) return TooMany(observation.wrong.size());
    return observation;
}

Result<Observation> Signals::Look(const Rule& rule, const CancelToken& cancel) {
    if (rule.metric) return LookAtMetric(rule);
    if (rule.sql) return LookAtSql(rule, cancel);
    if (rule.freshness) return LookAtFreshness(rule);
    return LookAtTasks(rule);
}

}  // namespace tarn::alerting

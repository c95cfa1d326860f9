// ActiveRun: a run under way: what its TaskKind sees, and what the scheduler asks of it. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "base/number.h"
#include "ingestion/orchestrator/orchestrator.h"
#include "ingestion/orchestrator/run_log.h"
#include "ingestion/orchestrator/run_text.h"

namespace tarn::orchestrator {

inline constexpr size_t kLogLinesMax = 10000;  // of one run; what comes later is dropped

class ActiveRun : public TaskRun {
  public:
    ActiveRun(TaskSpec spec, const Run& run, Clock& clock)
        : spec_(std::move(spec)),
          run_id_(run.id),
          number_(IntegerOrZero(run.id)),
          part_(run.part),
          trigger_(run.trigger),
          queued_at_(run.queued_at),
          attempt_(run.attempt),
          parameters_(run.parameters),
          scheduled_for_(run.scheduled_for),
          clock_(clock),
          deadline_(clock.Monotonic() + spec_.timing.timeout) {}
    const TaskSpec& spec() const override { return spec_; }
    const std::string& run_id() const override { return run_id_; }
    int64_t number() const override { return number_; }
    const std::string& trigger() const override { return trigger_; }
    const std::string& part() const override { return part_; }
    Timestamp queued_at() const override { return queued_at_; }
    const workspace::ParameterValues& parameters() const override { return parameters_; }
    std::optional<Timestamp> scheduled_for() const override { return scheduled_for_; }
    const CancelToken& cancel() const override { return cancel_; }
    void Progress(const std::string& note, int64_t rows) override {
        std::lock_guard lock(mutex_);
        note_ = RunText(note);
        rows_ = rows;
    }
    void Write(const std::string& line) override {
        std::lock_guard lock(mutex_);
        if (!sealed_ && lines_.size() < kLogLinesMax) lines_.push_back({number_, clock_.Now(), RunText(line)});
    }
    void RequestCancel(bool timed_out) {
        if (timed_out) timed_out_ = true;
        cancel_.Cancel();
    }
    bool timed_out() const { return timed_out_; }
    int attempt() const { return attempt_; }
    Duration deadline() const { return deadline_; }
    void ShowIn(Run& run) const {
        std::lock_guard lock(mutex_);
        run.note = note_;
        run.rows = rows_;
    }
    // Nothing is written any more: the lines, on their way into the log of runs.
    std::vector<LogLine> TakeLines() {
        std::lock_guard lock(mutex_);
        sealed_ = true;
        return lines_;
    }
    // The lines so far after the first `skip`; nothing once they may stand in the log of runs.
    std::vector<LogLine> LinesAfter(size_t skip, size_t limit) const {
        std::lock_guard lock(mutex_);
        if (sealed_ || skip >= lines_.size()) return {};
        size_t count = std::min(limit, lines_.size() - skip);
        auto first = lines_.begin() + static_cast<std::ptrdiff_t>(skip);
        return {first, first + static_cast<std::ptrdiff_t>(count)};
    }

  private:
    TaskSpec spec_;
    std::string run_id_;
    int64_t number_;
    std::string part_;
    std::string trigger_;
    Timestamp queued_at_;
    int attempt_;
    workspace::ParameterValues parameters_;
    std::optional<Timestamp> scheduled_for_;
    Clock& clock_;
    Duration deadline_;
    CancelToken cancel_;
    std::atomic<bool> timed_out_{false};
    mutable std::mutex mutex_;
    std::string note_;
    int64_t rows_ = -1;
    bool sealed_ = false;
    std::vector<LogLine> lines_;
};

}  // namespace tarn::orchestrator

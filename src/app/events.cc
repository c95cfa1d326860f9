#include "app/events.h"

#include "base/json.h"

namespace tarn::app {
namespace {

constexpr size_t kEventsQueuedMax = 1000;  // more than one wants to read: a tick tells to look anew
constexpr size_t kListenersMax = 1000;
constexpr Duration kEventTick = std::chrono::seconds(2);

std::string RunEvent(const orchestrator::Run& run) {
    return "event: run\ndata: " +
           DumpJson({{"id", run.id},
                     {"task", run.task},
                     {"state", RunStateName(run.state)},
                     {"note", run.note},
                     {"error", run.error},
                     {"rows", run.rows},
                     {"version", run.version}}) +
           "\n\n";
}

}  // namespace

Events::Events(Env& env, orchestrator::Orchestrator& orchestrator, security::Authenticator& authenticator,
               Metrics& metrics)
    : env_(env),
      orchestrator_(orchestrator),
      authenticator_(authenticator),
      listening_(metrics.GetGauge("tarn_web_event_streams", "Open event streams.")) {
    subscription_ = orchestrator_.Subscribe([this](const orchestrator::Run& run) {
        std::lock_guard lock(mutex_);
        if (count_ == 0 || runs_.size() >= kEventsQueuedMax) return;
        runs_.push_back(run);
        changed_.notify_one();
    });
    thread_ = std::thread([this] { Serve(); });
}

Events::~Events() { Stop(); }

void Events::Stop() {
    subscription_.reset();
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Status Events::Add(const security::Principal& principal, HttpStreams& responder) {
    {
        std::lock_guard lock(mutex_);
        if (stopping_) return Error(ErrorCode::kUnavailable, "Tarn is being stopped");
        if (count_ >= kListenersMax) {
            return Error(ErrorCode::kResourceExhausted, "{} listen already, the most that may", count_)
                .WithHint("try again later");
        }
        ++count_;
    }
    auto stream = responder.StartStream(200, {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}});
    std::lock_guard lock(mutex_);
    if (!stream.ok()) {
        --count_;
        return std::move(stream).error();
    }
    young_.push_back({principal, std::move(*stream)});
    changed_.notify_one();
    return Ok();
}

bool Events::Tell(Listener& listener, const std::deque<orchestrator::Run>& runs, bool tick,
                  const std::string& tick_text) {
    std::string text;
    for (orchestrator::Run run : runs) {
        if (orchestrator_.ShowTo(listener.principal, run)) text += RunEvent(run);
    }
    if (tick || !std::exchange(listener.told, true)) text += tick_text;
    if (!listener.stream->Write(text)) return false;
    if (!tick) return true;
    if (authenticator_.Refresh(listener.principal).ok()) return true;
    listener.stream->End();
    return false;
}

void Events::Serve() {
    std::vector<Listener> listeners;
    Duration tick_at = env_.clock().Monotonic() + kEventTick;
    while (true) {
        std::deque<orchestrator::Run> runs;
        {
            std::unique_lock lock(mutex_);
            listening_.Set(static_cast<double>(count_));
            Duration pause = std::max(tick_at - env_.clock().Monotonic(), Duration(0));
            changed_.wait_for(lock, pause, [&] { return stopping_ || !runs_.empty() || !young_.empty(); });
            if (stopping_) break;
            runs.swap(runs_);
            for (Listener& young : young_) listeners.push_back(std::move(young));
            young_.clear();
        }
        bool tick = env_.clock().Monotonic() >= tick_at;
        if (tick) tick_at = env_.clock().Monotonic() + kEventTick;
        std::string text = fmt::format("event: tick\ndata: {{\"idle\": {}}}\n\n", orchestrator_.Idle());
        size_t left = std::erase_if(listeners, [&](Listener& one) { return !Tell(one, runs, tick, text); });
        std::lock_guard lock(mutex_);
        count_ -= left;
    }
    for (Listener& listener : listeners) listener.stream->End();
}

}  // namespace tarn::app

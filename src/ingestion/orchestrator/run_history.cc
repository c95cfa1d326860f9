#include "ingestion/orchestrator/run_history.h"

namespace tarn::orchestrator {
namespace {

void Close(RunHistory& history, Timestamp at) {
    if (!history.parts.empty() && !history.parts.back().to) history.parts.back().to = at;
}

void Open(RunHistory& history, const Event& event, std::string what) {
    Close(history, event.at);
    int attempt = history.parts.empty() ? 1 : history.parts.back().attempt;
    bool starts = event.kind == EventKind::kStarted;
    history.parts.push_back({std::move(what), event.at, std::nullopt, starts ? event.attempt : attempt, event.error});
}

void Note(RunHistory& history, const Event& event) {
    for (const auto& [dataset, version] : event.input_versions) history.inputs[dataset] = version;
    for (const auto& [task, run] : event.after) history.after[task] = run;
}

}  // namespace

void AddToHistory(RunHistory& history, const Event& event) {
    Note(history, event);
    switch (event.kind) {
        case EventKind::kQueued:
            return Open(history, event, event.approval ? "waiting_approval" : "queued");
        case EventKind::kApproved:
            return Open(history, event, "queued");
        case EventKind::kStarted:
            return Open(history, event, "running");
        case EventKind::kRetry:
            return Open(history, event, event.waits ? "waiting_outside" : "waiting_retry");
        case EventKind::kSucceeded:
        case EventKind::kFailed:
        case EventKind::kCancelled:
        case EventKind::kSkipped:
            return Close(history, event.at);
        case EventKind::kFannedOut:
            return Open(history, event, "waiting_items");
        case EventKind::kLate:
            return;
    }
}

}  // namespace tarn::orchestrator

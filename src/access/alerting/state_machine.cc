#include "access/alerting/state_machine.h"

#include <algorithm>
#include <set>

#include "base/crypto.h"
#include "base/json.h"

namespace tarn::alerting {
namespace {

constexpr size_t kFingerprintLetters = 16;

bool IsSilenced(const Step& step, const Instance& instance) { return step.silenced && step.silenced(instance.labels); }

void Fire(const Step& step, Instance& instance, Outcome& outcome) {
    instance.state = State::kFiring;
    instance.fired_at = step.now;
    outcome.transitions.push_back({Change::kFiring, instance});
}

void See(const Timing& timing, const Step& step, const Observed& seen, Instance& instance, Outcome& outcome) {
    instance.value = seen.value;
    instance.text = seen.text;
    if (instance.state == State::kPending && instance.held >= timing.hold) Fire(step, instance, outcome);
}

void Remind(const Timing& timing, const Step& step, Instance& instance, Outcome& outcome) {
    if (instance.state != State::kFiring || IsSilenced(step, instance)) return;
    bool repeat = instance.notified_at.has_value();
    bool due = !repeat || (timing.repeat_every > Duration(0) && instance.quiet >= timing.repeat_every);
    if (!due) return;
    instance.notified_at = step.now;
    instance.quiet = Duration(0);
    outcome.notices.push_back({repeat ? Reason::kRepeat : Reason::kFiring, instance});
}

void End(const Step& step, const Instance& instance, Outcome& outcome) {
    bool fired = instance.state == State::kFiring;
    outcome.transitions.push_back({fired ? Change::kResolved : Change::kCleared, instance});
    // Who was never told that it fires need not hear that it is over.
    if (fired && instance.notified_at && !IsSilenced(step, instance)) {
        outcome.notices.push_back({Reason::kResolved, instance});
    }
}

}  // namespace

std::string_view StateName(State state) { return state == State::kPending ? "pending" : "firing"; }

std::string_view ChangeName(Change change) {
    switch (change) {
        case Change::kPending:
            return "pending";
        case Change::kFiring:
            return "firing";
        case Change::kResolved:
            return "resolved";
        case Change::kCleared:
            break;
    }
    return "cleared";
}

std::string_view ReasonName(Reason reason) {
    switch (reason) {
        case Reason::kFiring:
            return "firing";
        case Reason::kRepeat:
            return "repeat";
        case Reason::kResolved:
            break;
    }
    return "resolved";
}

std::string FingerprintOf(const std::string& rule, const Labels& labels) {
    return Sha256Hex(AsBytes(DumpJson(Json{{"rule", rule}, {"labels", labels}}))).substr(0, kFingerprintLetters);
}

Outcome Advance(const std::string& rule, const Timing& timing, const Step& step, Instances& instances) {
    Outcome outcome;
    for (auto& [fingerprint, instance] : instances) instance.quiet += step.elapsed;
    std::set<std::string> wrong;
    for (const Observed& seen : step.observation.wrong) {
        std::string fingerprint = FingerprintOf(rule, seen.labels);
        if (!wrong.insert(fingerprint).second) continue;
        auto [place, is_new] = instances.try_emplace(fingerprint);
        Instance& instance = place->second;
        if (is_new) {
            instance.fingerprint = fingerprint;
            instance.labels = seen.labels;
            instance.since = step.now;
            instance.value = seen.value;
            instance.text = seen.text;
            if (timing.hold > Duration(0)) outcome.transitions.push_back({Change::kPending, instance});
        } else {
            instance.held += step.elapsed;
        }
        See(timing, step, seen, instance, outcome);
    }
    for (auto at = instances.begin(); at != instances.end();) {
        bool over = step.observation.complete && !wrong.contains(at->first);
        if (over) {
            End(step, at->second, outcome);
            at = instances.erase(at);
            continue;
        }
        Remind(timing, step, at->second, outcome);
        ++at;
    }
    return outcome;
}

void Restore(Instance& instance, Timestamp now) {
    instance.held = std::max(Duration(0), now - instance.since);
    instance.quiet = instance.notified_at ? std::max(Duration(0), now - *instance.notified_at) : Duration(0);
}

}  // namespace tarn::alerting

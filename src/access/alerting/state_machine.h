// The pure part of alerting: what a rule observes goes in, what changed and who must be told comes out. No clock, no
 // IO.
//
// An instance is one thing that a rule found wrong, known by its labels. It is pending while it has not been wrong for
// as long as the rule says (`for`), then firing, and gone (ok) once it is not wrong any more. How long something lasts
// is told by a clock that never jumps; the times that people see are of the wall clock.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"

namespace tarn::alerting {

enum class State : uint8_t { kPending, kFiring };
std::string_view StateName(State state);

// One thing that is wrong now.
struct Observed {
    Labels labels;
    std::optional<double> value;
    std::string text;  // one sentence for people
};

struct Observation {
    std::vector<Observed> wrong;
    bool complete = true;  // false: what is not named is not known to be well, and stays as it was
};

struct Instance {
    std::string fingerprint;  // of rule and labels
    Labels labels;
    State state = State::kPending;
    Timestamp since;                       // first seen wrong
    std::optional<Timestamp> fired_at;
    std::optional<Timestamp> notified_at;  // when somebody was last told that it fires
    Duration held{0};                      // seen wrong for so long
    Duration quiet{0};                     // since somebody was told
    std::optional<double> value;
    std::string text;
};
using Instances = std::map<std::string, Instance>;  // by fingerprint

enum class Change : uint8_t { kPending, kFiring, kResolved, kCleared };
std::string_view ChangeName(Change change);
struct Transition {
    Change change = Change::kPending;
    Instance instance;
};

enum class Reason : uint8_t { kFiring, kRepeat, kResolved };
std::string_view ReasonName(Reason reason);
struct Notice {
    Reason reason = Reason::kFiring;
    Instance instance;
};

struct Timing {
    Duration hold{0};          // `for`
    Duration repeat_every{0};  // 0: told once
};

struct Step {
    const Observation& observation;
    Timestamp now;
    Duration elapsed{0};  // since the step before; 0 for the first
    std::function<bool(const Labels&)> silenced;
};

struct Outcome {
    std::vector<Transition> transitions;
    std::vector<Notice> notices;  // their instances have notified_at set, if they fire
    bool empty() const { return transitions.empty() && notices.empty(); }
};

std::string FingerprintOf(const std::string& rule, const Labels& labels);
Outcome Advance(const std::string& rule, const Timing& timing, const Step& step, Instances& instances);
// What was stored, after a start: the time that the program was down counts, but a clock that went back counts nothing.
void Restore(Instance& instance, Timestamp now);

}  // namespace tarn::alerting

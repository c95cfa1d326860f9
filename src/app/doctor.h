// Doctor: what is wrong with a platform and its machine, what that means, and what to do. Changes nothing.
//
// ExamineMachine and ExamineState look from outside: files, limits, certificates; they need no platform that opens.
// ExamineComponents asks the components themselves, of a running platform (GET /api/v1/doctor) or of a stopped one's.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "base/env.h"
#include "base/json.h"

namespace tarn::app {

struct Components;

enum class Severity : uint8_t { kGood, kWarning, kWrong };

struct Finding {
    Severity severity = Severity::kGood;
    std::string check;    // "disk", "root key", "certificate" ...
    std::string text;     // what was seen
    std::string meaning;  // of what is not good
    std::string action;   // what to do about it
};
using Findings = std::vector<Finding>;

// Files, clock, limits, programs, sandbox, disk.
void ExamineMachine(Env& env, const TarnConfig& config, const std::string& state, Findings& findings);
// The state directory as it lies there. `running`: a Tarn answers, so that the lock must be held.
void ExamineState(Env& env, const TarnConfig& config, const std::string& state, bool running, Findings& findings);
// The files that `tls` names.
void ExamineCertificate(Env& env, const TarnConfig& config, const std::string& workspace, Findings& findings);
// Metadata, lake, audit log, topics, secrets, backups.
void ExamineComponents(Components& parts, Env& env, Findings& findings);

Json FindingsJson(const Findings& findings);
Finding FindingOf(const Json& json);

}  // namespace tarn::app

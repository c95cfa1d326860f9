// Sends one message by one channel, through the dialer. Internal to the component.
#pragma once

#include "access/alerting/alerting.h"
#include "access/alerting/rule.h"
#include "access/alerting/store.h"

namespace tarn::alerting {

// Blocks, a minute at most. No error repeats a secret, a Slack hook's URL included.
Status Send(const AlertingDependencies& dependencies, const Channel& channel, const Json& content);
// A dashboard's report, to those whom it names instead of the channel's own.
Status SendReport(const AlertingDependencies& dependencies, const Channel& channel, const Json& content,
                  const std::vector<Attachment>& files);

// How long to wait after so many attempts; nothing when the budget is used up. Counted in pauses, so no clock that
// jumps can use it up.
std::optional<Duration> PauseAfter(int attempts, Duration retry_for);
inline constexpr Duration kPauseMax = std::chrono::minutes(10);

}  // namespace tarn::alerting

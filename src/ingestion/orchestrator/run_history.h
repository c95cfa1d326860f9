// What a run did from moment to moment, read from its events. Pure.
#pragma once

#include "ingestion/orchestrator/state_machine.h"

namespace tarn::orchestrator {

// Events of one run, in their order.
void AddToHistory(RunHistory& history, const Event& event);

}  // namespace tarn::orchestrator

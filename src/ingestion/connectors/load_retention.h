// Which loads may go: complete ones that another took the place of long ago. Pure. Internal to the component.
//
// What a dataset shows now is never among them: only loads of mode `full` before the newest complete one, and nothing
// that still waits in quarantine.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "ingestion/connectors/load_store.h"

namespace tarn::connectors {

// Those that were superseded before this time, and are not dropped yet.
std::vector<int64_t> LoadsToDrop(const StreamState& state, Timestamp before);
// Keys that loads which stay name; what came out of quarantine may lie in the folder of an older one.
std::set<std::string> KeysInUse(const StreamState& state);

}  // namespace tarn::connectors

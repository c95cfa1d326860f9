#include "ingestion/connectors/load_retention.h"

#include <algorithm>

#include "ingestion/connectors/quarantine.h"

namespace tarn::connectors {

std::vector<int64_t> LoadsToDrop(const StreamState& state, Timestamp before) {
    std::set<int64_t> waiting;
    for (const Waiting& one : WaitingOf(state)) waiting.insert(one.load->load);
    std::vector<int64_t> old;
    bool superseded = false;  // by a complete load that was committed before then
    for (auto load = state.loads.rbegin(); load != state.loads.rend(); ++load) {
        if (load->mode != "full") continue;
        if (superseded && !load->dropped && !waiting.contains(load->load)) old.push_back(load->load);
        bool is_whole = load->apart.empty() && !load->replay && !load->dropped;
        if (superseded || !is_whole) continue;
        Result<Timestamp> committed = ParseTime(load->committed_at);
        superseded = committed.ok() && *committed < before;
    }
    std::reverse(old.begin(), old.end());
    return old;
}

std::set<std::string> KeysInUse(const StreamState& state) {
    std::set<std::string> keys;
    for (const Manifest& load : state.loads) {
        for (const LoadObject& object : load.objects) keys.insert(object.key);
    }
    return keys;
}

}  // namespace tarn::connectors

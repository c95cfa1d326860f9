// Quarantine: what loads kept apart, and how it comes back. All of it lies in manifests; nothing else is stored.
#pragma once

#include <string>
#include <vector>

#include "ingestion/connectors/connector.h"
#include "ingestion/connectors/load_store.h"

namespace tarn::connectors {

// An object, or a whole load, that no later load resolved or replaced.
struct Waiting {
    const Manifest* load = nullptr;
    const LoadObject* object = nullptr;  // null: the load as a whole
    std::string id;
};
std::vector<Waiting> WaitingOf(const StreamState& state);
// Those of these ids, all if there are none; kNotFound naming an id that does not wait.
Result<std::vector<Waiting>> WaitingOf(const StreamState& state, const std::vector<std::string>& ids);

// What people see of one: a row a broken record. At most `rows_max` are added.
Status AddEntries(lake::Lake& lake, const Waiting& waiting, bool show_content, size_t rows_max,
                  std::vector<QuarantineEntry>& entries);

// Fills the writer's manifest with what the waiting ones give as the stream is declared now. kFailedPrecondition when
// none of it can be read any better than before. A load as a whole replaces the manifest.
Status FillReplay(engine::Engine& engine, const StreamState& state, const StreamDefinition& stream,
                  const std::vector<Waiting>& waiting, LoadWriter& writer);

}  // namespace tarn::connectors

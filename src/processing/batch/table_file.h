// The file of a table: `/* tarn ... */` header and SELECT, read into a TableDefinition.
#pragma once

#include "engine/engine.h"
#include "processing/batch/batch.h"
#include "workspace/workspace.h"

namespace tarn::batch {

// Fills definition.value with a TableDefinition. Issues have the line and column in the file.
void ParseTableFile(engine::Engine& engine, workspace::Definition& definition, workspace::Issues& issues);

// Names that are unknown, not allowed or that go in a circle, each with file and line.
void ValidateTables(const std::vector<workspace::Definition>& all, workspace::Issues& issues);

// The keys of the header, for the reference.
std::vector<ConfigKeyDoc> TableKeys();

}  // namespace tarn::batch

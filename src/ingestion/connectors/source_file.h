// The file of a source: sources/<name>.yaml into a SourceDefinition. Every kind's keys are documented here.
#pragma once

#include "ingestion/connectors/connectors.h"
#include "workspace/workspace.h"

namespace tarn::connectors {

void ParseSourceFile(workspace::Definition& definition, workspace::Issues& issues);
std::vector<ConfigKeyDoc> SourceKeys();

}  // namespace tarn::connectors

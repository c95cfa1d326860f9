// use_cases/<use_case>/use_case.yaml: what a use case takes from others. Without the file it takes nothing.
#pragma once

#include <string>
#include <vector>

#include "workspace/workspace.h"

namespace tarn::batch {

struct UseCaseDefinition {
    std::string name;
    std::vector<std::string> imports;  // "fleet.planes_in_service"
    std::string file;
    int imports_line = 1;
};

// Fills definition.value with a UseCaseDefinition.
void ParseUseCaseFile(workspace::Definition& definition, workspace::Issues& issues);
std::vector<ConfigKeyDoc> UseCaseKeys();
// Imports that nothing defines, or that need no import.
void ValidateUseCases(const std::vector<workspace::Definition>& all, workspace::Issues& issues);

}  // namespace tarn::batch

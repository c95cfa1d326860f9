// The workspace as a Git commit has it, whatever lies in the folder now.
#pragma once

#include <string>

#include "app/platform_state.h"

namespace tarn::app {

// The definitions of `ref` (a branch, a tag, a commit) of the repository that the workspace lies in; an empty `ref` is
// the folder. kInvalidArgument when the folder is in no repository or Git knows no such ref.
Result<workspace::LoadedWorkspace> LoadAt(Components& parts, Env& env, const std::string& ref);

}  // namespace tarn::app

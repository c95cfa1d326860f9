// Draws a report in the sandbox: data in, a PNG or PDF out. Internal to the component.
#pragma once

#include <string>

#include "analysis/reports/reports.h"

namespace tarn::reports {

// Blocks, a minute at most. kNotSupported where the sandbox, the libraries or the script are missing, and says which.
Result<std::string> Draw(const DrawDependencies& dependencies, const Json& report, const CancelToken& cancel);

}  // namespace tarn::reports

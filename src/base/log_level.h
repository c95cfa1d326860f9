// The level of a log that is open already.
#pragma once

#include <string_view>

#include "base/log.h"

namespace tarn {

// "debug", "info", "warning", "error"; anything else is info.
LogLevel LogLevelOf(std::string_view name);
// Of a log that Log::Create made; of any other nothing.
void SetLogLevel(Log& log, LogLevel level);

}  // namespace tarn

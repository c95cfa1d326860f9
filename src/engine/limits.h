// What an engine may take while the machine is short of it: for access/budget.
#pragma once

#include "engine/engine.h"

namespace tarn::engine {

// 0: as configured. What is cached beyond goes at once, what runs keeps what it has. Any thread. Nothing happens to an
// engine that is not Engine::Create's own.
void SetEngineLimits(Engine& engine, int64_t memory_bytes_max, int64_t spill_bytes_max);

}  // namespace tarn::engine

// An engine whose statements take a place in the budget's work.
#pragma once

#include <memory>

#include "access/budget/work.h"
#include "engine/engine.h"

namespace tarn::access {

// Both must outlive it.
std::unique_ptr<engine::Engine> MakeBudgetedEngine(engine::Engine& inner, Work& work);

}  // namespace tarn::access

// An engine whose statements take a place in the budget's work.
#pragma once

#include <memory>

#include "access/budget/work.h"
#include "engine/engine.h"

namespace tarn::access {

using EnginesOfRoles = std::map<std::string, engine::Engine*>;

// All must outlive it. `of_roles`: for the people of a role that has memory of its own.
std::unique_ptr<engine::Engine> MakeBudgetedEngine(engine::Engine& inner, Work& work, EnginesOfRoles of_roles);

}  // namespace tarn::access

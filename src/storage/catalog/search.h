// How well a dataset fits what somebody looks for.
#pragma once

#include <string>
#include <vector>

#include "storage/catalog/catalog.h"

namespace tarn::catalog {

// The words of a question, in lower case.
std::vector<std::string> SearchWords(const std::string& text);

// 0: some word occurs nowhere. A name counts more than a column or tag, and these more than a description.
int SearchScore(const std::vector<std::string>& words, const Dataset& dataset,
                const std::vector<engine::Column>& columns);

}  // namespace tarn::catalog

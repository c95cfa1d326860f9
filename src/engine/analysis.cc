#include "engine/adapter.h"

namespace tarn::engine {

Result<QueryAnalysis> AnalyzeSql(const std::string&) {
    return Error(ErrorCode::kNotSupported, "Analyze is being written");
}
Result<std::vector<ColumnLineage>> LineageOf(Run&, const std::string&, const std::string&) {
    return Error(ErrorCode::kNotSupported, "Lineage is being written");
}

}  // namespace tarn::engine

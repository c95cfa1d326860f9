// Scalar functions of our own that plans need.
#include "engine/adapter.h"

#include "duckdb/function/scalar_function.hpp"
#include "duckdb/main/extension/extension_loader.hpp"

namespace tarn::engine {
namespace {

// The identity, which the optimizer may neither see through nor move expressions across: see catalog.cc.
void Fence(duckdb::DataChunk& arguments, duckdb::ExpressionState&, duckdb::Vector& result) {
    result.Reference(arguments.data[0]);
}

duckdb::unique_ptr<duckdb::FunctionData> BindFence(duckdb::ClientContext&, duckdb::ScalarFunction& function,
                                                   duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& arguments) {
    function.arguments[0] = arguments[0]->return_type;
    function.SetReturnType(arguments[0]->return_type);
    return nullptr;
}

}  // namespace

void RegisterFunctions(duckdb::DatabaseInstance& database) {
    duckdb::ExtensionLoader loader(database, "tarn");
    duckdb::ScalarFunction fence("tarn_fence", {duckdb::LogicalType::ANY}, duckdb::LogicalType::ANY, Fence, BindFence);
    fence.SetVolatile();
    fence.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    loader.RegisterFunction(std::move(fence));
}

}  // namespace tarn::engine

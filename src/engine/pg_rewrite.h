// PostgreSQL's functions, casts and operators that DuckDB does not have, as expressions that it has.
#pragma once

#include <functional>

#include "engine/duck_ast.h"
#include "engine/engine.h"

namespace tarn::engine {

struct PgRewriteOptions {
    bool about_catalog = false;  // the statement reads pg_catalog: its regular expressions mean PostgreSQL's
    std::string user;
    // current_setting(name)
    std::function<std::optional<std::string>(const std::string&)> setting;
};

// Rewrites one expression, not its children. True if it became something of ours, whose functions need no check.
Result<bool> RewriteForPostgres(duckdb::unique_ptr<duckdb::ParsedExpression>& expression,
                                const PgRewriteOptions& options);

}  // namespace tarn::engine

// Statements: what both stores share of SQL text and of the door's rules: splitting migrations, translating their
// types, checking parameters, and the order in which migrations are applied. No IO of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/metadata.h"

namespace tarn::metadata {

// Splits at ';' outside of quotes and comments; empty statements are left out.
std::vector<std::string> SplitStatements(std::string_view sql);

// For SQLite: CREATE TABLE becomes STRICT. For PostgreSQL: INTEGER is BIGINT (INTEGER PRIMARY KEY numbers itself), REAL
// is DOUBLE PRECISION, BLOB is BYTEA and TEXT sorts by bytes, as SQLite does. Other statements stay as they are.
std::string TranslateForSqlite(std::string_view statement);
std::string TranslateForPostgres(std::string_view statement);

// kInvalidArgument for text that one of the two stores could not hold.
Status CheckParameters(const Parameters& parameters);

// Applies what is missing through `database`; `translate` is one of the two above.
Status RunMigrations(Database& database, const std::string& component, const std::vector<Migration>& migrations,
                     std::string (*translate)(std::string_view));

}  // namespace tarn::metadata

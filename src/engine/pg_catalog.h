// PostgreSQL's system tables (pg_catalog, information_schema) as its clients read them, made from what the principal
// may see. Tables of things that do not exist here (indexes, triggers ...) are there and empty.
#pragma once

#include <optional>
#include <string>

#include "engine/relation.h"

namespace tarn::engine {

// The relation pg_catalog.name or information_schema.name; nothing if there is no such table.
std::optional<Relation> SystemRelation(RelationSource& source, const security::Principal& principal,
                                       const std::string& schema, const std::string& name);
// Whether an unqualified name means a table of pg_catalog.
bool IsSystemTable(const std::string& name);
bool IsSystemSchema(const std::string& schema);

// What a function or type of PostgreSQL's becomes, as SQL over $1, $2 ...; empty if it is nothing special.
std::string_view SystemFunction(const std::string& name);
// DuckDB's name of a function that PostgreSQL calls otherwise; empty if there is none.
std::string_view OtherNameOf(std::string_view name);
// What a table function of PostgreSQL's becomes, as a SELECT; empty if it is nothing special.
std::string_view SystemTableFunction(std::string_view name);

}  // namespace tarn::engine

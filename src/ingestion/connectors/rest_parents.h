// Streams of an API that are asked for once for each record of another: the records, and paths filled with them.
 // Internal.
#pragma once

#include <string>
#include <vector>

#include "ingestion/connectors/connector.h"

namespace tarn::connectors {

// The fields that {field} and {a.b} stand for, each once, in order.
std::vector<std::string> TemplateFields(const StreamDefinition& stream);
// Puts the parent's fields in; `in_path` encodes them as a part of a path.
Result<std::string> FillTemplate(const std::string& text, const Json& parent, bool in_path);

struct Parents {
    std::string version;
    std::vector<Json> records;  // {"id": "7"}: the fields that are asked for, distinct, in order
    int64_t incomplete = 0;     // left out: one of the fields is null
};
// What the other stream's dataset shows now.
Result<Parents> ReadParents(ConnectorsDependencies& dependencies, const SourceDefinition& source,
                            const StreamDefinition& stream);
// The version of that dataset; empty: it has no load yet.
Result<std::string> ParentsVersion(ConnectorsDependencies& dependencies, const SourceDefinition& source,
                                   const StreamDefinition& stream);

}  // namespace tarn::connectors

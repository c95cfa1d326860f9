// What the targets that speak SQL have in common: names in quotes, and errors. Internal to the component.
#pragma once

#include <string>
#include <vector>

#include "base/text.h"
#include "processing/destinations/target.h"

namespace tarn::destinations {

using Columns = std::vector<engine::ResultColumn>;

// "reports.sales" with each part in quotes.
inline std::string QuotedTable(const std::string& table) {
    std::vector<std::string> parts = Split(table, '.');
    for (std::string& part : parts) part = QuoteIdentifier(part);
    return Join(parts, ".");
}
inline std::string List(const std::vector<std::string>& names, const char* prefix = "") {
    std::vector<std::string> quoted;
    for (const std::string& name : names) quoted.push_back(prefix + QuoteIdentifier(name));
    return Join(quoted, ", ");
}
inline std::vector<std::string> NamesOf(const Columns& columns) {
    std::vector<std::string> names;
    for (const auto& column : columns) names.push_back(column.name);
    return names;
}

inline Error IsThere(const TableDelivery& table) {
    return Error(ErrorCode::kFailedPrecondition, "{} is there already, and not by this delivery", table.to)
        .WithHint("say `take_over: yes` to replace what is in it, or deliver to another name");
}
inline Error KeyIsWrong(const TableDelivery& table) {
    return Error(ErrorCode::kInvalidArgument, "the key ({}) is NULL or repeated in {}", Join(table.key, ", "),
                 table.from)
        .WithHint("nothing was changed in the target");
}

}  // namespace tarn::destinations

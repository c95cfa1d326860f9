// What everybody who is logged in may do without any statement: ask in SQL at all, and look after the own credentials.
// Never data: each table is asked about apart. A deny takes it away. Why: docs/decisions/0010.
#pragma once

#include <array>
#include <string_view>

namespace tarn::identity {

inline constexpr std::string_view kQueryAction = "sql:Query";
// On the resource that is named like the user.
inline constexpr std::array<std::string_view, 7> kOwnActions = {
    "token:Read", "token:Create", "token:Delete", "user:Read", "user:EndSession", "user:SetPassword", "role:Explain"};

bool IsBuiltIn(std::string_view user, std::string_view action, std::string_view resource);

}  // namespace tarn::identity

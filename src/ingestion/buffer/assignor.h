// Assignor: which member of a consumer group reads which partitions (KIP-848's server-side assignors). Pure. Internal
// to the component.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::buffer {

using Share = std::map<std::array<uint8_t, 16>, std::set<int32_t>>;  // partitions by the topic's id

struct AssignorMember {
    std::string id;
    std::set<std::array<uint8_t, 16>> topics;  // that it wants and that are there
    Share had;                                 // what it was to have before
};

inline constexpr std::string_view kUniform = "uniform", kRange = "range";

// As even as can be, and with as few changes as that takes. `sizes`: partitions by topic. Shares in the members' order.
std::vector<Share> AssignUniform(const std::vector<AssignorMember>& members,
                                 const std::map<std::array<uint8_t, 16>, int32_t>& sizes);
// Of each topic a range, so that who has a partition of one topic has that of the others too.
std::vector<Share> AssignRange(const std::vector<AssignorMember>& members,
                               const std::map<std::array<uint8_t, 16>, int32_t>& sizes);

}  // namespace tarn::buffer

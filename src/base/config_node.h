// ConfigNode: a YAML value with its place in the file. Only base/config.cc reads these; components use ConfigBinder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "base/json.h"

namespace tarn {

class ConfigNode {
  public:
    enum class Kind : uint8_t { kNull, kScalar, kList, kMapping };
    struct Member;

    Kind kind = Kind::kNull;
    bool quoted = false;  // a quoted or block scalar: text whatever it looks like
    int line = 0;         // 1-based
    int column = 0;       // 1-based, in characters
    std::string text;     // kScalar
    std::vector<ConfigNode> items;
    std::vector<Member> members;

    const Member* Find(std::string_view key) const;
    // Whole numbers, numbers, true, false and null as YAML 1.2 has them; everything else is text (`NO`, `0123`, dates).
    Json ToJson() const;
    // For messages: "a list", `the text "abc"`.
    std::string Describe() const;
};

struct ConfigNode::Member {
    std::string key;
    int line = 0;
    int column = 0;
    ConfigNode value;
};

// The whole file as one node (an empty mapping for an empty file); nothing if it cannot be read at all. What must not
// stand in it is added to `issues`.
std::optional<ConfigNode> ParseYaml(std::string_view text, const std::string& file, int first_line,
                                    std::vector<ConfigIssue>& issues);

}  // namespace tarn

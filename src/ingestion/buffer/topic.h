// Topic: a named set of partitions with its settings. Internal to the component.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "ingestion/buffer/partition.h"

namespace tarn::buffer {

using TopicId = std::array<uint8_t, 16>;
using TopicSettings = std::map<std::string, std::string>;  // by Kafka's names; only what was set

// One setting of topics, under the name that Kafka gives it.
struct SettingRow {
    enum class Type : uint8_t { kBoolean, kInteger, kLong, kDouble, kString, kList };
    std::string_view name;
    Type type;
    std::string_view fallback;
    std::string_view allowed;  // of strings and lists: "a|b"; of numbers: the least one; empty: anything
    std::string_view documentation;
};
const std::vector<SettingRow>& SettingRows();
// kInvalidArgument: no such setting, or no such value of it; kNotSupported: Tarn doesn't do this.
Status CheckSetting(const std::string& name, const std::string& value);

// What each batch is held to, of the settings: looked up once, when a topic is published.
struct BatchRules {
    bool compacted = false;
    bool own_times = true;  // those that the producer gave
    int64_t before_max_ms = 0, after_max_ms = 0;
    int64_t bytes_max = 0;
};

struct Topic {
    std::string name;
    TopicId id{};
    TopicSettings settings;
    BatchRules rules;
    Timestamp created_at;
    // Shared with the log's writing and with reads under way, which may outlive a deleted topic.
    std::vector<std::shared_ptr<Partition>> partitions;

    std::string Setting(std::string_view name) const;  // or its default
    int64_t Number(std::string_view name) const;
    bool Has(std::string_view policy) const;  // of cleanup.policy
    BatchRules MakeRules() const;
};

// Letters, digits, '.', '_', '-'; up to 249; not "." or "..".
Status CheckTopicName(std::string_view name);

}  // namespace tarn::buffer

#include "ingestion/buffer/topic.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace tarn::buffer {
namespace {

using Type = SettingRow::Type;

template <typename T>
bool IsNumber(std::string_view text, std::string_view least) {
    T value{}, minimum{};
    auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return false;
    if (least.empty()) return true;
    std::from_chars(least.data(), least.data() + least.size(), minimum);
    return value >= minimum;
}

bool IsOneOf(std::string_view value, std::string_view allowed) {
    std::vector<std::string> words = Split(std::string(allowed), '|');
    return std::find(words.begin(), words.end(), value) != words.end();
}

bool Fits(const SettingRow& row, const std::string& value) {
    switch (row.type) {
        case Type::kBoolean:
            return value == "true" || value == "false";
        case Type::kInteger:
            return IsNumber<int32_t>(value, row.allowed);
        case Type::kLong:
            return IsNumber<int64_t>(value, row.allowed);
        case Type::kDouble:
            return IsNumber<double>(value, row.allowed);
        case Type::kString:
            return row.allowed.empty() || IsOneOf(value, row.allowed);
        case Type::kList:
            break;
    }
    if (row.allowed.empty()) return true;
    std::vector<std::string> parts = Split(value, ',');
    return std::all_of(parts.begin(), parts.end(),
                       [&](const std::string& part) { return IsOneOf(Trim(part), row.allowed); });
}

}  // namespace

// The settings of Kafka 4's topics (its documentation, "Topic Configs"), with its defaults.
const std::vector<SettingRow>& SettingRows() {
    static const std::vector<SettingRow> kRows = {
        {"cleanup.policy", Type::kList, "delete", "delete|compact", "What happens to old records."},
        {"compression.type", Type::kString, "producer", "producer", "Batches are kept as the producer sent them."},
        {"compression.gzip.level", Type::kInteger, "-1", "-1", "Of no effect: nothing is compressed anew."},
        {"compression.lz4.level", Type::kInteger, "9", "1", "Of no effect: nothing is compressed anew."},
        {"compression.zstd.level", Type::kInteger, "3", "", "Of no effect: nothing is compressed anew."},
        {"delete.retention.ms", Type::kLong, "86400000", "0", "How long compaction keeps tombstones."},
        {"file.delete.delay.ms", Type::kLong, "60000", "0", "Of no effect: files go once nothing needs them."},
        {"flush.messages", Type::kLong, "1", "1", "Of no effect: every acknowledged record is on the disk."},
        {"flush.ms", Type::kLong, "0", "0", "Of no effect: every acknowledged record is on the disk."},
        {"follower.replication.throttled.replicas", Type::kList, "", "", "Of no effect: there is one replica."},
        {"index.interval.bytes", Type::kInteger, "4096", "0", "Of no effect: every batch is indexed."},
        {"leader.replication.throttled.replicas", Type::kList, "", "", "Of no effect: there is one replica."},
        {"local.retention.bytes", Type::kLong, "-2", "-2", "Of no effect until segments are tiered."},
        {"local.retention.ms", Type::kLong, "-2", "-2", "Of no effect until segments are tiered."},
        {"max.compaction.lag.ms", Type::kLong, "9223372036854775807", "1", "When a record is compacted at the latest."},
        {"max.message.bytes", Type::kInteger, "1048588", "0", "The largest batch that is taken."},
        {"message.timestamp.after.max.ms", Type::kLong, "3600000", "0",
         "How far in the future a record's time may lie."},
        {"message.timestamp.before.max.ms", Type::kLong, "9223372036854775807", "0",
         "How far in the past a record's time may lie."},
        {"message.timestamp.type", Type::kString, "CreateTime", "CreateTime|LogAppendTime", "Whose time a record has."},
        {"min.cleanable.dirty.ratio", Type::kDouble, "0.5", "0", "How much has to be compactable for compaction."},
        {"min.compaction.lag.ms", Type::kLong, "0", "0", "When a record is compacted at the earliest."},
        {"min.insync.replicas", Type::kInteger, "1", "1", "Of no effect: there is one replica."},
        {"preallocate", Type::kBoolean, "false", "", "Of no effect."},
        {"remote.storage.enable", Type::kBoolean, "false", "", "Of no effect until segments are tiered."},
        {"retention.bytes", Type::kLong, "-1", "-1", "How much a partition keeps; -1: no limit."},
        {"retention.ms", Type::kLong, "604800000", "-1", "How long records are kept; -1: for ever."},
        {"segment.bytes", Type::kInteger, "1073741824", "14", "Of no effect: partitions share segments."},
        {"segment.index.bytes", Type::kInteger, "10485760", "4", "Of no effect: partitions share segments."},
        {"segment.jitter.ms", Type::kLong, "0", "0", "Of no effect: partitions share segments."},
        {"segment.ms", Type::kLong, "604800000", "1", "Of no effect: partitions share segments."},
        {"unclean.leader.election.enable", Type::kBoolean, "false", "", "Of no effect: there is one replica."},
    };
    return kRows;
}

Status CheckSetting(const std::string& name, const std::string& value) {
    const std::vector<SettingRow>& rows = SettingRows();
    auto row = std::find_if(rows.begin(), rows.end(), [&](const SettingRow& one) { return one.name == name; });
    if (row == rows.end()) return Error(ErrorCode::kInvalidArgument, "topics have no setting {}", name);
    if (Fits(*row, value)) return Ok();
    if (name == "compression.type") {
        return Error(ErrorCode::kNotSupported, "compression.type {}: batches are kept as the producer sent them", value)
            .WithHint("leave it at \"producer\" and set the producer's compression.type");
    }
    return Error(ErrorCode::kInvalidArgument, "{} can't be \"{}\"{}", name, value,
                 row->allowed.empty() ? "" : fmt::format(" (allowed: {})", row->allowed));
}

std::string Topic::Setting(std::string_view wanted) const {
    auto set = settings.find(std::string(wanted));
    if (set != settings.end()) return set->second;
    for (const SettingRow& row : SettingRows()) {
        if (row.name == wanted) return std::string(row.fallback);
    }
    return {};
}

int64_t Topic::Number(std::string_view wanted) const {
    std::string text = Setting(wanted);
    int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

bool Topic::Has(std::string_view policy) const {
    for (const std::string& part : Split(Setting("cleanup.policy"), ',')) {
        if (Trim(part) == policy) return true;
    }
    return false;
}

BatchRules Topic::MakeRules() const {
    return {.compacted = Has("compact"),
            .own_times = Setting("message.timestamp.type") == "CreateTime",
            .before_max_ms = Number("message.timestamp.before.max.ms"),
            .after_max_ms = Number("message.timestamp.after.max.ms"),
            .bytes_max = Number("max.message.bytes")};
}

Status CheckTopicName(std::string_view name) {
    bool legal = !name.empty() && name.size() <= 249 && name != "." && name != ".." &&
                 std::all_of(name.begin(), name.end(), [](unsigned char c) {
                     return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                            c == '_' || c == '-';
                 });
    if (legal) return Ok();
    return Error(ErrorCode::kInvalidArgument,
                 "\"{}\" can't be a topic's name: letters, digits, '.', '_' and '-', at most 249 of them", name);
}

}  // namespace tarn::buffer

// Statistics of Delta's files as DuckDB's: bounds may be wider than the data, never narrower.
#include "engine/scan_table.h"

#include <cmath>
#include <limits>

#include <roaring/roaring64map.hh>

#include "engine/adapter.h"

namespace tarn::engine {
namespace {

using duckdb::BaseStatistics;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::Value;

// Delta's deletion vectors begin with this number before the bitmap; it may have been left on.
constexpr uint32_t kDeltaBitmapMagic = 1681511377;

std::shared_ptr<const Roaring64Map> ReadBitmap(const std::string& bytes) {
    if (bytes.empty()) return nullptr;
    const char* data = bytes.data();
    size_t size = bytes.size();
    uint32_t magic = 0;
    if (size >= 4) std::memcpy(&magic, data, 4);
    if (magic == kDeltaBitmapMagic) data += 4, size -= 4;
    try {
        return std::make_shared<const Roaring64Map>(Roaring64Map::readSafe(data, size));
    } catch (const std::exception& failure) {
        throw duckdb::IOException("a deletion vector cannot be read: %s", failure.what());
    }
}

// A decimal bound read as a double is off by some units in the last place: widen it by more than that.
Value DecimalBound(const Json& bound, const LogicalType& type, bool upper) {
    double value = bound.get<double>();
    int scale = duckdb::DecimalType::GetScale(type);
    double scaled = value * std::pow(10.0, scale);
    double margin = bound.is_number_integer() ? 0 : std::abs(scaled) * 4e-16 + 1e-9;
    scaled = upper ? std::ceil(scaled + margin - 1e-9) : std::floor(scaled - margin + 1e-9);
    if (std::abs(scaled) >= 9e17) return Value(type);
    auto unscaled = Value::DECIMAL(static_cast<int64_t>(scaled), 18, duckdb::DecimalType::GetScale(type));
    Value result;
    duckdb::string error;
    if (!unscaled.DefaultTryCastAs(type, result, &error)) return Value(type);
    return result;
}

// Delta writes timestamps with milliseconds: the upper bound may hide up to 999 microseconds more.
Value TimeBound(const Json& bound, const LogicalType& type, bool upper) {
    std::string text = bound.get<std::string>();
    if (text.ends_with('Z')) text.resize(text.size() - 1);
    Value parsed;
    duckdb::string error;
    if (!Value(text).DefaultTryCastAs(LogicalType::TIMESTAMP, parsed, &error)) return Value(type);
    int64_t micros = parsed.GetValue<duckdb::timestamp_t>().value;
    if (upper) micros += 999;
    duckdb::timestamp_t time(micros);
    return type.id() == LogicalTypeId::TIMESTAMP_TZ ? Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(time))
                                                    : Value::TIMESTAMP(time);
}

Value BoundOf(const Json& bound, const LogicalType& type, bool upper) {
    switch (type.id()) {
        case LogicalTypeId::TINYINT:
        case LogicalTypeId::SMALLINT:
        case LogicalTypeId::INTEGER:
        case LogicalTypeId::BIGINT: {
            if (!bound.is_number_integer()) return Value(type);
            Value result;
            duckdb::string error;
            bool fits = Value::BIGINT(bound.get<int64_t>()).DefaultTryCastAs(type, result, &error);
            return fits ? result : Value(type);
        }
        case LogicalTypeId::DECIMAL:
            return bound.is_number() ? DecimalBound(bound, type, upper) : Value(type);
        case LogicalTypeId::DATE: {
            Value result;
            duckdb::string error;
            if (!bound.is_string()) return Value(type);
            bool fits = Value(bound.get<std::string>()).DefaultTryCastAs(type, result, &error);
            return fits ? result : Value(type);
        }
        case LogicalTypeId::TIMESTAMP:
        case LogicalTypeId::TIMESTAMP_TZ:
            return bound.is_string() ? TimeBound(bound, type, upper) : Value(type);
        // Floating point is left out: writers disagree on NaN, and a wrong bound loses rows.
        default:
            return Value(type);
    }
}

void SetNulls(BaseStatistics& statistics, int64_t nulls, int64_t rows) {
    if (nulls == 0) {
        statistics.Set(duckdb::StatsInfo::CANNOT_HAVE_NULL_VALUES);
    } else if (rows > 0 && nulls == rows) {
        statistics.Set(duckdb::StatsInfo::CANNOT_HAVE_VALID_VALUES);
    }
}

void SetStringBounds(BaseStatistics& statistics, const Json* min, const Json* max) {
    if (min == nullptr || max == nullptr || !min->is_string() || !max->is_string()) return;
    std::string low = min->get<std::string>();
    std::string high = max->get<std::string>();
    statistics = duckdb::StringStats::CreateEmpty(statistics.GetType());
    statistics.Set(duckdb::StatsInfo::CAN_HAVE_NULL_AND_VALID_VALUES);
    duckdb::StringStats::SetMin(statistics, duckdb::string_t(low.data(), low.size()));
    duckdb::StringStats::SetMax(statistics, duckdb::string_t(high.data(), high.size()));
    duckdb::StringStats::ResetMaxStringLength(statistics);
    duckdb::StringStats::SetContainsUnicode(statistics);
}

const Json* Member(const Json& object, const char* part, const std::string& column) {
    auto group = object.find(part);
    if (group == object.end() || !group->is_object()) return nullptr;
    auto value = group->find(column);
    return value == group->end() ? nullptr : &*value;
}

std::unique_ptr<BaseStatistics> ColumnFacts(const Json& stats, const std::string& name, const LogicalType& type,
                                            int64_t rows) {
    auto result = std::make_unique<BaseStatistics>(BaseStatistics::CreateUnknown(type));
    bool known = false;
    const Json* min = Member(stats, "min", name);
    const Json* max = Member(stats, "max", name);
    if (type.id() == LogicalTypeId::VARCHAR) {
        SetStringBounds(*result, min, max);
        known = min != nullptr && max != nullptr;
    } else if (result->GetStatsType() == duckdb::StatisticsType::NUMERIC_STATS) {
        Value low = min != nullptr ? BoundOf(*min, type, false) : Value(type);
        Value high = max != nullptr ? BoundOf(*max, type, true) : Value(type);
        if (!low.IsNull()) duckdb::NumericStats::SetMin(*result, low), known = true;
        if (!high.IsNull()) duckdb::NumericStats::SetMax(*result, high), known = true;
    } else {
        return nullptr;
    }
    const Json* nulls = Member(stats, "nulls", name);
    if (nulls != nullptr && nulls->is_number_integer()) {
        SetNulls(*result, nulls->get<int64_t>(), rows);
        known = true;
    }
    return known ? std::move(result) : nullptr;
}

}  // namespace

struct ScanTable::FileFacts {
    std::shared_ptr<const Roaring64Map> deleted;
    std::vector<std::unique_ptr<BaseStatistics>> columns;
};

ScanTable::ScanTable(std::shared_ptr<const Relation> relation, std::vector<LogicalType> types)
    : relation_(std::move(relation)),
      scan_(&std::get<FileScan>(relation_->source)),
      types_(std::move(types)),
      facts_(scan_->files.size()) {}
ScanTable::~ScanTable() = default;

ScanTable::FileFacts& ScanTable::FactsOf(size_t file) const {
    std::lock_guard lock(mutex_);
    auto& slot = facts_[file];
    if (slot) return *slot;
    auto facts = std::make_unique<FileFacts>();
    const ScanFile& given = scan_->files[file];
    facts->deleted = ReadBitmap(given.deleted_positions);
    facts->columns.resize(types_.size());
    Json stats = given.statistics.empty() ? Json::object() : Json::parse(given.statistics, nullptr, false);
    for (size_t column = 0; column < types_.size(); column++) {
        const ScanColumn& described = scan_->columns[column];
        if (described.partition) {
            Value value = PartitionValue(file, column);
            facts->columns[column] = std::make_unique<BaseStatistics>(BaseStatistics::FromConstant(value));
        } else if (stats.is_object()) {
            facts->columns[column] = ColumnFacts(stats, described.column.name, types_[column], given.rows);
        }
    }
    slot = std::move(facts);
    return *slot;
}

int64_t ScanTable::RowsOf(size_t file) const {
    const ScanFile& given = scan_->files[file];
    if (given.rows < 0 || given.deleted_positions.empty()) return given.rows;
    return given.rows - static_cast<int64_t>(FactsOf(file).deleted->cardinality());
}

std::shared_ptr<const Roaring64Map> ScanTable::DeletedOf(size_t file) const {
    if (scan_->files[file].deleted_positions.empty()) return nullptr;
    return FactsOf(file).deleted;
}

const BaseStatistics* ScanTable::StatisticsOf(size_t file, size_t column) const {
    return FactsOf(file).columns[column].get();
}

duckdb::unique_ptr<BaseStatistics> ScanTable::MergedStatistics(size_t column) const {
    duckdb::unique_ptr<BaseStatistics> merged;
    for (size_t file = 0; file < scan_->files.size(); file++) {
        const BaseStatistics* one = StatisticsOf(file, column);
        if (one == nullptr) return nullptr;
        if (!merged) {
            merged = one->ToUnique();
        } else {
            merged->Merge(*one);
        }
    }
    return merged;
}

Value ScanTable::PartitionValue(size_t file, size_t column) const {
    const auto& values = scan_->files[file].partition_values;
    const LogicalType& type = types_[column];
    auto found = values.find(scan_->columns[column].column.name);
    if (found == values.end() || !found->second) return Value(type);
    Value text(*found->second);
    if (type.id() == LogicalTypeId::VARCHAR) return text;
    if (type.id() == LogicalTypeId::TIMESTAMP_TZ) {
        // Delta writes partition timestamps in UTC, whatever the session's zone.
        return Value::TIMESTAMPTZ(
            duckdb::timestamp_tz_t(text.DefaultCastAs(LogicalType::TIMESTAMP).GetValue<duckdb::timestamp_t>()));
    }
    return text.DefaultCastAs(type);
}

}  // namespace tarn::engine

// Cells of a result for the protocols: fixed widths and text without a copy, everything else through text once a
 // column.
#include <cmath>

#include "engine/adapter.h"
#include "engine/list_items.h"

namespace tarn::engine {
namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::Value;

size_t WidthOf(CellKind kind) {
    switch (kind) {
        case CellKind::kBool:
        case CellKind::kInt8:
        case CellKind::kUInt8:
            return 1;
        case CellKind::kInt16:
        case CellKind::kUInt16:
            return 2;
        case CellKind::kInt32:
        case CellKind::kUInt32:
        case CellKind::kFloat:
        case CellKind::kDate:
            return 4;
        case CellKind::kInt64:
        case CellKind::kUInt64:
        case CellKind::kDouble:
        case CellKind::kTime:
        case CellKind::kTimestamp:
        case CellKind::kTimestampTz:
            return 8;
        default:
            return 0;
    }
}

// Of fixed layouts that have no kind: list_items.h.
size_t WidthOf(const LogicalType& type) {
    switch (type.id()) {
        case LogicalTypeId::INTERVAL:
            return sizeof(duckdb::interval_t);
        case LogicalTypeId::TIMESTAMP_SEC:
        case LogicalTypeId::TIMESTAMP_MS:
        case LogicalTypeId::TIMESTAMP_NS:
            return sizeof(int64_t);
        default:
            return 0;
    }
}
static_assert(sizeof(IntervalParts) == sizeof(duckdb::interval_t));

// As PostgreSQL prints floats: the shortest text that reads back the same, no ".0".
template <typename Float>
std::string FloatText(Float value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return fmt::format("{}", value);
}

std::string BlobText(std::string_view bytes) { return "\\x" + HexEncode(AsBytes(bytes)); }

class VectorChunk : public Chunk {
  public:
    VectorChunk(duckdb::ClientContext& context, duckdb::DataChunk& chunk) : context_(context), chunk_(chunk) {
        for (auto& vector : chunk.data) kinds_.push_back(KindOf(vector.GetType()));
        texts_.resize(chunk.data.size());
    }

    size_t rows() const override { return chunk_.size(); }
    bool IsNull(size_t row, size_t column) const override {
        return !duckdb::FlatVector::Validity(chunk_.data[column]).RowIsValid(row);
    }
    const void* Data(size_t row, size_t column) const override {
        size_t width = WidthOf(kinds_[column]);
        if (width == 0) width = WidthOf(chunk_.data[column].GetType());
        return width == 0 ? nullptr : duckdb::FlatVector::GetData(chunk_.data[column]) + row * width;
    }
    std::string_view View(size_t row, size_t column) const override { return StringAt(chunk_.data[column], row); }

    std::string Text(size_t row, size_t column) const override {
        if (IsNull(row, column)) return {};
        switch (kinds_[column]) {
            case CellKind::kBool:
                return At<bool>(row, column) ? "t" : "f";
            case CellKind::kInt8:
                return std::to_string(At<int8_t>(row, column));
            case CellKind::kInt16:
                return std::to_string(At<int16_t>(row, column));
            case CellKind::kInt32:
                return std::to_string(At<int32_t>(row, column));
            case CellKind::kInt64:
                return std::to_string(At<int64_t>(row, column));
            case CellKind::kUInt8:
                return std::to_string(At<uint8_t>(row, column));
            case CellKind::kUInt16:
                return std::to_string(At<uint16_t>(row, column));
            case CellKind::kUInt32:
                return std::to_string(At<uint32_t>(row, column));
            case CellKind::kUInt64:
                return std::to_string(At<uint64_t>(row, column));
            case CellKind::kFloat:
                return FloatText(At<float>(row, column));
            case CellKind::kDouble:
                return FloatText(At<double>(row, column));
            case CellKind::kText:
                return std::string(View(row, column));
            case CellKind::kBlob:
                return BlobText(View(row, column));
            default:
                return std::string(CastText(row, column));
        }
    }

    Json Value(size_t row, size_t column) const override {
        if (IsNull(row, column)) return nullptr;
        switch (kinds_[column]) {
            case CellKind::kBool:
                return At<bool>(row, column);
            case CellKind::kInt8:
                return At<int8_t>(row, column);
            case CellKind::kInt16:
                return At<int16_t>(row, column);
            case CellKind::kInt32:
                return At<int32_t>(row, column);
            case CellKind::kInt64:
                return At<int64_t>(row, column);
            case CellKind::kUInt8:
                return At<uint8_t>(row, column);
            case CellKind::kUInt16:
                return At<uint16_t>(row, column);
            case CellKind::kUInt32:
                return At<uint32_t>(row, column);
            case CellKind::kUInt64:
                return At<uint64_t>(row, column);
            case CellKind::kOther:
                return ValueToJson(chunk_.data[column].GetValue(row));
            case CellKind::kFloat:
            case CellKind::kDouble:
                return ValueToJson(chunk_.data[column].GetValue(row));
            default:
                return Text(row, column);
        }
    }

    std::optional<ListItems> Items(size_t row, size_t column) const;

  private:
    template <typename T>
    T At(size_t row, size_t column) const {
        return duckdb::FlatVector::GetData<T>(chunk_.data[column])[row];
    }
    static std::string_view StringAt(duckdb::Vector& vector, size_t row) {
        const auto& text = duckdb::FlatVector::GetData<duckdb::string_t>(vector)[row];
        return {text.GetData(), text.GetSize()};
    }
    // The session's time zone matters for timestamps with one, hence its context.
    std::string_view CastText(size_t row, size_t column) const {
        auto& slot = texts_[column];
        if (!slot) {
            slot = std::make_unique<duckdb::Vector>(LogicalType::VARCHAR, std::max<size_t>(chunk_.size(), 1));
            duckdb::VectorOperations::Cast(context_, chunk_.data[column], *slot, chunk_.size());
            slot->Flatten(chunk_.size());
        }
        return StringAt(*slot, row);
    }

    duckdb::ClientContext& context_;
    duckdb::DataChunk& chunk_;
    std::vector<CellKind> kinds_;
    mutable std::vector<std::unique_ptr<duckdb::Vector>> texts_;
};

// Owns the vector that it shows.
class ItemsChunk : public VectorChunk {
  public:
    ItemsChunk(duckdb::ClientContext& context, std::unique_ptr<duckdb::DataChunk> items)
        : VectorChunk(context, *items), items_(std::move(items)) {}

  private:
    std::unique_ptr<duckdb::DataChunk> items_;
};

std::optional<ListItems> VectorChunk::Items(size_t row, size_t column) const {
    duckdb::Vector& vector = chunk_.data[column];
    const LogicalType& type = vector.GetType();
    bool list = type.id() == LogicalTypeId::LIST;
    if ((!list && type.id() != LogicalTypeId::ARRAY) || IsNull(row, column)) return std::nullopt;
    duckdb::Vector& child = list ? duckdb::ListVector::GetEntry(vector) : duckdb::ArrayVector::GetEntry(vector);
    duckdb::idx_t width = list ? 0 : duckdb::ArrayType::GetSize(type);
    duckdb::list_entry_t place =
        list ? At<duckdb::list_entry_t>(row, column) : duckdb::list_entry_t(row * width, width);
    auto items = std::make_unique<duckdb::DataChunk>();
    items->InitializeEmpty({child.GetType()});
    items->data[0].Slice(child, place.offset, place.offset + place.length);
    items->SetCardinality(place.length);
    items->Flatten();
    ResultColumn description = DescribeColumn("item", child.GetType());
    return ListItems{std::move(description), std::make_unique<ItemsChunk>(context_, std::move(items))};
}

Json NestedToJson(const Value& value) {
    const LogicalType& type = value.type();
    switch (type.id()) {
        case LogicalTypeId::STRUCT: {
            Json object = Json::object();
            const auto& children = duckdb::StructValue::GetChildren(value);
            for (size_t i = 0; i < children.size(); i++) {
                object[duckdb::StructType::GetChildName(type, i)] = ValueToJson(children[i]);
            }
            return object;
        }
        case LogicalTypeId::LIST:
        case LogicalTypeId::ARRAY: {
            Json array = Json::array();
            const auto& children = type.id() == LogicalTypeId::LIST ? duckdb::ListValue::GetChildren(value)
                                                                    : duckdb::ArrayValue::GetChildren(value);
            for (const Value& child : children) array.push_back(ValueToJson(child));
            return array;
        }
        default: {  // a map: keys may be of any type, so their text
            Json object = Json::object();
            for (const Value& entry : duckdb::MapValue::GetChildren(value)) {
                const auto& pair = duckdb::StructValue::GetChildren(entry);
                object[pair[0].ToString()] = ValueToJson(pair[1]);
            }
            return object;
        }
    }
}

}  // namespace

CellKind KindOf(const LogicalType& type) {
    switch (type.id()) {
        case LogicalTypeId::BOOLEAN:
            return CellKind::kBool;
        case LogicalTypeId::TINYINT:
            return CellKind::kInt8;
        case LogicalTypeId::SMALLINT:
            return CellKind::kInt16;
        case LogicalTypeId::INTEGER:
            return CellKind::kInt32;
        case LogicalTypeId::BIGINT:
            return CellKind::kInt64;
        case LogicalTypeId::UTINYINT:
            return CellKind::kUInt8;
        case LogicalTypeId::USMALLINT:
            return CellKind::kUInt16;
        case LogicalTypeId::UINTEGER:
            return CellKind::kUInt32;
        case LogicalTypeId::UBIGINT:
            return CellKind::kUInt64;
        case LogicalTypeId::FLOAT:
            return CellKind::kFloat;
        case LogicalTypeId::DOUBLE:
            return CellKind::kDouble;
        case LogicalTypeId::VARCHAR:
            return CellKind::kText;
        case LogicalTypeId::BLOB:
            return CellKind::kBlob;
        case LogicalTypeId::DATE:
            return CellKind::kDate;
        case LogicalTypeId::TIME:
            return CellKind::kTime;
        case LogicalTypeId::TIMESTAMP:
            return CellKind::kTimestamp;
        case LogicalTypeId::TIMESTAMP_TZ:
            return CellKind::kTimestampTz;
        case LogicalTypeId::DECIMAL:
            return CellKind::kDecimal;
        default:
            return CellKind::kOther;
    }
}

ResultColumn DescribeColumn(const std::string& name, const LogicalType& type) {
    ResultColumn column{.name = name, .type = type.ToString(), .kind = KindOf(type)};
    // "JSON" is text with a name of its own; a parameter without a type is text to the protocols.
    if (type.id() == LogicalTypeId::SQLNULL || type.id() == LogicalTypeId::UNKNOWN) column.type = "VARCHAR";
    if (type.id() == LogicalTypeId::DECIMAL) {
        column.decimal_width = duckdb::DecimalType::GetWidth(type);
        column.decimal_scale = duckdb::DecimalType::GetScale(type);
    }
    return column;
}

std::string ValueToText(const Value& value) { return value.IsNull() ? std::string() : value.ToString(); }

Json ValueToJson(const Value& value) {
    if (value.IsNull()) return nullptr;
    switch (value.type().id()) {
        case LogicalTypeId::BOOLEAN:
            return value.GetValue<bool>();
        case LogicalTypeId::TINYINT:
        case LogicalTypeId::SMALLINT:
        case LogicalTypeId::INTEGER:
        case LogicalTypeId::BIGINT:
            return value.GetValue<int64_t>();
        case LogicalTypeId::UTINYINT:
        case LogicalTypeId::USMALLINT:
        case LogicalTypeId::UINTEGER:
        case LogicalTypeId::UBIGINT:
            return value.GetValue<uint64_t>();
        case LogicalTypeId::FLOAT:
        case LogicalTypeId::DOUBLE: {
            double number = value.GetValue<double>();
            if (!std::isfinite(number)) return FloatText(number);
            return number;
        }
        case LogicalTypeId::BLOB:
            return BlobText(duckdb::StringValue::Get(value));
        case LogicalTypeId::STRUCT:
        case LogicalTypeId::LIST:
        case LogicalTypeId::ARRAY:
        case LogicalTypeId::MAP:
            return NestedToJson(value);
        default:
            return value.ToString();
    }
}

std::optional<ListItems> ItemsOf(const Chunk& chunk, size_t row, size_t column) {
    const auto* vectors = dynamic_cast<const VectorChunk*>(&chunk);
    return vectors ? vectors->Items(row, column) : std::nullopt;
}

std::unique_ptr<Chunk> WrapChunk(duckdb::ClientContext& context, duckdb::DataChunk& chunk) {
    return std::make_unique<VectorChunk>(context, chunk);
}

}  // namespace tarn::engine

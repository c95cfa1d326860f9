#include "analysis/query/pg_types.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "analysis/query/pg_numeric.h"
#include "base/bytes.h"
#include "base/text.h"
#include "engine/list_items.h"

namespace tarn::query {
namespace {

using engine::CellKind;

constexpr int64_t kDaysTo2000 = 10957;                      // 1970-01-01 to 2000-01-01
constexpr int64_t kMicrosTo2000 = 946684800LL * 1000000LL;  // PostgreSQL counts from 2000

constexpr int64_t kDayFirst = -730119;                      // 0001-01-01 and 9999-12-31, from 2000-01-01
constexpr int64_t kDayLast = 2921939;

constexpr size_t kDecimalDigits = 38;
constexpr size_t kDecimalScale = 10;

struct TypeRow {
    std::string_view engine;
    int32_t oid;
    int16_t bytes;
    int32_t array_oid;
};
// The first row with an OID names the engine type that a parameter of it has.
constexpr std::array<TypeRow, 26> kTypes = {{
    {"BOOLEAN", 16, 1, 1000},     {"SMALLINT", 21, 2, 1005},    {"INTEGER", 23, 4, 1007},
    {"BIGINT", 20, 8, 1016},      {"FLOAT", 700, 4, 1021},      {"DOUBLE", 701, 8, 1022},
    {"VARCHAR", 25, -1, 1009},    {"VARCHAR", 1043, -1, 1015},  {"VARCHAR", 1042, -1, 1014},
    {"VARCHAR", 19, 64, 1003},    {"BLOB", 17, -1, 1001},       {"DATE", 1082, 4, 1182},
    {"TIME", 1083, 8, 1183},      {"TIMESTAMP", 1114, 8, 1115}, {"TIMESTAMP WITH TIME ZONE", 1184, 8, 1185},
    {"INTERVAL", 1186, 16, 1187}, {"UUID", 2950, 16, 2951},     {"JSON", 114, -1, 199},
    {"JSON", 3802, -1, 3807},     {"TINYINT", 21, 2, 1005},     {"UTINYINT", 21, 2, 1005},
    {"USMALLINT", 23, 4, 1007},   {"UINTEGER", 20, 8, 1016},    {"UBIGINT", 1700, -1, 1231},
    {"HUGEINT", 1700, -1, 1231},  {"BIGINT", 26, 4, 1028},
}};

const TypeRow* RowOf(std::string_view engine_type) {
    for (const TypeRow& row : kTypes) {
        if (row.engine == engine_type) return &row;
    }
    return nullptr;
}

// BIGINT[], and BIGINT[3] of a fixed length.
bool IsList(std::string_view type) { return type.ends_with("]"); }
std::string ItemTypeOf(const std::string& list) { return list.substr(0, list.rfind('[')); }

template <typename T>
T Load(const void* data) {
    T value;
    std::memcpy(&value, data, sizeof(T));
    return value;
}

constexpr int32_t kJsonOid = 114;

// An item within {...}: quoted where it could be read otherwise.
void AppendItem(std::string& text, std::string_view item) {
    bool plain = !item.empty() && ToLower(item) != "null" && item.find_first_of("{}\",\\ \t\n\r\v\f") == item.npos;
    if (plain) {
        text += item;
        return;
    }
    text += '"';
    for (char character : item) {
        if (character == '"' || character == '\\') text += '\\';
        text += character;
    }
    text += '"';
}

// PostgreSQL's text form of an array: {1,NULL,"a b"}.
std::string ArrayText(const engine::ListItems& items) {
    std::string text = "{";
    for (size_t index = 0; index < items.chunk->rows(); ++index) {
        if (index > 0) text += ',';
        if (items.chunk->IsNull(index, 0))
            text += "NULL";
        else
            AppendItem(text, CellText(*items.chunk, index, 0, items.column));
    }
    return text + "}";
}

// As PostgreSQL prints intervals: 1 year 2 mons -3 days +04:05:06.7
std::string IntervalText(const engine::IntervalParts& interval) {
    std::string text;
    bool negative = false;
    auto part = [&](int64_t value, std::string_view unit) {
        if (value == 0) return;
        text += fmt::format("{}{}{} {}{}", text.empty() ? "" : " ", negative && value > 0 ? "+" : "", value, unit,
                            value == 1 ? "" : "s");
        negative = value < 0;
    };
    part(interval.months / 12, "year");
    part(interval.months % 12, "mon");
    part(interval.days, "day");
    if (interval.micros == 0 && !text.empty()) return text;
    uint64_t micros =
        interval.micros < 0 ? 0 - static_cast<uint64_t>(interval.micros) : static_cast<uint64_t>(interval.micros);
    const char* sign = interval.micros < 0 ? "-" : negative ? "+" : "";
    text += fmt::format("{}{}{:02}:{:02}:{:02}", text.empty() ? "" : " ", sign, micros / 3600000000U,
                        micros / 60000000U % 60, micros / 1000000U % 60);
    if (micros % 1000000U == 0) return text;
    text += fmt::format(".{:06}", micros % 1000000U);
    return text.substr(0, text.find_last_not_of('0') + 1);
}

void WriteFloat(wire::PgFrameWriter& writer, float value) {
    int32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    writer.Int32(bits);
}
void WriteDouble(wire::PgFrameWriter& writer, double value) {
    int64_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    writer.Int64(bits);
}

Status WriteUuid(wire::PgFrameWriter& writer, std::string_view text) {
    std::string digits;
    for (char character : text) {
        if (character != '-') digits += character;
    }
    writer.Bytes(AsText(TRY(HexDecode(digits))));
    return Ok();
}

// The engine's infinite dates and times, and PostgreSQL's.
template <typename T>
T PgTime(T value, T epoch) {
    constexpr T kInfinite = std::numeric_limits<T>::max();
    if (value == kInfinite) return kInfinite;
    return value == -kInfinite ? std::numeric_limits<T>::min() : static_cast<T>(value - epoch);
}

// The parts of one dimension, each with its length: array_send.
Status WriteArray(wire::PgFrameWriter& writer, const engine::Chunk& chunk, size_t row, size_t column) {
    auto items = engine::ItemsOf(chunk, row, column);
    if (!items) return Error(ErrorCode::kInternal, "a list has no items to read");
    size_t count = items->chunk->rows();
    bool nulls = false;
    for (size_t index = 0; index < count; ++index) nulls = nulls || items->chunk->IsNull(index, 0);
    writer.Int32(count == 0 ? 0 : 1);
    writer.Int32(nulls ? 1 : 0);
    writer.Int32(PgTypeOf(items->column).oid);
    if (count == 0) return Ok();
    writer.Int32(static_cast<int32_t>(count));
    writer.Int32(1);
    for (size_t index = 0; index < count; ++index) {
        TRY(WriteCell(writer, *items->chunk, index, 0, items->column, true));
    }
    return Ok();
}

Status WriteBinary(wire::PgFrameWriter& writer, const engine::Chunk& chunk, size_t row, size_t column,
                   const engine::ResultColumn& meta) {
    const void* data = chunk.Data(row, column);
    switch (meta.kind) {
        case CellKind::kBool:
            return writer.Byte(Load<uint8_t>(data) ? 1 : 0), Ok();
        case CellKind::kInt8:
            return writer.Int16(Load<int8_t>(data)), Ok();
        case CellKind::kUInt8:
            return writer.Int16(Load<uint8_t>(data)), Ok();
        case CellKind::kInt16:
            return writer.Int16(Load<int16_t>(data)), Ok();
        case CellKind::kUInt16:
            return writer.Int32(Load<uint16_t>(data)), Ok();
        case CellKind::kInt32:
            return writer.Int32(Load<int32_t>(data)), Ok();
        case CellKind::kUInt32:
            return writer.Int64(Load<uint32_t>(data)), Ok();
        case CellKind::kInt64:
            return writer.Int64(Load<int64_t>(data)), Ok();
        case CellKind::kFloat:
            return WriteFloat(writer, Load<float>(data)), Ok();
        case CellKind::kDouble:
            return WriteDouble(writer, Load<double>(data)), Ok();
        case CellKind::kText:
        case CellKind::kBlob:
            return writer.Bytes(chunk.View(row, column)), Ok();
        case CellKind::kDate:
            return writer.Int32(PgTime<int32_t>(Load<int32_t>(data), static_cast<int32_t>(kDaysTo2000))), Ok();
        case CellKind::kTime:
            return writer.Int64(Load<int64_t>(data)), Ok();
        case CellKind::kTimestamp:
        case CellKind::kTimestampTz:
            return writer.Int64(PgTime<int64_t>(Load<int64_t>(data), kMicrosTo2000)), Ok();
        case CellKind::kUInt64:
        case CellKind::kDecimal:
            return WriteNumeric(writer, chunk.Text(row, column));
        case CellKind::kOther:
            break;
    }
    if (meta.type == "HUGEINT" || meta.type == "UHUGEINT") return WriteNumeric(writer, chunk.Text(row, column));
    if (meta.type == "UUID") return WriteUuid(writer, chunk.Text(row, column));
    if (meta.type == "INTERVAL") {
        auto interval = Load<engine::IntervalParts>(data);
        writer.Int64(interval.micros);
        writer.Int32(interval.days);
        return writer.Int32(interval.months), Ok();
    }
    if (meta.type.starts_with("TIMESTAMP_")) {
        int64_t value = Load<int64_t>(data);
        int64_t micros = meta.type == "TIMESTAMP_NS"   ? value / 1000
                         : meta.type == "TIMESTAMP_MS" ? value * 1000
                                                       : value * 1000000;
        bool finite = value != std::numeric_limits<int64_t>::max() && value != -std::numeric_limits<int64_t>::max();
        return writer.Int64(PgTime<int64_t>(finite ? micros : value, kMicrosTo2000)), Ok();
    }
    if (IsList(meta.type) && PgTypeOf(meta).oid != kJsonOid) return WriteArray(writer, chunk, row, column);
    if (PgTypeOf(meta).oid == 25 || PgTypeOf(meta).oid == kJsonOid) {
        writer.Bytes(CellText(chunk, row, column, meta));
        return Ok();
    }
    return Error(ErrorCode::kNotSupported, "column \"{}\" of type {} has no binary form here; ask for text or cast it",
                 meta.name, meta.type);
}

int64_t SignedBigEndian(std::string_view bytes) {
    uint64_t value = 0;
    for (char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
    size_t shift = 64 - 8 * bytes.size();
    return static_cast<int64_t>(value << shift) >> shift;
}

Result<std::string> TimeParameter(int32_t oid, int64_t value) {
    bool date = oid == 1082;
    bool least = value == (date ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int64_t>::min());
    bool most = value == (date ? std::numeric_limits<int32_t>::max() : std::numeric_limits<int64_t>::max());
    if (oid != 1083 && (least || most)) return std::string(least ? "-infinity" : "infinity");
    int64_t days = date ? value : value / 86400000000LL;
    if (oid != 1083 && (days < kDayFirst || days > kDayLast)) {
        return Error(ErrorCode::kOutOfRange, "a binary time outside of the years 1 to 9999; send text");
    }
    if (oid == 1083 && (value < 0 || value > 86400000000LL)) {
        return Error(ErrorCode::kOutOfRange, "a time parameter is outside of the day").WithDetailCode("22008");
    }
    if (date) {
        std::string text = FormatTime(FromMicros((value + kDaysTo2000) * 86400LL * 1000000LL));
        return text.substr(0, text.find('T'));
    }
    if (oid == 1083)
        return fmt::format("{:02}:{:02}:{:02}.{:06}", value / 3600000000LL, value / 60000000LL % 60,
                           value / 1000000LL % 60, value % 1000000LL);
    return FormatTime(FromMicros(value + kMicrosTo2000));
}

// The type of an array's items; 0 for what is no array.
int32_t ItemOid(int32_t oid) {
    for (const TypeRow& row : kTypes) {
        if (row.array_oid == oid) return row.oid;
    }
    return 0;
}
bool IsArrayOid(int32_t oid) { return ItemOid(oid) != 0; }

// A binary array as the engine reads a list: every item a quoted text.
Result<std::string> ListParameter(int32_t oid, std::string_view binary) {
    wire::PgFieldReader fields(binary);
    int32_t dimensions = TRY(fields.Int32());
    TRY(fields.Int32());  // whether there are NULLs
    int32_t item_oid = TRY(fields.Int32());
    if (dimensions == 0) return std::string("[]");
    if (dimensions != 1) {
        return Error(ErrorCode::kNotSupported, "array parameters of {} dimensions are not supported", dimensions);
    }
    int32_t count = TRY(fields.Int32());
    TRY(fields.Int32());  // the first index
    if (item_oid == 0 || IsArrayOid(item_oid)) item_oid = ItemOid(oid);
    std::string text = "[";
    for (int32_t index = 0; index < count; ++index) {
        if (index > 0) text += ',';
        int32_t length = TRY(fields.Int32());
        if (length < 0) {
            text += "NULL";
            continue;
        }
        std::string item = TRY(ParameterText(item_oid, TRY(fields.Bytes(static_cast<size_t>(length)))));
        text += '"';
        for (char character : item) {
            if (character == '"' || character == '\\') text += '\\';
            text += character;
        }
        text += '"';
    }
    return text + "]";
}

std::string IntervalParameter(std::string_view binary) {
    return fmt::format("{} months {} days {} microseconds", SignedBigEndian(binary.substr(12)),
                       SignedBigEndian(binary.substr(8, 4)), SignedBigEndian(binary.substr(0, 8)));
}

std::string UuidText(std::string_view bytes) {
    std::string hex = HexEncode(AsBytes(bytes));
    for (size_t at : {20, 16, 12, 8}) hex.insert(at, "-");
    return hex;
}

Error WrongLength(int32_t oid, size_t bytes) {
    return Error(ErrorCode::kInvalidArgument, "a binary parameter of type {} has {} bytes", oid, bytes)
        .WithDetailCode("22P03");
}

size_t WidthOf(int32_t oid) {
    for (const TypeRow& row : kTypes) {
        if (row.oid == oid && row.bytes > 0 && oid != 19) return static_cast<size_t>(row.bytes);
    }
    return 0;
}

// {1,NULL,"a b"} as the engine reads a list: [1,NULL,"a b"].
std::string ListText(std::string_view array) {
    std::string text;
    bool quoted = false;
    for (size_t at = 0; at < array.size(); ++at) {
        char character = array[at];
        if (quoted && character == '\\' && at + 1 < array.size())
            text += array[at++];
        else if (character == '"')
            quoted = !quoted;
        bool brace = !quoted && (character == '{' || character == '}');
        text += brace ? (character == '{' ? '[' : ']') : array[at];
    }
    return text;
}

}  // namespace

PgType PgTypeOf(const engine::ResultColumn& column) {
    if (column.kind == CellKind::kDecimal) {
        return {1700, -1, (column.decimal_width << 16 | column.decimal_scale) + 4};
    }
    if (IsList(column.type)) {
        std::string element = ItemTypeOf(column.type);
        if (const TypeRow* row = RowOf(element)) return {row->array_oid, -1, -1};
        if (element.starts_with("DECIMAL")) return {1231, -1, -1};
        if (element == "UHUGEINT") return {1231, -1, -1};
        if (element.starts_with("TIMESTAMP_")) return {1115, -1, -1};
        bool nested = IsList(element) || element.starts_with("STRUCT") || element.starts_with("MAP");
        if (nested) return {kJsonOid, -1, -1};
        return {1009, -1, -1};  // as texts: enumerations, bit strings
    }
    if (column.type.starts_with("STRUCT") || column.type.starts_with("MAP")) return {114, -1, -1};
    if (column.type.starts_with("TIMESTAMP_")) return {1114, 8, -1};
    if (column.type == "UHUGEINT") return {1700, -1, -1};
    const TypeRow* row = RowOf(column.type);
    return row ? PgType{row->oid, row->bytes, -1} : PgType{};
}

int32_t PgOidOf(const std::string& type) {
    engine::ResultColumn column;
    column.type = type;
    if (type.starts_with("DECIMAL") && !IsList(type)) return kNumericOid;
    return PgTypeOf(column).oid;
}

std::string DecimalTypeOf(std::string_view text) {
    if (text.find_first_not_of("+-.0123456789") != std::string_view::npos) return "";
    size_t point = std::min(text.find('.'), text.size());
    size_t last = text.find_last_not_of('0');
    size_t scale = last == std::string_view::npos || last < point ? 0 : last - point;
    size_t first = std::min(text.find_first_of("123456789"), point);
    size_t whole = point - first;
    if (whole <= kDecimalDigits - kDecimalScale && scale <= kDecimalScale) return "";
    return whole + scale > kDecimalDigits ? "" : fmt::format("DECIMAL({},{})", kDecimalDigits, scale);
}

std::string EngineTypeOf(int32_t oid) {
    if (oid == kNumericOid) return fmt::format("DECIMAL({},{})", kDecimalDigits, kDecimalScale);
    for (const TypeRow& row : kTypes) {
        if (row.oid == oid) return std::string(row.engine);
        if (row.array_oid == oid) return EngineTypeOf(row.oid) + "[]";
    }
    return "";
}

std::string CellText(const engine::Chunk& chunk, size_t row, size_t column, const engine::ResultColumn& meta) {
    if (meta.kind == CellKind::kBlob) return "\\x" + HexEncode(AsBytes(chunk.View(row, column)));
    if (meta.kind == CellKind::kText) return std::string(chunk.View(row, column));
    if (meta.kind != CellKind::kOther) return chunk.Text(row, column);
    if (meta.type == "INTERVAL") return IntervalText(Load<engine::IntervalParts>(chunk.Data(row, column)));
    bool nested = IsList(meta.type) || meta.type.starts_with("STRUCT") || meta.type.starts_with("MAP");
    if (!nested) return chunk.Text(row, column);
    if (PgTypeOf(meta).oid == kJsonOid) return DumpJson(chunk.Value(row, column));
    auto items = engine::ItemsOf(chunk, row, column);
    return items ? ArrayText(*items) : DumpJson(chunk.Value(row, column));
}

Status WriteCell(wire::PgFrameWriter& writer, const engine::Chunk& chunk, size_t row, size_t column,
                 const engine::ResultColumn& meta, bool binary) {
    if (chunk.IsNull(row, column)) return writer.Null(), Ok();
    size_t mark = writer.BeginValue();
    if (binary)
        TRY(WriteBinary(writer, chunk, row, column, meta));
    else if (meta.kind == CellKind::kText)
        writer.Bytes(chunk.View(row, column));
    else
        writer.Bytes(CellText(chunk, row, column, meta));
    writer.EndValue(mark);
    return Ok();
}

Result<std::string> TextParameter(int32_t oid, std::string_view text) {
    constexpr int32_t kBytea = 17;
    if (oid == kBytea && text.starts_with("\\x")) {
        auto bytes = HexDecode(text.substr(2));
        if (!bytes.ok()) return std::move(bytes).error().Context("a bytea parameter").WithDetailCode("22P02");
        return ParameterText(oid, AsText(*bytes));
    }
    if (IsArrayOid(oid) && text.starts_with("{")) return ListText(text);
    return std::string(text);
}

Result<std::string> ParameterText(int32_t oid, std::string_view binary) {
    size_t width = WidthOf(oid);
    if (width > 0 && binary.size() != width) return WrongLength(oid, binary.size());
    switch (oid) {
        case 16:
            return std::string(binary[0] ? "true" : "false");
        case 20:
        case 21:
        case 23:
            return std::to_string(SignedBigEndian(binary));
        case 700:
            return fmt::format("{}", std::bit_cast<float>(static_cast<int32_t>(SignedBigEndian(binary))));
        case 701:
            return fmt::format("{}", std::bit_cast<double>(SignedBigEndian(binary)));
        case 1082:
        case 1083:
        case 1114:
        case 1184:
            return TimeParameter(oid, SignedBigEndian(binary));
        case 1186:
            return IntervalParameter(binary);
        case 1700:
            return NumericText(binary);
        case 2950:
            return UuidText(binary);
        case 17: {
            std::string text;
            for (char byte : binary) text += fmt::format("\\x{:02X}", static_cast<uint8_t>(byte));
            return text;
        }
        case 3802:  // a version byte, then the text
            if (binary.empty() || binary[0] != 1) return WrongLength(oid, binary.size());
            return std::string(binary.substr(1));
        case 0:
        case 19:
        case 25:
        case 114:
        case 705:
        case 1042:
        case 1043:
            return std::string(binary);
        case 26:
            return std::to_string(static_cast<uint32_t>(SignedBigEndian(binary)));
        default:
            if (IsArrayOid(oid)) return ListParameter(oid, binary);
            return Error(ErrorCode::kNotSupported, "binary parameters of type {} are not supported; send text", oid);
    }
}

}  // namespace tarn::query

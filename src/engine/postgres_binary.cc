#include "engine/postgres_binary.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "base/time.h"

namespace tarn::engine {
namespace {

using duckdb::FlatVector;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::Vector;

// Object ids of PostgreSQL's catalog (pg_type.dat); they never change.
enum Oid : uint32_t {
    kBool = 16,
    kBytea = 17,
    kChar = 18,
    kName = 19,
    kInt8 = 20,
    kInt2 = 21,
    kInt4 = 23,
    kText = 25,
    kOid = 26,
    kXid = 28,
    kJson = 114,
    kXml = 142,
    kPoint = 600,
    kCidr = 650,
    kFloat4 = 700,
    kFloat8 = 701,
    kUnknown = 705,
    kMacaddr = 829,
    kInet = 869,
    kBpchar = 1042,
    kVarchar = 1043,
    kDate = 1082,
    kTime = 1083,
    kTimestamp = 1114,
    kTimestamptz = 1184,
    kInterval = 1186,
    kTimetz = 1266,
    kBit = 1560,
    kVarbit = 1562,
    kNumeric = 1700,
    kUuid = 2950,
    kJsonb = 3802,
};

constexpr int64_t kEpochDays = 10957;  // 2000-01-01, PostgreSQL's zero, in days since 1970
constexpr int64_t kDayMicros = 86'400'000'000;
constexpr int64_t kEpochMicros = kEpochDays * kDayMicros;

template <typename T>
T ReadBig(const uint8_t* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof(T));
    if constexpr (sizeof(T) == 2) value = static_cast<T>(__builtin_bswap16(static_cast<uint16_t>(value)));
    if constexpr (sizeof(T) == 4) value = static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(value)));
    if constexpr (sizeof(T) == 8) value = static_cast<T>(__builtin_bswap64(static_cast<uint64_t>(value)));
    return value;
}

// ---- straight into vectors

template <typename Wire, typename Stored>
bool DecodeInteger(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    if (payload.size() != sizeof(Wire)) return false;
    FlatVector::GetData<Stored>(vector)[row] = static_cast<Stored>(ReadBig<Wire>(payload.data()));
    return true;
}

template <typename Stored>
bool DecodeFloat4(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    if (payload.size() != 4) return false;
    FlatVector::GetData<Stored>(vector)[row] = std::bit_cast<float>(ReadBig<uint32_t>(payload.data()));
    return true;
}

bool DecodeFloat8(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    if (payload.size() != 8) return false;
    FlatVector::GetData<double>(vector)[row] = std::bit_cast<double>(ReadBig<uint64_t>(payload.data()));
    return true;
}

bool DecodeBool(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    if (payload.size() != 1) return false;
    FlatVector::GetData<bool>(vector)[row] = payload[0] != 0;
    return true;
}

bool DecodeText(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    const char* text = reinterpret_cast<const char*>(payload.data());
    bool ascii = true;
    for (uint8_t byte : payload) ascii = ascii && byte < 0x80;
    if (!ascii && !IsUtf8(AsText(payload))) return false;
    FlatVector::GetData<duckdb::string_t>(vector)[row] =
        duckdb::StringVector::AddStringOrBlob(vector, text, payload.size());
    return true;
}

bool DecodeBytes(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    FlatVector::GetData<duckdb::string_t>(vector)[row] =
        duckdb::StringVector::AddStringOrBlob(vector, reinterpret_cast<const char*>(payload.data()), payload.size());
    return true;
}

bool DecodeDate(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    if (payload.size() != 4) return false;
    int32_t days = ReadBig<int32_t>(payload.data());
    if (days == INT32_MAX || days == INT32_MIN) return false;  // infinity has no place in a table
    FlatVector::GetData<duckdb::date_t>(vector)[row] = duckdb::date_t(days + static_cast<int32_t>(kEpochDays));
    return true;
}

bool DecodeTimestamp(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    if (payload.size() != 8) return false;
    int64_t micros = ReadBig<int64_t>(payload.data());
    if (micros == INT64_MAX || micros == INT64_MIN || micros > INT64_MAX - kEpochMicros) return false;
    FlatVector::GetData<int64_t>(vector)[row] = micros + kEpochMicros;
    return true;
}

struct Numeric {
    int digits = 0;  // groups of four decimal digits
    int weight = 0;  // of the first group, in powers of 10000
    uint16_t sign = 0;
    int scale = 0;
    const uint8_t* groups = nullptr;
    int Group(int index) const { return index < 0 || index >= digits ? 0 : ReadBig<uint16_t>(groups + index * 2); }
};
constexpr uint16_t kNegative = 0x4000, kNan = 0xC000, kPlusInfinity = 0xD000, kMinusInfinity = 0xF000;

bool ReadNumeric(ByteSpan payload, Numeric& numeric) {
    if (payload.size() < 8) return false;
    numeric.digits = ReadBig<uint16_t>(payload.data());
    numeric.weight = ReadBig<int16_t>(payload.data() + 2);
    numeric.sign = ReadBig<uint16_t>(payload.data() + 4);
    numeric.scale = ReadBig<uint16_t>(payload.data() + 6);
    numeric.groups = payload.data() + 8;
    return payload.size() == 8 + static_cast<size_t>(numeric.digits) * 2;
}

// value * 10^scale; false if that is not whole or has more than 38 digits.
bool ScaledInteger(const Numeric& numeric, int scale, __int128& result) {
    constexpr __int128 kLimit = static_cast<__int128>(1e19) * static_cast<__int128>(1e18) * 10;  // 10^38
    result = 0;
    // Group i counts 10^(4 * (weight - i)): digits down to the wanted scale are taken, the rest must be zero.
    for (int i = 0; i < numeric.digits; i++) {
        int exponent = 4 * (numeric.weight - i) + scale;
        __int128 group = numeric.Group(i);
        if (group == 0) continue;
        if (exponent > 38) return false;
        for (; exponent < 0; exponent++) {
            if (group % 10 != 0) return false;
            group /= 10;
        }
        for (; exponent > 0; exponent--) {
            group *= 10;
            if (group >= kLimit) return false;
        }
        result += group;
        if (result >= kLimit) return false;
    }
    if (numeric.sign == kNegative) result = -result;
    return true;
}

bool DecodeDecimal(ByteSpan payload, Vector& vector, size_t row, const LogicalType& type) {
    Numeric numeric;
    __int128 value = 0;
    if (!ReadNumeric(payload, numeric) || (numeric.sign != 0 && numeric.sign != kNegative)) return false;
    if (!ScaledInteger(numeric, duckdb::DecimalType::GetScale(type), value)) return false;
    __int128 limit = 1;
    for (int i = 0; i < duckdb::DecimalType::GetWidth(type); i++) limit *= 10;
    if (value >= limit || value <= -limit) return false;
    switch (type.InternalType()) {
        case duckdb::PhysicalType::INT16:
            FlatVector::GetData<int16_t>(vector)[row] = static_cast<int16_t>(value);
            break;
        case duckdb::PhysicalType::INT32:
            FlatVector::GetData<int32_t>(vector)[row] = static_cast<int32_t>(value);
            break;
        case duckdb::PhysicalType::INT64:
            FlatVector::GetData<int64_t>(vector)[row] = static_cast<int64_t>(value);
            break;
        default: {
            auto& huge = FlatVector::GetData<duckdb::hugeint_t>(vector)[row];
            huge.lower = static_cast<uint64_t>(value);
            huge.upper = static_cast<int64_t>(value >> 64);
        }
    }
    return true;
}

bool DecodeUuid(ByteSpan payload, Vector& vector, size_t row, const LogicalType&) {
    if (payload.size() != 16) return false;
    static constexpr char kHex[] = "0123456789abcdef";
    char text[36];
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
        text[at++] = kHex[payload[i] >> 4];
        text[at++] = kHex[payload[i] & 15];
    }
    FlatVector::GetData<duckdb::string_t>(vector)[row] = duckdb::StringVector::AddStringOrBlob(vector, text, 36);
    return true;
}

bool DecodeJsonb(ByteSpan payload, Vector& vector, size_t row, const LogicalType& type) {
    if (payload.empty() || payload[0] != 1) return false;
    return DecodeText(payload.subspan(1), vector, row, type);
}

// ---- into text

std::string NumericText(const Numeric& numeric) {
    if (numeric.sign == kNan) return "NaN";
    if (numeric.sign == kPlusInfinity) return "Infinity";
    if (numeric.sign == kMinusInfinity) return "-Infinity";
    std::string text = numeric.sign == kNegative ? "-" : "";
    if (numeric.weight < 0) text += "0";
    for (int i = 0; i <= numeric.weight; i++) {
        text += i == 0 ? fmt::format("{}", numeric.Group(i)) : fmt::format("{:04}", numeric.Group(i));
    }
    if (numeric.scale == 0) return text;
    std::string fraction;
    for (int i = numeric.weight + 1; static_cast<int>(fraction.size()) < numeric.scale; i++) {
        fraction += fmt::format("{:04}", numeric.Group(i));
    }
    return text + "." + fraction.substr(0, numeric.scale);
}

std::string ClockText(int64_t micros) {
    std::string text =
        fmt::format("{:02}:{:02}:{:02}", micros / 3'600'000'000, micros / 60'000'000 % 60, micros / 1'000'000 % 60);
    int64_t fraction = micros % 1'000'000;
    if (fraction == 0) return text;
    text += fmt::format(".{:06}", fraction);
    while (text.back() == '0') text.pop_back();
    return text;
}

std::string IntervalText(ByteSpan payload) {
    int64_t micros = ReadBig<int64_t>(payload.data());
    int32_t days = ReadBig<int32_t>(payload.data() + 8);
    int32_t months = ReadBig<int32_t>(payload.data() + 12);
    std::string text;
    auto add = [&](int64_t count, const char* unit) {
        if (count == 0) return;
        text += fmt::format("{}{} {}{}", text.empty() ? "" : " ", count, unit, count == 1 ? "" : "s");
    };
    add(months / 12, "year");
    add(months % 12, "mon");
    add(days, "day");
    if (micros != 0 || text.empty()) {
        if (!text.empty()) text += " ";
        text += (micros < 0 ? "-" : "") + ClockText(micros < 0 ? -micros : micros);
    }
    return text;
}

std::string ZoneText(int32_t west_seconds) {
    int32_t east = -west_seconds;
    std::string text = fmt::format("{}{:02}", east < 0 ? "-" : "+", std::abs(east) / 3600);
    if (std::abs(east) % 3600 != 0) text += fmt::format(":{:02}", std::abs(east) / 60 % 60);
    return text;
}

std::string TimestampText(int64_t micros, bool zoned) {
    if (micros == INT64_MAX) return "infinity";
    if (micros == INT64_MIN) return "-infinity";
    std::string text = FormatTime(FromMicros(micros + kEpochMicros));
    if (text.ends_with('Z')) text.pop_back();
    size_t t = text.find('T');
    if (t != std::string::npos) text[t] = ' ';
    return zoned ? text + "+00" : text;
}

std::string AddressText(ByteSpan payload) {
    if (payload.size() < 4) return {};
    bool v4 = payload[0] == 2;
    std::string text;
    if (v4) {
        for (size_t i = 4; i < payload.size(); i++) text += (i > 4 ? "." : "") + std::to_string(payload[i]);
    } else {
        for (size_t i = 4; i + 1 < payload.size(); i += 2) {
            text += (i > 4 ? ":" : "") + fmt::format("{:x}", (payload[i] << 8) | payload[i + 1]);
        }
    }
    bool whole = payload[1] == (v4 ? 32 : 128);
    return whole && payload[2] == 0 ? text : text + "/" + std::to_string(payload[1]);
}

std::string BitText(ByteSpan payload) {
    uint32_t bits = payload.size() >= 4 ? ReadBig<uint32_t>(payload.data()) : 0;
    std::string text;
    for (uint32_t i = 0; i < bits && 4 + i / 8 < payload.size(); i++) {
        text += (payload[4 + i / 8] >> (7 - i % 8)) & 1 ? '1' : '0';
    }
    return text;
}

void AppendElement(std::string& text, const std::string& element) {
    bool plain = !element.empty() && !EqualsIgnoreCase(element, "null");
    for (char c : element) plain = plain && std::strchr("{},\"\\ \t\n\r", c) == nullptr;
    if (plain) {
        text += element;
        return;
    }
    text += '"';
    for (char c : element) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    text += '"';
}

// Reads an array's elements in order; dimensions nest.
class ArrayReader {
  public:
    explicit ArrayReader(ByteSpan payload) : left_(payload) {}

    Result<std::string> Text() {
        int32_t dimensions = TRY(Number());
        TRY(Number());  // whether there are nulls
        element_ = static_cast<uint32_t>(TRY(Number()));
        if (dimensions == 0) return std::string("{}");
        if (dimensions < 0 || dimensions > 6) return Broken();
        for (int32_t i = 0; i < dimensions; i++) {
            sizes_.push_back(TRY(Number()));
            TRY(Number());  // the lower bound
        }
        std::string text;
        TRY(Level(0, text));
        return text;
    }

  private:
    static Error Broken() { return Error(ErrorCode::kInvalidArgument, "a binary array is cut short"); }
    Result<int32_t> Number() {
        if (left_.size() < 4) return Broken();
        int32_t value = ReadBig<int32_t>(left_.data());
        left_ = left_.subspan(4);
        return value;
    }
    Status Level(size_t depth, std::string& text) {
        text += '{';
        for (int32_t i = 0; i < sizes_[depth]; i++) {
            if (i > 0) text += ',';
            if (depth + 1 < sizes_.size()) {
                TRY(Level(depth + 1, text));
                continue;
            }
            int32_t length = TRY(Number());
            if (length < 0) {
                text += "NULL";
                continue;
            }
            if (static_cast<size_t>(length) > left_.size()) return Broken();
            AppendElement(text, TRY(PostgresText(element_, left_.first(length))));
            left_ = left_.subspan(length);
        }
        text += '}';
        return Ok();
    }

    ByteSpan left_;
    uint32_t element_ = 0;
    std::vector<int32_t> sizes_;
};

// The array types of the types known here.
bool IsArray(uint32_t oid) {
    static constexpr uint32_t kArrays[] = {143,  199,  629,  651,  1000, 1001, 1002, 1003, 1005, 1007, 1009,
                                           1010, 1011, 1014, 1015, 1016, 1021, 1022, 1028, 1040, 1041, 1115,
                                           1182, 1183, 1185, 1187, 1231, 1270, 1561, 1563, 2951, 3807};
    for (uint32_t one : kArrays) {
        if (one == oid) return true;
    }
    return false;
}

// Bytes a fixed-width type has; 0 for the others.
size_t FixedBytes(uint32_t oid) {
    switch (oid) {
        case kBool:
        case kChar:
            return 1;
        case kInt2:
            return 2;
        case kInt4:
        case kOid:
        case kXid:
        case kFloat4:
        case kDate:
            return 4;
        case kMacaddr:
            return 6;
        case kInt8:
        case kFloat8:
        case kTime:
        case kTimestamp:
        case kTimestamptz:
            return 8;
        case kTimetz:
            return 12;
        case kInterval:
        case kUuid:
        case kPoint:
            return 16;
        default:
            return 0;
    }
}

std::string FloatText(double value, bool single) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
}

std::string UuidText(ByteSpan payload) {
    std::string hex = HexEncode(payload);
    for (size_t at : {8, 13, 18, 23}) hex.insert(at, "-");
    return hex;
}

std::string FixedText(uint32_t oid, ByteSpan payload) {
    const uint8_t* bytes = payload.data();
    switch (oid) {
        case kBool:
            return bytes[0] != 0 ? "t" : "f";
        case kChar:
            return std::string(1, static_cast<char>(bytes[0]));
        case kInt2:
            return std::to_string(ReadBig<int16_t>(bytes));
        case kInt4:
            return std::to_string(ReadBig<int32_t>(bytes));
        case kOid:
        case kXid:
            return std::to_string(ReadBig<uint32_t>(bytes));
        case kInt8:
            return std::to_string(ReadBig<int64_t>(bytes));
        case kFloat4:
            return FloatText(std::bit_cast<float>(ReadBig<uint32_t>(bytes)), true);
        case kFloat8:
            return FloatText(std::bit_cast<double>(ReadBig<uint64_t>(bytes)), false);
        case kDate: {
            int32_t days = ReadBig<int32_t>(bytes);
            if (days == INT32_MAX) return "infinity";
            if (days == INT32_MIN) return "-infinity";
            return FormatTime(FromMicros((days + kEpochDays) * kDayMicros)).substr(0, 10);
        }
        case kTime:
            return ClockText(ReadBig<int64_t>(bytes));
        case kTimestamp:
            return TimestampText(ReadBig<int64_t>(bytes), false);
        case kTimestamptz:
            return TimestampText(ReadBig<int64_t>(bytes), true);
        case kTimetz:
            return ClockText(ReadBig<int64_t>(bytes)) + ZoneText(ReadBig<int32_t>(bytes + 8));
        case kInterval:
            return IntervalText(payload);
        case kUuid:
            return UuidText(payload);
        case kPoint:
            return fmt::format("({},{})", std::bit_cast<double>(ReadBig<uint64_t>(bytes)),
                               std::bit_cast<double>(ReadBig<uint64_t>(bytes + 8)));
        default:  // kMacaddr
            return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3],
                               bytes[4], bytes[5]);
    }
}

CellDecoder TextDecoder(uint32_t oid) {
    switch (oid) {
        case kName:
        case kText:
        case kJson:
        case kXml:
        case kUnknown:
        case kBpchar:
        case kVarchar:
            return DecodeText;
        case kUuid:
            return DecodeUuid;
        case kJsonb:
            return DecodeJsonb;
        default:
            return nullptr;
    }
}

}  // namespace

CellDecoder DirectDecoder(uint32_t oid, const LogicalType& type) {
    LogicalTypeId id = type.id();
    switch (oid) {
        case kBool:
            return id == LogicalTypeId::BOOLEAN ? DecodeBool : nullptr;
        case kInt2:
            if (id == LogicalTypeId::SMALLINT) return DecodeInteger<int16_t, int16_t>;
            if (id == LogicalTypeId::INTEGER) return DecodeInteger<int16_t, int32_t>;
            return id == LogicalTypeId::BIGINT ? DecodeInteger<int16_t, int64_t> : nullptr;
        case kInt4:
            if (id == LogicalTypeId::INTEGER) return DecodeInteger<int32_t, int32_t>;
            return id == LogicalTypeId::BIGINT ? DecodeInteger<int32_t, int64_t> : nullptr;
        case kOid:
            return id == LogicalTypeId::BIGINT ? DecodeInteger<uint32_t, int64_t> : nullptr;
        case kInt8:
            return id == LogicalTypeId::BIGINT ? DecodeInteger<int64_t, int64_t> : nullptr;
        case kFloat4:
            if (id == LogicalTypeId::FLOAT) return DecodeFloat4<float>;
            return id == LogicalTypeId::DOUBLE ? DecodeFloat4<double> : nullptr;
        case kFloat8:
            return id == LogicalTypeId::DOUBLE ? DecodeFloat8 : nullptr;
        case kNumeric:
            return id == LogicalTypeId::DECIMAL ? DecodeDecimal : nullptr;
        case kDate:
            return id == LogicalTypeId::DATE ? DecodeDate : nullptr;
        case kTimestamp:
            return id == LogicalTypeId::TIMESTAMP ? DecodeTimestamp : nullptr;
        case kTimestamptz:
            return id == LogicalTypeId::TIMESTAMP_TZ ? DecodeTimestamp : nullptr;
        case kBytea:
            return id == LogicalTypeId::BLOB ? DecodeBytes : nullptr;
        default:
            return id == LogicalTypeId::VARCHAR ? TextDecoder(oid) : nullptr;
    }
}

Result<std::string> PostgresText(uint32_t oid, ByteSpan payload) {
    size_t fixed = FixedBytes(oid);
    if (fixed != 0) {
        if (payload.size() == fixed) return FixedText(oid, payload);
        return Error(ErrorCode::kInvalidArgument, "a value of type {} has {} bytes, not {}", oid, payload.size(),
                     fixed);
    }
    switch (oid) {
        case kBytea:
            return "\\x" + HexEncode(payload);
        case kJsonb:
            return std::string(AsText(payload.empty() ? payload : payload.subspan(1)));
        case kInet:
        case kCidr:
            return AddressText(payload);
        case kBit:
        case kVarbit:
            return BitText(payload);
        case kNumeric: {
            Numeric numeric;
            if (ReadNumeric(payload, numeric)) return NumericText(numeric);
            return Error(ErrorCode::kInvalidArgument, "a binary numeric is cut short");
        }
        default:
            break;
    }
    if (IsArray(oid)) return ArrayReader(payload).Text();
    constexpr uint32_t kFirstOwnOid = 16384;  // types of extensions and users: enums are text, others cannot be told
    if (TextDecoder(oid) != nullptr || oid >= kFirstOwnOid) {
        if (IsUtf8(AsText(payload))) return std::string(AsText(payload));
    }
    return Error(ErrorCode::kNotSupported, "the binary form of PostgreSQL's type {} is not known", oid)
        .WithHint("select it as text: column::text");
}

}  // namespace tarn::engine

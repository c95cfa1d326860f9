#include "analysis/query/pg_numeric.h"

#include <vector>

#include "base/number.h"

namespace tarn::query {
namespace {

constexpr int16_t kNegative = 0x4000;
constexpr size_t kGroup = 4;  // decimal digits in one base-10000 digit

Error Malformed() {
    return Error(ErrorCode::kInvalidArgument, "a numeric parameter is malformed").WithDetailCode("22P03");
}

}  // namespace

Status WriteNumeric(wire::PgFrameWriter& writer, std::string_view text) {
    bool negative = !text.empty() && text[0] == '-';
    if (negative) text.remove_prefix(1);
    size_t point = std::min(text.find('.'), text.size());
    std::string whole(text.substr(0, point));
    std::string fraction(point < text.size() ? text.substr(point + 1) : "");
    if (text.find_first_not_of("0123456789.") != std::string_view::npos) {
        return Error(ErrorCode::kInternal, "not a decimal number: {}", text);
    }
    int16_t scale = static_cast<int16_t>(fraction.size());
    whole.insert(0, (kGroup - whole.size() % kGroup) % kGroup, '0');
    fraction.append((kGroup - fraction.size() % kGroup) % kGroup, '0');
    std::vector<int16_t> digits;
    std::string all = whole + fraction;
    for (size_t at = 0; at < all.size(); at += kGroup) {
        digits.push_back(static_cast<int16_t>(IntegerOrZero(all.substr(at, kGroup))));
    }
    int16_t weight = static_cast<int16_t>(static_cast<int>(whole.size() / kGroup) - 1);
    size_t leading = 0;
    while (leading < digits.size() && digits[leading] == 0) ++leading;
    digits.erase(digits.begin(), digits.begin() + static_cast<long>(leading));
    weight = static_cast<int16_t>(weight - static_cast<int>(leading));
    while (!digits.empty() && digits.back() == 0) digits.pop_back();
    if (digits.empty()) weight = 0, negative = false;
    writer.Int16(static_cast<int16_t>(digits.size()));
    writer.Int16(weight);
    writer.Int16(negative ? kNegative : 0);
    writer.Int16(scale);
    for (int16_t digit : digits) writer.Int16(digit);
    return Ok();
}

Result<std::string> NumericText(std::string_view binary) {
    wire::PgFieldReader fields(binary);
    int count = TRY(fields.Int16());
    int weight = TRY(fields.Int16());
    int sign = TRY(fields.Int16());
    int scale = TRY(fields.Int16());
    bool special = sign != 0 && sign != kNegative;  // NaN, or infinite
    if (special) return Error(ErrorCode::kOutOfRange, "a numeric parameter is no finite number");
    if (scale < 0 || count < 0) return Malformed();
    std::string whole;
    std::string fraction;
    for (int index = 0; index < count; ++index) {
        int digit = TRY(fields.Int16());
        if (digit < 0 || digit > 9999) return Malformed();
        // Zeros between the point and the first digit below it.
        for (int gap = -1; index == 0 && gap > weight; --gap) fraction += "0000";
        (weight - index >= 0 ? whole : fraction) += fmt::format("{:04}", digit);
    }
    for (int index = count; index <= weight && count > 0; ++index) whole += "0000";
    fraction.resize(static_cast<size_t>(scale), '0');
    size_t leading = whole.find_first_not_of('0');
    whole = leading == std::string::npos ? "0" : whole.substr(leading);
    std::string text = whole + (scale > 0 ? "." + fraction : "");
    bool negative = sign == kNegative && text.find_first_not_of("0.") != std::string::npos;
    return negative ? "-" + text : text;
}

}  // namespace tarn::query

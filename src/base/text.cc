#include "base/text.h"

#include <algorithm>
#include <cstdint>

namespace tarn {
namespace {

constexpr size_t kWordBytesMax = 64;  // edit distance is quadratic: longer words get no suggestion

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

// The length of the well-formed UTF-8 character that `text` begins with; 0 if there is none (Unicode, table 3-7).
size_t CharacterBytes(std::string_view text) {
    auto byte = [&](size_t at) { return static_cast<uint8_t>(text[at]); };
    uint8_t first = byte(0);
    if (first < 0x80) return 1;
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
    uint8_t second_min = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t second_max = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (byte(1) < second_min || byte(1) > second_max) return 0;
    for (size_t at = 2; at < length; at++) {
        if (!IsContinuation(text[at])) return 0;
    }
    return length;
}

// Edit distance that counts two swapped neighbours as one edit.
size_t EditDistance(std::string_view left, std::string_view right) {
    std::vector<size_t> before_last(right.size() + 1), last(right.size() + 1), row(right.size() + 1);
    for (size_t j = 0; j <= right.size(); j++) last[j] = j;
    for (size_t i = 1; i <= left.size(); i++) {
        row[0] = i;
        for (size_t j = 1; j <= right.size(); j++) {
            bool same = left[i - 1] == right[j - 1];
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
            bool swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
        }
        before_last.swap(last);
        last.swap(row);
    }
    return last[right.size()];
}

std::string Quote(std::string_view text, char quote) {
    std::string quoted(1, quote);
    for (char c : text) {
        if (c == quote) quoted += quote;
        quoted += c;
    }
    return quoted += quote;
}

}  // namespace

std::vector<std::string> Split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    size_t begin = 0;
    for (size_t at = text.find(separator); at != std::string_view::npos; at = text.find(separator, begin)) {
        parts.emplace_back(text.substr(begin, at - begin));
        begin = at + 1;
    }
    parts.emplace_back(text.substr(begin));
    return parts;
}

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string text;
    for (size_t i = 0; i < parts.size(); i++) {
        if (i > 0) text += separator;
        text += parts[i];
    }
    return text;
}

std::string_view Trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\f\v";
    size_t begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string ToLower(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(), Lower);
    return lower;
}

bool EqualsIgnoreCase(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return Lower(a) == Lower(b); });
}

bool IsUtf8(std::string_view text) {
    while (!text.empty()) {
        size_t length = CharacterBytes(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

bool MatchesWildcard(std::string_view pattern, std::string_view text) {
    constexpr size_t kNone = std::string_view::npos;
    size_t p = 0, t = 0, star = kNone, star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;  // only the last star ever needs to take more
            star_text = t;
        } else if (p < pattern.size() && pattern[p] == '?') {
            t++;
            while (t < text.size() && IsContinuation(text[t])) t++;
            p++;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            p++, t++;
        } else if (star != kNone) {
            star_text++;
            while (star_text < text.size() && IsContinuation(text[star_text])) star_text++;
            t = star_text;
            p = star + 1;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == kNone;
}

std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates) {
    if (word.empty() || word.size() > kWordBytesMax) return {};
    std::string lower = ToLower(word);
    std::string nearest;
    size_t distance_min = std::max<size_t>(1, word.size() / 3) + 1;
    for (const std::string& candidate : candidates) {
        if (candidate.empty() || candidate.size() > kWordBytesMax) continue;
        size_t distance = EditDistance(lower, ToLower(candidate));
        // A suggestion that shares nothing with the word is worse than none.
        if (distance >= distance_min || distance >= std::max(word.size(), candidate.size())) continue;
        distance_min = distance;
        nearest = candidate;
    }
    return nearest;
}

std::string QuoteIdentifier(std::string_view name) { return Quote(name, '"'); }

std::string QuoteLiteral(std::string_view text) { return Quote(text, '\''); }

bool ConstantTimeEquals(std::string_view left, std::string_view right) {
    if (left.size() != right.size()) return false;
    volatile uint8_t difference = 0;  // volatile: the loop must not be cut short
    for (size_t i = 0; i < left.size(); i++) {
        difference =
            static_cast<uint8_t>(difference | (static_cast<uint8_t>(left[i]) ^ static_cast<uint8_t>(right[i])));
    }
    return difference == 0;
}

}  // namespace tarn

#include "ingestion/orchestrator/run_text.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::orchestrator {
namespace {

// Bytes of the character that `text` starts with; 0 when it is none.
size_t CharacterBytes(std::string_view text) {
    auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return lead >= 0x20 || lead == '\n' || lead == '\t' ? 1 : 0;
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    return IsUtf8(text.substr(0, std::min(length, text.size()))) ? length : 0;
}

constexpr size_t kEscapeBytesMax = 64;

// Bytes of the terminal's command (colours, cursor, title) that `text` starts with; 0 when it starts with none.
size_t EscapeBytes(std::string_view text) {
    if (text[0] != '\x1b') return 0;
    if (text.size() == 1) return 1;
    bool has_parameters = text[1] == '[';
    bool is_title = text[1] == ']';
    if (!has_parameters && !is_title) return 2;
    for (size_t at = 2; at < std::min(text.size(), kEscapeBytesMax); ++at) {
        auto byte = static_cast<unsigned char>(text[at]);
        bool ends = has_parameters ? byte >= 0x40 && byte <= 0x7e : byte == 0x07 || byte == 0x1b;
        if (ends) return byte == 0x1b ? at : at + 1;
        if (byte < 0x20) break;
    }
    return 2;
}

}  // namespace

std::string RunText(std::string_view text) {
    std::string good;
    while (!text.empty()) {
        if (size_t escape = EscapeBytes(text); escape > 0) {
            text.remove_prefix(escape);
            continue;
        }
        if (text[0] == '\r') {
            // A line that a program wrote over, as progress bars do, is one line after the other here.
            text.remove_prefix(1);
            if (!text.empty() && text[0] != '\n' && !good.empty() && good.back() != '\n') good += '\n';
            continue;
        }
        size_t length = CharacterBytes(text);
        if (good.size() + std::max<size_t>(length, 1) > kRunTextBytesMax) break;
        good += length == 0 ? "?" : text.substr(0, length);
        text.remove_prefix(std::max<size_t>(length, 1));
    }
    return good;
}

}  // namespace tarn::orchestrator

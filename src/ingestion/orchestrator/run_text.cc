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

}  // namespace

std::string RunText(std::string_view text) {
    std::string good;
    while (!text.empty()) {
        size_t length = CharacterBytes(text);
        if (good.size() + std::max<size_t>(length, 1) > kRunTextBytesMax) break;
        good += length == 0 ? "?" : text.substr(0, length);
        text.remove_prefix(std::max<size_t>(length, 1));
    }
    return good;
}

}  // namespace tarn::orchestrator

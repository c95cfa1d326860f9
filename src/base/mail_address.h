// What goes into a header of a mail or an SMTP command as an address.
#pragma once

#include <string_view>

namespace tarn {

// No blanks, brackets or controls, one '@' with something on both sides.
inline bool IsMailAddress(std::string_view text) {
    constexpr size_t kAddressBytesMax = 254;
    size_t at = text.find('@');
    bool parted = at != 0 && at != std::string_view::npos && at + 1 < text.size();
    if (!parted || text.find('@', at + 1) != std::string_view::npos || text.size() > kAddressBytesMax) return false;
    for (char letter : text) {
        if (letter <= ' ' || letter >= 127 ||
            std::string_view("<>()[],;:\\\"").find(letter) != std::string_view::npos) {
            return false;
        }
    }
    return true;
}

}  // namespace tarn

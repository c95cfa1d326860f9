#include "wire/kafka/types.h"

#include <algorithm>

namespace tarn::kafka {

size_t Records::size() const {
    if (pieces.empty()) return bytes.size();
    size_t total = 0;
    for (const Piece& piece : pieces) total += piece.bytes.size();
    return total;
}

bool Records::operator==(const Records& other) const {
    if (size() != other.size()) return false;
    if (pieces.empty() && other.pieces.empty()) return std::ranges::equal(bytes, other.bytes);
    auto flat = [](const Records& records) {
        return records.pieces.empty() ? Bytes(records.bytes.begin(), records.bytes.end()) : Flatten(records.pieces);
    };
    return flat(*this) == flat(other);
}

Bytes Flatten(const std::vector<Piece>& pieces) {
    Bytes flat;
    for (const Piece& piece : pieces) flat.insert(flat.end(), piece.bytes.begin(), piece.bytes.end());
    return flat;
}

}  // namespace tarn::kafka

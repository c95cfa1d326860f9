// The types of Kafka's fields that C++ does not have, and the pieces of which a frame to send consists.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace tarn::kafka {

using Uuid = std::array<uint8_t, 16>;

// A run of bytes and what keeps them alive; without an owner the caller does. The owner is shared because several
// answers may send the same bytes of a log at once.
struct Piece {
    ByteSpan bytes;
    std::shared_ptr<const void> owner;
};

// Record batches. Decoding gives `bytes`, a view into the frame. Encoding sends `pieces`, or `bytes` when there are
// none, without copying either.
struct Records {
    ByteSpan bytes;
    std::vector<Piece> pieces;

    Records() = default;
    explicit Records(ByteSpan view) : bytes(view) {}
    explicit Records(std::vector<Piece> list) : pieces(std::move(list)) {}
    size_t size() const;
    // Compares what would be sent.
    bool operator==(const Records& other) const;
};

// All pieces one behind the other: for tests and small frames.
Bytes Flatten(const std::vector<Piece>& pieces);

}  // namespace tarn::kafka

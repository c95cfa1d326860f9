// The types of Kafka's fields that C++ does not have, and the pieces of which a frame to send consists.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/shared_bytes.h"

namespace tarn::kafka {

using Uuid = std::array<uint8_t, 16>;

// Bytes of a frame to send. Without an owner the caller keeps them alive.
using Piece = SharedBytes;

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

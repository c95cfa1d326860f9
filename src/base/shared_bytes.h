// SharedBytes: bytes, and what keeps them alive: slices of a frame are stored, sent and read without being copied.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace tarn {

struct SharedBytes {
    ByteSpan bytes;
    std::shared_ptr<const void> owner;  // shared by everyone who still stores, sends or reads them
};

}  // namespace tarn

// The items of a list in a result: for protocols whose form of an array is made of the forms of its items.
#pragma once

#include <memory>
#include <optional>

#include "engine/engine.h"

namespace tarn::engine {

// A chunk of one column with a row an item; valid as long as the chunk that the list is in.
struct ListItems {
    ResultColumn column;
    std::unique_ptr<Chunk> chunk;
};
// Nothing for a value that is no list.
std::optional<ListItems> ItemsOf(const Chunk& chunk, size_t row, size_t column);

// The layout of an INTERVAL and of the TIMESTAMP_S, _MS and _NS, which have no kind: what Chunk::Data points to.
struct IntervalParts {
    int32_t months = 0;
    int32_t days = 0;
    int64_t micros = 0;
};

}  // namespace tarn::engine

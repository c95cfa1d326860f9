// What the log must know of a record batch to order it. Internal to the component.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace tarn::buffer {

struct BatchFacts {
    uint64_t base_offset = 0;
    uint32_t records = 0;  // offsets that it takes: last offset delta + 1
    int64_t max_timestamp_ms = -1;
    int64_t producer_id = -1;  // -1: of no idempotent producer
    int16_t producer_epoch = -1;
    int32_t base_sequence = -1;
    bool transactional = false;
    bool control = false;  // a transaction's end
    bool commit = false;   // of a control batch: committed, not aborted
};

// Of a batch that was checked when it came in: kCorruption if it can't have been.
Result<BatchFacts> FactsOf(ByteSpan batch);

}  // namespace tarn::buffer

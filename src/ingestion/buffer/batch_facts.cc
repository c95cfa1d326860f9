#include "ingestion/buffer/batch_facts.h"

#include "wire/kafka/record_batch.h"

namespace tarn::buffer {

Result<BatchFacts> FactsOf(ByteSpan bytes) {
    kafka::BatchView batch = TRY(kafka::BatchView::First(bytes));
    BatchFacts facts;
    facts.base_offset = static_cast<uint64_t>(batch.base_offset());
    facts.records = static_cast<uint32_t>(batch.last_offset_delta()) + 1;
    facts.max_timestamp_ms = batch.max_timestamp();
    facts.producer_id = batch.producer_id();
    facts.producer_epoch = batch.producer_epoch();
    facts.base_sequence = batch.base_sequence();
    facts.transactional = batch.is_transactional();
    facts.control = batch.is_control();
    if (!facts.control) return facts;
    std::optional<kafka::TransactionMarker> marker = TRY(kafka::ReadMarker(batch));
    facts.commit = marker && marker->commit;
    return facts;
}

}  // namespace tarn::buffer

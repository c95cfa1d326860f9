#include "app/archives.h"

#include "ingestion/buffer/topics.h"

namespace tarn::app {

bool ArchivesAreBehind(const Components& parts) {
    auto archived = parts.connectors->ArchivedOffsets();
    if (!archived.ok()) return true;
    for (const auto& [topic, offsets] : *archived) {
        auto ranges = parts.buffer->topics().Partitions(security::Principal::System("app"), topic);
        if (!ranges.ok()) return true;
        for (const buffer::PartitionRange& range : *ranges) {
            auto taken = offsets.find(range.partition);
            if (taken == offsets.end() || taken->second < range.end) return true;
        }
    }
    return false;
}

}  // namespace tarn::app

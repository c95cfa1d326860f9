// What tarn.yaml says of the buffer.
#pragma once

#include <cstdint>

#include "base/config.h"

namespace tarn::buffer {

struct BufferConfig {
    int partitions = 1;         // of topics that are made without saying how many
    bool create_topics = true;  // for who produces to one that isn't there, and may
    ByteSize segment{256 << 20};
    ByteSize memory{64 << 20};  // of the newest records, kept for readers
    Duration transaction_timeout_max = std::chrono::minutes(15);
    ByteSize held{int64_t{10} << 30};  // kept longer for archives, before health tells
};

inline void Bind(ConfigBinder& binder, BufferConfig& config) {
    binder.Key("partitions", config.partitions, "Partitions of a topic that is made without saying how many.");
    binder.Key("create_topics", config.create_topics,
               "A client that asks for a topic which isn't there gets one, if it may make it.");
    binder.Key("segment", config.segment, "How large a segment of the log becomes before the next is begun.");
    binder.Key("memory", config.memory, "Of the newest records, kept in memory for consumers.");
    binder.Key("transaction_timeout_max", config.transaction_timeout_max,
               "The longest transaction.timeout.ms that a producer may ask for.");
    binder.Key("held", config.held,
               "Records past their retention that wait for an archive which is behind: with more, health says so.");
}

}  // namespace tarn::buffer

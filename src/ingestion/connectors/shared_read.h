// One table read by several connections at once. Internal to the component.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "ingestion/connectors/connector.h"

namespace tarn::connectors {

struct SharedRead {
    std::atomic<size_t> next{0};  // the range that nobody has taken
    std::atomic<bool> stop{false};
    std::mutex mutex;  // guards the three below
    LoadProgress progress;
    std::string unfit;  // the column that the failure is about
    Status first;  // the failure that the others end for
};

// Runs `read` for 0..readers-1, a thread each; what fails first stops the others and is the answer.
Status ReadTogether(size_t readers, SharedRead& shared, const std::function<Status(size_t)>& read);

}  // namespace tarn::connectors

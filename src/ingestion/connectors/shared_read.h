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
    std::mutex mutex;  // guards the two below
    LoadProgress progress;
    Status first;  // the failure that the others end for
};

// Runs `read` for 0..readers-1, a thread each; what fails first stops the others and is the answer. Reader i's first
// range is range i, so that each has one however late it starts; its next ones are those that nobody has taken.
Status ReadTogether(size_t readers, SharedRead& shared, const std::function<Status(size_t)>& read);

// The column that a failure of the row writer is about; empty: it is about none.
template <typename Columns>
std::string UnfitColumn(const Status& done, const Columns& columns) {
    if (done.ok()) return "";
    for (const auto& column : columns) {
        if (done.error().message().starts_with("column " + column.name + ": ")) return column.name;
    }
    return "";
}

}  // namespace tarn::connectors

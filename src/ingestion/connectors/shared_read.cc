#include "ingestion/connectors/shared_read.h"

#include <thread>
#include <vector>

namespace tarn::connectors {

Status ReadTogether(size_t readers, SharedRead& shared, const std::function<Status(size_t)>& read) {
    shared.next = readers;
    std::vector<std::thread> threads;
    for (size_t reader = 0; reader < readers; ++reader) {
        threads.emplace_back([&, reader] {
            Status done = read(reader);
            if (done.ok()) return;
            std::lock_guard lock(shared.mutex);
            if (!shared.stop.exchange(true)) shared.first = std::move(done);
        });
    }
    for (std::thread& thread : threads) thread.join();
    return shared.first;
}

}  // namespace tarn::connectors

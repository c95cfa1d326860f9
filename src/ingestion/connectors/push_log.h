// What clients push: kept in batches until a load takes them, and the answers of the last day by idempotency key.
//
// raw/<source>/<stream>/_pushed/<20 digits>   a batch: all pushes that were waiting when it was written (group commit)
// A push counts, and is answered, once its batch lies in the lake. A load reads the batches after its position, keeps
// what came in objects of its own, and names all of the pushes in a hidden object; then the batches are removed. So a
// key is known from a batch or from a load, whatever instant the program ends at. Format: docs/formats/raw.md.
// Threads: any. Internal to the component.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ingestion/connectors/load_store.h"

namespace tarn::connectors {

inline constexpr const char* kPushesFormat = "pushes";  // of a load's object that names the pushes in it

// A push: who, when, under what key, and its records, one a line.
struct PushEntry {
    std::string id;  // "12.0": the batch and the place in it
    std::string key;
    std::string digest;  // of what was sent: a key must not come with something else
    std::string by;
    Timestamp at;
    int64_t records = 0;
    int64_t broken = 0;  // of these
    std::string lines;
};
Json HeaderOf(const PushEntry& entry);

struct PushBatch {
    int64_t number = 0;
    std::vector<PushEntry> pushes;
};

// The number of the last batch that a load took; 0: none.
int64_t PushedPosition(const StreamState& state);

class PushLog {
  public:
    PushLog(lake::Lake& lake, Env& env) : lake_(lake), env_(env) {}
    using ReadState = std::function<Result<std::shared_ptr<const StreamState>>()>;  // shared as the load store does
    // On disk when it returns. kConflict if the key came with something else; kResourceExhausted if too much waits.
    Result<PushOutcome> Append(const std::string& stream, PushEntry entry, const ReadState& read_state);
    // The batches after `position`, oldest first, until they are more than `bytes_max`.
    Result<std::vector<PushBatch>> After(const std::string& stream, int64_t position, uint64_t bytes_max);
    // The number of the newest batch; 0: there is none.
    Result<int64_t> Newest(const std::string& stream, int64_t position);
    // Removes what a committed load took.
    Status Remove(const std::string& stream, int64_t position);

  private:
    struct Waiting {
        std::vector<PushEntry> pushes;
        uint64_t bytes = 0;
        std::optional<Status> result;
    };
    struct Answer {
        std::string digest;
        int64_t records = 0;
        int64_t broken = 0;
    };
    struct Stream {
        std::mutex mutex;  // guards all of it
        std::condition_variable changed;
        bool open = false;
        bool writing = false;
        int64_t next = 1;
        uint64_t bytes = 0;  // in batches that no load took yet
        std::shared_ptr<Waiting> waiting;  // shared by those who wait for it
        std::map<std::string, Answer> answers;  // by key
        std::deque<std::pair<Timestamp, std::string>> order;  // of these, as they came
        std::set<std::string> under_way;
    };
    struct Found {
        int64_t number = 0;
        uint64_t bytes = 0;
    };
    Stream& StreamOf(const std::string& name);
    Result<std::vector<Found>> List(const std::string& stream, int64_t after);
    Result<PushBatch> ReadBatch(const std::string& stream, int64_t number);
    Status Open(Stream& stream, const std::string& name, const ReadState& read_state);
    Status RememberLoads(Stream& stream, const StreamState& state, Timestamp since);
    void Remember(Stream& stream, const PushEntry& entry);
    void Forget(Stream& stream);
    // Those whose batch it is wait without the lock; one of them writes.
    void Write(Stream& stream, const std::string& name, std::unique_lock<std::mutex>& lock);

    lake::Lake& lake_;
    Env& env_;
    std::mutex mutex_;  // guards the map
    std::map<std::string, std::unique_ptr<Stream>> streams_;
};

}  // namespace tarn::connectors

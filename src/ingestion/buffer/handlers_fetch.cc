// Fetch, ListOffsets and OffsetForLeaderEpoch.
//
// Fetch sessions (KIP-227) are not kept: a request always names all its partitions, which clients do when the session's
// id in the answer is 0.
#include "ingestion/buffer/batch_check.h"
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/fetch.h"
#include "wire/kafka/messages/list_offsets.h"
#include "wire/kafka/messages/offset_for_leader_epoch.h"

namespace tarn::buffer {
namespace {

constexpr size_t kFetchBytesMax = 64 << 20;  // of one answer
constexpr Duration kWaitMax = std::chrono::minutes(5);

// A fetch under way, which may wait for records.
struct Fetching {
    ExchangePtr exchange;
    kafka::FetchRequest request;
    std::vector<std::shared_ptr<const Topic>> topics;
    std::vector<bool> allowed;

    bool committed_only() const { return request.isolation_level == 1; }
};
using FetchingPtr = std::shared_ptr<Fetching>;  // shared with the timer and the appends that it waits for

struct Found {
    kafka::FetchResponse answer;
    size_t bytes = 0;
    bool urgent = false;  // an error, which does not wait
    bool on_disk = false;  // to be read where one may block
    std::vector<std::pair<std::string, int64_t>> read;  // topics, records
};

KafkaError CheckEpoch(int32_t epoch) {
    if (epoch < 0 || epoch == kLeaderEpoch) return KafkaError::kNone;
    return epoch < kLeaderEpoch ? KafkaError::kFencedLeaderEpoch : KafkaError::kUnknownLeaderEpoch;
}

void FillRecords(const Fetching& fetching, const Partition& partition, const kafka::FetchRequestPartition& wanted,
                 bool blocking, Found& found, kafka::FetchResponsePartition& into) {
    PartitionOffsets offsets = partition.Offsets();
    into.high_watermark = static_cast<int64_t>(offsets.durable_end);
    into.last_stable_offset = static_cast<int64_t>(offsets.stable_end);
    into.log_start_offset = static_cast<int64_t>(offsets.start);
    uint64_t end = fetching.committed_only() ? offsets.stable_end : offsets.durable_end;
    size_t limit = std::min<size_t>(static_cast<size_t>(std::max(fetching.request.max_bytes, 0)), kFetchBytesMax);
    size_t room = found.bytes >= limit ? 0
                                       : std::min<size_t>(limit - found.bytes,
                                                          static_cast<size_t>(std::max(wanted.partition_max_bytes, 0)));
    // The first batch of an answer is sent however large it is: a consumer must get on.
    if (room == 0 && found.bytes > 0) return;
    auto read = partition.Read(static_cast<uint64_t>(wanted.fetch_offset), end, room,
                               blocking ? &fetching.exchange->broker().topics.segments() : nullptr);
    if (!read.ok()) {
        bool range = read.error().code() == ErrorCode::kOutOfRange;
        into.error_code = CodeOf(range ? KafkaError::kOffsetOutOfRange : KafkaError::kKafkaStorageError);
        into.high_watermark = range ? -1 : into.high_watermark;
        found.urgent = true;
        return;
    }
    found.on_disk = found.on_disk || read->on_disk;
    if (found.bytes > 0 && found.bytes + read->bytes > limit) return;
    std::vector<kafka::Piece> pieces;
    for (SharedBytes& batch : read->batches) pieces.push_back({batch.bytes, std::move(batch.owner)});
    found.bytes += read->bytes;
    into.records = kafka::Records(std::move(pieces));
    if (!fetching.committed_only()) return;
    into.aborted_transactions.emplace();
    for (const AbortedTransaction& one : read->aborted) {
        if (one.first_offset >= read->end) continue;  // behind what is sent
        into.aborted_transactions->push_back({one.producer_id, static_cast<int64_t>(one.first_offset)});
    }
}

void FillPartition(const Fetching& fetching, size_t topic, const kafka::FetchRequestPartition& wanted, bool blocking,
                   Found& found, kafka::FetchResponsePartition& into) {
    into.partition_index = wanted.partition;
    into.high_watermark = -1;
    into.records = kafka::Records();
    auto refuse = [&](KafkaError error) {
        into.error_code = CodeOf(error);
        found.urgent = true;
    };
    const Topic* known = fetching.topics[topic].get();
    if (!fetching.allowed[topic]) return refuse(KafkaError::kTopicAuthorizationFailed);
    if (!known) {
        return refuse(fetching.exchange->version() >= 13 ? KafkaError::kUnknownTopicId
                                                         : KafkaError::kUnknownTopicOrPartition);
    }
    if (wanted.partition < 0 || static_cast<size_t>(wanted.partition) >= known->partitions.size()) {
        return refuse(KafkaError::kUnknownTopicOrPartition);
    }
    KafkaError epoch = CheckEpoch(wanted.current_leader_epoch);
    if (epoch != KafkaError::kNone) return refuse(epoch);
    if (wanted.fetch_offset < 0) return refuse(KafkaError::kOffsetOutOfRange);
    FillRecords(fetching, *known->partitions[static_cast<size_t>(wanted.partition)], wanted, blocking, found, into);
}

Found ReadAll(const Fetching& fetching, bool blocking) {
    Found found;
    for (size_t index = 0; index < fetching.request.topics.size(); ++index) {
        const auto& topic = fetching.request.topics[index];
        auto& into = found.answer.responses.emplace_back();
        into.topic = topic.topic;
        into.topic_id = topic.topic_id;
        size_t before = found.bytes;
        for (const auto& wanted : topic.partitions) {
            FillPartition(fetching, index, wanted, blocking, found, into.partitions.emplace_back());
        }
        if (found.bytes > before && fetching.topics[index]) {
            found.read.emplace_back(fetching.topics[index]->name, static_cast<int64_t>(found.bytes - before));
        }
    }
    return found;
}

void Answer(const Fetching& fetching, Found found) {
    for (const auto& [topic, bytes] : found.read) fetching.exchange->Count("topic", topic, 0, bytes);
    found.answer.throttle_time_ms =
        fetching.exchange->Throttle(QuotaKind::kFetchBytes, static_cast<double>(found.bytes));
    fetching.exchange->Answer(found.answer);
}

// Waits for records: whichever comes first, enough of them or the time, reads again and answers.
class Wait final : public AppendWatcher, public std::enable_shared_from_this<Wait> {
  public:
    explicit Wait(FetchingPtr fetching) : fetching_(std::move(fetching)) {}

    void Begin(size_t have) {
        bytes_ = have;
        auto self = shared_from_this();
        Broker& broker = fetching_->exchange->broker();
        Duration wait = std::min<Duration>(std::chrono::milliseconds(fetching_->request.max_wait_ms), kWaitMax);
        // The timer keeps it alive; partitions do not.
        timer_ = broker.timers.After(wait, [self] { self->Finish(); });
        for (size_t index = 0; index < fetching_->topics.size(); ++index) {
            if (!fetching_->topics[index]) continue;
            for (const auto& wanted : fetching_->request.topics[index].partitions) {
                fetching_->topics[index]->partitions[static_cast<size_t>(wanted.partition)]->Watch(
                    self, fetching_->committed_only());
            }
        }
        // What came between the reading and the watching was told to nobody.
        if (ReadAll(*fetching_, false).bytes > have) OnVisible(1 << 30);
    }
    void OnVisible(size_t bytes) override {
        size_t before = bytes_.fetch_add(bytes);
        if (before + bytes >= static_cast<size_t>(std::max(fetching_->request.min_bytes, 1))) Finish();
    }

  private:
    void Finish() {
        if (finished_.exchange(true)) return;
        Broker& broker = fetching_->exchange->broker();
        broker.timers.Cancel(timer_.load());
        Found found = ReadAll(*fetching_, false);
        if (!found.on_disk) return buffer::Answer(*fetching_, std::move(found));
        fetching_->exchange->Later([fetching = fetching_] { buffer::Answer(*fetching, ReadAll(*fetching, true)); });
    }

    const FetchingPtr fetching_;
    std::atomic<size_t> bytes_{0};
    std::atomic<bool> finished_{false};
    std::atomic<Timers::Id> timer_{0};
};

void Fetch(const FetchingPtr& fetching) {
    Found found = ReadAll(*fetching, false);
    if (found.on_disk) {
        return fetching->exchange->OnExecutor([fetching] { Answer(*fetching, ReadAll(*fetching, true)); });
    }
    bool enough = found.bytes >= static_cast<size_t>(std::max(fetching->request.min_bytes, 0));
    if (enough || found.urgent || fetching->request.max_wait_ms <= 0) return Answer(*fetching, std::move(found));
    std::make_shared<Wait>(fetching)->Begin(found.bytes);
}

}  // namespace

void HandleFetch(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::FetchRequest>();
    if (!request) return;
    auto fetching = std::make_shared<Fetching>();
    fetching->exchange = exchange;
    fetching->request = *std::move(request);
    std::vector<std::string> names;
    for (const auto& topic : fetching->request.topics) {
        bool by_id = exchange->version() >= 13;
        auto found =
            by_id ? exchange->broker().topics.Find(topic.topic_id) : exchange->broker().topics.Find(topic.topic);
        names.push_back(found ? found->name : topic.topic);
        fetching->topics.push_back(std::move(found));
    }
    if (fetching->request.session_id != 0) {
        kafka::FetchResponse answer;
        answer.error_code = CodeOf(KafkaError::kFetchSessionIdNotFound);
        return exchange->Answer(answer);
    }
    exchange->WithAccess("topic", std::move(names), [fetching](const std::vector<bool>& allowed) {
        fetching->allowed = allowed;
        Fetch(fetching);
    });
}

// ---- ListOffsets

namespace {

constexpr int64_t kLatest = -1, kEarliest = -2, kLargestTime = -3;

void ListOne(Broker& broker, const Topic* topic, bool allowed, const kafka::ListOffsetsRequestPartition& wanted,
             bool committed_only, kafka::ListOffsetsResponsePartition& into) {
    into.partition_index = wanted.partition_index;
    auto refuse = [&](KafkaError error) { into.error_code = CodeOf(error); };
    if (!allowed) return refuse(KafkaError::kTopicAuthorizationFailed);
    if (!topic || wanted.partition_index < 0 ||
        static_cast<size_t>(wanted.partition_index) >= topic->partitions.size()) {
        return refuse(KafkaError::kUnknownTopicOrPartition);
    }
    KafkaError epoch = CheckEpoch(wanted.current_leader_epoch);
    if (epoch != KafkaError::kNone) return refuse(epoch);
    const Partition& partition = *topic->partitions[static_cast<size_t>(wanted.partition_index)];
    PartitionOffsets offsets = partition.Offsets();
    into.leader_epoch = kLeaderEpoch;
    if (wanted.timestamp == kLatest) {
        into.offset = static_cast<int64_t>(committed_only ? offsets.stable_end : offsets.durable_end);
    } else if (wanted.timestamp == kEarliest) {
        into.offset = static_cast<int64_t>(offsets.start);
    } else if (wanted.timestamp >= 0 || wanted.timestamp == kLargestTime) {
        int64_t since = wanted.timestamp == kLargestTime ? partition.max_timestamp_ms() : wanted.timestamp;
        Result<RecordTime> place = FindByTime(partition, since, broker.topics.segments());
        if (!place.ok()) return refuse(KafkaError::kKafkaStorageError);
        bool open = committed_only && place->offset >= static_cast<int64_t>(offsets.stable_end);
        if (!open) into.offset = place->offset;
        if (!open) into.timestamp = place->timestamp_ms;
        if (into.offset < 0) into.leader_epoch = -1;
    } else {
        refuse(KafkaError::kUnsupportedVersion);  // of tiers that Tarn does not have
    }
}

}  // namespace

void HandleListOffsets(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::ListOffsetsRequest>();
    if (!request) return;
    std::vector<std::string> names;
    for (const auto& topic : request->topics) names.push_back(topic.name);
    exchange->OnExecutor([exchange, names, request = *std::move(request)] {
        exchange->WithAccess("topic", names, [&](const std::vector<bool>& allowed) {
            kafka::ListOffsetsResponse answer;
            for (size_t index = 0; index < request.topics.size(); ++index) {
                auto& into = answer.topics.emplace_back();
                into.name = request.topics[index].name;
                auto topic = exchange->broker().topics.Find(into.name);
                for (const auto& wanted : request.topics[index].partitions) {
                    ListOne(exchange->broker(), topic.get(), allowed[index], wanted, request.isolation_level == 1,
                            into.partitions.emplace_back());
                }
                exchange->Count("topic", into.name, 0, 0);
            }
            exchange->Answer(answer);
        });
    });
}

void HandleOffsetForLeaderEpoch(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::OffsetForLeaderEpochRequest>();
    if (!request) return;
    std::vector<std::string> names;
    for (const auto& topic : request->topics) names.push_back(topic.topic);
    exchange->WithAccess("topic", names, [exchange, request = *std::move(request)](const std::vector<bool>& allowed) {
        kafka::OffsetForLeaderEpochResponse answer;
        for (size_t index = 0; index < request.topics.size(); ++index) {
            auto& into = answer.topics.emplace_back();
            into.topic = request.topics[index].topic;
            auto topic = exchange->broker().topics.Find(into.topic);
            for (const auto& wanted : request.topics[index].partitions) {
                auto& one = into.partitions.emplace_back();
                one.partition = wanted.partition;
                bool known =
                    topic && wanted.partition >= 0 && static_cast<size_t>(wanted.partition) < topic->partitions.size();
                KafkaError epoch = CheckEpoch(wanted.current_leader_epoch);
                if (!allowed[index]) {
                    one.error_code = CodeOf(KafkaError::kTopicAuthorizationFailed);
                } else if (!known) {
                    one.error_code = CodeOf(KafkaError::kUnknownTopicOrPartition);
                } else if (epoch != KafkaError::kNone) {
                    one.error_code = CodeOf(epoch);
                } else if (wanted.leader_epoch == kLeaderEpoch) {
                    one.leader_epoch = kLeaderEpoch;
                    one.end_offset = static_cast<int64_t>(
                        topic->partitions[static_cast<size_t>(wanted.partition)]->Offsets().durable_end);
                }
            }
            exchange->Count("topic", into.topic, 0, 0);
        }
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer

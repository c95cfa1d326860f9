#include "ingestion/buffer/topic_store.h"

#include <algorithm>
#include <latch>
#include <set>

namespace tarn::buffer {
namespace {

constexpr std::string_view kCheckpointContext = "tarn buffer checkpoint 1";
constexpr size_t kCheckpointBytesMax = 1 << 30;
constexpr int64_t kProducerIdsAtOnce = 1000;

const std::vector<metadata::Migration> kMigrations = {
    {1,
     "CREATE TABLE buffer_topics (name TEXT PRIMARY KEY, id TEXT NOT NULL, settings TEXT NOT NULL, "
     "created_at INTEGER NOT NULL);"
     "CREATE TABLE buffer_partitions (number INTEGER NOT NULL PRIMARY KEY, topic TEXT NOT NULL, "
     "partition INTEGER NOT NULL);"
     "CREATE TABLE buffer_counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);"
     "CREATE TABLE buffer_identity (name TEXT PRIMARY KEY, value TEXT NOT NULL)"},
};

Result<TopicId> ParseId(const std::string& hex) {
    Bytes bytes = TRY(HexDecode(hex));
    TopicId id{};
    if (bytes.size() != id.size()) return Error(ErrorCode::kCorruption, "\"{}\" is no id of a topic", hex);
    std::copy(bytes.begin(), bytes.end(), id.begin());
    return id;
}

}  // namespace

TopicStore::TopicStore(TopicStoreConfig config, TopicStoreDependencies dependencies, ByteSpan wrapping_key,
                       LogState& state)
    : config_(std::move(config)),
      env_(dependencies.env),
      metadata_(dependencies.metadata),
      log_(dependencies.log),
      wrapping_key_(Bytes(wrapping_key.begin(), wrapping_key.end())),
      state_(state),
      segments_(env_, config_.directory + "/log", wrapping_key),
      disk_bytes_(dependencies.metrics.GetGauge("tarn_buffer_disk_bytes", "Bytes of the log's segments")),
      held_gauge_(dependencies.metrics.GetGauge("tarn_buffer_held_bytes",
                                                "Bytes past their retention that wait for an archive.")) {}

TopicStore::~TopicStore() = default;

Result<std::unique_ptr<TopicStore>> TopicStore::Create(TopicStoreConfig config, TopicStoreDependencies dependencies,
                                                       ByteSpan wrapping_key, LogState& state) {
    std::unique_ptr<TopicStore> store(new TopicStore(config, dependencies, wrapping_key, state));
    TRY(dependencies.metadata.Migrate("buffer", kMigrations));
    TRY(store->env_.files().CreateDirectories(store->segments_.directory()));
    TRY(store->env_.files().SyncDirectory(config.directory));
    TRY(store->env_.files().SyncDirectory(FolderOf(config.directory)));
    TRY(store->LoadTopics());
    TRY(store->LoadCheckpoint());
    TRY(store->Replay());
    CommitLogConfig log_config{.directory = store->segments_.directory(), .segment_bytes = config.segment_bytes};
    std::vector<uint64_t> segments = TRY(ListSegments(store->env_, store->segments_.directory()));
    log_config.next_segment = std::max(store->checkpointed_.load(), segments.empty() ? 0 : segments.back()) + 1;
    store->commit_log_ = std::make_unique<CommitLog>(store->env_, log_config, wrapping_key, dependencies.log,
                                                     dependencies.metrics, *store);
    return store;
}

// ---- the start

Status TopicStore::LoadTopics() {
    for (const metadata::Row& row : TRY(metadata_.Query("SELECT value FROM buffer_identity WHERE name = 'cluster'"))) {
        cluster_id_ = TRY(ParseId(row[0].text()));
    }
    if (cluster_id_ == TopicId{}) {
        env_.random().Fill(cluster_id_);
        TRY(metadata_.Write([&](metadata::Transaction& transaction) -> Status {
            TRY(transaction.Execute("INSERT INTO buffer_identity VALUES ('cluster', $1)", {HexEncode(cluster_id_)}));
            return Ok();
        }));
    }
    std::map<std::string, std::shared_ptr<Topic>> topics;
    for (const metadata::Row& row : TRY(metadata_.Query("SELECT name, id, settings, created_at FROM buffer_topics"))) {
        auto topic = std::make_shared<Topic>();
        topic->name = row[0].text();
        topic->id = TRY(ParseId(row[1].text()));
        topic->settings = TRY(ParseJson(row[2].text())).get<TopicSettings>();
        topic->created_at = FromMicros(row[3].integer());
        topics[topic->name] = std::move(topic);
    }
    auto partitions = TRY(metadata_.Query("SELECT number, topic, partition FROM buffer_partitions ORDER BY 2, 3"));
    for (const metadata::Row& row : partitions) {
        Topic& topic = *topics.at(row[1].text());
        auto partition = std::make_shared<Partition>(static_cast<uint32_t>(row[0].integer()), topic.name,
                                                     static_cast<int32_t>(row[2].integer()));
        topic.partitions.push_back(std::move(partition));
    }
    for (auto& [name, topic] : topics) Publish(std::move(topic));
    return Ok();
}

Result<Bytes> TopicStore::OpenCheckpoint(ByteSpan sealed) const {
    return Open(wrapping_key_.bytes(), AsBytes(kCheckpointContext), sealed);
}

Status TopicStore::LoadCheckpoint() {
    std::string path = config_.directory + "/checkpoint";
    if (!env_.files().Exists(path)) return Ok();
    std::string sealed = TRY(ReadFile(env_, path, kCheckpointBytesMax));
    Result<Bytes> plain = OpenCheckpoint(AsBytes(sealed));
    if (!plain.ok()) {
        // What it says is in the segments too, but for state whose segments are gone.
        damage_ = "its checkpoint is damaged and was made again from the segments";
        log_.Error("the buffer's checkpoint is damaged", {{"error", plain.error().ToString()}});
        return Ok();
    }
    Json saved = TRY_CONTEXT(ParseJson(AsText(*plain)), "the buffer's checkpoint");
    for (const auto& [number, partition] : by_number_) {
        auto one = saved["partitions"].find(std::to_string(number));
        if (one != saved["partitions"].end()) TRY(partition->FromJson(*one));
    }
    TRY(state_.LoadState(saved["state"]));
    checkpointed_ = saved["segment"].get<uint64_t>();
    return Ok();
}

Status TopicStore::Replay() {
    for (uint64_t segment : TRY(ListSegments(env_, segments_.directory()))) {
        if (segment <= checkpointed_) continue;
        TRY(ReplaySegment(segment));
        TRY(OnClosed(segment));
    }
    return Ok();
}

Status TopicStore::ReplaySegment(uint64_t segment) {
    auto opened = SegmentReader::Open(env_, segments_.directory(), segment, wrapping_key_.bytes());
    if (!opened.ok()) {
        // A crash between its making and the first fsync leaves one without a whole header, and nothing in it counted.
        if (opened.error().code() != ErrorCode::kCorruption) return opened.error();
        log_.Warning("a segment of the log is not whole", {{"error", opened.error().ToString()}});
        return Ok();
    }
    std::vector<std::pair<Entry, uint64_t>> set;  // of entries that count together
    auto on_entry = [&](const EntryHeader& header, uint64_t position, ByteSpan content) -> Status {
        auto owned = std::make_shared<const Bytes>(content.begin(), content.end());
        set.push_back({{header, {*owned, owned}}, position});
        if (header.flags & kMoreOfSet) return Ok();
        for (const auto& [entry, at] : set) OnDurable(entry, segment, at);
        set.clear();
        return Ok();
    };
    uint64_t from = 0;
    while (true) {
        ScanEnd end = TRY((*opened)->Scan(from, SegmentReader::Contents::kVerified, on_entry));
        uint64_t next = end.whole ? 0 : TRY((*opened)->NextWhole(end));
        if (next == 0) TRY(RewriteSegment(env_, segments_.directory(), segment, end.position));
        if (end.whole) return Ok();
        set.clear();
        if (next == 0) {
            log_.Info("the log's end, which was not acknowledged, was dropped",
                      {{"segment", segment}, {"position", end.position}});
            return Ok();
        }
        damage_ =
            fmt::format("segment {} is damaged at byte {}: what was there is lost", SegmentName(segment), end.position);
        log_.Error("the log of the buffer is damaged",
                   {{"segment", segment}, {"position", end.position}, {"next", next}});
        from = next;
    }
}

// ---- topics

void TopicStore::Publish(std::shared_ptr<Topic> topic) {
    topic->rules = topic->MakeRules();
    std::unique_lock lock(mutex_);
    for (const auto& partition : topic->partitions) by_number_[partition->number()] = partition;
    by_id_[topic->id] = topic;
    topics_[topic->name] = std::move(topic);
}

std::shared_ptr<const Topic> TopicStore::Find(std::string_view name) const {
    std::shared_lock lock(mutex_);
    auto found = topics_.find(name);
    return found == topics_.end() ? nullptr : found->second;
}

std::shared_ptr<const Topic> TopicStore::Find(const TopicId& id) const {
    std::shared_lock lock(mutex_);
    auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const Topic>> TopicStore::All() const {
    std::shared_lock lock(mutex_);
    std::vector<std::shared_ptr<const Topic>> all;
    for (const auto& [name, topic] : topics_) all.push_back(topic);
    return all;
}

std::shared_ptr<Partition> TopicStore::ByNumber(uint32_t number) const {
    std::shared_lock lock(mutex_);
    auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second;
}

// Numbers are never given twice: an old segment may still hold entries of a deleted topic.
Result<uint32_t> TopicStore::TakeNumbers(metadata::Transaction& transaction, const std::string& counter,
                                         int64_t count) {
    TRY(transaction.Execute(
        "INSERT INTO buffer_counters VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = buffer_counters.value + "
        "excluded.value",
        {counter, count}));
    auto rows = TRY(transaction.Query("SELECT value FROM buffer_counters WHERE name = $1", {counter}));
    return static_cast<uint32_t>(rows.at(0).at(0).integer() - count);
}

namespace {

Status InsertPartitions(metadata::Transaction& transaction, const Topic& topic, int from, uint32_t first_number) {
    for (size_t index = static_cast<size_t>(from); index < topic.partitions.size(); ++index) {
        TRY(transaction.Execute("INSERT INTO buffer_partitions VALUES ($1, $2, $3)",
                                {static_cast<int64_t>(first_number + index - static_cast<size_t>(from)), topic.name,
                                 static_cast<int64_t>(index)}));
    }
    return Ok();
}

}  // namespace

Result<std::shared_ptr<const Topic>> TopicStore::CreateTopic(const std::string& name, int partitions,
                                                             TopicSettings settings) {
    TRY(CheckTopicName(name));
    for (const auto& [key, value] : settings) TRY(CheckSetting(key, value));
    std::lock_guard change(change_mutex_);
    if (Find(name)) return Error(ErrorCode::kAlreadyExists, "there is a topic {} already", name);
    size_t topics = 0, numbers = 0;
    {
        std::shared_lock lock(mutex_);
        topics = topics_.size();
        numbers = by_number_.size();
    }
    if (partitions < 1) return Error(ErrorCode::kInvalidArgument, "a topic has at least one partition");
    if (static_cast<int>(topics) >= config_.topics_max ||
        numbers + static_cast<size_t>(partitions) > static_cast<size_t>(config_.partitions_max)) {
        return Error(ErrorCode::kResourceExhausted, "there are {} topics with {} partitions; at most {} and {}", topics,
                     numbers, config_.topics_max, config_.partitions_max);
    }
    auto topic = std::make_shared<Topic>();
    topic->name = name;
    env_.random().Fill(topic->id);
    topic->settings = std::move(settings);
    topic->created_at = env_.clock().Now();
    uint32_t first = 0;
    topic->partitions.resize(static_cast<size_t>(partitions));
    TRY(metadata_.Write([&](metadata::Transaction& transaction) -> Status {
        first = TRY(TakeNumbers(transaction, "partition", partitions)) + 1;
        TRY(transaction.Execute(
            "INSERT INTO buffer_topics VALUES ($1, $2, $3, $4)",
            {name, HexEncode(topic->id), Json(topic->settings).dump(), ToMicros(topic->created_at)}));
        return InsertPartitions(transaction, *topic, 0, first);
    }));
    for (int index = 0; index < partitions; ++index) {
        topic->partitions[static_cast<size_t>(index)] =
            std::make_shared<Partition>(first + static_cast<uint32_t>(index), name, index);
    }
    Publish(topic);
    return std::shared_ptr<const Topic>(topic);
}

Status TopicStore::DeleteTopic(const std::string& name) {
    std::lock_guard change(change_mutex_);
    std::shared_ptr<const Topic> topic = Find(name);
    if (!topic) return Error(ErrorCode::kNotFound, "there is no topic {}", name);
    TRY(metadata_.Write([&](metadata::Transaction& transaction) -> Status {
        TRY(transaction.Execute("DELETE FROM buffer_partitions WHERE topic = $1", {name}));
        TRY(transaction.Execute("DELETE FROM buffer_topics WHERE name = $1", {name}));
        return Ok();
    }));
    std::unique_lock lock(mutex_);
    for (const auto& partition : topic->partitions) {
        partition->Remove();
        by_number_.erase(partition->number());
    }
    by_id_.erase(topic->id);
    topics_.erase(name);
    return Ok();
}

Status TopicStore::AddPartitions(const std::string& name, int total) {
    std::lock_guard change(change_mutex_);
    std::shared_ptr<const Topic> old = Find(name);
    if (!old) return Error(ErrorCode::kNotFound, "there is no topic {}", name);
    int had = static_cast<int>(old->partitions.size());
    if (total <= had) {
        return Error(ErrorCode::kInvalidArgument, "topic {} has {} partitions already; they can only become more", name,
                     had);
    }
    {
        std::shared_lock lock(mutex_);
        if (by_number_.size() + static_cast<size_t>(total - had) > static_cast<size_t>(config_.partitions_max)) {
            return Error(ErrorCode::kResourceExhausted, "there can't be more than {} partitions",
                         config_.partitions_max);
        }
    }
    auto topic = std::make_shared<Topic>(*old);
    topic->partitions.resize(static_cast<size_t>(total));
    uint32_t first = 0;
    TRY(metadata_.Write([&](metadata::Transaction& transaction) -> Status {
        first = TRY(TakeNumbers(transaction, "partition", total - had)) + 1;
        return InsertPartitions(transaction, *topic, had, first);
    }));
    for (int index = had; index < total; ++index) {
        topic->partitions[static_cast<size_t>(index)] =
            std::make_shared<Partition>(first + static_cast<uint32_t>(index - had), name, index);
    }
    Publish(std::move(topic));
    return Ok();
}

Status TopicStore::SetSettings(const std::string& name, TopicSettings settings) {
    for (const auto& [key, value] : settings) TRY(CheckSetting(key, value));
    std::lock_guard change(change_mutex_);
    std::shared_ptr<const Topic> old = Find(name);
    if (!old) return Error(ErrorCode::kNotFound, "there is no topic {}", name);
    auto topic = std::make_shared<Topic>(*old);
    topic->settings = std::move(settings);
    TRY(metadata_.Write([&](metadata::Transaction& transaction) -> Status {
        TRY(transaction.Execute("UPDATE buffer_topics SET settings = $2 WHERE name = $1",
                                {name, Json(topic->settings).dump()}));
        return Ok();
    }));
    Publish(std::move(topic));
    return Ok();
}

Result<int64_t> TopicStore::NewProducerId() {
    std::lock_guard lock(producer_mutex_);
    if (next_producer_id_ == producer_ids_end_) {
        int64_t first = 0;
        TRY(metadata_.Write([&](metadata::Transaction& transaction) -> Status {
            first = TRY(TakeNumbers(transaction, "producer", kProducerIdsAtOnce));
            return Ok();
        }));
        next_producer_id_ = first;
        producer_ids_end_ = first + kProducerIdsAtOnce;
    }
    return next_producer_id_++;
}

// ---- writing

namespace {

Entry EntryOf(const Partition& partition, const BatchFacts& facts, SharedBytes batch) {
    Entry entry;
    entry.header.partition = partition.number();
    entry.header.base_offset = facts.base_offset;
    entry.header.records = facts.records;
    entry.header.max_timestamp_ms = facts.max_timestamp_ms;
    entry.content = std::move(batch);
    return entry;
}

Entry StateEntry(const Json& change) {
    std::string text = change.dump();
    auto owned = std::make_shared<const Bytes>(text.begin(), text.end());
    Entry entry;
    entry.header.partition = kStatePartition;
    entry.content = {*owned, owned};
    return entry;
}

}  // namespace

Result<AppendOutcome> TopicStore::Append(Partition& partition, BatchFacts facts, SharedBytes batch, const Place& place,
                                         CommitLog::Done done) {
    return partition.Append(facts, [&](const AppendOutcome& outcome) -> Status {
        if (place) place(outcome.base_offset);
        // The first sending may still be on its way to the disk: this answer waits for it.
        if (outcome.duplicate) return commit_log_->Append({}, std::move(done));
        std::vector<Entry> set;
        set.push_back(EntryOf(partition, facts, std::move(batch)));
        return commit_log_->Append(std::move(set), std::move(done));
    });
}

Status TopicStore::AppendTogether(std::vector<Part> parts, Json change, CommitLog::Done done) {
    // One order for all who lock several partitions.
    std::sort(parts.begin(), parts.end(),
              [](const Part& a, const Part& b) { return a.partition->number() < b.partition->number(); });
    std::vector<Entry> entries;
    if (!change.is_null()) entries.push_back(StateEntry(change));
    std::deque<Partition::Appending> appending;
    for (Part& part : parts) {
        AppendOutcome outcome = TRY(appending.emplace_back(*part.partition).Check(part.facts));
        if (outcome.problem != AppendProblem::kNone || outcome.duplicate) {
            return Error(ErrorCode::kConflict, "{}-{} has a newer epoch of producer {}", part.partition->topic(),
                         part.partition->index(), part.facts.producer_id);
        }
        if (part.place) part.place(outcome.base_offset);
        entries.push_back(EntryOf(*part.partition, part.facts, part.batch));
    }
    TRY(commit_log_->Append(std::move(entries), std::move(done)));
    for (size_t index = 0; index < parts.size(); ++index) appending[index].Accept(parts[index].facts);
    return Ok();
}

Status TopicStore::AppendState(Json change, CommitLog::Done done) {
    std::vector<Entry> set;
    set.push_back(StateEntry(change));
    return commit_log_->Append(std::move(set), std::move(done));
}

Status TopicStore::AppendStateAndWait(Json change) {
    std::latch known(1);
    Status outcome = Ok();
    TRY(AppendState(std::move(change), [&](const Status& done) {
        outcome = done;
        known.count_down();
    }));
    known.wait();
    return outcome;
}

Status TopicStore::MoveStart(const Partition& partition, uint64_t offset) {
    return AppendStateAndWait({{"start", {{partition.number(), offset}}}});
}

// ---- what became of it

void TopicStore::KeepTail(const std::shared_ptr<Partition>& partition, size_t bytes) {
    tails_.emplace_back(partition, bytes);
    tail_bytes_ += bytes;
    while (tail_bytes_ > config_.tail_bytes && !tails_.empty()) {
        tails_.front().first->DropOldestTail();
        tail_bytes_ -= tails_.front().second;
        tails_.pop_front();
    }
}

void TopicStore::OnDurable(const Entry& entry, uint64_t segment, uint64_t position) {
    const EntryHeader& header = entry.header;
    if (header.partition == kStatePartition) {
        Result<Json> change = ParseJson(AsText(entry.content.bytes));
        TARN_CHECK(change.ok());  // we wrote it, and its seal is whole
        if (auto start = change->find("start"); start != change->end()) {
            for (const Json& one : *start) {
                if (auto partition = ByNumber(one.at(0))) partition->MoveStart(one.at(1));
            }
        } else {
            state_.ApplyState(*change);
        }
        return;
    }
    std::shared_ptr<Partition> partition = ByNumber(header.partition);
    if (!partition) return;  // its topic was deleted
    Result<BatchFacts> facts = FactsOf(entry.content.bytes);
    TARN_CHECK(facts.ok());
    facts->base_offset = header.base_offset;
    bool replay = commit_log_ == nullptr;
    IndexEntry place{header.base_offset, position, static_cast<uint32_t>(entry.content.bytes.size()), header.records,
                     header.max_timestamp_ms};
    if (!replay) KeepTail(partition, entry.content.bytes.size());
    partition->OnDurable(*facts, place, segment, replay ? nullptr : &entry.content);
    touched_.emplace(header.partition, partition);
}

void TopicStore::OnRefused(const Entry& entry) {
    if (entry.header.partition == kStatePartition) return;
    std::shared_ptr<Partition> partition = ByNumber(entry.header.partition);
    Result<BatchFacts> facts = FactsOf(entry.content.bytes);
    if (!partition || !facts.ok()) return;
    facts->base_offset = entry.header.base_offset;
    partition->OnRefused(*facts);
}

Status TopicStore::OnClosed(uint64_t segment) {
    SegmentIndex index;
    for (const auto& [number, partition] : touched_) index[number] = partition->TakeOpenIndex();
    touched_.clear();
    TRY(segments_.WriteIndex(segment, index));
    return WriteCheckpoint(segment);
}

Status TopicStore::WriteCheckpoint(uint64_t segment) {
    Json partitions = Json::object();
    {
        std::shared_lock lock(mutex_);
        for (const auto& [number, partition] : by_number_) partitions[std::to_string(number)] = partition->ToJson();
    }
    Json saved = {{"segment", segment}, {"partitions", std::move(partitions)}, {"state", state_.SaveState()}};
    Bytes sealed = Seal(env_.random(), wrapping_key_.bytes(), AsBytes(kCheckpointContext), AsBytes(saved.dump()));
    TRY(WriteFileDurably(env_, config_.directory + "/checkpoint", AsText(sealed)));
    checkpointed_ = segment;
    return Ok();
}

// ---- retention

namespace {

// The offset before which the topic keeps nothing any more.
uint64_t KeptFrom(const Topic& topic, const Partition& partition, Timestamp now) {
    int64_t keep_ms = topic.Number("retention.ms"), keep_bytes = topic.Number("retention.bytes");
    uint64_t from = partition.Offsets().start;
    uint64_t bytes = partition.bytes();
    std::vector<Extent> extents = partition.extents();
    for (size_t index = 0; index + 1 < extents.size(); ++index) {  // never the newest
        const Extent& extent = extents[index];
        bool old = keep_ms >= 0 && extent.max_timestamp_ms >= 0 && extent.max_timestamp_ms < ToMillis(now) - keep_ms;
        bool many = keep_bytes >= 0 && bytes >= extent.bytes + static_cast<uint64_t>(keep_bytes);
        if (!old && !many) break;
        bytes -= std::min(bytes, extent.bytes);
        from = std::max(from, extent.end);
    }
    return from;
}

// About: whole extents that reach behind `from`.
uint64_t BytesBetween(const Partition& partition, uint64_t from, uint64_t end) {
    uint64_t bytes = 0;
    for (const Extent& extent : partition.extents()) {
        if (extent.end > from && extent.first < end) bytes += extent.bytes;
    }
    return bytes;
}

}  // namespace

Status TopicStore::Retain(Timestamp now, const Offsets& archived) {
    Json starts = Json::array();
    uint64_t held = 0;
    for (const auto& topic : All()) {
        if (!topic->Has("delete")) continue;
        auto wanted = archived.find(topic->name);
        for (const auto& partition : topic->partitions) {
            uint64_t from = KeptFrom(*topic, *partition, now);
            if (wanted != archived.end() && wanted->second.contains(partition->index())) {
                auto until = static_cast<uint64_t>(std::max<int64_t>(wanted->second.at(partition->index()), 0));
                held += BytesBetween(*partition, until, from);
                from = std::min(from, until);
            }
            if (from > partition->Offsets().start) starts.push_back({partition->number(), from});
        }
    }
    held_bytes_ = held;
    held_gauge_.Set(static_cast<double>(held));
    if (!starts.empty()) TRY(AppendState({{"start", std::move(starts)}}, nullptr));
    return RemoveUnneeded();
}

Status TopicStore::RemoveUnneeded() {
    std::lock_guard removing(remove_mutex_);
    if (!held_.expired()) return Ok();  // the next time
    std::set<uint64_t> needed;
    {
        std::shared_lock lock(mutex_);
        for (const auto& [number, partition] : by_number_) {
            for (const Extent& extent : partition->extents()) needed.insert(extent.segment);
        }
    }
    uint64_t bytes = 0;
    for (uint64_t segment : TRY(ListSegments(env_, segments_.directory()))) {
        // What the checkpoint doesn't cover holds state, too.
        if (segment > checkpointed_ || needed.contains(segment)) {
            bytes += TRY(env_.files().Stat(segments_.directory() + "/" + SegmentName(segment))).bytes;
            continue;
        }
        TRY(segments_.Remove(segment));
        log_.Info("a segment of the log that nothing needs was removed", {{"segment", segment}});
    }
    disk_bytes_.Set(static_cast<double>(bytes));
    return Ok();
}

Status TopicStore::Health() const {
    TRY(commit_log_->Health());
    if (!damage_.empty()) return Error(ErrorCode::kCorruption, "the log of the buffer: {}", damage_);
    return Ok();
}

}  // namespace tarn::buffer

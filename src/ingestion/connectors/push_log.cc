#include "ingestion/connectors/push_log.h"

#include <algorithm>
#include <utility>

#include "base/number.h"
#include "base/text.h"

namespace tarn::connectors {
namespace {

constexpr Duration kKeysKept = std::chrono::hours(24);
constexpr size_t kKeysMax = 1000000;                 // of a stream; beyond it the oldest are forgotten
constexpr uint64_t kBatchBytesMax = 64 << 20;        // a batch takes no more pushes beyond it
constexpr uint64_t kWaitingBytesMax = uint64_t{1} << 30;  // of a stream, that no load took yet
constexpr size_t kBatchReadMax = 256 << 20;
constexpr size_t kPushesReadMax = 256 << 20;

security::Principal Self() { return security::Principal::System("ingestion"); }
std::string FolderOf(const std::string& stream) { return stream + "/_pushed/"; }
std::string KeyOf(const std::string& stream, int64_t number) {
    return fmt::format("{}{:020}", FolderOf(stream), number);
}

Result<PushEntry> EntryOf(std::string_view line) {
    Json json = TRY(ParseJson(line));
    PushEntry entry;
    entry.id = TRY(JsonString(json, "push"));
    entry.key = TRY(JsonStringOr(json, "key", ""));
    entry.digest = TRY(JsonStringOr(json, "digest", ""));
    entry.by = TRY(JsonStringOr(json, "by", ""));
    entry.at = TRY(ParseTime(TRY(JsonString(json, "at"))));
    entry.records = TRY(JsonInteger(json, "records"));
    entry.broken = TRY(JsonIntegerOr(json, "broken", 0));
    return entry;
}

// A header, its records, the next header ...
Result<std::vector<PushEntry>> ParsePushes(std::string_view text, bool with_records) {
    std::vector<PushEntry> pushes;
    size_t at = 0;
    auto line = [&]() -> std::string_view {
        size_t end = std::min(text.find('\n', at), text.size());
        std::string_view found = text.substr(at, end - at);
        at = std::min(end + 1, text.size());
        return found;
    };
    while (at < text.size()) {
        PushEntry entry = TRY(EntryOf(line()));
        size_t from = at;
        for (int64_t i = 0; with_records && i < entry.records; ++i) {
            if (at >= text.size()) return Error(ErrorCode::kCorruption, "push {} is cut short", entry.id);
            line();
        }
        entry.lines = text.substr(from, at - from);
        pushes.push_back(std::move(entry));
    }
    return pushes;
}

}  // namespace

Json HeaderOf(const PushEntry& entry) {
    Json json = {{"push", entry.id}, {"at", FormatTime(entry.at)}, {"by", entry.by}, {"records", entry.records}};
    if (entry.broken > 0) json["broken"] = entry.broken;
    if (!entry.key.empty()) json["key"] = entry.key, json["digest"] = entry.digest;
    return json;
}

int64_t PushedPosition(const StreamState& state) {
    const Manifest* last = state.last();
    if (!last || !last->position.is_object()) return 0;
    auto found = last->position.find("pushed");
    return found != last->position.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

PushLog::Stream& PushLog::StreamOf(const std::string& name) {
    std::lock_guard lock(mutex_);
    std::unique_ptr<Stream>& stream = streams_[name];
    if (!stream) stream = std::make_unique<Stream>();
    return *stream;
}

Result<std::vector<PushLog::Found>> PushLog::List(const std::string& stream, int64_t after) {
    std::vector<Found> found;
    lake::ListOptions options;
    options.prefix = FolderOf(stream);
    options.start_after = KeyOf(stream, after);
    while (true) {
        lake::ListPage page = TRY(lake_.List(Self(), kRawBucket, options));
        for (const lake::ObjectInfo& object : page.objects) {
            std::optional<int64_t> number = ParseInteger(object.name.key.substr(options.prefix.size()));
            if (!number) return Error(ErrorCode::kCorruption, "{} is no batch of pushes", object.name.ToString());
            found.push_back({*number, object.bytes});
        }
        if (!page.truncated) return found;
        options.start_after = page.next_start_after;
    }
}

Result<PushBatch> PushLog::ReadBatch(const std::string& stream, int64_t number) {
    lake::ObjectName name{kRawBucket, KeyOf(stream, number)};
    std::string text = TRY(lake_.ReadText(Self(), name, kBatchReadMax));
    return PushBatch{number, TRY_CONTEXT(ParsePushes(text, true), name.ToString())};
}

void PushLog::Remember(Stream& stream, const PushEntry& entry) {
    if (entry.key.empty()) return;
    auto [place, is_new] = stream.answers.insert({entry.key, {entry.digest, entry.records, entry.broken}});
    if (is_new) stream.order.emplace_back(entry.at, entry.key);
}

void PushLog::Forget(Stream& stream) {
    Timestamp since = env_.clock().Now() - kKeysKept;
    while (!stream.order.empty() && (stream.order.front().first < since || stream.order.size() > kKeysMax)) {
        stream.answers.erase(stream.order.front().second);
        stream.order.pop_front();
    }
}

Status PushLog::RememberLoads(Stream& stream, const StreamState& state, Timestamp since) {
    size_t from = state.loads.size();
    while (from > 0) {
        Result<Timestamp> committed = ParseTime(state.loads[from - 1].committed_at);
        if (committed.ok() && *committed < since) break;
        --from;
    }
    for (; from < state.loads.size(); ++from) {
        for (const LoadObject& object : state.loads[from].objects) {
            if (object.format != kPushesFormat) continue;
            std::string text = TRY(lake_.ReadText(Self(), {kRawBucket, object.key}, kPushesReadMax));
            for (const PushEntry& entry : TRY_CONTEXT(ParsePushes(text, false), object.key)) Remember(stream, entry);
        }
    }
    return Ok();
}

// The batches are listed before the loads are: what is taken meanwhile is then in one of the two.
Status PushLog::Open(Stream& stream, const std::string& name, const ReadState& read_state) {
    std::vector<Found> batches = TRY(List(name, 0));
    auto state = TRY(read_state());
    int64_t position = PushedPosition(*state);
    stream.answers.clear();
    stream.order.clear();
    stream.bytes = 0;
    stream.next = position + 1;
    TRY(RememberLoads(stream, *state, env_.clock().Now() - kKeysKept));
    for (const Found& found : batches) {
        stream.next = std::max(stream.next, found.number + 1);
        if (found.number <= position) continue;
        PushBatch batch = TRY(ReadBatch(name, found.number));
        for (const PushEntry& entry : batch.pushes) Remember(stream, entry);
        stream.bytes += found.bytes;
    }
    stream.open = true;
    return Ok();
}

void PushLog::Write(Stream& stream, const std::string& name, std::unique_lock<std::mutex>& lock) {
    auto batch = std::exchange(stream.waiting, nullptr);
    int64_t number = stream.next++;
    stream.writing = true;
    lock.unlock();
    std::string text;
    for (size_t i = 0; i < batch->pushes.size(); ++i) {
        PushEntry& push = batch->pushes[i];
        push.id = fmt::format("{}.{}", number, i);
        text += DumpJson(HeaderOf(push)) + "\n" + push.lines;
    }
    lake::PutOptions options;
    options.if_absent = true;
    auto put = lake_.PutBytes(Self(), {kRawBucket, KeyOf(name, number)}, AsBytes(text), options);
    lock.lock();
    stream.writing = false;
    for (const PushEntry& push : batch->pushes) {
        if (put.ok()) Remember(stream, push);
        stream.under_way.erase(push.key);
    }
    if (put.ok()) stream.bytes += text.size();
    if (!put.ok()) stream.open = false;  // whether it came to lie there is read anew
    batch->result = Ok();
    if (!put.ok()) batch->result = Error(put.error()).Context("the push was not kept");
    stream.changed.notify_all();
}

Result<PushOutcome> PushLog::Append(const std::string& name, PushEntry entry, const ReadState& read_state) {
    Stream& stream = StreamOf(name);
    std::unique_lock lock(stream.mutex);
    entry.at = env_.clock().Now();
    auto taken = [&] {
        bool full = stream.waiting && stream.waiting->bytes > kBatchBytesMax;
        bool unknown = !stream.open && stream.writing;  // to be opened once it is written or not
        return full || unknown || (!entry.key.empty() && stream.under_way.contains(entry.key));
    };
    while (taken()) stream.changed.wait(lock);
    if (!stream.open) TRY(Open(stream, name, read_state));
    Forget(stream);
    if (auto known = stream.answers.find(entry.key); !entry.key.empty() && known != stream.answers.end()) {
        if (known->second.digest == entry.digest) return PushOutcome{known->second.records, known->second.broken, true};
        return Error(ErrorCode::kConflict, "this Idempotency-Key came with another body before; nothing was written")
            .WithHint("a key is for one body: send the same again, or take a new key");
    }
    if (stream.bytes > kWaitingBytesMax) {
        return Error(ErrorCode::kResourceExhausted, "more than {} wait for a load of raw_{}",
                     FormatSize(static_cast<int64_t>(kWaitingBytesMax)), Join(Split(name, '/'), "."))
            .WithHint("`tarn why source:SOURCE.STREAM` says why they are not loaded");
    }
    PushOutcome outcome{entry.records, entry.broken, false};
    if (!entry.key.empty()) stream.under_way.insert(entry.key);
    if (!stream.waiting) stream.waiting = std::make_shared<Waiting>();
    auto mine = stream.waiting;
    mine->bytes += entry.lines.size();
    mine->pushes.push_back(std::move(entry));
    while (!mine->result) {
        if (stream.writing || stream.waiting != mine) {
            stream.changed.wait(lock);
        } else {
            Write(stream, name, lock);
        }
    }
    TRY(*mine->result);
    return outcome;
}

Result<std::vector<PushBatch>> PushLog::After(const std::string& stream, int64_t position, uint64_t bytes_max) {
    std::vector<PushBatch> batches;
    uint64_t bytes = 0;
    for (const Found& found : TRY(List(stream, position))) {
        if (bytes > bytes_max) break;
        batches.push_back(TRY(ReadBatch(stream, found.number)));
        bytes += found.bytes;
    }
    return batches;
}

Result<int64_t> PushLog::Newest(const std::string& stream, int64_t position) {
    std::vector<Found> found = TRY(List(stream, position));
    return found.empty() ? 0 : found.back().number;
}

Status PushLog::Remove(const std::string& name, int64_t position) {
    std::vector<std::string> keys;
    uint64_t bytes = 0;
    for (const Found& found : TRY(List(name, 0))) {
        if (found.number > position) break;
        keys.push_back(KeyOf(name, found.number));
        bytes += found.bytes;
    }
    if (keys.empty()) return Ok();
    for (Status& deleted : TRY(lake_.DeleteMany(Self(), kRawBucket, keys))) TRY(std::move(deleted));
    Stream& stream = StreamOf(name);
    std::lock_guard lock(stream.mutex);
    if (stream.open) stream.bytes -= std::min(stream.bytes, bytes);
    return Ok();
}

}  // namespace tarn::connectors

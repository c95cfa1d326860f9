#include "ingestion/connectors/push_connector.h"

#include <algorithm>
#include <mutex>

#include "base/crypto.h"
#include "base/text.h"
#include "ingestion/connectors/inference.h"
#include "ingestion/connectors/push_log.h"
#include "ingestion/connectors/sift.h"

namespace tarn::connectors {
namespace {

constexpr int64_t kRecordsMax = 100000;             // of one push
constexpr size_t kKeyMax = 200;                     // characters of an idempotency key
constexpr uint64_t kLoadBytesMax = 128 << 20;       // that one load takes
constexpr size_t kObjectBytesMax = 16 << 20;        // of the objects that it makes
constexpr size_t kQuotedMax = 120;

// Outside of its strings a line's end is only space, and inside of them there is none.
void AddLine(std::string_view record, std::string& lines) {
    size_t from = lines.size();
    lines += record;
    auto begin = lines.begin() + static_cast<std::ptrdiff_t>(from);
    std::replace(begin, lines.end(), '\n', ' ');
    lines += '\n';
}

std::string OriginOf(const PushEntry& first, const PushEntry& last) {
    return first.id == last.id ? "push " + first.id : fmt::format("push {} to {}", first.id, last.id);
}

// One load: the pushes that wait, in objects of many each.
class PushLoad {
  public:
    PushLoad(engine::Engine& engine, ReadContext& context, std::vector<PushEntry> pushes)
        : engine_(engine), context_(context), pushes_(std::move(pushes)), before_(context.writer.manifest()) {}
    Status Run() {
        TRY(Put(kObjectBytesMax));
        // Each was answered as kept: what can't be shown waits in quarantine, it never holds up the others.
        BrokenLimit all;
        all.percent = 100;
        Status inferred = InferOrSift(engine_, context_.state, context_.writer, all, context_.stream.on_drift);
        if (inferred.ok() || inferred.error().code() != ErrorCode::kInvalidArgument) return inferred;
        TRY(Begin());
        TRY(Put(0));
        size_t apart = TRY(SetApart());
        if (apart == 0) return inferred;  // a stream that is frozen: all of it waits
        return InferOrSift(engine_, context_.state, context_.writer, all, context_.stream.on_drift);
    }

  private:
    Status Begin() {
        TRY(context_.writer.DropAfter(0));
        context_.writer.manifest() = before_;
        return Ok();
    }
    // In objects of about this many bytes; 0: one a push.
    Status Put(size_t bytes_max) {
        std::string lines;
        size_t first = 0;
        for (size_t i = 0; i < pushes_.size(); ++i) {
            TRY(context_.CheckCancelled());
            lines += pushes_[i].lines;
            bool ends = i + 1 == pushes_.size() || lines.size() + pushes_[i + 1].lines.size() > bytes_max;
            if (!ends) continue;
            LoadObject object;
            object.format = "json";
            object.origin = {{"file", OriginOf(pushes_[first], pushes_[i])}};
            TRY(context_.writer.PutBytes("pushed.json", AsBytes(lines), std::move(object)));
            lines.clear();
            first = i + 1;
        }
        return Ok();
    }
    bool Reads(const std::vector<LoadObject>& objects) {
        Manifest manifest = context_.writer.manifest();
        manifest.objects = objects;
        if (manifest.format_options.is_object()) manifest.format_options.erase("types");  // those are sifted
        return InferColumns(engine_, context_.state, manifest).ok();
    }
    // Halves, until what can't be read together with what can stands alone. How many are apart.
    Result<size_t> SetApart() {
        std::vector<LoadObject>& objects = context_.writer.manifest().objects;
        std::vector<std::pair<size_t, size_t>> open = {{0, objects.size()}};
        std::vector<LoadObject> good;
        size_t apart = 0;
        while (!open.empty()) {
            TRY(context_.CheckCancelled());
            auto [from, to] = open.back();
            open.pop_back();
            std::vector<LoadObject> tried = good;
            auto begin = objects.begin();
            tried.insert(tried.end(), begin + static_cast<std::ptrdiff_t>(from),
                         begin + static_cast<std::ptrdiff_t>(to));
            if (Reads(tried)) {
                good = std::move(tried);
            } else if (to - from == 1) {
                objects[from].apart = "its records can't be read together with those before";
                ++apart;
            } else {
                size_t middle = from + (to - from) / 2;
                open.push_back({middle, to});
                open.push_back({from, middle});
            }
        }
        if (apart > 0) {
            context_.writer.manifest().warnings.push_back(
                fmt::format("{} of {} pushes are in quarantine: their records can't be read together with those before",
                            apart, pushes_.size()));
        }
        return apart;
    }

    engine::Engine& engine_;
    ReadContext& context_;
    std::vector<PushEntry> pushes_;
    Manifest before_;
};

class PushedSource : public PushConnector {
  public:
    explicit PushedSource(ConnectorsDependencies dependencies)
        : dependencies_(dependencies), log_(dependencies.lake, dependencies.env) {}
    Status Check(const SourceDefinition&) override { return Ok(); }
    Result<std::vector<DiscoveredStream>> Discover(const SourceDefinition&) override {
        return Error(ErrorCode::kNotSupported, "clients push what they like: name the streams under `streams`");
    }
    Status Read(ReadContext& context) override;
    Result<bool> HasNew(const SourceDefinition& source, const StreamDefinition& stream,
                        const StreamState& state) override;
    Result<PushOutcome> Push(const SourceDefinition& source, const StreamDefinition& stream, const PushRequest& request,
                             const ReadState& read_state) override;

  private:
    std::string FolderOf(const SourceDefinition& source, const StreamDefinition& stream) const {
        return StreamFolder(dependencies_.homes, source.name, stream.name);
    }

    ConnectorsDependencies dependencies_;
    PushLog log_;
    std::mutex mutex_;  // guards tried_
    std::map<std::string, int64_t> tried_;  // by stream the newest batch that a load which failed has seen
};

Result<bool> PushedSource::HasNew(const SourceDefinition& source, const StreamDefinition& stream,
                                  const StreamState& state) {
    int64_t position = PushedPosition(state);
    TRY(log_.Remove(FolderOf(source, stream), position));
    // A stream with a beat of its own is loaded at it: fewer and larger loads.
    if (workspace::ResolveTiming(stream.timing, source.timing).every) return false;
    int64_t newest = TRY(log_.Newest(FolderOf(source, stream), position));
    std::lock_guard lock(mutex_);
    return newest > std::max(position, tried_[FolderOf(source, stream)]);
}

Status PushedSource::Read(ReadContext& context) {
    std::string name = FolderOf(context.source, context.stream);
    int64_t position = PushedPosition(context.state);
    TRY(log_.Remove(name, position));
    std::vector<PushBatch> batches = TRY(log_.After(name, position, kLoadBytesMax));
    if (batches.empty()) return Ok();
    Manifest& manifest = context.writer.manifest();
    SetFormatOptions(context.stream, manifest);
    manifest.position = {{"pushed", batches.back().number}};
    {
        std::lock_guard lock(mutex_);
        tried_[name] = batches.back().number;
    }
    LoadProgress progress;
    std::string named;
    std::vector<PushEntry> pushes;
    for (PushBatch& batch : batches) {
        for (PushEntry& entry : batch.pushes) {
            named += DumpJson(HeaderOf(entry)) + "\n";
            progress.rows += entry.records;
            progress.bytes += static_cast<int64_t>(entry.lines.size());
            pushes.push_back(std::move(entry));
        }
    }
    progress.note = fmt::format("{} pushes", pushes.size());
    context.progress(progress);
    TRY(PushLoad(dependencies_.engine, context, std::move(pushes)).Run());
    LoadObject object;
    object.format = kPushesFormat;
    object.hidden = true;
    object.origin = Json::object();
    return context.writer.PutBytes("pushes.json", AsBytes(named), std::move(object));
}

Result<PushOutcome> PushedSource::Push(const SourceDefinition& source, const StreamDefinition& stream,
                                       const PushRequest& request, const ReadState& read_state) {
    if (request.key.size() > kKeyMax || !IsUtf8(request.key)) {
        return Error(ErrorCode::kInvalidArgument, "an Idempotency-Key has at most {} characters", kKeyMax);
    }
    PushedRecords read = TRY(ReadPushed(request.body, stream.broken_max));
    PushEntry entry;
    entry.key = request.key;
    entry.digest = Sha256Hex(AsBytes(request.body)).substr(0, 32);
    entry.by = request.by;
    entry.records = read.records;
    entry.broken = read.broken;
    entry.lines = std::move(read.lines);
    return log_.Append(FolderOf(source, stream), std::move(entry), read_state);
}

}  // namespace

Result<PushedRecords> ReadPushed(std::string_view body, const std::string& broken_max) {
    std::string_view text = Trim(body);
    if (text.empty()) return Error(ErrorCode::kInvalidArgument, "the body is empty; JSON or lines of JSON are wanted");
    if (text.front() == '[' && text.back() != ']') {
        return Error(ErrorCode::kInvalidArgument, "the list of records is not closed");
    }
    PushedRecords pushed;
    // One object may stand on several lines.
    Result<Json> whole = text.front() == '{' ? ParseJson(text) : Result<Json>(Error(ErrorCode::kSyntax, "a list"));
    Sifted sifted;
    if (whole.ok()) {
        sifted.good = {text};
        sifted.records = 1;
    } else {
        sifted = SiftJson(text, kRecordsMax);
    }
    if (sifted.records > kRecordsMax) {
        return Error(ErrorCode::kResourceExhausted, "more than {} records in one push", kRecordsMax)
            .WithHint("send them in several");
    }
    BrokenLimit limit = TRY(ParseBrokenLimit(broken_max));
    pushed.records = sifted.records;
    pushed.broken = static_cast<int64_t>(sifted.broken.size());
    if (pushed.broken > 0 && !limit.Allows(pushed.broken, pushed.records)) {
        const BrokenRecord& first = sifted.broken[0];
        std::string shown = IsUtf8(first.text) ? first.text.substr(0, kQuotedMax) : "(no UTF-8)";
        return Error(ErrorCode::kInvalidArgument, "record {} of {} is broken: {}: {}", first.record, pushed.records,
                     first.reason, shown)
            .WithHint("nothing of this push was kept; `broken_max` of the stream lets broken records into quarantine");
    }
    auto has_fields = [](std::string_view record) { return record[record.find_first_not_of(" \t\r\n", 1)] != '}'; };
    if (pushed.broken == 0 && std::none_of(sifted.good.begin(), sifted.good.end(), has_fields)) {
        return Error(ErrorCode::kInvalidArgument, "no record has a field");
    }
    pushed.lines.reserve(text.size() + 1);
    for (std::string_view record : sifted.good) AddLine(record, pushed.lines);
    for (const BrokenRecord& record : sifted.broken) AddLine(record.text, pushed.lines);
    return pushed;
}

std::unique_ptr<PushConnector> MakePushConnector(ConnectorsDependencies dependencies) {
    return std::make_unique<PushedSource>(dependencies);
}

}  // namespace tarn::connectors

#include "ingestion/buffer/topic_tables.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "engine/row_pieces.h"

namespace tarn::buffer {
namespace {

using security::Principal;

constexpr const char* kSchema = "topic";
constexpr int64_t kPieceBytes = 4 << 20;       // of a topic, read by one thread
constexpr size_t kReadBytes = 256 << 10;       // of it, at a time
constexpr int64_t kMicrosPerMilli = 1000;

enum Place : size_t { kPartition, kOffset, kTimestamp, kKey, kValue, kHeaders };

std::vector<engine::Column> Columns() {
    auto column = [](std::string name, std::string type, std::string description) {
        return engine::Column{std::move(name), std::move(type), true, std::move(description)};
    };
    return {column("partition", "INTEGER", "Of the topic."),
            column("offset", "BIGINT", "In the partition; with it the record's identity."),
            column("timestamp", "TIMESTAMP WITH TIME ZONE", "The producer's, or when it came in."),
            column("key", "VARCHAR", "The key; bytes that are no text as \\x and hexadecimal digits."),
            column("value", "VARCHAR", "The value; bytes that are no text as \\x and hexadecimal digits."),
            column("headers", "VARCHAR", "JSON: names and values; of a name that comes twice the last value.")};
}

constexpr std::string_view kHexMark = "\\x";

// One column for what one thing is, so that a mask of it hides it whole; and nothing has the text of something else.
// PostgreSQL's clients can't be sent a zero byte in a text.
bool IsText(std::string_view bytes) {
    return !bytes.starts_with(kHexMark) && IsUtf8(bytes) && bytes.find('\0') == std::string_view::npos;
}

std::string AsHex(ByteSpan bytes) { return std::string(kHexMark) + HexEncode(bytes); }

std::string HeadersText(const std::vector<TopicHeader>& headers) {
    Json json = Json::object();
    for (const TopicHeader& header : headers) {
        Json& into = json[std::string(header.key)];
        into = Json();
        if (!header.value) continue;
        std::string_view value = AsText(*header.value);
        into = IsText(value) ? std::string(value) : AsHex(*header.value);
    }
    return DumpJson(json);
}

class TopicPiece final : public engine::RowPiece {
  public:
    TopicPiece(Topics& topics, Principal reader, std::string topic, TopicStretch stretch, bool splits)
        : topics_(topics),
          reader_(std::move(reader)),
          topic_(std::move(topic)),
          stretch_(stretch),
          splits_(splits),
          next_(stretch.first) {}

    std::optional<Bounds> BoundsOf(size_t column) const override {
        if (column == kPartition) return Bounds{stretch_.partition, stretch_.partition};
        if (column == kOffset) return Bounds{stretch_.first, stretch_.end - 1};
        if (column != kTimestamp || stretch_.max_timestamp_ms > INT64_MAX / kMicrosPerMilli) return std::nullopt;
        // Producers' clocks go wrong: only the latest time is known of a batch.
        return Bounds{INT64_MIN / 2, stretch_.max_timestamp_ms * kMicrosPerMilli};
    }

    Result<std::vector<std::unique_ptr<RowPiece>>> Split() override {
        std::vector<std::unique_ptr<RowPiece>> parts;
        if (!splits_) return parts;
        for (const TopicStretch& part : TRY(topics_.Split(reader_, topic_, stretch_, kPieceBytes))) {
            parts.push_back(std::make_unique<TopicPiece>(topics_, reader_, topic_, part, false));
        }
        return parts;
    }

    Result<bool> Read(const std::vector<bool>& wanted, size_t rows_max, engine::RowSink& sink) override {
        if (at_ == some_.records.size() && next_ < stretch_.end) {
            some_ = TRY(More());
            at_ = 0;
            next_ = some_.next;
        }
        for (; at_ < some_.records.size() && rows_max > 0; ++at_, --rows_max) {
            if (some_.records[at_].offset >= stretch_.end) return false;
            Give(some_.records[at_], wanted, sink);
        }
        return at_ < some_.records.size() || next_ < stretch_.end;
    }

  private:
    // What retention dropped since the statement began is not there.
    Result<TopicRecords> More() {
        auto some = topics_.Read(reader_, topic_, stretch_.partition, next_, {.bytes_max = kReadBytes});
        if (some.ok() || some.error().code() != ErrorCode::kOutOfRange) return some;
        auto ranges = TRY(topics_.Partitions(reader_, topic_));
        TopicRecords none;
        none.next = std::max(next_ + 1, ranges.at(static_cast<size_t>(stretch_.partition)).first);
        return none;
    }

    static void GiveText(size_t column, const std::optional<ByteSpan>& bytes, engine::RowSink& sink) {
        if (!bytes) {
            sink.Null(column);
        } else if (IsText(AsText(*bytes))) {
            sink.Text(column, AsText(*bytes));
        } else {
            sink.Text(column, AsHex(*bytes));
        }
    }
    void Give(const TopicRecord& record, const std::vector<bool>& wanted, engine::RowSink& sink) const {
        if (wanted[kPartition]) sink.Integer(kPartition, stretch_.partition);
        if (wanted[kOffset]) sink.Integer(kOffset, record.offset);
        bool has_time = record.timestamp_ms >= 0 && record.timestamp_ms <= INT64_MAX / kMicrosPerMilli;
        if (wanted[kTimestamp] && has_time) sink.Integer(kTimestamp, record.timestamp_ms * kMicrosPerMilli);
        if (wanted[kTimestamp] && !has_time) sink.Null(kTimestamp);
        if (wanted[kKey]) GiveText(kKey, record.key, sink);
        if (wanted[kValue]) GiveText(kValue, record.value, sink);
        if (wanted[kHeaders]) sink.Text(kHeaders, record.headers.empty() ? "{}" : HeadersText(record.headers));
        sink.EndRow();
    }

    Topics& topics_;
    const Principal reader_;
    const std::string topic_;
    const TopicStretch stretch_;
    const bool splits_;
    int64_t next_;  // to be read
    TopicRecords some_;
    size_t at_ = 0;  // in these
};

class TopicTables final : public catalog::DatasetProvider {
  public:
    explicit TopicTables(Topics& topics) : topics_(topics) {}

    Result<std::vector<std::string>> Schemas() override { return std::vector<std::string>{kSchema}; }
    Result<std::vector<catalog::Dataset>> Datasets(const std::string& schema) override {
        std::vector<catalog::Dataset> datasets;
        if (schema != kSchema) return datasets;
        for (const TopicSummary& topic : TRY(topics_.List(system_))) datasets.push_back(TRY(DatasetFor(topic)));
        return datasets;
    }
    Result<catalog::Dataset> DatasetOf(const std::string& schema, const std::string& name) override {
        TRY(CheckSchema(schema, name));
        return DatasetFor(TRY(topics_.Describe(system_, name)));
    }
    Result<std::vector<catalog::DatasetVersion>> Versions(const std::string& schema, const std::string& name,
                                                          int) override {
        TRY(CheckSchema(schema, name));
        TRY(topics_.Describe(system_, name));
        return std::vector<catalog::DatasetVersion>();
    }
    Result<engine::Relation> Find(const Principal& principal, const std::string& schema, const std::string& name,
                                  const engine::AtClause& at) override;

  private:
    static Status CheckSchema(const std::string& schema, const std::string& name) {
        if (schema == kSchema) return Ok();
        return Error(ErrorCode::kNotFound, "there is no table {}.{}", schema, name);
    }
    static std::string DescriptionOf(const TopicSummary& topic) {
        return fmt::format("Topic of {} partition{}.", topic.partitions, topic.partitions == 1 ? "" : "s");
    }
    Result<catalog::Dataset> DatasetFor(const TopicSummary& topic) {
        catalog::Dataset dataset;
        dataset.schema = kSchema;
        dataset.name = topic.name;
        dataset.kind = "topic";
        dataset.description = DescriptionOf(topic);
        dataset.rows = dataset.bytes = 0;
        auto ranges = topics_.Partitions(system_, topic.name);
        if (!ranges.ok()) return dataset;  // deleted this moment
        for (const PartitionRange& range : *ranges) {
            dataset.rows += range.end - range.first;
            dataset.bytes += range.bytes;
        }
        return dataset;
    }

    Topics& topics_;
    const Principal system_ = Principal::System("engine");
};

Result<engine::Relation> TopicTables::Find(const Principal& principal, const std::string& schema,
                                           const std::string& name, const engine::AtClause& at) {
    TRY(CheckSchema(schema, name));
    TopicSummary topic = TRY(topics_.Describe(system_, name));
    if (at.version || at.timestamp) {
        return Error(ErrorCode::kNotSupported,
                     "topic.{} has no versions: filter by \"offset\" or timestamp in place of AT", name);
    }
    engine::Relation relation;
    relation.schema = schema;
    relation.name = name;
    relation.columns = Columns();
    relation.comment = DescriptionOf(topic);
    Principal reader = system_;
    reader.on_behalf_of = principal.name;
    // What is there now is what the statement sees.
    auto stretches = TRY(topics_.Stretches(reader, name));
    engine::RowPieces rows{.rows = 0, .make = nullptr};
    for (const TopicStretch& one : stretches) rows.rows += one.end - one.first;
    rows.make = [this, reader, name, stretches = std::move(stretches)] {
        std::vector<std::unique_ptr<engine::RowPiece>> pieces;
        for (const TopicStretch& one : stretches) {
            pieces.push_back(std::make_unique<TopicPiece>(topics_, reader, name, one, true));
        }
        return Result<std::vector<std::unique_ptr<engine::RowPiece>>>(std::move(pieces));
    };
    relation.source = engine::StreamedRows(std::move(rows));
    return relation;
}

}  // namespace

std::unique_ptr<catalog::DatasetProvider> MakeTopicTables(Topics& topics) {
    return std::make_unique<TopicTables>(topics);
}

}  // namespace tarn::buffer

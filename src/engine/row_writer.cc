// Rows pushed by the program, into Parquet. The pusher's thread decodes into chunks; one thread of the writer's own
// drives DuckDB's Parquet writer. Between them stands a short queue, so memory holds a row group and some chunks, never
// all rows.
#include <condition_variable>
#include <deque>
#include <thread>

#include <duckdb/catalog/catalog_entry/copy_function_catalog_entry.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>
#include <duckdb/execution/execution_context.hpp>
#include <duckdb/parallel/thread_context.hpp>
#include <duckdb/parser/parsed_data/copy_info.hpp>
#include "base/text.h"
#include "engine/adapter.h"
#include "engine/postgres_binary.h"
#include "engine/stored_types.h"

namespace tarn::engine {
namespace {

using duckdb::DataChunk;
using duckdb::LogicalType;
using duckdb::Value;

constexpr int64_t kRowGroupRows = 122'880;
// A dictionary helps columns of few values. Of many, filling it costs more than all the rest of writing does, and the
// encodings by differences and lengths that version 2 has instead are smaller than plain values after zstd of any
// level.
constexpr int64_t kDictionaryMax = kRowGroupRows / 10;
constexpr int64_t kZstdLevel = 1;
constexpr size_t kChunkRows = STANDARD_VECTOR_SIZE;
constexpr size_t kQueuedChunksMax = 16;

// One Parquet file after the other, through DuckDB's COPY function, without a query.
class ParquetFiles {
  public:
    ParquetFiles(Run& run, const RowWriterOptions& options, duckdb::vector<LogicalType> types)
        : context_(*run.connection->context),
          options_(options),
          types_(std::move(types)),
          thread_(context_),
          execution_(context_, thread_, nullptr),
          random_(run.context->deps.env.random()) {
        auto& entry = duckdb::Catalog::GetEntry<duckdb::CopyFunctionCatalogEntry>(context_, SYSTEM_CATALOG,
                                                                                  DEFAULT_SCHEMA, "parquet");
        function_ = std::make_unique<duckdb::CopyFunction>(entry.function);
        for (const Column& column : options.columns) names_.push_back(column.name);
    }

    void Write(DataChunk& chunk) {
        if (!global_) Open();
        function_->copy_to_sink(execution_, *bind_, *global_, *local_, chunk);
        rows_ += static_cast<int64_t>(chunk.size());
        if (rows_ >= options_.write.rows_per_file_max) Close();
    }
    void Close() {
        if (!global_) return;
        function_->copy_to_combine(execution_, *bind_, *global_, *local_);
        function_->copy_to_finalize(context_, *bind_, *global_);
        WrittenFile file{.path = path_};
        file.rows = static_cast<int64_t>(statistics_->row_count);
        file.bytes = static_cast<int64_t>(statistics_->file_size_bytes);
        if (options_.write.statistics) Describe(file);
        files_.push_back(std::move(file));
        local_.reset();
        global_.reset();
        bind_.reset();
        rows_ = 0;
    }
    std::vector<WrittenFile> Take() { return std::move(files_); }

  private:
    void Open() {
        path_ = fmt::format("{}{}.parquet", options_.write.prefix, random_.Hex(16));
        duckdb::CopyInfo info;
        info.is_from = false;
        info.format = "parquet";
        info.file_path = kFileScheme + path_;
        info.options["compression"] = {Value("zstd")};
        info.options["compression_level"] = {Value::BIGINT(kZstdLevel)};
        info.options["parquet_version"] = {Value("V2")};
        info.options["dictionary_size_limit"] = {Value::BIGINT(kDictionaryMax)};
        info.options["row_group_size"] = {Value::BIGINT(kRowGroupRows)};
        duckdb::CopyFunctionBindInput input(info, function_->function_info);
        bind_ = function_->copy_to_bind(context_, input, names_, types_);
        global_ = function_->copy_to_initialize_global(context_, *bind_, info.file_path);
        statistics_ = std::make_unique<duckdb::CopyFunctionFileStatistics>();
        function_->copy_to_get_written_statistics(context_, *bind_, *global_, *statistics_);
        local_ = function_->copy_to_initialize_local(execution_, *bind_);
    }
    void Describe(WrittenFile& file) {
        for (size_t i = 0; i < options_.columns.size(); i++) {
            auto found = statistics_->column_statistics.find(QuoteIdentifier(options_.columns[i].name));
            if (found == statistics_->column_statistics.end()) continue;
            std::map<std::string, std::string> facts;
            for (const auto& [name, value] : found->second) {
                if (!value.IsNull()) facts[name] = value.ToString();
            }
            file.statistics[options_.columns[i].name] = FactsToStatistics(facts, types_[i].ToString(), file.rows);
        }
    }

    duckdb::ClientContext& context_;
    const RowWriterOptions& options_;
    duckdb::vector<LogicalType> types_;
    duckdb::vector<duckdb::string> names_;
    duckdb::ThreadContext thread_;
    duckdb::ExecutionContext execution_;
    Random& random_;
    std::unique_ptr<duckdb::CopyFunction> function_;
    duckdb::unique_ptr<duckdb::FunctionData> bind_;
    duckdb::unique_ptr<duckdb::GlobalFunctionData> global_;
    duckdb::unique_ptr<duckdb::LocalFunctionData> local_;
    std::unique_ptr<duckdb::CopyFunctionFileStatistics> statistics_;
    std::string path_;
    int64_t rows_ = 0;
    std::vector<WrittenFile> files_;
};

class RowWriterImpl : public RowWriter {
  public:
    RowWriterImpl(Run run, const RowWriterOptions& options) : run_(std::move(run)), options_(options) {}

    Status Start() {
        try {
            auto& client = *run_.connection->context;
            run_.connection->BeginTransaction();
            for (const Column& column : options_.columns) types_.push_back(TypeOf(client, column.type));
            parquet_ = std::make_unique<ParquetFiles>(run_, options_, types_);
            run_.context->writable_prefix = options_.write.prefix;
            for (size_t i = 0; i < types_.size(); i++) {
                bool binary = i < options_.postgres_oids.size();
                decoders_.push_back(binary ? DirectDecoder(options_.postgres_oids[i], types_[i]) : nullptr);
            }
            NewChunk();
        } catch (const std::exception& failure) {
            return ToError(failure, {}).Context("starting to write rows");
        }
        thread_ = std::thread([this] { Drain(); });
        return Ok();
    }

    // Without Finish nothing becomes visible: the file under way is dropped.
    ~RowWriterImpl() override {
        {
            std::lock_guard lock(mutex_);
            if (!closed_) failure_ = Error(ErrorCode::kCancelled, "the rows were not finished");
            closed_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
        parquet_.reset();
    }

    Status AddRow(const std::vector<std::optional<std::string_view>>& cells) override {
        TRY(CheckCount(cells.size()));
        for (size_t i = 0; i < cells.size(); i++) {
            if (!cells[i]) {
                duckdb::FlatVector::SetNull(TextVector(i), rows_, true);
            } else {
                TRY(AddText(i, *cells[i]));
            }
        }
        return Advance();
    }

    Status AddBinaryRow(const std::vector<std::optional<ByteSpan>>& cells) override {
        TRY(CheckCount(cells.size()));
        if (options_.postgres_oids.size() != cells.size()) {
            return Error(ErrorCode::kInvalidArgument, "binary rows need the types of their {} columns", cells.size());
        }
        for (size_t i = 0; i < cells.size(); i++) {
            bool direct = decoders_[i] != nullptr;
            if (!cells[i]) {
                duckdb::FlatVector::SetNull(direct ? chunk_->data[i] : TextVector(i), rows_, true);
            } else if (!direct) {
                TRY(AddText(i, TRY_CONTEXT(PostgresText(options_.postgres_oids[i], *cells[i]),
                                           "column " + options_.columns[i].name)));
            } else if (!decoders_[i](*cells[i], chunk_->data[i], rows_, types_[i])) {
                return Unfit(i, PostgresText(options_.postgres_oids[i], *cells[i]).value_or("?"));
            }
        }
        return Advance();
    }

    Result<std::vector<WrittenFile>> Finish() override {
        if (rows_ > 0) TRY(Push());
        {
            std::lock_guard lock(mutex_);
            closed_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
        if (failure_) return *failure_;
        return parquet_->Take();
    }

  private:
    Status CheckCount(size_t count) {
        if (count == types_.size()) return Ok();
        return Error(ErrorCode::kInvalidArgument, "a row has {} cells, the table {} columns", count, types_.size());
    }
    Error Unfit(size_t column, std::string_view value) {
        return Error(ErrorCode::kInvalidArgument, "column {}: '{}' is no {}", options_.columns[column].name,
                     value.substr(0, 100), options_.columns[column].type)
            .WithDetailCode("22P02");
    }

    // Texts wait in a chunk beside and are cast a column at once.
    duckdb::Vector& TextVector(size_t column) {
        if (types_[column].id() == duckdb::LogicalTypeId::VARCHAR) return chunk_->data[column];
        auto& slot = texts_[column];
        if (!slot) slot = std::make_unique<duckdb::Vector>(LogicalType::VARCHAR, kChunkRows);
        return *slot;
    }
    Status AddText(size_t column, std::string_view text) {
        if (!IsUtf8(text)) return Unfit(column, "text that is not UTF-8");
        duckdb::Vector& vector = TextVector(column);
        duckdb::FlatVector::GetData<duckdb::string_t>(vector)[rows_] =
            duckdb::StringVector::AddStringOrBlob(vector, text.data(), text.size());
        return Ok();
    }
    Status CastTexts() {
        for (size_t i = 0; i < texts_.size(); i++) {
            if (!texts_[i]) continue;
            duckdb::string why;
            auto& client = *run_.connection->context;
            bool fits = duckdb::VectorOperations::TryCast(client, *texts_[i], chunk_->data[i], rows_, &why, true);
            if (!fits) {
                for (size_t row = 0; row < rows_; row++) {
                    Value text = texts_[i]->GetValue(row);
                    Value cast;
                    if (!text.IsNull() && !text.TryCastAs(client, types_[i], cast, &why, true)) {
                        return Unfit(i, text.ToString());
                    }
                }
                return Unfit(i, "?");
            }
            texts_[i].reset();
        }
        return Ok();
    }

    Status Advance() {
        rows_++;
        return rows_ < kChunkRows ? Ok() : Push();
    }

    Status Push() {
        try {
            TRY(CastTexts());
        } catch (const std::exception& failure) {
            return ToError(failure, {});
        }
        chunk_->SetCardinality(rows_);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return queue_.size() < kQueuedChunksMax || failure_; });
        if (failure_) return *failure_;
        queue_.push_back(std::move(chunk_));
        if (!spare_.empty()) {
            chunk_ = std::move(spare_.back());
            spare_.pop_back();
        }
        lock.unlock();
        changed_.notify_all();
        NewChunk();
        return Ok();
    }
    void NewChunk() {
        if (!chunk_) {
            chunk_ = std::make_unique<DataChunk>();
            chunk_->Initialize(duckdb::Allocator::DefaultAllocator(), types_, kChunkRows);
        } else {
            chunk_->Reset();
        }
        texts_.clear();
        texts_.resize(types_.size());
        rows_ = 0;
    }

    void Drain() {
        std::unique_lock lock(mutex_);
        while (!failure_) {
            changed_.wait(lock, [&] { return !queue_.empty() || closed_; });
            if (queue_.empty() || failure_) break;
            auto chunk = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            changed_.notify_all();
            auto failed = Guarded([&] { parquet_->Write(*chunk); });
            lock.lock();
            if (failed) failure_ = std::move(failed);
            spare_.push_back(std::move(chunk));
        }
        if (!failure_) failure_ = Guarded([&] { parquet_->Close(); });
        lock.unlock();
        changed_.notify_all();
    }
    template <typename Work>
    std::optional<Error> Guarded(Work&& work) {
        try {
            if (run_.connection->context->interrupted) {
                return Error(ErrorCode::kCancelled, "writing rows was cancelled").WithDetailCode("57014");
            }
            work();
            return std::nullopt;
        } catch (const std::exception& failure) {
            return OurError(*run_.context, ToError(failure, {}));
        }
    }

    Run run_;
    RowWriterOptions options_;
    duckdb::vector<LogicalType> types_;
    std::unique_ptr<ParquetFiles> parquet_;
    std::vector<CellDecoder> decoders_;
    std::unique_ptr<DataChunk> chunk_;
    std::vector<std::unique_ptr<duckdb::Vector>> texts_;
    size_t rows_ = 0;

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<std::unique_ptr<DataChunk>> queue_;
    std::vector<std::unique_ptr<DataChunk>> spare_;
    std::optional<Error> failure_;
    bool closed_ = false;
    std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<RowWriter>> NewRowWriter(Run run, const RowWriterOptions& options) {
    if (!options.write.partition_by.empty()) {
        return Error(ErrorCode::kNotSupported, "pushed rows cannot be partitioned")
            .WithHint("write them, then WriteQuery");
    }
    if (options.columns.empty()) return Error(ErrorCode::kInvalidArgument, "a table needs a column");
    std::vector<ResultColumn> columns;
    try {
        for (const Column& column : options.columns) {
            std::string type = TypeOf(*run.connection->context, column.type).ToString();
            columns.push_back({.name = column.name, .type = std::move(type)});
        }
    } catch (const std::exception& failure) {
        return ToError(failure, {});
    }
    auto stored = TRY(StoredColumns(columns));
    RowWriterOptions checked = options;
    checked.columns = std::move(stored);
    auto writer = std::make_unique<RowWriterImpl>(std::move(run), checked);
    TRY(writer->Start());
    return std::unique_ptr<RowWriter>(std::move(writer));
}

}  // namespace tarn::engine

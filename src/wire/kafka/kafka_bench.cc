// What the codec costs: per request, per record, per byte. 100 records of 100 or 1,000 bytes make a batch.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "base/crypto.h"
#include "wire/kafka/api.h"
#include "wire/kafka/messages/fetch.h"
#include "wire/kafka/messages/produce.h"
#include "wire/kafka/record_batch.h"

namespace tarn::kafka {
namespace {

constexpr int kRecords = 100;
constexpr size_t kMax = 64 << 20;

std::vector<Bytes> Values(int64_t value_bytes) {
    std::vector<Bytes> values(kRecords, Bytes(static_cast<size_t>(value_bytes)));
    for (size_t i = 0; i < values.size(); ++i) {
        for (size_t at = 0; at < values[i].size(); ++at) {
            values[i][at] = static_cast<uint8_t>("departed "[(at * at + i) % 9]);
        }
    }
    return values;
}

Bytes BatchOf(const std::vector<Bytes>& values, Compression compression) {
    BatchBuilder builder({.compression = compression});
    int64_t timestamp = 1700000000000;
    for (const Bytes& value : values) builder.Add(timestamp++, std::nullopt, ByteSpan(value));
    return builder.Build().value();
}

Bytes MakeBatch(int64_t value_bytes, Compression compression = Compression::kNone) {
    return BatchOf(Values(value_bytes), compression);
}

Bytes ProduceBody(int64_t partitions, const Bytes& batch, int16_t version) {
    ProduceRequest request;
    request.acks = -1;
    ProduceRequest::Topic& topic = request.topic_data.emplace_back();
    topic.name = "flight_events";
    for (int32_t i = 0; i < partitions; ++i) topic.partition_data.push_back({i, Records(ByteSpan(batch))});
    Writer writer;
    request.Encode(writer, version);
    Bytes frame = Flatten(writer.Finish().value());
    return Bytes(frame.begin() + 4, frame.end());
}

void SetRates(benchmark::State& state, int64_t bytes, int64_t items) {
    state.SetBytesProcessed(state.iterations() * bytes);
    state.SetItemsProcessed(state.iterations() * items);
}

// Arguments: partitions, version.
void DecodeProduce(benchmark::State& state) {
    Bytes batch = MakeBatch(100);
    auto version = static_cast<int16_t>(state.range(1));
    Bytes body = ProduceBody(state.range(0), batch, version);
    for (auto _ : state) {
        Reader reader(body);
        auto request = ProduceRequest::Decode(reader, version);
        benchmark::DoNotOptimize(request);
    }
    SetRates(state, static_cast<int64_t>(body.size()), state.range(0));
}
BENCHMARK(DecodeProduce)->Args({1, 7})->Args({1, 12})->Args({16, 12})->Args({1000, 12});

void EncodeFetch(benchmark::State& state) {
    auto batch = std::make_shared<Bytes>(MakeBatch(1000));
    FetchResponse response;
    FetchResponse::Topic& topic = response.responses.emplace_back();
    for (int32_t i = 0; i < state.range(0); ++i) {
        FetchResponse::Partition& partition = topic.partitions.emplace_back();
        partition.partition_index = i;
        partition.records = Records({{ByteSpan(*batch), batch}});
    }
    for (auto _ : state) {
        auto frame = EncodeResponse(1, static_cast<int16_t>(state.range(1)), response);
        benchmark::DoNotOptimize(frame);
    }
    SetRates(state, state.range(0) * static_cast<int64_t>(batch->size()), state.range(0));
}
BENCHMARK(EncodeFetch)->Args({1, 11})->Args({1, 17})->Args({16, 17})->Args({1000, 17});

// What every produced batch goes through: header and CRC. Argument: bytes of a record.
void ValidateBatch(benchmark::State& state) {
    Bytes batch = MakeBatch(state.range(0));
    for (auto _ : state) {
        Status status = BatchView::First(batch).value().Validate();
        benchmark::DoNotOptimize(status);
    }
    SetRates(state, static_cast<int64_t>(batch.size()), kRecords);
}
BENCHMARK(ValidateBatch)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);

// Arguments: bytes of a record, compression.
void ReadRecords(benchmark::State& state) {
    Bytes batch = MakeBatch(state.range(0), static_cast<Compression>(state.range(1)));
    for (auto _ : state) {
        RecordCursor cursor = RecordCursor::Open(BatchView::First(batch).value(), kMax).value();
        while (const Record* record = cursor.Next().value()) benchmark::DoNotOptimize(record);
    }
    SetRates(state, state.range(0) * kRecords, kRecords);
}
BENCHMARK(ReadRecords)->Args({100, 0})->Args({1000, 0})->ArgsProduct({{1000}, {1, 2, 3, 4}});

void BuildBatch(benchmark::State& state) {
    std::vector<Bytes> values = Values(state.range(0));
    for (auto _ : state) {
        Bytes batch = BatchOf(values, static_cast<Compression>(state.range(1)));
        benchmark::DoNotOptimize(batch);
    }
    SetRates(state, state.range(0) * kRecords, kRecords);
}
BENCHMARK(BuildBatch)->Args({100, 0})->ArgsProduct({{1000}, {0, 1, 2, 3, 4}});

}  // namespace
}  // namespace tarn::kafka

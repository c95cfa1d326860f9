// What real clients made: their requests and batches decode to what they meant, and encode to the same bytes again.
// With TARN_KAFKA_PEER, a folder, this is one side of tests/conformance/test_kafka_peer.py: Apache's client is the
// other.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "wire/kafka/api.h"
#include "wire/kafka/golden_for_test.h"
#include "wire/kafka/messages/api_versions.h"
#include "wire/kafka/messages/fetch.h"
#include "wire/kafka/messages/join_group.h"
#include "wire/kafka/messages/metadata.h"
#include "wire/kafka/messages/produce.h"
#include "wire/kafka/messages_for_test.h"
#include "wire/kafka/record_batch.h"

namespace tarn::kafka {
namespace {

constexpr size_t kMax = 1 << 20;

Bytes BytesOf(const GoldenBytes& golden) { return HexDecode(golden.hex).value(); }

template <typename Visit>
void ForGolden(std::string_view client, std::string_view what, int version, Visit&& visit) {
    int seen = 0;
    for (const GoldenBytes& golden : kGolden) {
        if (golden.client != client || golden.what != what || golden.version != version) continue;
        SCOPED_TRACE(golden.detail);
        visit(golden);
        ++seen;
    }
    EXPECT_GT(seen, 0);
}

// A whole request, which encodes to the same bytes.
template <typename Request>
Request RequestOf(const Bytes& frame, RequestHeader& header) {
    Reader reader(frame);
    header = RequestHeader::Decode(reader).value();
    Request request = Request::Decode(reader, header.api_version).value();
    Bytes again = Flatten(EncodeRequest(header, request).value());
    EXPECT_EQ(HexEncode(ByteSpan(again).subspan(4)), HexEncode(frame));
    return request;
}

// The body of one.
template <typename Request>
Request BodyFrom(const Bytes& body, int16_t version) {
    Reader reader(body);
    Request request = Request::Decode(reader, version).value();
    Writer writer;
    request.Encode(writer, version);
    EXPECT_EQ(HexEncode(BodyOf(writer).value()), HexEncode(body));
    return request;
}

std::string TextOf(const BatchView& batch) {
    auto hex = [](const std::optional<ByteSpan>& bytes) { return bytes ? HexEncode(*bytes) : std::string("null"); };
    RecordCursor cursor = RecordCursor::Open(batch, kMax).value();
    std::string text;
    while (const Record* record = cursor.Next().value()) {
        text += fmt::format("{},{},{},{}", record->offset, record->timestamp, hex(record->key), hex(record->value));
        for (const RecordHeader& header : record->headers) text += fmt::format(",{}={}", header.key, hex(header.value));
        text += ';';
    }
    return text;
}

TEST(Golden, ProduceOfLibrdkafka) {
    ForGolden("librdkafka", "Produce", 7, [](const GoldenBytes& golden) {
        RequestHeader header;
        Bytes frame = BytesOf(golden);
        auto request = RequestOf<ProduceRequest>(frame, header);
        EXPECT_EQ(header.client_id, "golden");
        EXPECT_EQ(request.acks, -1);
        EXPECT_EQ(request.timeout_ms, 30000);
        EXPECT_FALSE(request.transactional_id);
        ASSERT_EQ(request.topic_data.size(), 1U);
        EXPECT_EQ(request.topic_data[0].name, "flights");
        BatchView batch = BatchView::First(request.topic_data[0].partition_data.at(0).records->bytes).value();
        ASSERT_TRUE(batch.Validate().ok());
        EXPECT_EQ(CompressionName(batch.compression()), golden.detail);
        std::string value = HexEncode(AsBytes("departed departed departed departed departed departed "));
        EXPECT_EQ(TextOf(batch), "0,1700000000000,null," + value + "30;1,1700000000001,6b31," + value +
                                     "31,trace=616263,none=null;2,1700000000002,6b32," + value + "32;");
    });
}

TEST(Golden, FirstRequestsOfLibrdkafka) {
    RequestHeader header;
    ForGolden("librdkafka", "ApiVersions", 3, [&](const GoldenBytes& golden) {
        auto request = RequestOf<ApiVersionsRequest>(BytesOf(golden), header);
        EXPECT_EQ(request.client_software_name, "confluent-kafka-python");
    });
    ForGolden("librdkafka", "Metadata", 4, [&](const GoldenBytes& golden) {
        auto request = RequestOf<MetadataRequest>(BytesOf(golden), header);
        EXPECT_EQ(request.topics->at(0).name, "flights");
        EXPECT_TRUE(request.allow_auto_topic_creation);
    });
}

TEST(Golden, RequestsOfKafkaPython) {
    for (int16_t version : {5, 9}) {
        ForGolden("kafka-python", "JoinGroup", version, [&](const GoldenBytes& golden) {
            auto request = BodyFrom<JoinGroupRequest>(BytesOf(golden), version);
            EXPECT_EQ(request.group_id, "planes");
            EXPECT_EQ(request.group_instance_id, "host-1");
            EXPECT_EQ(request.protocols.at(0).metadata, (Bytes{0, 1, 0, 0}));
            EXPECT_EQ(request.reason, version == 9 ? std::optional<std::string>("first") : std::nullopt);
        });
    }
    for (int16_t version : {12, 16}) {
        ForGolden("kafka-python", "Fetch", version, [&](const GoldenBytes& golden) {
            auto request = BodyFrom<FetchRequest>(BytesOf(golden), version);
            EXPECT_EQ(request.rack_id, "b");
            EXPECT_EQ(request.topics.at(0).partitions.at(0).fetch_offset, 1LL << 40);
            if (version == 12) {
                EXPECT_EQ(request.cluster_id, "golden");
                EXPECT_EQ(request.topics[0].topic, "flights");
            } else {
                EXPECT_EQ(request.topics[0].topic_id[15], 15);
            }
        });
    }
}

TEST(Golden, BatchesOfJava) {
    ForGolden("java", "batch", 2, [](const GoldenBytes& golden) {
        Bytes bytes = BytesOf(golden);
        BatchView batch = BatchView::First(bytes).value();
        ASSERT_TRUE(batch.Validate().ok());
        EXPECT_EQ(batch.size(), bytes.size());
        if (batch.is_control()) {
            auto marker = ReadMarker(batch).value();
            EXPECT_EQ(marker->commit, golden.detail == "commit");
            EXPECT_EQ(marker->coordinator_epoch, 21);
            Bytes ours = BuildMarker({marker->commit, 21}, 1700000000000,
                                     {.base_offset = 9, .leader_epoch = 5, .producer_id = 77, .producer_epoch = 3})
                             .value();
            EXPECT_EQ(HexEncode(ours), golden.hex);
            return;
        }
        EXPECT_EQ(CompressionName(batch.compression()), golden.detail);
        EXPECT_EQ(TextOf(batch), "0,1700000000000,6b30," + HexEncode(AsBytes("departed departed departed departed")) +
                                     ",trace=616263,none=null;");
        if (batch.compression() == Compression::kNone) {
            BatchBuilder builder;
            RecordHeader headers[] = {{"trace", AsBytes("abc")}, {"none", std::nullopt}};
            builder.Add(1700000000000, AsBytes("k0"), AsBytes("departed departed departed departed"), headers);
            EXPECT_EQ(HexEncode(builder.Build().value()), golden.hex);
        }
    });
}

std::string PeerFolder() {
    const char* folder = std::getenv("TARN_KAFKA_PEER");
    return folder ? std::string(folder) + "/" : std::string();
}

TEST(Peer, WritesMessagesForTheOtherSide) {
    if (PeerFolder().empty()) GTEST_SKIP() << "driven by tests/conformance/test_kafka_peer.py";
    std::ofstream out(PeerFolder() + "messages");
    Filler filler(1);
    for (const MessageCase& one : MessageCases()) {
        for (int16_t version = one.version_min; version <= one.version_max; ++version) {
            for (int round = 0; round < 10; ++round) {
                out << one.name << ' ' << version << ' ' << HexEncode(one.there_and_back(filler, version).value())
                    << '\n';
            }
        }
    }
    EXPECT_TRUE(out.flush().good());
}

TEST(Peer, WritesBatchesForTheOtherSide) {
    if (PeerFolder().empty()) GTEST_SKIP() << "driven by tests/conformance/test_kafka_peer.py";
    std::ofstream out(PeerFolder() + "batches");
    Filler filler(1);
    for (int round = 0; round < 100; ++round) {
        BatchBuilder builder({.compression = static_cast<Compression>(round % 5), .base_offset = round * 100});
        for (int i = 0; i < round % 7 + 1; ++i) {
            Bytes value = filler.RandomBytes(round % 10 == 0 ? 200'000 : 200);
            RecordHeader headers[] = {{"name", ByteSpan(value).first(value.size() / 2)}, {"none", std::nullopt}};
            std::optional<ByteSpan> key;
            if (i % 2 == 0) key = ByteSpan(value);
            builder.Add(1700000000000 + static_cast<int64_t>(filler.Below(10'000)), key, ByteSpan(value),
                        std::span(headers).first(static_cast<size_t>(i % 3)));
        }
        Bytes batch = builder.Build().value();
        out << HexEncode(batch) << ' ' << TextOf(BatchView::First(batch).value()) << '\n';
    }
    EXPECT_TRUE(out.flush().good());
}

TEST(Peer, ReadsBatchesOfTheOtherSide) {
    if (PeerFolder().empty()) GTEST_SKIP() << "driven by tests/conformance/test_kafka_peer.py";
    std::ifstream in(PeerFolder() + "their_batches");
    int count = 0;
    for (std::string line; std::getline(in, line); ++count) {
        size_t blank = line.find(' ');
        Bytes bytes = HexDecode(line.substr(0, blank)).value();
        BatchView batch = BatchView::First(bytes).value();
        ASSERT_TRUE(batch.Validate().ok());
        EXPECT_EQ(TextOf(batch), line.substr(blank + 1));
    }
    EXPECT_EQ(count, 12);
}

}  // namespace
}  // namespace tarn::kafka

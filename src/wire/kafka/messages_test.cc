// Every message in every version: random contents come back, and whatever bytes a peer sends is an answer, never a
// crash, never much memory.
#include <gtest/gtest.h>

#include <set>

#include "base/seeds_for_test.h"
#include "wire/kafka/api.h"
#include "wire/kafka/consumer_protocol.h"
#include "wire/kafka/messages/fetch.h"
#include "wire/kafka/messages/metadata.h"
#include "wire/kafka/messages/produce.h"
#include "wire/kafka/messages_for_test.h"

namespace tarn::kafka {

uint64_t Filler::Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ * 0x2545f4914f6cdd1d;
}

Bytes Filler::RandomBytes(size_t size_max) {
    Bytes bytes(Below(size_max + 1));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(Next() >> 24);
    return bytes;
}

void Filler::Fill(Uuid& value) {
    for (uint8_t& byte : value) byte = static_cast<uint8_t>(Next() >> 24);
}

// Text, as other implementations insist on.
void Filler::Fill(std::string& value) {
    static constexpr std::string_view kParts[] = {"a", "Z", "0", "-", "_", " ", "\u00e9", "\u65e5", "\U0001f6eb"};
    value.clear();
    for (uint64_t left = Below(Below(20) == 0 ? 300 : 12); left > 0; --left) value += kParts[Below(std::size(kParts))];
}

void Filler::Fill(Records& value) {
    kept_.push_back(RandomBytes(1000));
    value = Records(ByteSpan(kept_.back()));
}

namespace {

void ForMessages(const std::function<void(const MessageCase&, int16_t version)>& visit) {
    for (const MessageCase& one : MessageCases()) {
        for (int16_t version = one.version_min; version <= one.version_max; ++version) {
            SCOPED_TRACE(fmt::format("{} v{}", one.name, version));
            visit(one, version);
        }
    }
}

TEST(Messages, AreARequestAndAResponseOfEachApi) {
    std::multiset<int16_t> keys;
    for (const MessageCase& one : MessageCases()) {
        if (one.api_key >= 0) keys.insert(one.api_key);
    }
    for (const Api& api : Apis()) EXPECT_EQ(keys.count(api.key), 2U) << api.name;
    EXPECT_EQ(keys.size(), 2 * Apis().size());
    EXPECT_GE(Apis().size(), 58U);
}

TEST(Messages, ComeBackAsTheyWere) {
    ForSeeds(20, [](uint64_t seed) {
        Filler filler(seed);
        ForMessages([&](const MessageCase& one, int16_t version) {
            auto body = one.there_and_back(filler, version);
            ASSERT_TRUE(body.ok()) << body.error().ToString();
        });
    });
}

TEST(Messages, CutShortAreErrorsAndSoAreBytesLeftOver) {
    Filler filler(7);
    ForMessages([&](const MessageCase& one, int16_t version) {
        Bytes body = one.there_and_back(filler, version).value();
        for (size_t length = 0; length < body.size(); ++length) {
            // Copied, so that the address sanitizer sees a read behind it.
            Bytes cut(body.begin(), body.begin() + static_cast<int64_t>(length));
            ASSERT_FALSE(one.decode(cut, version).ok()) << length << " of " << body.size();
        }
        body.push_back(0);
        Status decoded = one.decode(body, version);
        ASSERT_FALSE(decoded.ok());
        EXPECT_NE(decoded.error().message().find("1 bytes are left over"), std::string::npos);
    });
}

TEST(Messages, TakeAnyBytes) {
    ForSeeds(20, [](uint64_t seed) {
        Filler filler(seed);
        ForMessages([&](const MessageCase& one, int16_t version) {
            Bytes body = one.there_and_back(filler, version).value();
            for (int round = 0; round < 8; ++round) {
                Bytes changed = body;
                for (uint64_t changes = filler.Below(4) + 1; changes > 0 && !changed.empty(); --changes) {
                    changed[filler.Below(changed.size())] = static_cast<uint8_t>(filler.Next() >> 24);
                }
                Status decoded = one.decode(changed, version);
                ASSERT_TRUE(decoded.ok() || decoded.error().code() != ErrorCode::kInternal)
                    << decoded.error().ToString();
            }
            Status decoded = one.decode(filler.RandomBytes(64), version);
            ASSERT_TRUE(decoded.ok() || decoded.error().code() != ErrorCode::kInternal) << decoded.error().ToString();
        });
    });
}

TEST(Messages, DeclareNothingThatIsAllocated) {
    // Two billion topics, a billion topics, 2 GiB of a name.
    Bytes many = {0x7f, 0xff, 0xff, 0xff};
    Reader reader(many);
    auto decoded = MetadataRequest::Decode(reader, 1);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().message(),
              "MetadataRequest v1: topics: has 2147483647 elements, for which the 0 bytes left are too few");
    Bytes million(4 + 3'000'000);
    uint32_t count = __builtin_bswap32(1'500'000);
    std::memcpy(million.data(), &count, 4);
    Reader of_million(million);
    decoded = MetadataRequest::Decode(of_million, 1);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().code(), ErrorCode::kResourceExhausted);
    Reader with_less(ByteSpan(million), ReaderLimits{.elements_max = 10});
    EXPECT_FALSE(MetadataRequest::Decode(with_less, 1).ok());
}

TEST(Messages, TooManyTagsAreAnError) {
    Writer writer;
    MetadataRequest().Encode(writer, 9);
    Bytes body = BodyOf(writer).value();
    body.pop_back();
    body.insert(body.end(), {0x91, 0x4e});  // 10,001
    for (int i = 0; i < 10'001; ++i) body.insert(body.end(), {0x05, 0x00});
    Reader reader(body);
    auto decoded = MetadataRequest::Decode(reader, 9);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().message(),
              "MetadataRequest v9: tagged fields: has 10001 fields, at most 10000 are taken");
}

TEST(Messages, ErrorsNameTheField) {
    ProduceRequest request;
    request.acks = -1;
    request.topic_data.resize(2);
    request.topic_data[1].partition_data.resize(1);
    request.topic_data[1].partition_data[0].records = Records(AsBytes("0123456789"));
    Writer writer;
    request.Encode(writer, 7);
    Bytes body = BodyOf(writer).value();
    body.pop_back();
    Reader reader(body);
    auto decoded = ProduceRequest::Decode(reader, 7);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().message(),
              "ProduceRequest v7: topic_data[1].partition_data[0].records: wants 10 bytes, 9 are left");
    Reader other(body);
    EXPECT_EQ(ProduceRequest::Decode(other, 14).error().message(),
              "ProduceRequest has the versions 3 to 13 here, not 14");
    Writer unknown;
    request.Encode(unknown, 2);
    EXPECT_EQ(unknown.Finish().error().message(), "ProduceRequest: has the versions 3 to 13 here, not 2");
}

TEST(Messages, UnknownTagsAreSkipped) {
    Writer writer;
    MetadataRequest request;
    request.allow_auto_topic_creation = false;
    request.Encode(writer, 9);
    Bytes body = BodyOf(writer).value();
    ASSERT_EQ(body.back(), 0);  // no tagged fields
    body.back() = 1;
    body.insert(body.end(), {0x63, 0x03, 'a', 'b', 'c'});
    Reader reader(body);
    auto decoded = MetadataRequest::Decode(reader, 9);
    ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
    EXPECT_EQ(*decoded, request);
}

TEST(Messages, RecordsAreNeverCopied) {
    auto owner = std::make_shared<Bytes>(100'000, uint8_t{7});
    ByteSpan bytes(*owner);
    FetchResponse response;
    response.responses.resize(1);
    auto& partition = response.responses[0].partitions.emplace_back();
    partition.records = Records({{bytes.first(40'000), owner}, {bytes.subspan(40'000), owner}});
    partition.diverging_epoch.epoch = 3;
    std::vector<Piece> frame = EncodeResponse(77, 12, response).value();
    ASSERT_EQ(frame.size(), 4U);
    EXPECT_EQ(frame[1].bytes.data(), owner->data());
    EXPECT_EQ(frame[2].bytes.data(), owner->data() + 40'000);
    EXPECT_EQ(owner.use_count(), 5);
    Bytes flat = Flatten(frame);
    uint32_t length = 0;
    std::memcpy(&length, flat.data(), 4);
    EXPECT_EQ(__builtin_bswap32(length), flat.size() - 4);

    Reader reader(ByteSpan(flat).subspan(4));
    EXPECT_EQ(ResponseHeader::Decode(reader, 1, 12).value().correlation_id, 77);
    FetchResponse again = FetchResponse::Decode(reader, 12).value();
    EXPECT_EQ(again, response);
    const uint8_t* view = again.responses[0].partitions[0].records->bytes.data();
    EXPECT_TRUE(view > flat.data() && view < flat.data() + flat.size());
}

TEST(ConsumerProtocol, IsReadInNewerVersionsToo) {
    ConsumerProtocolSubscription wanted;
    wanted.topics = {"flights"};
    wanted.owned_partitions.push_back({"flights", {0, 2}});
    wanted.generation_id = 7;
    wanted.rack_id = "b";
    for (int16_t version = 0; version <= 3; ++version) {
        Bytes bytes = EncodeSubscription(wanted, version).value();
        EXPECT_EQ(bytes[1], version);
        auto read = DecodeSubscription(bytes).value();
        EXPECT_EQ(read.topics, wanted.topics);
        EXPECT_EQ(read.generation_id, version >= 2 ? 7 : -1);
        if (version == 3) {
            EXPECT_EQ(read, wanted);
            bytes[1] = 9;
            bytes.push_back(1);  // a field of version 9
            EXPECT_EQ(DecodeSubscription(bytes).value(), wanted);
        }
        bytes[1] = 2;
        bytes.push_back(1);
        EXPECT_FALSE(DecodeSubscription(bytes).ok());
    }
    ConsumerProtocolAssignment assigned;
    assigned.assigned_partitions.push_back({"flights", {1}});
    EXPECT_EQ(DecodeAssignment(EncodeAssignment(assigned, 1).value()).value(), assigned);
    EXPECT_EQ(DecodeAssignment({}).error().message(),
              "ConsumerProtocolAssignment v0: version: wants 2 bytes, 0 are left");
    EXPECT_FALSE(EncodeAssignment(assigned, 4).ok());
}

TEST(Headers, FollowTheApiAndItsVersion) {
    EXPECT_EQ(RequestHeaderVersion(0, 8), 1);
    EXPECT_EQ(RequestHeaderVersion(0, 9), 2);
    EXPECT_EQ(ResponseHeaderVersion(0, 8), 0);
    EXPECT_EQ(ResponseHeaderVersion(0, 9), 1);
    EXPECT_EQ(RequestHeaderVersion(18, 3), 2);
    EXPECT_EQ(ResponseHeaderVersion(18, 4), 0);
    for (auto [key, version] : {std::pair<int16_t, int16_t>{0, 8}, {0, 9}, {18, 4}, {18, 99}, {999, 0}}) {
        RequestHeader header{key, version, 5, "me"};
        Writer writer;
        header.Encode(writer);
        Bytes body = BodyOf(writer).value();
        Reader reader(body);
        EXPECT_EQ(RequestHeader::Decode(reader).value(), header);
        EXPECT_EQ(reader.left(), 0U);
    }
}

TEST(Headers, TakeAnyBytes) {
    ForSeeds(200, [](uint64_t seed) {
        Filler filler(seed);
        Bytes bytes = filler.RandomBytes(40);
        if (bytes.size() > 3) {
            bytes[0] = bytes[2] = 0;  // more often an API and a version that there are
            bytes[1] %= 100;
            bytes[3] %= 16;
        }
        Reader reader(bytes);
        auto header = RequestHeader::Decode(reader);
        if (header.ok()) {
            Reader response(bytes);
            (void)ResponseHeader::Decode(response, header->api_key, header->api_version).ok();
            EXPECT_LT(response.left(), bytes.size());
        } else {
            EXPECT_EQ(header.error().message().substr(0, 15), "RequestHeader v");
        }
    });
}

TEST(Writers, TellWhatCannotBeSent) {
    MetadataRequest request;
    request.topics->emplace_back().name = std::string(40'000, 'x');
    Writer writer;
    request.Encode(writer, 9);
    EXPECT_EQ(writer.Finish().error().message(),
              "MetadataRequest: a string has 40000 bytes, at most 32767 can be sent");
}

}  // namespace
}  // namespace tarn::kafka

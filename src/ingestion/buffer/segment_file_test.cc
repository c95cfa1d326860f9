#include "ingestion/buffer/segment_file.h"

#include <gtest/gtest.h>

#include "base/fault_env.h"

namespace tarn::buffer {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

class SegmentFileTest : public testing::Test {
  protected:
    SegmentFileTest() { EXPECT_TRUE(env_.files().CreateDirectories("/log").ok()); }

    void Begin() {
        auto made = SegmentWriter::Create(env_, "/log", 1, AsBytes(kKey));
        ASSERT_TRUE(made.ok()) << made.error().ToString();
        writer_ = *std::move(made);
    }
    // One group of some entries.
    Status Write(size_t bytes, char letter, size_t count = 1) {
        auto owned = std::make_shared<const Bytes>(bytes, static_cast<uint8_t>(letter));
        std::vector<Entry> entries(count);
        for (size_t index = 0; index < count; ++index) {
            entries[index].header.partition = 7;
            entries[index].header.records = 1;
            entries[index].header.base_offset = offset_ + index;
            entries[index].content = {*owned, owned};
        }
        std::vector<uint64_t> positions;
        TRY(writer_->Append(entries, sequence_, positions));
        TRY(writer_->Sync());
        offset_ += count;
        EXPECT_EQ(positions.size(), count);
        auto reader = SegmentReader::Open(env_, "/log", 1, AsBytes(kKey));
        for (size_t index = 0; index < count; ++index) {
            EXPECT_EQ((*reader)->Read(positions[index], entries[index].header).value(), *owned);
        }
        return Ok();
    }
    // The offsets, and whether it ended well.
    std::pair<std::vector<uint64_t>, bool> Read() {
        auto reader = SegmentReader::Open(env_, "/log", 1, AsBytes(kKey));
        EXPECT_TRUE(reader.ok()) << reader.error().ToString();
        std::vector<uint64_t> offsets;
        auto end = (*reader)->Scan(0, SegmentReader::Contents::kVerified,
                                   [&](const EntryHeader& header, uint64_t, ByteSpan) -> Status {
                                       offsets.push_back(header.base_offset);
                                       return Ok();
                                   });
        EXPECT_TRUE(end.ok());
        return {offsets, end->whole};
    }
    uint64_t FileBytes() { return env_.files().Stat("/log/" + SegmentName(1)).value().bytes; }

    FaultEnv env_;
    std::unique_ptr<SegmentWriter> writer_;
    uint64_t sequence_ = 0;
    uint64_t offset_ = 0;
};

TEST_F(SegmentFileTest, SmallGroupsGoOverZerosThatWereWrittenAhead) {
    Begin();
    ASSERT_TRUE(Write(100, 'a').ok());
    uint64_t reserved = FileBytes();
    EXPECT_GT(reserved, writer_->bytes() + 500'000);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(Write(1000, 'b').ok());
    EXPECT_EQ(FileBytes(), reserved) << "the file did not grow";
    EXPECT_EQ(Read().first.size(), 51u);
    EXPECT_TRUE(Read().second);
    env_.PowerCut(3);
    EXPECT_EQ(Read().first.size(), 51u);
    EXPECT_TRUE(Read().second);
}

TEST_F(SegmentFileTest, LargeGroupsAreAppended) {
    Begin();
    ASSERT_TRUE(Write(100, 'a').ok());
    ASSERT_TRUE(Write(2 << 20, 'b').ok());
    EXPECT_EQ(FileBytes(), writer_->bytes());
    ASSERT_TRUE(Write(100, 'c').ok());
    EXPECT_GT(FileBytes(), writer_->bytes());
    ASSERT_TRUE(writer_->Finish().ok());
    EXPECT_EQ(FileBytes(), writer_->bytes());
    EXPECT_EQ(Read(), std::pair(std::vector<uint64_t>({0, 1, 2}), true));
}

TEST_F(SegmentFileTest, OfAWriteThatFailedNothingIsFoundLater) {
    Begin();
    ASSERT_TRUE(Write(100, 'a').ok());
    ASSERT_TRUE(Write(100, 'b').ok());
    env_.FailNext(FaultOperation::kWrite);
    EXPECT_FALSE(Write(3000, 'c').ok());
    EXPECT_EQ(Read(), std::pair(std::vector<uint64_t>({0, 1}), true));
    env_.Kill();
    EXPECT_EQ(Read(), std::pair(std::vector<uint64_t>({0, 1}), true));
}

TEST_F(SegmentFileTest, AGroupOfManyPiecesIsThereWholeOrNotAtAll) {
    Begin();
    ASSERT_TRUE(Write(100, 'a').ok());
    for (uint64_t room : {300'000, 1'200'000, 1'900'000}) {  // for none, one and two of its pieces
        env_.SetDiskBytes(room);
        EXPECT_FALSE(Write(700'000, 'b', 4).ok()) << room;
        EXPECT_EQ(Read(), std::pair(std::vector<uint64_t>({0}), true)) << room;
        EXPECT_EQ(FileBytes(), writer_->bytes()) << room;
    }
    env_.SetDiskBytes(1 << 30);
    ASSERT_TRUE(Write(700'000, 'c', 4).ok());
    ASSERT_TRUE(Write(100, 'd').ok());
    ASSERT_TRUE(Write(3 << 20, 'e', 2).ok()) << "an entry larger than a piece";
    EXPECT_EQ(Read(), std::pair(std::vector<uint64_t>({0, 1, 2, 3, 4, 5, 6, 7}), true));
}

TEST_F(SegmentFileTest, AFullDiskTakesWhatFitsWithoutZeros) {
    Begin();
    env_.SetDiskBytes(10'000);
    ASSERT_TRUE(Write(1000, 'a').ok());
    ASSERT_TRUE(Write(1000, 'b').ok());
    EXPECT_EQ(FileBytes(), writer_->bytes());
    auto full = Write(20'000, 'c');
    ASSERT_FALSE(full.ok());
    EXPECT_EQ(full.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_EQ(Read(), std::pair(std::vector<uint64_t>({0, 1}), true));
}

TEST_F(SegmentFileTest, AByteAmongTheZerosIsATornEnd) {
    Begin();
    ASSERT_TRUE(Write(100, 'a').ok());
    ASSERT_TRUE(env_.Corrupt("/log/" + SegmentName(1), writer_->bytes() + 70'000).ok());
    EXPECT_EQ(Read(), std::pair(std::vector<uint64_t>({0}), false));
}

}  // namespace
}  // namespace tarn::buffer

// Logs by hand: what must be read, and what must be refused.
#include "storage/lakehouse/delta_log.h"

#include <gtest/gtest.h>

#include <thread>

#include "storage/lakehouse/deletion_vector.h"
#include "storage/lakehouse/lakehouse_for_test.h"

namespace tarn::lakehouse {
namespace {

const std::string kProtocol = R"({"protocol":{"minReaderVersion":1,"minWriterVersion":2}})";
const std::string kMetadata =
    R"({"metaData":{"id":"t","format":{"provider":"parquet","options":{}},"schemaString":"{\"type\":\"struct\",)"
    R"(\"fields\":[{\"name\":\"id\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}}]}","partitionColumns":[],)"
    R"("configuration":{}}})";

std::string Add(const std::string& path, const std::string& more = "") {
    return fmt::format(
        R"({{"add":{{"path":"{}","partitionValues":{{}},"size":1,"modificationTime":1,"dataChange":true{}}}}})", path,
        more);
}
std::string Remove(const std::string& path) {
    return fmt::format(R"({{"remove":{{"path":"{}","deletionTimestamp":5,"dataChange":true}}}})", path);
}

class DeltaLogTest : public testing::Test {
  protected:
    void Commit(int64_t version, const std::vector<std::string>& lines) {
        std::string text = Join(lines, "\n") + "\n";
        Status put = house_.PutText("bkt/t/_delta_log/" + CommitFileName(version), text);
        ASSERT_TRUE(put.ok()) << put.error().ToString();
    }
    Result<Snapshot> Open(engine::AtClause at = {}) { return house_.house().OpenAt(house_.alice, "bkt/t", at); }
    std::vector<std::string> Paths(engine::AtClause at = {}) {
        auto snapshot = Open(at);
        if (!snapshot.ok()) return {snapshot.error().ToString()};
        std::vector<std::string> paths;
        for (const auto& file : snapshot->files) paths.push_back(file.path);
        return paths;
    }
    ErrorCode OpenError() {
        auto snapshot = Open();
        return snapshot.ok() ? ErrorCode::kInternal : snapshot.error().code();
    }
    using Texts = std::vector<std::string>;
    TestLakehouse house_;
};

TEST_F(DeltaLogTest, ReplaysAddsAndRemoves) {
    Commit(0, {kProtocol, kMetadata, Add("a.parquet"), Add("b.parquet")});
    Commit(1, {Remove("a.parquet"), Add("c%20d.parquet")});
    EXPECT_EQ(Paths(), (Texts{"bkt/t/b.parquet", "bkt/t/c d.parquet"}));
    EXPECT_EQ(Paths({.version = 0}), (Texts{"bkt/t/a.parquet", "bkt/t/b.parquet"}));
    EXPECT_EQ(Open({.version = 2}).error().code(), ErrorCode::kNotFound);
}

TEST_F(DeltaLogTest, SeesNewCommitsAndATableMadeAnew) {
    Commit(0, {kProtocol, kMetadata, Add("a")});
    EXPECT_EQ(Open()->version, 0);
    Commit(1, {Add("b")});
    EXPECT_EQ(Open()->version, 1);
    EXPECT_EQ(Open()->files.size(), 2u);
    for (const std::string& key : house_.Keys("bkt/t/"))
        ASSERT_TRUE(house_.lake().Delete(house_.alice, {"bkt", key}).ok());
    EXPECT_EQ(OpenError(), ErrorCode::kNotFound);
    Commit(0, {kProtocol, kMetadata, Add("x")});
    Commit(1, {Add("y")});
    EXPECT_EQ(Paths(), (Texts{"bkt/t/x", "bkt/t/y"}));
}

TEST_F(DeltaLogTest, RefusesWhatIsNoWholeLog) {
    EXPECT_EQ(OpenError(), ErrorCode::kNotFound);
    Commit(0, {kMetadata, Add("a")});
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);  // no protocol
    Commit(0, {kProtocol, Add("a")});
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);  // no metadata
    Commit(0, {kProtocol, kMetadata});
    Commit(2, {Add("a")});
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);  // no version 1
    Commit(1, {R"({"add":{"path":"x")"});
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);  // torn
    Commit(1, {Add("a"), Add("a")});
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);  // twice
    Commit(1, {kProtocol, kProtocol});
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);
}

TEST_F(DeltaLogTest, RefusesAMissingFirstVersion) {
    Commit(1, {kProtocol, kMetadata, Add("a")});
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);
}

TEST_F(DeltaLogTest, NamesTheFeatureItLacks) {
    Commit(0, {R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["variantType"],)"
               R"("writerFeatures":["variantType"]}})",
               kMetadata});
    auto refused = Open();
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kNotSupported);
    EXPECT_NE(refused.error().message().find("variantType"), std::string::npos);
    Commit(0, {R"({"protocol":{"minReaderVersion":4,"minWriterVersion":7}})", kMetadata});
    EXPECT_EQ(OpenError(), ErrorCode::kNotSupported);
}

TEST_F(DeltaLogTest, RefusesFilesElsewhere) {
    for (const char* path : {"/etc/passwd", "file:///etc/passwd", "s3://other/x", "../x", "a/%2e%2e/x"}) {
        Commit(0, {kProtocol, kMetadata, Add(path)});
        EXPECT_EQ(OpenError(), ErrorCode::kNotSupported) << path;
    }
    Commit(0, {kProtocol, kMetadata, Add("s3://bkt/elsewhere/x%20y")});
    EXPECT_EQ(Paths(), (Texts{"bkt/elsewhere/x y"}));
}

TEST_F(DeltaLogTest, EquivalentPathsAreOneFile) {
    Commit(0, {kProtocol, kMetadata, Add("/some/absolute/path")});
    Commit(1, {Remove("file:///some/absolute/path")});
    EXPECT_EQ(Paths(), Texts{});
}

TEST_F(DeltaLogTest, TravelsToATime) {
    auto info = [](int64_t ms) { return fmt::format(R"({{"commitInfo":{{"timestamp":{}}}}})", ms); };
    Commit(0, {info(1000), kProtocol, kMetadata});
    Commit(1, {info(2000), Add("a")});
    Commit(2, {info(3000), Add("b")});
    EXPECT_EQ(Open({.timestamp = FromMicros(2'500'000)})->version, 1);
    EXPECT_EQ(Open({.timestamp = FromMicros(3'000'000)})->version, 2);
    EXPECT_EQ(Open({.timestamp = FromMicros(1)}).error().code(), ErrorCode::kNotFound);
}

TEST_F(DeltaLogTest, ChecksDeletionVectors) {
    std::string bitmap = MakeBitmap({0, 3, 70'000});
    const uint32_t magic = 1681511377;
    std::string content(reinterpret_cast<const char*>(&magic), 4);
    content += bitmap;
    auto be32 = [](uint32_t value) {
        std::string text;
        for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift);
        return text;
    };
    auto hasher = Hasher::Create(HashKind::kCrc32);
    hasher->Update(AsBytes(content));
    std::string file =
        "\x01" + be32(static_cast<uint32_t>(content.size())) + content + std::string(AsText(hasher->Finish()));
    auto vector = [&](const char* name, int64_t cardinality) {
        return fmt::format(
            R"(,"stats":"{{\"numRecords\":80000}}","deletionVector":{{"storageType":"p","pathOrInlineDv":)"
            R"("s3://bkt/t/{}.bin","offset":1,"sizeInBytes":{},"cardinality":{}}})",
            name, content.size(), cardinality);
    };
    const std::string protocol =
        R"({"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],)"
        R"("writerFeatures":["deletionVectors"]}})";
    Commit(0, {protocol, kMetadata, Add("a", vector("good", 3))});
    ASSERT_TRUE(house_.PutText("bkt/t/good.bin", file).ok());
    auto snapshot = Open();
    ASSERT_TRUE(snapshot.ok()) << snapshot.error().ToString();
    EXPECT_EQ(snapshot->files[0].deleted_positions, bitmap);
    EXPECT_EQ(snapshot->rows, 79997);
    Commit(0, {protocol, kMetadata, Add("a", vector("good", 4))});
    ASSERT_TRUE(house_.Open().ok());
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);  // cardinality
    file[12] ^= 1;
    ASSERT_TRUE(house_.PutText("bkt/t/bad.bin", file).ok());
    Commit(0, {protocol, kMetadata, Add("a", vector("bad", 3))});
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption);  // checksum
}

TEST(Z85, DecodesTheExampleOfTheRfc) {
    EXPECT_EQ(Z85Decode("HelloWorld").value(), (Bytes{0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B}));
    EXPECT_FALSE(Z85Decode("Hell").ok());
    EXPECT_FALSE(Z85Decode("Hell~").ok());
    EXPECT_FALSE(Z85Decode("#####").ok());
}

TEST(LogFileNames, ParsesAllForms) {
    EXPECT_EQ(ParseLogFileName("00000000000000000007.json")->version, 7);
    EXPECT_EQ(ParseLogFileName("00000000000000000007.checkpoint.parquet")->kind, LogFileName::Kind::kCheckpoint);
    EXPECT_EQ(ParseLogFileName("00000000000000000007.checkpoint.0000000001.0000000003.parquet")->parts, 3);
    EXPECT_TRUE(ParseLogFileName("00000000000000000007.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json")->is_json);
    EXPECT_FALSE(ParseLogFileName("00000000000000000007.crc"));
    EXPECT_FALSE(ParseLogFileName("00000000000000000004.00000000000000000006.compacted.json"));
    EXPECT_FALSE(ParseLogFileName("_last_checkpoint"));
    EXPECT_FALSE(ParseLogFileName("99999999999999999999.json"));
}

}  // namespace
}  // namespace tarn::lakehouse

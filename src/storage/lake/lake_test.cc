#include <atomic>
#include <fstream>
#include <thread>

#include "storage/lake/checksums.h"
#include "storage/lake/lake.h"
#include "storage/lake/lake_for_test.h"
#include "storage/lake/names.h"

namespace tarn::lake {
namespace {

#define ASSERT_OK(expression)                                  \
    do {                                                       \
        const auto& status = (expression);                     \
        ASSERT_TRUE(status.ok()) << status.error().ToString(); \
    } while (false)

template <typename T>
ErrorCode CodeOf(const Result<T>& result) {
    return result.ok() ? ErrorCode::kInternal : result.error().code();
}

class LakeTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_OK(lake->CreateBucket(lake.alice, "raw")); }
    Result<ObjectInfo> Put(const std::string& key, ByteSpan content, const PutOptions& options = {}) {
        return lake->PutBytes(lake.alice, {"raw", key}, content, options);
    }
    Result<Bytes> Get(const std::string& key) {
        auto object = TRY(lake->Open(lake.alice, {"raw", key}));
        return object->Read(0, object->info().bytes);
    }
    std::vector<std::string> Keys(const ListOptions& options = {}) {
        std::vector<std::string> keys;
        auto page = lake->List(lake.alice, "raw", options);
        if (!page.ok()) return {page.error().ToString()};
        for (const ObjectInfo& object : page->objects) keys.push_back(object.name.key);
        for (const std::string& prefix : page->common_prefixes) keys.push_back("[" + prefix + "]");
        return keys;
    }
    TestLake lake;
};

TEST_F(LakeTest, ObjectsOfEverySizeComeBackAlsoAfterReopening) {
    std::vector<size_t> sizes = {0, 1, 16384, 16385, 65535, 65536, 65537, 131072, 3 * 65536 + 5, 17 * 65536, 5'000'000};
    for (size_t size : sizes) ASSERT_OK(Put(fmt::format("size/{}", size), TestContent(size, size + 1)));
    for (int round = 0; round < 2; ++round) {
        for (size_t size : sizes) {
            auto content = Get(fmt::format("size/{}", size));
            ASSERT_OK(content);
            EXPECT_TRUE(*content == TestContent(size, size + 1)) << size;
        }
        lake.Open();
    }
    auto damage = lake->Verify();
    ASSERT_OK(damage);
    EXPECT_TRUE(damage->empty()) << damage->front();
}

TEST_F(LakeTest, RangesAreReadFromAnywhere) {
    Bytes content = TestContent(20 * 65536 + 777);
    ASSERT_OK(Put("big", content));
    auto object = lake->Open(lake.alice, {"raw", "big"});
    ASSERT_OK(object);
    for (uint64_t offset : {0, 1, 65535, 65536, 65537, 700'000, 20 * 65536, 20 * 65536 + 776}) {
        for (uint64_t bytes : {1, 2, 65536, 65537, 200'000, 2'000'000}) {
            auto read = (*object)->Read(offset, bytes);
            ASSERT_OK(read);
            uint64_t wanted = std::min<uint64_t>(bytes, content.size() - offset);
            ASSERT_EQ(read->size(), wanted);
            EXPECT_TRUE(std::equal(read->begin(), read->end(), content.begin() + offset)) << offset << " " << bytes;
        }
    }
    EXPECT_TRUE((*object)->Read(content.size(), 10)->empty());
}

TEST_F(LakeTest, HeadTellsWhatWasPut) {
    ASSERT_OK(
        Put("a.txt", AsBytes("hello"),
            {.content_type = "text/plain", .metadata = {{"x-amz-meta-who", "ada"}}, .compute = {"crc32", "SHA256"}}));
    auto info = lake->Head(lake.alice, {"raw", "a.txt"});
    ASSERT_OK(info);
    EXPECT_EQ(info->bytes, 5u);
    EXPECT_EQ(info->etag, "5d41402abc4b2a76b9719d911017c592");
    EXPECT_EQ(info->content_type, "text/plain");
    EXPECT_EQ(info->metadata.at("x-amz-meta-who"), "ada");
    ASSERT_EQ(info->checksums.size(), 2u);
    EXPECT_EQ(info->checksums[0].value, "NhCmhg==");
    EXPECT_EQ(info->checksums[1].value, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
}

TEST_F(LakeTest, WhatIsNotThereIsNamed) {
    auto missing = lake->Open(lake.alice, {"raw", "nothing"});
    EXPECT_EQ(missing.error().detail_code(), "NoSuchKey");
    EXPECT_EQ(lake->Open(lake.alice, {"other", "nothing"}).error().detail_code(), "NoSuchBucket");
    EXPECT_EQ(lake->PutBytes(lake.alice, {"other", "a"}, {}).error().detail_code(), "NoSuchBucket");
    EXPECT_EQ(lake->CreateBucket(lake.alice, "raw").error().code(), ErrorCode::kAlreadyExists);
    ASSERT_OK(lake->Delete(lake.alice, {"raw", "nothing"}));
}

TEST_F(LakeTest, ConditionsAreDecidedByTheCommit) {
    ASSERT_OK(Put("once", AsBytes("first"), {.if_absent = true}));
    EXPECT_EQ(CodeOf(Put("once", AsBytes("second"), {.if_absent = true})), ErrorCode::kAlreadyExists);
    EXPECT_EQ(CodeOf(Put("once", AsBytes("second"), {.if_match = "0"})), ErrorCode::kFailedPrecondition);
    EXPECT_EQ(CodeOf(Put("none", AsBytes("second"), {.if_match = "0"})), ErrorCode::kNotFound);
    std::string etag = lake->Head(lake.alice, {"raw", "once"})->etag;
    ASSERT_OK(Put("once", AsBytes("second"), {.if_match = etag}));
    EXPECT_EQ(lake->ReadText(lake.alice, {"raw", "once"}).value(), "second");
    EXPECT_EQ(CodeOf(Put("once", AsBytes("third"), {.if_match = etag})), ErrorCode::kFailedPrecondition);
}

TEST_F(LakeTest, OfManyWhoCreateAtOnceOneWins) {
    std::atomic<int> won = 0;
    std::vector<std::thread> threads;
    Bytes content = TestContent(40'000);
    for (int thread = 0; thread < 8; ++thread) {
        threads.emplace_back([&] { won += Put("contended", content, {.if_absent = true}).ok(); });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lake.StoredFiles().size(), 1u);  // the losers' files are gone
}

TEST_F(LakeTest, ContentThatIsNotWhatWasAnnouncedLeavesNothing) {
    Bytes content = TestContent(100'000);
    EXPECT_EQ(Put("x", content, {.expected_md5 = "00"}).error().detail_code(), "BadDigest");
    EXPECT_EQ(Put("x", content, {.expected = {{"CRC32", "AAAAAA=="}}}).error().detail_code(), "BadDigest");
    EXPECT_EQ(Put("x", content, {.expected_bytes = 5}).error().detail_code(), "IncompleteBody");
    EXPECT_EQ(Put("x", content, {.compute = {"CRC99"}}).error().code(), ErrorCode::kNotSupported);
    auto late = [] { return std::vector<Checksum>{{"SHA1", "wrong"}}; };
    EXPECT_EQ(Put("x", content, {.compute = {"SHA1"}, .expected_at_end = late}).error().detail_code(), "BadDigest");
    {
        auto stream = lake->StartPut(lake.alice, {"raw", "x"}, {});
        ASSERT_OK((*stream)->Write(content));
    }
    EXPECT_EQ(CodeOf(Get("x")), ErrorCode::kNotFound);
    EXPECT_TRUE(lake.StoredFiles().empty());
}

TEST_F(LakeTest, AnyUtf8IsAKey) {
    std::vector<std::string> keys = {"..",
                                     ".",
                                     "/",
                                     "//",
                                     "a//b",
                                     "../../etc/passwd",
                                     "a/../b",
                                     "\x01\x7f\n",
                                     "ключ/鍵/🔑",
                                     " ",
                                     "a b+c%20&d=?",
                                     "\\..\\",
                                     std::string(kKeyBytesMax, 'k')};
    for (const std::string& key : keys) ASSERT_OK(Put(key, AsBytes(key)));
    for (const std::string& key : keys) EXPECT_EQ(AsText(*Get(key)), key);
    EXPECT_EQ(Keys().size(), keys.size());
    EXPECT_EQ(Put(std::string(kKeyBytesMax + 1, 'k'), {}).error().detail_code(), "KeyTooLongError");
    EXPECT_EQ(CodeOf(Put(std::string("a\0b", 3), {})), ErrorCode::kInvalidArgument);  // listings could not show it
    EXPECT_EQ(CodeOf(Put("", {})), ErrorCode::kInvalidArgument);
    EXPECT_EQ(CodeOf(Put("\xff\xfe", {})), ErrorCode::kInvalidArgument);
}

TEST(BucketNames, FollowTheRulesOfS3) {
    for (const char* good : {"raw", "a-b", "a.b.c", "123", "lakehouse", "x1y"}) EXPECT_TRUE(CheckBucketName(good).ok());
    for (const char* bad : {"ab", "Raw", "a_b", "-ab", "ab-", "a..b", "192.168.0.1", "xn--abc", "a-s3alias", "../..",
                            "a/b", ".abc", "abc."}) {
        EXPECT_EQ(CheckBucketName(bad).error().detail_code(), "InvalidBucketName") << bad;
    }
    EXPECT_FALSE(CheckBucketName(std::string(64, 'a')).ok());
}

// ---- listing

TEST_F(LakeTest, ListingRollsUpCommonPrefixes) {
    for (const char* key : {"a", "b/1", "b/2", "b/c/3", "b0", "c/4", "d"}) ASSERT_OK(Put(key, {}));
    using K = std::vector<std::string>;
    EXPECT_EQ(Keys(), (K{"a", "b/1", "b/2", "b/c/3", "b0", "c/4", "d"}));
    EXPECT_EQ(Keys({.delimiter = "/"}), (K{"a", "b0", "d", "[b/]", "[c/]"}));
    EXPECT_EQ(Keys({.prefix = "b/", .delimiter = "/"}), (K{"b/1", "b/2", "[b/c/]"}));
    EXPECT_EQ(Keys({.prefix = "b"}), (K{"b/1", "b/2", "b/c/3", "b0"}));
    EXPECT_EQ(Keys({.start_after = "b/2"}), (K{"b/c/3", "b0", "c/4", "d"}));
    EXPECT_EQ(Keys({.delimiter = "/", .start_after = "b/"}), (K{"b0", "d", "[c/]"}));
    EXPECT_EQ(Keys({.prefix = "zzz"}), K{});
    EXPECT_EQ(Keys({.keys_max = 0}), K{});
}

TEST_F(LakeTest, PagesJoinToTheWholeListing) {
    for (int number = 0; number < 30; ++number) ASSERT_OK(Put(fmt::format("{}/{}", number % 7, number), {}));
    for (const char* delimiter : {"", "/"}) {
        for (int keys_max : {1, 2, 3, 7, 8, 29, 30, 31}) {
            std::vector<std::string> found;
            ListOptions options{.delimiter = delimiter, .keys_max = keys_max};
            while (true) {
                auto page = lake->List(lake.alice, "raw", options);
                ASSERT_OK(page);
                for (auto& object : page->objects) found.push_back(object.name.key);
                for (auto& prefix : page->common_prefixes) found.push_back(prefix);
                EXPECT_LE(page->objects.size() + page->common_prefixes.size(), static_cast<size_t>(keys_max));
                if (!page->truncated) break;
                options.start_after = page->next_start_after;
            }
            EXPECT_EQ(found.size(), *delimiter ? 7u : 30u) << keys_max;
        }
    }
}

// ---- gate

TEST_F(LakeTest, TheGateIsAskedInEveryCall) {
    ASSERT_OK(Put("secret", AsBytes("x")));
    ASSERT_OK(lake->CreateBucket(lake.alice, "other"));
    lake.gate.denied = {"lake:GetObject raw/secret", "lake:PutObject raw/secret", "lake:DeleteObject raw/secret",
                        "lake:ListBucket raw/",      "lake:DeleteBucket raw/",    "lake:CreateBucket new/"};
    ObjectName secret{"raw", "secret"};
    EXPECT_EQ(CodeOf(lake->Open(lake.alice, secret)), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->Head(lake.alice, secret)), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(Put("secret", {})), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->Delete(lake.alice, secret)), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->List(lake.alice, "raw", {})), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->HeadBucket(lake.alice, "raw")), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->DeleteBucket(lake.alice, "raw")), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->CreateBucket(lake.alice, "new")), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->Copy(lake.alice, secret, {"raw", "b"}, {})), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->Copy(lake.alice, {"raw", "b"}, secret, {})), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->StartUpload(lake.alice, secret, {})), ErrorCode::kPermissionDenied);
    EXPECT_EQ(CodeOf(lake->AsFileStore().Open(lake.alice, "raw/secret")), ErrorCode::kPermissionDenied);
    auto buckets = lake->ListBuckets(lake.alice);
    ASSERT_EQ(buckets->size(), 1u);
    EXPECT_EQ(buckets->front().name, "other");
}

// ---- life of stored files

TEST_F(LakeTest, AnOpenObjectStaysReadableAfterItsDeletion) {
    Bytes first = TestContent(300'000, 1), second = TestContent(300'000, 2);
    ASSERT_OK(Put("a", first));
    auto object = lake->Open(lake.alice, {"raw", "a"});
    ASSERT_OK(Put("a", second));
    EXPECT_EQ(lake.StoredFiles().size(), 2u);
    EXPECT_TRUE((*object)->Read(0, 300'000).value() == first);
    object->reset();
    EXPECT_EQ(lake.StoredFiles().size(), 1u);
    object = lake->Open(lake.alice, {"raw", "a"});
    ASSERT_OK(lake->Delete(lake.alice, {"raw", "a"}));
    EXPECT_TRUE((*object)->Read(0, 300'000).value() == second);
    object->reset();
    EXPECT_TRUE(lake.StoredFiles().empty());
}

TEST_F(LakeTest, HeldFilesStayUntilTheHoldEnds) {
    ASSERT_OK(Put("kept", TestContent(100'000)));
    std::set<std::string> named;
    bool asked = false;
    auto hold = lake->Hold([&]() -> Status {
        asked = true;
        return Ok();
    });
    ASSERT_TRUE(hold.ok()) << hold.error().ToString();
    EXPECT_TRUE(asked);
    std::vector<std::string> files = lake.StoredFiles();
    ASSERT_EQ(files.size(), 1u);
    std::string id = files[0].substr(files[0].rfind('/') + 1);
    ASSERT_OK((*hold)->ScanFiles(id.substr(0, 2), [&](const std::string& file) { named.insert(file); }));
    EXPECT_EQ(named, std::set<std::string>{id});
    ASSERT_OK(lake->Delete(lake.alice, {"raw", "kept"}));
    (*hold)->ReleaseIndex();
    EXPECT_EQ(lake.StoredFiles(), files);
    hold->reset();
    EXPECT_TRUE(lake.StoredFiles().empty());
}

TEST_F(LakeTest, FilesWithoutARowAreRemovedAtStart) {
    ASSERT_OK(Put("kept", TestContent(100'000)));
    std::string orphan = lake.path() + "/objects/ab/ab000000000000000000000000000000";
    std::ofstream(orphan) << "left by a crash";
    std::ofstream(lake.path() + "/objects/00/strange name") << "?";
    lake.Open();
    EXPECT_EQ(lake.StoredFiles().size(), 1u);
    EXPECT_TRUE(Get("kept").value() == TestContent(100'000));
}

TEST_F(LakeTest, ASecondLakeOnTheDirectoryIsRefused) {
    auto second = Lake::Create({lake.path()}, {SystemEnv(), lake.gate, lake.keys, lake.metrics, NullLog()});
    EXPECT_EQ(CodeOf(second), ErrorCode::kUnavailable);
}

TEST_F(LakeTest, CopiesShareStoredFiles) {
    Bytes content = TestContent(200'000);
    ASSERT_OK(Put("a", content, {.content_type = "text/a", .metadata = {{"k", "v"}}}));
    ASSERT_OK(Put("small", AsBytes("tiny"), {.compute = {"CRC32"}}));
    ASSERT_OK(lake->CreateBucket(lake.alice, "other"));
    ASSERT_OK(lake->Copy(lake.alice, {"raw", "a"}, {"raw", "b"}, {}));
    EXPECT_EQ(lake.StoredFiles().size(), 1u);
    ASSERT_OK(lake->Copy(lake.alice, {"raw", "a"}, {"other", "b"}, {}));
    EXPECT_EQ(lake.StoredFiles().size(), 2u);
    ASSERT_OK(lake->Copy(lake.alice, {"raw", "small"}, {"raw", "small2"}, {}));
    EXPECT_EQ(lake->Head(lake.alice, {"raw", "small2"})->checksums.size(), 1u);
    auto replaced =
        lake->Copy(lake.alice, {"raw", "a"}, {"raw", "a"}, {.content_type = "text/b", .replace_metadata = true});
    ASSERT_OK(replaced);
    EXPECT_EQ(replaced->content_type, "text/b");
    EXPECT_EQ(CodeOf(lake->Copy(lake.alice, {"raw", "a"}, {"raw", "c"}, {.source_if_match = "other"})),
              ErrorCode::kFailedPrecondition);
    ASSERT_OK(lake->Delete(lake.alice, {"raw", "a"}));
    EXPECT_TRUE(Get("b").value() == content);
    EXPECT_EQ(lake->Head(lake.alice, {"raw", "b"})->metadata.at("k"), "v");
    EXPECT_EQ(AsText(*Get("small2")), "tiny");
    ASSERT_OK(lake->Delete(lake.alice, {"raw", "b"}));
    EXPECT_EQ(lake.StoredFiles().size(), 1u);
    lake.Open();
    EXPECT_EQ(lake.StoredFiles().size(), 1u);
}

TEST_F(LakeTest, OnlyEmptyBucketsAreDeleted) {
    ASSERT_OK(Put("a", {}));
    EXPECT_EQ(lake->DeleteBucket(lake.alice, "raw").error().detail_code(), "BucketNotEmpty");
    ASSERT_OK(lake->Delete(lake.alice, {"raw", "a"}));
    auto upload = lake->StartUpload(lake.alice, {"raw", "u"}, {});
    SpanReader part(AsBytes("part"));
    ASSERT_OK(lake->PutPart(lake.alice, {"raw", "u"}, *upload, 1, part, {}));
    ASSERT_OK(lake->DeleteBucket(lake.alice, "raw"));
    EXPECT_TRUE(lake.StoredFiles().empty());
    EXPECT_EQ(lake->DeleteBucket(lake.alice, "raw").error().detail_code(), "NoSuchBucket");
}

// ---- damage

TEST_F(LakeTest, DamageIsFoundAndNamed) {
    Bytes content = TestContent(5 * 65536 + 10);
    ASSERT_OK(Put("dir/a", content));
    std::string file = lake.StoredFiles().at(0);
    auto flip = [&](uint64_t at) {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(static_cast<std::streamoff>(at));
        int byte = stream.get();
        stream.seekp(static_cast<std::streamoff>(at));
        stream.put(static_cast<char>(byte ^ 1));
    };
    flip(96 + 2 * 65552 + 17);
    auto object = lake->Open(lake.alice, {"raw", "dir/a"});
    ASSERT_OK((*object)->Read(0, 65536));
    auto damaged = (*object)->Read(0, content.size());
    EXPECT_EQ(CodeOf(damaged), ErrorCode::kCorruption);
    EXPECT_NE(damaged.error().message().find("raw/dir/a"), std::string::npos);
    EXPECT_NE(damaged.error().message().find("block 2"), std::string::npos);
    EXPECT_EQ(lake->Verify()->size(), 1u);
    flip(96 + 2 * 65552 + 17);
    EXPECT_TRUE(lake->Verify()->empty());
    flip(50);  // the wrapped key
    EXPECT_EQ(lake->Verify()->size(), 1u);
    flip(50);
    std::filesystem::resize_file(file, 96 + 3 * 65552);
    EXPECT_EQ(lake->Verify()->size(), 1u);
    std::filesystem::remove(file);
    EXPECT_NE(lake->Verify()->at(0).find("is missing"), std::string::npos);
    object->reset();
    lake.Open();  // a missing file does not keep the lake from starting
    EXPECT_EQ(CodeOf(Get("dir/a")), ErrorCode::kCorruption);
}

TEST_F(LakeTest, NothingReadableLiesOnTheDisk) {
    std::string marker = "a text that would be recognised again";
    std::string large;
    while (large.size() < 200'000) large += marker;
    ASSERT_OK(Put("large-object-name", AsBytes(large)));
    ASSERT_OK(Put("small-object-name", AsBytes(marker)));
    lake.Close();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(lake.path())) {
        if (!entry.is_regular_file()) continue;
        std::ifstream stream(entry.path(), std::ios::binary);
        std::string bytes((std::istreambuf_iterator<char>(stream)), {});
        EXPECT_EQ(bytes.find(marker), std::string::npos) << entry.path();
        EXPECT_EQ(bytes.find("object-name"), std::string::npos) << entry.path();
    }
}

// ---- multipart uploads

TEST_F(LakeTest, PartsBecomeOneObject) {
    ObjectName name{"raw", "big"};
    auto upload = lake->StartUpload(lake.alice, name, {.content_type = "x/y", .compute = {"CRC32"}});
    ASSERT_OK(upload);
    Bytes whole;
    std::vector<PartInfo> parts;
    for (int number : {3, 1, 2}) {  // out of order, and the second one twice
        Bytes content = TestContent(number == 3 ? 100 : 5 << 20, number);
        Bytes replaced = TestContent(10);
        SpanReader first(replaced), reader(content);
        if (number == 2) ASSERT_OK(lake->PutPart(lake.alice, name, *upload, number, first, {}));
        ASSERT_OK(lake->PutPart(lake.alice, name, *upload, number, reader, {}));
    }
    for (int number : {1, 2, 3}) {
        Bytes content = TestContent(number == 3 ? 100 : 5 << 20, number);
        whole.insert(whole.end(), content.begin(), content.end());
    }
    auto listed = lake->ListParts(lake.alice, name, *upload);
    ASSERT_EQ(listed->size(), 3u);
    EXPECT_EQ(lake->ListUploads(lake.alice, "raw")->size(), 1u);
    EXPECT_EQ(CodeOf(Get("big")), ErrorCode::kNotFound);
    auto done = lake->CompleteUpload(lake.alice, name, *upload, *listed, {});
    ASSERT_OK(done);
    EXPECT_TRUE(done->etag.ends_with("-3"));
    EXPECT_TRUE(done->checksums.at(0).value.ends_with("-3"));
    EXPECT_EQ(done->content_type, "x/y");
    EXPECT_TRUE(Get("big").value() == whole);
    EXPECT_EQ(lake.StoredFiles().size(), 3u);
    EXPECT_TRUE(lake->ListUploads(lake.alice, "raw")->empty());
    EXPECT_EQ(lake->CompleteUpload(lake.alice, name, *upload, *listed, {})->id, done->id);  // asked again
    EXPECT_EQ(lake->Open(lake.alice, name).value()->part_bytes().size(), 3u);
    lake.Open();
    auto middle = lake->Open(lake.alice, name).value()->Read((5 << 20) - 3, 6);
    EXPECT_TRUE(std::equal(middle->begin(), middle->end(), whole.begin() + (5 << 20) - 3));
    ASSERT_OK(lake->Delete(lake.alice, name));
    EXPECT_TRUE(lake.StoredFiles().empty());
}

TEST_F(LakeTest, WrongPartsAreRefused) {
    ObjectName name{"raw", "big"};
    std::string upload = lake->StartUpload(lake.alice, name, {}).value();
    Bytes content = TestContent(100);
    std::vector<PartInfo> parts;
    for (int number : {1, 2}) {
        SpanReader reader(content);
        parts.push_back(lake->PutPart(lake.alice, name, upload, number, reader, {}).value());
    }
    auto complete = [&](std::vector<PartInfo> chosen) {
        auto done = lake->CompleteUpload(lake.alice, name, upload, chosen, {});
        return done.ok() ? std::string() : done.error().detail_code();
    };
    EXPECT_EQ(complete(parts), "EntityTooSmall");
    EXPECT_EQ(complete({parts[1], parts[0]}), "InvalidPartOrder");
    EXPECT_EQ(complete({{.number = 5}}), "InvalidPart");
    EXPECT_EQ(complete({{.number = 1, .etag = "00"}}), "InvalidPart");
    EXPECT_EQ(complete({}), "MalformedXML");
    SpanReader reader(content);
    EXPECT_EQ(CodeOf(lake->PutPart(lake.alice, name, upload, 10'001, reader, {})), ErrorCode::kInvalidArgument);
    EXPECT_EQ(CodeOf(lake->PutPart(lake.alice, {"raw", "b"}, upload, 1, reader, {})), ErrorCode::kNotFound);
    ASSERT_OK(Put("big", AsBytes("there")));
    auto lost = lake->CompleteUpload(lake.alice, name, upload, {parts[1]}, {.if_absent = true});
    EXPECT_EQ(CodeOf(lost), ErrorCode::kAlreadyExists);
    EXPECT_EQ(lake->ListParts(lake.alice, name, upload)->size(), 2u);  // nothing half
    EXPECT_EQ(complete({parts[1]}), "");
    EXPECT_EQ(lake.StoredFiles().size(), 1u);  // the part that was left out is gone
    EXPECT_EQ(lake->AbortUpload(lake.alice, name, upload).error().detail_code(), "NoSuchUpload");
}

TEST(Checksums, OfPartsAreThoseOfTheWhole) {
    Bytes content = TestContent(1'000'003);
    for (const char* name : {"CRC32", "CRC32C", "CRC64NVME"}) {
        auto of = [&](ByteSpan bytes) {
            auto hasher = ContentHasher::Create({name}).value();
            hasher->Update(bytes);
            return hasher->Finish().checksums.at(0).value;
        };
        std::vector<PartChecksum> parts;
        ByteSpan left = content;
        for (size_t bytes : {1u, 500'000u, 0u, 65'537u}) {
            parts.push_back({of(left.first(bytes)), bytes});
            left = left.subspan(bytes);
        }
        parts.push_back({of(left), left.size()});
        EXPECT_EQ(FullObjectChecksum(name, parts).value(), of(content)) << name;
    }
    EXPECT_FALSE(FullObjectChecksum("SHA1", {}).ok());
}

// ---- the engine's files

TEST_F(LakeTest, TheEngineReadsAndWritesFiles) {
    auto& files = lake->AsFileStore();
    Bytes content = TestContent(150'000);
    auto file = files.Create(lake.alice, "raw/t/part-1.parquet");
    ASSERT_OK(file);
    ASSERT_OK((*file)->Append(ByteSpan(content).first(70'000)));
    ASSERT_OK((*file)->Append(ByteSpan(content).subspan(70'000)));
    EXPECT_EQ(CodeOf(files.Open(lake.alice, "raw/t/part-1.parquet")), ErrorCode::kNotFound);
    ASSERT_OK((*file)->Finish());
    auto opened = files.Open(lake.alice, "raw/t/part-1.parquet");
    ASSERT_OK(opened);
    Bytes read((*opened)->bytes());
    EXPECT_EQ((*opened)->ReadAt(0, read).value(), content.size());
    EXPECT_TRUE(read == content);
    auto again = files.Create(lake.alice, "raw/t/part-1.parquet");
    EXPECT_EQ(CodeOf((*again)->Finish()), ErrorCode::kAlreadyExists);
    EXPECT_EQ(CodeOf(files.Open(lake.alice, "no-slash")), ErrorCode::kInvalidArgument);
}

TEST_F(LakeTest, ReadersAndWritersAtOnceSeeWholeObjects) {
    std::atomic<bool> stop = false;
    std::atomic<int> wrong = 0, reads = 0;
    ASSERT_OK(Put("hot", Bytes(100'000, 0)));
    std::vector<std::thread> threads;
    for (int reader = 0; reader < 3; ++reader) {
        threads.emplace_back([&] {
            while (!stop) {
                auto content = Get("hot");
                if (!content.ok() || content->empty()) {
                    ++wrong;
                    continue;
                }
                for (uint8_t byte : *content) wrong += byte != content->front();
                ++reads;
            }
        });
    }
    for (int round = 1; round < 60; ++round) {
        ASSERT_OK(Put("hot", Bytes(round % 2 ? 100'000 : 1'000, static_cast<uint8_t>(round))));
    }
    stop = true;
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(reads, 0);
    EXPECT_EQ(lake.StoredFiles().size(), 1u);
}

}  // namespace
}  // namespace tarn::lake

#include "base/env.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <set>

namespace tarn {
namespace {

using namespace std::chrono_literals;

class EnvTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = testing::TempDir() + "tarn_env_" + env_.random().Hex(8);
        ASSERT_TRUE(env_.files().CreateDirectories(folder_).ok());
    }
    void TearDown() override { ASSERT_TRUE(env_.files().RemoveTree(folder_).ok()); }
    std::string Path(const std::string& name) const { return folder_ + "/" + name; }
    static std::string ReadAllOf(const File& file) {
        std::string text(file.Size().value(), '\0');
        size_t count = file.ReadAt(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()}).value();
        return text.substr(0, count);
    }

    Env& env_ = SystemEnv();
    Files& files_ = env_.files();
    std::string folder_;
};

TEST_F(EnvTest, FileWritesAndReads) {
    auto file = files_.Create(Path("a"), {.exclusive = true}).value();
    ASSERT_TRUE(file->Append(AsBytes("hello ")).ok());
    ASSERT_TRUE(file->Append(AsBytes("world")).ok());
    ASSERT_TRUE(file->WriteAt(0, AsBytes("J")).ok());
    EXPECT_EQ(ReadAllOf(*file), "Jello world");
    ASSERT_TRUE(file->Truncate(5).ok());
    ASSERT_TRUE(file->Append(AsBytes("!")).ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(files_.SyncDirectory(folder_).ok());
    EXPECT_EQ(ReadAllOf(*files_.Open(Path("a")).value()), "Jello!");
    uint8_t buffer[10];
    EXPECT_EQ(file->ReadAt(4, buffer).value(), 2u);
    EXPECT_EQ(file->ReadAt(100, buffer).value(), 0u);
}

TEST_F(EnvTest, CreateOptions) {
    ASSERT_TRUE(files_.Create(Path("a"), {}).value()->Append(AsBytes("x")).ok());
    EXPECT_EQ(files_.Create(Path("a"), {.exclusive = true}).error().code(), ErrorCode::kAlreadyExists);
    EXPECT_EQ(files_.Create(Path("a"), {}).value()->Size().value(), 1u);
    EXPECT_EQ(files_.Create(Path("a"), {.truncate = true}).value()->Size().value(), 0u);
    auto permissions = std::filesystem::status(Path("a")).permissions();
    EXPECT_EQ(permissions, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(EnvTest, ErrorsHaveCodesAndPaths) {
    auto missing = files_.Open(Path("none"));
    EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
    EXPECT_NE(missing.error().message().find(Path("none")), std::string::npos);
    EXPECT_EQ(files_.Remove(Path("none")).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(files_.Rename(Path("none"), Path("b")).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(files_.List(Path("none")).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(files_.Open(folder_).error().code(), ErrorCode::kIo);
    EXPECT_TRUE(files_.RemoveTree(Path("none")).ok());
    auto file = files_.Create(Path("a"), {}).value();
    EXPECT_EQ(files_.Open(Path("a/b")).error().code(), ErrorCode::kIo);
    EXPECT_EQ(files_.CreateDirectories(Path("a")).error().code(), ErrorCode::kAlreadyExists);
    EXPECT_EQ(files_.Open(Path("a")).value()->Append(AsBytes("x")).error().code(), ErrorCode::kIo);
}

// /dev/full answers every write with ENOSPC.
TEST_F(EnvTest, FullDiskSaysWhatToDo) {
    auto file = files_.Create("/dev/full", {}).value();
    Error error = file->WriteAt(0, AsBytes("x")).error();
    EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
    EXPECT_EQ(error.message(), "the disk is full: cannot write /dev/full");
    EXPECT_FALSE(error.hint().empty());
}

// fdatasync of a character device fails with EINVAL: as good as a broken disk.
TEST_F(EnvTest, FailedSyncPoisonsTheFile) {
    auto file = files_.Create("/dev/null", {}).value();
    ASSERT_TRUE(file->WriteAt(0, AsBytes("x")).ok());
    EXPECT_EQ(file->Sync().error().code(), ErrorCode::kIo);
    uint8_t buffer[1];
    EXPECT_EQ(file->WriteAt(0, AsBytes("x")).error().code(), ErrorCode::kIo);
    EXPECT_EQ(file->ReadAt(0, buffer).error().code(), ErrorCode::kIo);
    EXPECT_EQ(file->Append(AsBytes("x")).error().code(), ErrorCode::kIo);
    EXPECT_EQ(file->Sync().error().code(), ErrorCode::kIo);
}

TEST_F(EnvTest, Directories) {
    ASSERT_TRUE(files_.CreateDirectories(Path("x/y/z")).ok());
    ASSERT_TRUE(files_.CreateDirectories(Path("x/y/z/")).ok());
    ASSERT_TRUE(WriteFileDurably(env_, Path("x/b"), "12345").ok());
    ASSERT_TRUE(WriteFileDurably(env_, Path("x/a"), "").ok());
    auto entries = files_.List(Path("x")).value();
    ASSERT_EQ(entries.size(), 3u);
    EXPECT_EQ(entries[0].name, "a");
    EXPECT_EQ(entries[1].bytes, 5u);
    EXPECT_TRUE(entries[2].is_directory);
    EXPECT_LT(env_.clock().Now() - entries[0].modified_at, 1min);
    EXPECT_EQ(files_.Stat(Path("x/b")).value().name, "b");
    EXPECT_EQ(files_.Remove(Path("x")).error().code(), ErrorCode::kIo);
    ASSERT_TRUE(files_.Remove(Path("x/y/z")).ok());
    ASSERT_TRUE(files_.RemoveTree(Path("x")).ok());
    EXPECT_FALSE(files_.Exists(Path("x")));
    EXPECT_GT(files_.FreeBytes(folder_).value(), 0u);
}

TEST_F(EnvTest, RenameReplaces) {
    ASSERT_TRUE(WriteFileDurably(env_, Path("a"), "new").ok());
    ASSERT_TRUE(WriteFileDurably(env_, Path("b"), "old").ok());
    ASSERT_TRUE(files_.Rename(Path("a"), Path("b")).ok());
    EXPECT_EQ(ReadFile(env_, Path("b")).value(), "new");
    EXPECT_FALSE(files_.Exists(Path("a")));
}

TEST_F(EnvTest, LockKeepsOthersOut) {
    auto lock = files_.Lock(Path("lock")).value();
    EXPECT_EQ(files_.Lock(Path("lock")).error().code(), ErrorCode::kUnavailable);
    lock.reset();
    EXPECT_TRUE(files_.Lock(Path("lock")).ok());
}

TEST_F(EnvTest, WholeFiles) {
    ASSERT_TRUE(WriteFileDurably(env_, Path("a"), "one").ok());
    ASSERT_TRUE(WriteFileDurably(env_, Path("a"), "two").ok());
    EXPECT_EQ(ReadFile(env_, Path("a")).value(), "two");
    EXPECT_EQ(ReadFile(env_, Path("a"), 2).error().code(), ErrorCode::kResourceExhausted);
    EXPECT_EQ(ReadFile(env_, Path("a"), 3).value(), "two");
    EXPECT_FALSE(ReadFile(env_, "/proc/self/status").value().empty());
    std::string large(100'000, 'x');
    ASSERT_TRUE(WriteFileDurably(env_, Path("a"), large).ok());
    EXPECT_EQ(ReadFile(env_, Path("a"), std::numeric_limits<size_t>::max()).value(), large);
    EXPECT_EQ(files_.List(folder_).value().size(), 1u);
    EXPECT_EQ(WriteFileDurably(env_, Path("none/a"), "x").error().code(), ErrorCode::kNotFound);
}

TEST(SystemEnv, ClockAndRandom) {
    Env& env = SystemEnv();
    Duration before = env.clock().Monotonic();
    env.clock().Sleep(2ms);
    EXPECT_GE(env.clock().Monotonic() - before, 2ms);
    EXPECT_GT(env.clock().Now(), ParseTime("2024-01-01").value());
    std::set<uint64_t> seen;
    for (int i = 0; i < 100; i++) seen.insert(env.random().Next());
    EXPECT_EQ(seen.size(), 100u);
    EXPECT_EQ(env.random().Hex(16).size(), 32u);
}

TEST(FolderOf, FindsTheParent) {
    EXPECT_EQ(FolderOf("a/b/c"), "a/b");
    EXPECT_EQ(FolderOf("/a"), "/");
    EXPECT_EQ(FolderOf("a"), ".");
    EXPECT_EQ(FolderOf("a//b//"), "a");
    EXPECT_EQ(FolderOf("/"), "/");
    EXPECT_EQ(FolderOf(""), ".");
}

}  // namespace
}  // namespace tarn

#include "metadata/state_directory.h"

#include <gtest/gtest.h>

#include "metadata/store_for_test.h"

namespace tarn::metadata {
namespace {

class StateDirectoryTest : public testing::Test {
  protected:
    Status Write(const std::string& name, const std::string& content) {
        std::filesystem::create_directories(path_);
        return WriteFileDurably(SystemEnv(), path_ + "/" + name, content);
    }
    Result<std::unique_ptr<StateDirectory>> Open() { return StateDirectory::Open(SystemEnv(), path_); }

    TestDirectory directory_;
    std::string path_ = directory_.path() + "/state";
};

TEST_F(StateDirectoryTest, KeepsItsPlatformId) {
    std::string id = (*Open())->platform_id();
    EXPECT_EQ(id.size(), 16u);
    EXPECT_EQ((*Open())->platform_id(), id);
    EXPECT_EQ((*Open())->PathOf("metadata.db"), path_ + "/metadata.db");
}

TEST_F(StateDirectoryTest, IsOfOneProcessAtATime) {
    auto first = Open();
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(Open().error().code(), ErrorCode::kUnavailable);
}

TEST_F(StateDirectoryTest, EmptiesItsTemporaries) {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Write("tmp/left", "x").ok());
    ASSERT_TRUE(Open().ok());
    EXPECT_TRUE(std::filesystem::is_empty(path_ + "/tmp"));
}

TEST_F(StateDirectoryTest, RefusesNewerAndDamagedAndForeignFolders) {
    ASSERT_TRUE(Write("tarn-state.json", R"({"format": 2, "platform_id": "x"})").ok());
    auto newer = Open();
    EXPECT_EQ(newer.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_NE(newer.error().ToString().find("newer version"), std::string::npos);
    ASSERT_TRUE(Write("tarn-state.json", "{").ok());
    EXPECT_EQ(Open().error().code(), ErrorCode::kCorruption);
    ASSERT_TRUE(Write("tarn-state.json", "{}").ok());
    EXPECT_EQ(Open().error().code(), ErrorCode::kCorruption);
    std::filesystem::remove(path_ + "/tarn-state.json");
    ASSERT_TRUE(Write("thesis.doc", "precious").ok());
    EXPECT_EQ(Open().error().code(), ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace tarn::metadata

#include "workspace/workspace.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tarn::workspace {
namespace {

class WorkspaceTest : public testing::Test {
  protected:
    void SetUp() override {
        directory_ = testing::TempDir() + "workspace_" + SystemEnv().random().Hex(6);
        ASSERT_TRUE(SystemEnv().files().CreateDirectories(directory_).ok());
        Secret key = RandomKey(SystemEnv().random());
        auto database = metadata::Database::OpenSqlite(SystemEnv(), directory_ + "/metadata.db", key);
        ASSERT_TRUE(database.ok()) << database.error().ToString();
        database_ = std::move(*database);
        Open();
    }
    void TearDown() override { (void)SystemEnv().files().RemoveTree(directory_); }

    void Open() {
        auto workspace = Workspace::Create(directory_, {SystemEnv(), *database_, NullLog()});
        ASSERT_TRUE(workspace.ok()) << workspace.error().ToString();
        workspace_ = std::move(*workspace);
        workspace_->Register(TextKind("table", "use_cases/*", ".sql"));
        workspace_->Register(TextKind("source", "sources", ".yaml"));
    }
    Kind TextKind(std::string name, std::string folder, std::string suffix) {
        Kind kind;
        kind.name = name;
        kind.folder = std::move(folder);
        kind.suffix = std::move(suffix);
        kind.parse = [](Definition& definition, Issues& issues) {
            if (definition.text == "bad") issues.push_back({definition.file, 1, 1, "is bad"});
        };
        kind.activate = [this, name](const std::vector<Definition>& all) {
            for (const Definition& one : all) {
                if (one.kind == name) activated_.push_back(one.name);
            }
            return Ok();
        };
        return kind;
    }
    void Put(const std::string& file, const std::string& text) {
        std::string path = directory_ + "/" + file;
        ASSERT_TRUE(SystemEnv().files().CreateDirectories(path.substr(0, path.rfind('/'))).ok());
        ASSERT_TRUE(WriteFileDurably(SystemEnv(), path, text).ok());
    }

    std::string directory_;
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Workspace> workspace_;
    std::vector<std::string> activated_;
    security::Principal who_ = security::Principal::System("test");
};

TEST_F(WorkspaceTest, PlansAppliesAndRemembers) {
    Put("sources/registry.yaml", "a");
    Put("use_cases/delays/flights.sql", "b");
    auto loaded = workspace_->Load();
    ASSERT_TRUE(loaded.ok());
    auto plan = workspace_->Apply(who_, *loaded);
    ASSERT_TRUE(plan.ok()) << plan.error().ToString();
    ASSERT_EQ(plan->steps.size(), 2u);
    EXPECT_EQ(plan->steps[1].name, "delays.flights");
    EXPECT_EQ(plan->steps[1].change, "add");

    Put("use_cases/delays/flights.sql", "c");
    ASSERT_TRUE(SystemEnv().files().Remove(directory_ + "/sources/registry.yaml").ok());
    plan = workspace_->MakePlan(*workspace_->Load());
    ASSERT_TRUE(plan.ok());
    ASSERT_EQ(plan->steps.size(), 2u);
    EXPECT_EQ(plan->steps[0].change, "change");
    EXPECT_EQ(plan->steps[1].change, "remove");

    activated_.clear();
    Open();
    ASSERT_TRUE(workspace_->ActivateApplied().ok());
    EXPECT_EQ(activated_, (std::vector<std::string>{"delays.flights", "registry"}));
    EXPECT_EQ(workspace_->Applied().size(), 2u);
}

TEST_F(WorkspaceTest, RefusesAFolderWithIssuesWhole) {
    Put("sources/good.yaml", "a");
    Put("sources/broken.yaml", "bad");
    Put("sources/Bad-Name.yaml", "a");
    Put("use_cases/raw_x/t.sql", "a");
    Put("use_cases/delays/checks.yaml", "a: []");
    auto loaded = workspace_->Load();
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->issues.size(), 4u) << FormatIssues(loaded->issues);
    auto plan = workspace_->Apply(who_, *loaded);
    ASSERT_FALSE(plan.ok());
    EXPECT_NE(plan.error().message().find("sources/broken.yaml:1:1: is bad"), std::string::npos)
        << plan.error().message();
    EXPECT_TRUE(workspace_->Applied().empty());
    EXPECT_TRUE(activated_.empty());
}

TEST(SplitSqlFile, FindsHeaderAndItsLines) {
    auto file = SplitSqlFile("\n/* tarn\nkeep: merge\n*/\nSELECT 1");
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(file->header, "\nkeep: merge\n");
    EXPECT_EQ(file->header_line, 2);
    EXPECT_EQ(file->sql, "\nSELECT 1");
    EXPECT_EQ(file->sql_line, 4);
    EXPECT_EQ(SplitSqlFile("SELECT 1")->sql, "SELECT 1");
    EXPECT_FALSE(SplitSqlFile("/* tarn\nkeep: full").ok());
}

}  // namespace
}  // namespace tarn::workspace

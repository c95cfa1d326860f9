// Loads over a disk that fails at every operation in turn: after a crash and another load each row is there once.
#include <gtest/gtest.h>

#include "base/fault_env.h"
#include "ingestion/connectors/connectors_for_test.h"

namespace tarn::connectors {
namespace {

constexpr uint64_t kSeed = 20261122;
constexpr int kOperationsMax = 300;
constexpr int kStep = 7;  // every operation would take minutes; each seed starts at another one

// The lake is on the failing disk, what is loaded on a real one.
class MixedFiles : public Files {
  public:
    MixedFiles(Files& failing, std::string real) : failing_(failing), real_(std::move(real)) {}
    Files& Of(const std::string& path) { return path.starts_with(real_) ? SystemEnv().files() : failing_; }
    Result<std::unique_ptr<File>> Open(const std::string& path) override { return Of(path).Open(path); }
    Result<std::unique_ptr<File>> Create(const std::string& path, CreateOptions options) override {
        return Of(path).Create(path, options);
    }
    Status Rename(const std::string& from, const std::string& to) override { return Of(from).Rename(from, to); }
    Status Remove(const std::string& path) override { return Of(path).Remove(path); }
    Status RemoveTree(const std::string& path) override { return Of(path).RemoveTree(path); }
    Status CreateDirectories(const std::string& path) override { return Of(path).CreateDirectories(path); }
    Status SyncDirectory(const std::string& path) override { return Of(path).SyncDirectory(path); }
    Result<std::vector<FileEntry>> List(const std::string& path) override { return Of(path).List(path); }
    Result<FileEntry> Stat(const std::string& path) override { return Of(path).Stat(path); }
    bool Exists(const std::string& path) override { return Of(path).Exists(path); }
    Result<uint64_t> FreeBytes(const std::string& path) override { return Of(path).FreeBytes(path); }
    Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override { return Of(path).Lock(path); }

  private:
    Files& failing_;
    std::string real_;
};

std::string Csv(int from, int to) {
    std::string text = "id,v\n";
    for (int id = from; id < to; ++id) text += fmt::format("{},{:0>200}\n", id, id);
    return text;
}

TEST(ConnectorsCrash, EachRowOnceWhateverOperationWasTheLast) {
    metadata::TestDirectory inbox;
    SystemEnv().files().CreateDirectories(inbox.path()).ok();
    uint64_t first = SystemEnv().random().Next() % kStep;
    SCOPED_TRACE(fmt::format("seed {} from operation {}", kSeed, first));
    for (int name = 0; name < 3; ++name) {
        ASSERT_TRUE(WriteFileDurably(SystemEnv(), fmt::format("{}/{}.csv", inbox.path(), name),
                                     Csv(name * 1000, name * 1000 + 1000))
                        .ok());
    }
    bool got_through = false;
    for (int64_t crash = static_cast<int64_t>(first); crash < kOperationsMax && !got_through; crash += kStep) {
        FaultEnv failing(kSeed);
        MixedFiles files(failing.files(), inbox.path());
        Env env(failing.clock(), files, failing.random());
        TestSources sources(env);
        std::string yaml = "kind: files\npath: " + inbox.path() + "/*.csv\nstreams: {rows: {}}\n";
        ASSERT_EQ(sources.Apply({{"inbox", yaml}}), "");
        failing.SyncEverything();
        int64_t prepared = failing.operations();
        failing.CrashAt(prepared + crash);
        auto outcome = sources.Load("inbox", "rows");
        got_through = outcome.ok() && failing.operations() <= prepared + crash;
        sources.Close();
        if (crash % 2 == 0)
            failing.Kill();
        else
            failing.PowerCut(kSeed + static_cast<uint64_t>(crash));
        Status opened = sources.Open();
        ASSERT_TRUE(opened.ok()) << opened.error().ToString() << " after a crash at " << crash;
        auto again = sources.Load("inbox", "rows");
        ASSERT_TRUE(again.ok()) << again.error().ToString() << " after a crash at " << crash;
        EXPECT_FALSE(outcome.ok() && again->changed) << "after a crash at " << crash;
        EXPECT_EQ(sources.Query("SELECT count(*), count(DISTINCT id), max(id) FROM raw_inbox.rows"),
                  std::vector<std::string>{"3000|3000|2999"})
            << "after a crash at " << crash;
        // Nothing of the load that was cut is left over.
        EXPECT_EQ(sources.Keys("inbox/rows/0").size(), 3U) << "after a crash at " << crash;
    }
    EXPECT_TRUE(got_through) << "more operations than expected";
}

}  // namespace
}  // namespace tarn::connectors

// The lake over a disk that fails at one operation after another, its index included. Every kStride-th operation is
// played; ./dev soak power plays the others.
#include <functional>
#include <map>

#include "base/fault_env.h"
#include "base/seeds_for_test.h"
#include "storage/lake/lake_for_test.h"

namespace tarn::lake {
namespace {

constexpr int64_t kStride = 5;
const uint64_t kSeed = NumberOfEnvironment("TARN_SEED", 20261122);

// What an object may be after a crash: what it was before, or what an operation that was under way made of it.
struct Expectation {
    std::map<std::string, Bytes> before;  // acknowledged; an object that is not there is not in the map
    std::map<std::string, Bytes> after;
};

std::vector<std::string> FilesIn(Env& env, const std::string& lake_path) {
    std::vector<std::string> found;
    for (int folder = 0; folder < 256; ++folder) {
        auto entries = env.files().List(fmt::format("{}/objects/{:02x}", lake_path, folder));
        if (!entries.ok()) continue;
        for (const FileEntry& entry : *entries) found.push_back(entry.name);
    }
    return found;
}

class CrashRun {
  public:
    explicit CrashRun(uint64_t seed) : env_(seed), lake_(env_) {}

    void Prepare() {
        ASSERT_TRUE(lake_->CreateBucket(lake_.alice, "raw").ok());
        for (const char* key : {"kept", "replaced", "deleted", "source"}) Acknowledge(key, TestContent(70'000, key[0]));
        Acknowledge("small", TestContent(500, 7));
        for (const auto& [key, content] : state_.before) {
            ASSERT_TRUE(lake_->PutBytes(lake_.alice, {"raw", key}, content).ok());
        }
        prepared_ = env_.operations();
    }

    // Runs the operations until one fails, which the crash at `index` (from now on) makes it do. True: none did.
    bool Run(int64_t index) {
        env_.CrashAt(prepared_ + index);
        return Put("new", TestContent(150'000, 1)) && Put("replaced", TestContent(200'000, 2)) &&
               Put("small", TestContent(90'000, 3)) && Delete("deleted") && Copy("source", "copied") &&
               Upload("parts") && Put("kept", TestContent(100, 4)) && env_.operations() <= prepared_ + index;
    }

    void CheckAfter(const std::function<void(FaultEnv&)>& crash) {
        lake_.Close();
        crash(env_);
        lake_.Open();
        auto damage = lake_->Verify();
        ASSERT_TRUE(damage.ok());
        EXPECT_TRUE(damage->empty()) << damage->front();
        auto page = lake_->List(lake_.alice, "raw", {});
        ASSERT_TRUE(page.ok());
        std::map<std::string, Bytes> found;
        for (const ObjectInfo& object : page->objects) {
            found[object.name.key] = lake_->Open(lake_.alice, object.name).value()->Read(0, object.bytes).value();
        }
        EXPECT_TRUE(found == state_.before || found == state_.after);
        CheckFiles();
    }

    void CheckFiles() {
        // Nothing lies about that no object owns: deleting them all empties the disk.
        auto page = lake_->List(lake_.alice, "raw", {});
        for (const ObjectInfo& object : page->objects) {
            ASSERT_TRUE(lake_->Delete(lake_.alice, object.name).ok());
        }
        auto uploads = lake_->ListUploads(lake_.alice, "raw");
        for (const UploadInfo& upload : *uploads) {
            ASSERT_TRUE(lake_->AbortUpload(lake_.alice, upload.name, upload.upload_id).ok());
        }
        EXPECT_TRUE(FilesIn(env_, lake_.path()).empty());
    }

    FaultEnv& env() { return env_; }
    TestLake& lake() { return lake_; }
    void Possible(const std::string& key, Bytes content) { state_.after[key] = std::move(content); }
    void Acknowledge(const std::string& key, Bytes content) { state_.before[key] = state_.after[key] = content; }

  private:
    bool Put(const std::string& key, const Bytes& content) {
        state_.after[key] = content;
        if (!lake_->PutBytes(lake_.alice, {"raw", key}, content).ok()) return false;
        Acknowledge(key, content);
        return true;
    }
    bool Delete(const std::string& key) {
        state_.after.erase(key);
        if (!lake_->Delete(lake_.alice, {"raw", key}).ok()) return false;
        state_.before.erase(key);
        return true;
    }
    bool Copy(const std::string& from, const std::string& to) {
        state_.after[to] = state_.before.at(from);
        if (!lake_->Copy(lake_.alice, {"raw", from}, {"raw", to}, {}).ok()) return false;
        state_.before[to] = state_.after[to];
        return true;
    }
    bool Upload(const std::string& key) {
        ObjectName name{"raw", key};
        auto upload = lake_->StartUpload(lake_.alice, name, {});
        if (!upload.ok()) return false;
        Bytes content = TestContent(80'000, 9);
        SpanReader reader(content);
        auto part = lake_->PutPart(lake_.alice, name, upload.value(), 1, reader, {});
        if (!part.ok()) return false;
        state_.after[key] = content;
        if (!lake_->CompleteUpload(lake_.alice, name, *upload, {*part}, {}).ok()) return false;
        Acknowledge(key, content);
        return true;
    }

    FaultEnv env_;
    TestLake lake_;
    Expectation state_;
    int64_t prepared_ = 0;
};

TEST(LakeCrash, EveryOperationMayBeTheLast) {
    for (auto index = static_cast<int64_t>(kSeed % kStride);; index += kStride) {
        for (bool power : {true, false}) {
            CrashRun run(kSeed + index);
            run.Prepare();
            bool done = run.Run(index);
            run.CheckAfter([&](FaultEnv& env) { power ? env.PowerCut(kSeed + index) : env.Kill(); });
            if (testing::Test::HasFailure()) FAIL() << "crash at operation " << index << (power ? ", power" : ", kill");
            if (done) return;
        }
    }
}

TEST(LakeCrash, TheFirstStartMayBeCutAnywhere) {
    for (int64_t index = 0; index < 300; index += 7) {
        FaultEnv env(kSeed + index);
        TestLake lake(env);
        lake.Close();
        ASSERT_TRUE(env.files().RemoveTree(lake.path()).ok());
        env.CrashAt(env.operations() + index);
        (void)lake.TryOpen();
        lake.Close();
        env.PowerCut(kSeed + index);
        lake.Open();
        if (index > 0) (void)lake->CreateBucket(lake.alice, "raw");
        ASSERT_TRUE(index == 0 || lake->PutBytes(lake.alice, {"raw", "a"}, TestContent(100'000)).ok());
    }
}

// A failure of the index itself ends writing until a restart; any other fails its own put only.
TEST(LakeFaults, EachFailedOperationFailsOnlyItsPut) {
    int restarts = 0;
    for (int64_t index = 0; index < 12; ++index) {
        CrashRun run(kSeed);
        run.Prepare();
        run.env().FailAt(run.env().operations() + index);
        auto put = run.lake()->PutBytes(run.lake().alice, {"raw", "replaced"}, TestContent(1'500'000, 5));
        run.Possible("replaced", TestContent(1'500'000, 5));
        if (put.ok()) run.Acknowledge("replaced", TestContent(1'500'000, 5));
        auto next = [&] { return run.lake()->PutBytes(run.lake().alice, {"raw", "next"}, TestContent(90'000)).ok(); };
        if (!next() && !next()) {  // the fault may have been left over for the first
            ++restarts;
            run.lake().Close();
            run.lake().Open();
            ASSERT_TRUE(next()) << index;
        }
        run.Acknowledge("next", TestContent(90'000));
        run.CheckAfter([](FaultEnv&) {});
    }
    EXPECT_LT(restarts, 9);
}

TEST(LakeFaults, AFullDiskIsToldAndChangesNothing) {
    CrashRun run(kSeed);
    run.Prepare();
    run.env().SetDiskBytes(1'000'000);
    auto put = run.lake()->PutBytes(run.lake().alice, {"raw", "replaced"}, TestContent(3'000'000, 5));
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_EQ(FilesIn(run.env(), run.lake().path()).size(), 4u);
    run.env().SetDiskBytes(1 << 30);
    ASSERT_TRUE(run.lake()->PutBytes(run.lake().alice, {"raw", "next"}, TestContent(3'000'000, 6)).ok());
    run.Acknowledge("next", TestContent(3'000'000, 6));
    run.CheckAfter([](FaultEnv&) {});
}

}  // namespace
}  // namespace tarn::lake

// For tests: a lake in a temporary directory over a gate and keys of their own, that can be closed and opened again.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "storage/lake/lake.h"

namespace tarn::lake {

// Admits everybody to everything, but for what `denied` names as "action resource".
class TestGate : public security::Gate {
  public:
    security::Decision Decide(const security::Principal&, std::string_view action,
                              const security::Resource& resource) const override {
        return {.allowed = !denied.contains(fmt::format("{} {}", action, resource.name)), .reason = "test"};
    }
    uint64_t epoch() const override { return 1; }
    std::set<std::string> denied;
};

class TestKeys : public security::KeyProvider {
  public:
    Result<Secret> KeyOf(std::string_view scope) override { return DeriveKey(AsBytes("root of the tests"), scope); }
};

class TestLake {
  public:
    explicit TestLake(Env& env = SystemEnv()) : env_(env) {
        path_ = fmt::format("{}/tarn-lake-{}", std::filesystem::temp_directory_path().string(),
                            SystemEnv().random().Hex(8));
        std::filesystem::create_directories(path_);  // the index lies on the real disk, whatever the Env
        MakeDurable();
        Open();
    }
    ~TestLake() {
        lake_.reset();
        std::filesystem::remove_all(path_);
    }
    // Its folder, as whoever starts a lake has made it.
    void MakeDurable() {
        ASSERT_TRUE(env_.files().CreateDirectories(path_).ok());
        for (size_t slash = path_.rfind('/'); slash != 0; slash = path_.rfind('/', slash - 1)) {
            ASSERT_TRUE(env_.files().SyncDirectory(path_.substr(0, slash)).ok());
        }
        ASSERT_TRUE(env_.files().SyncDirectory("/").ok());
    }
    void Open() {
        auto lake = TryOpen();
        ASSERT_TRUE(lake.ok()) << lake.error().ToString();
    }
    Status TryOpen() {
        lake_.reset();
        lake_ = TRY(Lake::Create({path_}, {env_, gate, keys, metrics, NullLog()}));
        return Ok();
    }
    void Close() { lake_.reset(); }
    Lake& operator*() { return *lake_; }
    Lake* operator->() { return lake_.get(); }
    const std::string& path() const { return path_; }
    // Stored files on the disk.
    std::vector<std::string> StoredFiles() const {
        std::vector<std::string> files;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(path_ + "/objects")) {
            if (entry.is_regular_file()) files.push_back(entry.path().string());
        }
        return files;
    }

    TestGate gate;
    TestKeys keys;
    Metrics metrics;
    security::Principal alice{.kind = security::PrincipalKind::kUser, .name = "alice"};

  private:
    Env& env_;
    std::string path_;
    std::unique_ptr<Lake> lake_;
};

// Bytes that look random, the same for the same seed.
inline Bytes TestContent(size_t bytes, uint64_t seed = 1) {
    Bytes content(bytes);
    uint64_t state = seed * 0x9e3779b97f4a7c15;
    for (uint8_t& byte : content) {
        state = state * 6364136223846793005 + 1442695040888963407;
        byte = static_cast<uint8_t>(state >> 56);
    }
    return content;
}

}  // namespace tarn::lake

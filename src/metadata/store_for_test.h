// For tests: an empty metadata store of either kind that can be opened again and again. PostgreSQL is a server of our
// own, started in a temporary directory on a free port and ended with the test program.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/process.h"
#include "metadata/metadata.h"

namespace tarn::metadata {

enum class StoreKind : uint8_t { kSqlite, kPostgres };

class TestDirectory {
  public:
    TestDirectory() : path_("/tmp/tarn-test-" + SystemEnv().random().Hex(8)) {
        std::filesystem::create_directories(path_);
    }
    ~TestDirectory() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

class PostgresServer {
  public:
    // Null when PostgreSQL is not installed.
    static PostgresServer* Shared() {
        static std::unique_ptr<PostgresServer> server = Start();
        return server.get();
    }

    // The connection string of a new, empty database.
    std::string NewDatabase() {
        std::string name = "test_" + SystemEnv().random().Hex(6);
        auto created = Run(
            {Program("psql"), "-h", directory_.path(), "-U", kUser, "-d", "postgres", "-c", "CREATE DATABASE " + name});
        EXPECT_TRUE(created.ok()) << created.error().ToString();
        return fmt::format("host={} user={} dbname={}", directory_.path(), kUser, name);
    }

  private:
    static constexpr const char* kUser = "postgres";

    static std::string Program(const std::string& name) {
        for (const char* version : {"17", "16", "15", "14"}) {
            std::string path = fmt::format("/usr/lib/postgresql/{}/bin/{}", version, name);
            if (std::filesystem::exists(path)) return path;
        }
        return {};
    }

    // PostgreSQL refuses to run as root.
    static std::string User() { return getuid() == 0 ? kUser : ""; }

    static Result<std::string> Run(std::vector<std::string> command) {
        return RunCommand({.command = std::move(command), .directory = "/tmp", .user = User()},
                          std::chrono::seconds(60));
    }

    static std::unique_ptr<PostgresServer> Start() {
        if (Program("postgres").empty()) return nullptr;
        std::unique_ptr<PostgresServer> server(new PostgresServer);
        const std::string& root = server->directory_.path();
        std::filesystem::permissions(root, std::filesystem::perms::all);
        auto made = Run({Program("initdb"), "-D", root + "/data", "-U", kUser, "-A", "trust", "-E", "UTF8", "-N"});
        EXPECT_TRUE(made.ok()) << made.error().ToString();
        // Only a socket in our directory: no port that somebody else could want.
        auto process = Process::Start(
            {.command = {Program("postgres"), "-D", root + "/data", "-k", root, "-c", "listen_addresses="},
             .directory = "/tmp",
             .user = User(),
             .output_path = root + "/log"});
        EXPECT_TRUE(process.ok()) << process.error().ToString();
        if (!process.ok()) return nullptr;
        server->process_ = std::move(process).value();
        for (int i = 0; i < 200; ++i) {
            if (Run({Program("pg_isready"), "-h", root}).ok()) break;
            SystemEnv().clock().Sleep(std::chrono::milliseconds(50));
        }
        return server;
    }

    TestDirectory directory_;
    std::unique_ptr<Process> process_;  // after the directory: ends before it is removed
};

class TestStore {
  public:
    static std::unique_ptr<TestStore> Create(StoreKind kind) {
        auto store = std::make_unique<TestStore>();
        if (kind == StoreKind::kSqlite) return store;
        if (!PostgresServer::Shared()) return nullptr;
        store->connection_ = PostgresServer::Shared()->NewDatabase();
        return store;
    }

    std::unique_ptr<Database> Open() {
        Secret key(std::string_view("0123456789abcdef0123456789abcdef"));
        auto database = connection_.empty() ? Database::OpenSqlite(SystemEnv(), directory_.path() + "/metadata.db", key)
                                            : Database::OpenPostgres(SystemEnv(), connection_);
        EXPECT_TRUE(database.ok()) << database.error().ToString();
        return database.ok() ? std::move(database).value() : nullptr;
    }

  private:
    TestDirectory directory_;
    std::string connection_;
};

}  // namespace tarn::metadata

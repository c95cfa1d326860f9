// An Identity over a real database in a folder of its own, for the tests beside it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "access/identity/identity.h"
#include "security/fakes_for_test.h"

namespace tarn::identity {

class FakeKeys : public security::KeyProvider {
  public:
    Result<Secret> KeyOf(std::string_view scope) override { return DeriveKey(Bytes(kKeyBytes, 7), scope); }
};

class IdentityTest : public testing::Test {
  protected:
    IdentityTest() {
        TARN_CHECK(SystemEnv().files().CreateDirectories(folder_).ok());
        Restart();
    }
    ~IdentityTest() override {
        identity_.reset();
        database_.reset();
        EXPECT_TRUE(SystemEnv().files().RemoveTree(folder_).ok());
    }
    // As if the program had been killed and started again.
    void Restart() {
        identity_.reset();
        database_.reset();
        Secret key(Bytes(kKeyBytes, 3));
        auto database = metadata::Database::OpenSqlite(SystemEnv(), folder_ + "/metadata.db", key);
        ASSERT_TRUE(database.ok()) << database.error().ToString();
        database_ = *std::move(database);
        auto identity = Identity::Create(
            config_, {fake_.env, NullLog(), metrics_, *database_, keys_, with_operations_ ? &registry_ : nullptr});
        ASSERT_TRUE(identity.ok()) << identity.error().ToString();
        identity_ = *std::move(identity);
    }
    static void Check(const Status& status) { ASSERT_TRUE(status.ok()) << status.error().ToString(); }
    template <typename T>
    static ErrorCode CodeOf(const Result<T>& result) {
        EXPECT_FALSE(result.ok());
        return result.ok() ? ErrorCode::kInternal : result.error().code();
    }
    void SetPolicy(std::string_view text) {
        auto file = ParsePolicyFile(text, "policies/test.yaml");
        ASSERT_TRUE(file.ok()) << file.error().ToString();
        Check(identity_->SetPolicies({*file}));
    }
    bool May(const std::string& user, std::string_view action, const std::string& name) {
        return Why(user, action, name).allowed;
    }
    security::Decision Why(const std::string& user, std::string_view action, const std::string& name) {
        security::Principal principal;
        principal.kind = security::PrincipalKind::kUser;
        principal.name = user;
        return identity_->Decide(principal, action, {std::string(action.substr(0, action.find(':'))), name});
    }
    // The secret of a login link's path.
    static std::string SecretOf(const std::string& path) { return path.substr(path.find('=') + 1); }

    std::string folder_ = "/tmp/tarn-identity-test-" + SystemEnv().random().Hex(8);
    security::FakeEnv fake_;
    Metrics metrics_;
    FakeKeys keys_;
    IdentityConfig config_;
    security::OperationRegistry registry_;
    bool with_operations_ = false;
    std::unique_ptr<metadata::Database> database_;
    std::unique_ptr<Identity> identity_;
};

}  // namespace tarn::identity

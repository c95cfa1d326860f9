// Encryption: the platform's root key, the keys of scopes below it, and the store of named secrets.
//
// The root key is a file in the user's configuration directory, made at the platform's first start. Scope keys are
// random, kept in `keys.json` of the state directory, each sealed with a key derived from the root key
// (docs/formats/keys.md). Secrets are rows of the metadata, sealed with the scope key "secrets". It never encrypts bulk
// data, writes no key in the clear anywhere but the root key's own file, and never makes a new root key for state that
// has one already. Owned by app: opened after the state directory and before the metadata (whose key it gives). Any
// thread. Fails: kFailedPrecondition when the root key's file or keys.json is missing, kCorruption when they don't fit.
//
//   auto encryption = TRY(Encryption::Create(config, {.env = env, .state = *state, .metrics = metrics}));
//   auto database = TRY(Database::OpenSqlite(env, path, TRY(encryption->KeyOf("metadata"))));
//   TRY(encryption->Start(*database));  // from here on secrets can be asked for
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/encryption/config.h"
#include "base/env.h"
#include "base/metrics.h"
#include "base/time.h"
#include "metadata/metadata.h"
#include "metadata/state_directory.h"
#include "security/keys.h"
#include "security/router.h"

namespace tarn::access {

struct EncryptionDependencies {
    Env& env;
    const metadata::StateDirectory& state;
    Metrics& metrics;
};

struct SecretSummary {
    std::string name;
    Timestamp updated_at;
};

class Encryption : public security::KeyProvider, public security::SecretStore {
  public:
    static constexpr size_t kSecretNameBytesMax = 128;
    static constexpr size_t kSecretValueBytesMax = 64 << 10;
    static constexpr size_t kScopesMax = 20'000;

    static Result<std::unique_ptr<Encryption>> Create(const EncryptionConfig& config,
                                                      EncryptionDependencies dependencies);
    ~Encryption() override;

    // Before it every call on secrets is kFailedPrecondition.
    Status Start(metadata::Database& database);

    Result<Secret> KeyOf(std::string_view scope) override;

    Result<Secret> Get(std::string_view name) override;
    Status Set(std::string_view name, const Secret& value) override;
    Status Remove(std::string_view name) override;
    Result<std::vector<std::string>> Names() override;
    // Names with the time of their last change; values are never listed.
    Result<std::vector<SecretSummary>> Summaries();
    Result<SecretSummary> SummaryOf(std::string_view name);

    // GET, PUT and DELETE of /api/v1/secrets.
    std::vector<security::Route> Routes();
    const std::string& root_key_file() const;

  private:
    struct State;
    explicit Encryption(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Whether the root key that the configuration names opens `keys_json` (a backup's), and where it lies.
// kFailedPrecondition says where it is looked for.
Result<std::string> CheckRootKey(Env& env, const EncryptionConfig& config, const std::string& platform_id,
                                 std::string_view keys_json);

// Where the root key lies when the configuration does not say: see EncryptionConfig.
Result<std::string> DefaultRootKeyFile(Env& env, std::string_view platform_id);

}  // namespace tarn::access

#include "access/encryption/encryption.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "access/encryption/key_file.h"
#include "base/text.h"

namespace tarn::access {
namespace {

constexpr std::string_view kSecretsScope = "secrets";
constexpr size_t kScopeBytesMax = 256;
constexpr size_t kEnvironmentBytesMax = 4 << 20;

bool IsSecretName(std::string_view name) {
    auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '.'; };
    return !name.empty() && name.size() <= Encryption::kSecretNameBytesMax &&
           std::all_of(name.begin(), name.end(), allowed) && name[0] != '.';
}

Status CheckSecretName(std::string_view name) {
    if (IsSecretName(name)) return Ok();
    return Error(ErrorCode::kInvalidArgument,
                 "a secret's name has 1 to {} letters, digits, '_', '-' or '.', and does not start with '.'",
                 Encryption::kSecretNameBytesMax);
}

// A sealed value opens only under its own name: rows cannot be swapped.
std::string SecretAssociated(std::string_view name) { return fmt::format("tarn secret\n{}", name); }

Error NoSuchSecret(std::string_view name) {
    return Error(ErrorCode::kNotFound, "there is no secret named {}", name)
        .WithHint(fmt::format("set it: tarn secret set {}", name));
}

// Only a state directory in which nothing has been encrypted yet may get its first keys.
Status CheckNothingEncrypted(Env& env, const metadata::StateDirectory& state) {
    for (const char* name : {"metadata.db", "audit", "lake", "buffer"}) {
        if (!env.files().Exists(state.PathOf(name))) continue;
        return Error(ErrorCode::kFailedPrecondition, "{} is missing, but {} is there", state.PathOf("keys.json"),
                     state.PathOf(name))
            .WithHint("restore keys.json from a backup; without it the state directory cannot be read");
    }
    return Ok();
}

// The variables this process was started with. The file tells no size, so it is read to its end.
std::map<std::string, std::string> ReadEnvironment(Env& env) {
    std::map<std::string, std::string> variables;
    auto file = env.files().Open("/proc/self/environ");
    if (!file.ok()) return variables;
    Bytes content(kEnvironmentBytesMax);
    content.resize((*file)->ReadAt(0, content).value_or(0));
    for (const std::string& variable : Split(AsText(content), '\0')) {
        size_t equals = variable.find('=');
        if (equals != std::string::npos) variables[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    return variables;
}

}  // namespace

struct Encryption::State {
    State(EncryptionDependencies dependencies, std::string root_key_file, const Secret& root)
        : env(dependencies.env),
          root_file(std::move(root_key_file)),
          keys(dependencies.env, dependencies.state.PathOf("keys.json"), dependencies.state.platform_id(), root),
          secrets_read(dependencies.metrics.GetCounter("tarn_encryption_secrets_read_total", "Secrets handed out")),
          scope_keys(dependencies.metrics.GetGauge("tarn_encryption_scope_keys", "Scope keys in keys.json")) {}

    Result<metadata::Database*> Metadata() {
        if (database) return database;
        return Error(ErrorCode::kFailedPrecondition, "the secrets store is not started yet");
    }

    Env& env;
    const std::string root_file;
    std::mutex mutex;  // of keys and opened
    KeyFile keys;
    std::map<std::string, Secret, std::less<>> opened;
    metadata::Database* database = nullptr;  // set once by Start, before other threads ask
    Counter& secrets_read;
    Gauge& scope_keys;
};

Encryption::Encryption(std::unique_ptr<State> state) : state_(std::move(state)) {}
Encryption::~Encryption() = default;

Result<std::string> DefaultRootKeyFile(Env& env, std::string_view platform_id) {
    auto environment = ReadEnvironment(env);
    if (!environment["TARN_ROOT_KEY_FILE"].empty()) return environment["TARN_ROOT_KEY_FILE"];
    std::string folder = environment["XDG_CONFIG_HOME"];
    if (folder.empty() && !environment["HOME"].empty()) folder = environment["HOME"] + "/.config";
    if (!folder.empty()) return fmt::format("{}/tarn/keys/{}.key", folder, platform_id);
    return Error(ErrorCode::kFailedPrecondition, "there is no place for the root key: HOME is not set")
        .WithHint("name a file in TARN_ROOT_KEY_FILE");
}

Result<std::string> CheckRootKey(Env& env, const EncryptionConfig& config, const std::string& platform_id,
                                 std::string_view keys_json) {
    std::string root_file = config.root_key_file;
    if (root_file.empty()) root_file = TRY(DefaultRootKeyFile(env, platform_id));
    Secret root = TRY(OpenRootKey(env, root_file, platform_id, false));
    KeyFile keys(env, "keys.json", platform_id, root);
    TRY(keys.Parse(keys_json));
    return root_file;
}

Result<std::unique_ptr<Encryption>> Encryption::Create(const EncryptionConfig& config,
                                                       EncryptionDependencies dependencies) {
    Env& env = dependencies.env;
    const metadata::StateDirectory& state = dependencies.state;
    std::string root_file = config.root_key_file;
    if (root_file.empty()) root_file = TRY(DefaultRootKeyFile(env, state.platform_id()));
    // The root key is made before keys.json: a start that was cut off in between finds the key and goes on.
    bool known = env.files().Exists(state.PathOf("keys.json"));
    if (!known) TRY(CheckNothingEncrypted(env, state));
    Secret root = TRY(OpenRootKey(env, root_file, state.platform_id(), !known));
    auto created = std::make_unique<State>(dependencies, root_file, root);
    TRY(known ? created->keys.Load() : created->keys.Save());
    created->scope_keys.Set(static_cast<double>(created->keys.size()));
    return std::unique_ptr<Encryption>(new Encryption(std::move(created)));
}

Status Encryption::Start(metadata::Database& database) {
    TRY(database.Migrate("encryption", {{1,
                                         "CREATE TABLE secrets (name TEXT PRIMARY KEY, sealed BLOB NOT NULL, "
                                         "updated_at INTEGER NOT NULL)"}}));
    state_->database = &database;
    return Ok();
}

const std::string& Encryption::root_key_file() const { return state_->root_file; }

Result<Secret> Encryption::KeyOf(std::string_view scope_view) {
    if (scope_view.empty() || scope_view.size() > kScopeBytesMax) {
        return Error(ErrorCode::kInvalidArgument, "a key's scope has 1 to {} bytes", kScopeBytesMax);
    }
    std::lock_guard lock(state_->mutex);
    auto found = state_->opened.find(scope_view);
    if (found != state_->opened.end()) return found->second.Clone();
    std::string scope(scope_view);
    if (!state_->keys.Has(scope)) {
        if (state_->keys.size() >= kScopesMax) {
            return Error(ErrorCode::kResourceExhausted, "there are {} encryption scopes already", kScopesMax);
        }
        state_->keys.Add(scope);
        Status saved = state_->keys.Save();
        if (!saved.ok()) {
            state_->keys.Forget(scope);
            return std::move(saved).error();
        }
        state_->scope_keys.Set(static_cast<double>(state_->keys.size()));
    }
    Secret key = TRY(state_->keys.Unwrap(scope));
    Secret copy = key.Clone();
    state_->opened.emplace(scope, std::move(key));
    return copy;
}

Result<Secret> Encryption::Get(std::string_view name) {
    TRY(CheckSecretName(name));
    auto* database = TRY(state_->Metadata());
    auto rows = TRY(database->Query("SELECT sealed FROM secrets WHERE name = $1", {name}));
    if (rows.empty()) return NoSuchSecret(name);
    state_->secrets_read.Add();
    Secret key = TRY(KeyOf(kSecretsScope));
    auto value = Open(key.bytes(), AsBytes(SecretAssociated(name)), rows[0][0].blob());
    if (value.ok()) return Secret(std::move(value).value());
    return Error(ErrorCode::kCorruption, "the secret {} cannot be opened", name).WithHint("set it anew");
}

Status Encryption::Set(std::string_view name, const Secret& value) {
    TRY(CheckSecretName(name));
    if (value.empty() || value.bytes().size() > kSecretValueBytesMax) {
        return Error(ErrorCode::kInvalidArgument, "a secret has 1 to {} bytes", kSecretValueBytesMax);
    }
    auto* database = TRY(state_->Metadata());
    Secret key = TRY(KeyOf(kSecretsScope));
    Bytes sealed = Seal(state_->env.random(), key.bytes(), AsBytes(SecretAssociated(name)), value.bytes());
    int64_t now = ToMicros(state_->env.clock().Now());
    return database->Write([&](metadata::Transaction& transaction) -> Status {
        TRY(
            transaction.Execute("INSERT INTO secrets (name, sealed, updated_at) VALUES ($1, $2, $3) ON CONFLICT (name) "
                                "DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at",
                                {name, sealed, now}));
        return Ok();
    });
}

Status Encryption::Remove(std::string_view name) {
    TRY(CheckSecretName(name));
    auto* database = TRY(state_->Metadata());
    return database->Write([&](metadata::Transaction& transaction) -> Status {
        int64_t removed = TRY(transaction.Execute("DELETE FROM secrets WHERE name = $1", {name}));
        if (removed == 0) return Error(ErrorCode::kNotFound, "there is no secret named {}", name);
        return Ok();
    });
}

Result<std::vector<SecretSummary>> Encryption::Summaries() {
    auto* database = TRY(state_->Metadata());
    std::vector<SecretSummary> summaries;
    for (const auto& row : TRY(database->Query("SELECT name, updated_at FROM secrets ORDER BY name"))) {
        summaries.push_back({row[0].text(), FromMicros(row[1].integer())});
    }
    return summaries;
}

Result<SecretSummary> Encryption::SummaryOf(std::string_view name) {
    TRY(CheckSecretName(name));
    auto* database = TRY(state_->Metadata());
    auto rows = TRY(database->Query("SELECT updated_at FROM secrets WHERE name = $1", {name}));
    if (rows.empty()) return NoSuchSecret(name);
    return SecretSummary{std::string(name), FromMicros(rows[0][0].integer())};
}

Result<std::vector<std::string>> Encryption::Names() {
    std::vector<std::string> names;
    for (auto& summary : TRY(Summaries())) names.push_back(std::move(summary.name));
    return names;
}

}  // namespace tarn::access

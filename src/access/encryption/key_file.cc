#include "access/encryption/key_file.h"

#include "base/json.h"
#include "base/text.h"
#include "metadata/state_directory.h"

namespace tarn::access {
namespace {

constexpr int kFormat = 1;
constexpr size_t kKeyIdBytes = 8;
constexpr size_t kKeysJsonBytesMax = 64 << 20;
constexpr std::string_view kRootPrefix = "tarn-root-key-v1:";

Error BadRootKey(const std::string& path) {
    return Error(ErrorCode::kCorruption, "{} holds no root key of Tarn", path)
        .WithHint("put back your copy of the file");
}

Result<Secret> ParseRootKey(const std::string& path, std::string_view content) {
    for (std::string_view rest = content; !rest.empty();) {
        size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = Trim(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!line.starts_with(kRootPrefix)) continue;
        auto key = HexDecode(line.substr(kRootPrefix.size()));
        if (!key.ok() || key->size() != kKeyBytes) return BadRootKey(path);
        return Secret(std::move(key).value());
    }
    return BadRootKey(path);
}

Result<Secret> MakeRootKey(Env& env, const std::string& path, const std::string& platform_id) {
    Secret key = RandomKey(env.random());
    Secret content(
        fmt::format("# The root key of the Tarn platform {}.\n"
                    "# Without it nothing of the platform's state can be read: keep a copy in a safe place.\n"
                    "{}{}\n",
                    platform_id, kRootPrefix, HexEncode(key.bytes())));
    TRY(metadata::CreateDirectoriesDurably(env, FolderOf(path)));
    TRY(WriteFileDurably(env, path, content.text(), 0600));
    return key;
}

}  // namespace

Result<Secret> OpenRootKey(Env& env, const std::string& path, const std::string& platform_id, bool may_create) {
    if (env.files().Exists(path)) {
        Secret content(TRY(ReadFile(env, path, 4 << 10)));
        return ParseRootKey(path, content.text());
    }
    if (may_create) return MakeRootKey(env, path, platform_id);
    return Error(ErrorCode::kFailedPrecondition, "the root key of platform {} is not at {}", platform_id, path)
        .WithHint(
            "put back your copy of the file, or name its place in TARN_ROOT_KEY_FILE; "
            "without it the state directory cannot be read");
}

KeyFile::KeyFile(Env& env, std::string path, std::string platform_id, const Secret& root)
    : env_(env),
      path_(std::move(path)),
      platform_id_(std::move(platform_id)),
      wrapping_key_(DeriveKey(root.bytes(), "tarn v1 wrap scope keys")),
      root_id_(HexEncode(DeriveKey(root.bytes(), "tarn v1 root key id").bytes().first(kKeyIdBytes))) {}

// A wrapped key opens only as the key of its own scope in its own platform.
std::string KeyFile::Associated(const std::string& scope, const std::string& id) const {
    return fmt::format("tarn scope key\n{}\n{}\n{}", platform_id_, id, scope);
}

Status KeyFile::Load() { return Parse(TRY(ReadFile(env_, path_, kKeysJsonBytesMax))); }

Status KeyFile::Parse(std::string_view content) {
    auto parsed = ParseJson(content);
    if (!parsed.ok()) return Error(ErrorCode::kCorruption, "{} is damaged: {}", path_, parsed.error().message());
    auto bad = [&](const Error& error) { return Error(ErrorCode::kCorruption, "{}: {}", path_, error.message()); };
    auto format = JsonInteger(*parsed, "format");
    if (!format.ok()) return bad(format.error());
    if (*format != kFormat) {
        return Error(ErrorCode::kFailedPrecondition, "{} has format {}, this program knows {}", path_, *format, kFormat)
            .WithHint("start the newer version of Tarn that wrote it");
    }
    auto root = JsonString(*parsed, "root_key_id");
    if (!root.ok()) return bad(root.error());
    if (*root != root_id_) {
        return Error(ErrorCode::kFailedPrecondition, "{} belongs to another root key (of id {}, given was {})", path_,
                     *root, root_id_)
            .WithHint("put back the root key file that this state directory was made with");
    }
    if (!parsed->contains("keys") || !parsed->at("keys").is_array()) {
        return Error(ErrorCode::kCorruption, "{}: \"keys\" is not a list", path_);
    }
    for (const Json& entry : parsed->at("keys")) {
        Status loaded = LoadKey(entry);
        if (!loaded.ok()) return bad(loaded.error());
    }
    return Ok();
}

Status KeyFile::LoadKey(const Json& entry) {
    std::string scope = TRY(JsonString(entry, "scope"));
    ScopeKey& key = keys_[scope];
    key.id = TRY(JsonString(entry, "id"));
    key.created_at = TRY(ParseTime(TRY(JsonString(entry, "created_at"))));
    key.wrapped = TRY(Base64Decode(TRY(JsonString(entry, "wrapped"))));
    return Ok();
}

Status KeyFile::Save() const {
    OrderedJson keys = OrderedJson::array();
    for (const auto& [scope, key] : keys_) {
        keys.push_back({{"scope", scope},
                        {"id", key.id},
                        {"created_at", FormatTime(key.created_at)},
                        {"wrapped", Base64Encode(key.wrapped)}});
    }
    OrderedJson content{{"format", kFormat}, {"platform_id", platform_id_}, {"root_key_id", root_id_}, {"keys", keys}};
    return WriteFileDurably(env_, path_, content.dump(1) + "\n");
}

Result<Secret> KeyFile::Unwrap(const std::string& scope) const {
    const ScopeKey& key = keys_.at(scope);
    auto opened = Open(wrapping_key_.bytes(), AsBytes(Associated(scope, key.id)), key.wrapped);
    if (opened.ok() && opened->size() == kKeyBytes) return Secret(std::move(opened).value());
    return Error(ErrorCode::kCorruption, "the key of {} in {} cannot be opened", scope, path_)
        .WithHint("restore keys.json from a backup");
}

void KeyFile::Add(const std::string& scope) {
    ScopeKey& key = keys_[scope];
    key.id = env_.random().Hex(kKeyIdBytes);
    key.created_at = env_.clock().Now();
    Secret secret = RandomKey(env_.random());
    key.wrapped = Seal(env_.random(), wrapping_key_.bytes(), AsBytes(Associated(scope, key.id)), secret.bytes());
}

}  // namespace tarn::access

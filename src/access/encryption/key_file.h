// The two files of keys: the root key, and keys.json with the scope keys sealed under it. Format: docs/formats/keys.md.
#pragma once

#include <map>
#include <string>

#include "base/crypto.h"
#include "base/env.h"
#include "base/json.h"
#include "base/time.h"

namespace tarn::access {

// Opens the root key, or makes it (and its folders) when `may_create`. Never replaces a file.
Result<Secret> OpenRootKey(Env& env, const std::string& path, const std::string& platform_id, bool may_create);

struct ScopeKey {
    std::string id;
    Timestamp created_at;
    Bytes wrapped;
};

// keys.json in memory. Not thread-safe.
class KeyFile {
  public:
    KeyFile(Env& env, std::string path, std::string platform_id, const Secret& root);
    // Reads it; kCorruption when it is not of this platform or sealed under another root key.
    Status Load();
    Status Parse(std::string_view content);
    // Writes it durably, with all that Add put in.
    Status Save() const;
    bool Has(const std::string& scope) const { return keys_.contains(scope); }
    size_t size() const { return keys_.size(); }
    Result<Secret> Unwrap(const std::string& scope) const;
    // Makes a key; it is of use only once Save returned Ok, otherwise Forget it.
    void Add(const std::string& scope);
    void Forget(const std::string& scope) { keys_.erase(scope); }

  private:
    std::string Associated(const std::string& scope, const std::string& id) const;
    Status LoadKey(const Json& entry);

    Env& env_;
    const std::string path_;
    const std::string platform_id_;
    const Secret wrapping_key_;
    const std::string root_id_;  // tells root keys apart without telling anything about them
    std::map<std::string, ScopeKey> keys_;
};

}  // namespace tarn::access

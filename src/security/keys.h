// KeyProvider and SecretStore: the doors to keys at rest and to named secrets. Implemented by access/encryption.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/result.h"

namespace tarn::security {

class KeyProvider {
  public:
    virtual ~KeyProvider() = default;
    // The 256 bit key-encryption key of a scope ("bucket:raw", "audit", "metadata", "lake-index"); made at its first
    // use and kept wrapped under the root key. Wrap data keys with it, never encrypt bulk data.
    virtual Result<Secret> KeyOf(std::string_view scope) = 0;
};

class SecretStore {
  public:
    virtual ~SecretStore() = default;
    // kNotFound tells how to set it: `tarn secret set NAME`.
    virtual Result<Secret> Get(std::string_view name) = 0;
    virtual Status Set(std::string_view name, const Secret& value) = 0;
    virtual Status Remove(std::string_view name) = 0;
    virtual Result<std::vector<std::string>> Names() = 0;
};

}  // namespace tarn::security

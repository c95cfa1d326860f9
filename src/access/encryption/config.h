#pragma once

#include <string>

#include "base/config.h"

namespace tarn::access {

struct EncryptionConfig {
    // Empty: $TARN_ROOT_KEY_FILE, else tarn/keys/<platform id>.key below $XDG_CONFIG_HOME or ~/.config.
    std::string root_key_file;
};

inline void Bind(ConfigBinder& binder, EncryptionConfig& config) {
    binder.Key("root_key_file", config.root_key_file, "File of the platform's root key; never in the state directory.");
}

}  // namespace tarn::access

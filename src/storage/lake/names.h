// Names of buckets and keys: what is allowed, and ranges of keys in byte order.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "storage/lake/lake.h"

namespace tarn::lake {

// S3's rules for general purpose buckets: 3 to 63 of a-z 0-9 . -, no IP address, no reserved prefix or suffix.
Status CheckBucketName(std::string_view bucket);
// Any UTF-8 of 1 to kKeyBytesMax bytes; keys never become file names, so `..` and `//` are keys like others.
Status CheckKey(std::string_view key);
Status CheckObjectName(const ObjectName& name);

// The first key after all keys that start with `prefix`; nothing when there is none (all bytes are 0xff).
std::optional<std::string> AfterPrefix(std::string_view prefix);

}  // namespace tarn::lake

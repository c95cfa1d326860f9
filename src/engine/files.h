// FileStore: how the engine reads and writes files. Declared here, implemented by the lake; paths are "bucket/key".
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "security/principal.h"

namespace tarn::engine {

class StoredFile {  // immutable; thread-safe
  public:
    virtual ~StoredFile() = default;
    virtual uint64_t bytes() const = 0;
    virtual std::string version_tag() const = 0;  // never the same for different content
    virtual int64_t modified_us() const = 0;
    virtual Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) = 0;
};

class NewFile {  // append only; destroyed unfinished it leaves nothing
  public:
    virtual ~NewFile() = default;
    virtual Status Append(ByteSpan bytes) = 0;
    virtual Status Finish() = 0;  // durable and visible, create-once
};

class FileStore {
  public:
    virtual ~FileStore() = default;
    virtual Result<std::unique_ptr<StoredFile>> Open(const security::Principal& principal, const std::string& path) = 0;
    virtual Result<std::unique_ptr<NewFile>> Create(const security::Principal& principal, const std::string& path) = 0;
};

}  // namespace tarn::engine

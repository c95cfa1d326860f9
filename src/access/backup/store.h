// BackupStore: the place where backups lie: files under names with '/', whole or not at all.
//
// Put is durable when it returned and Sync was called after it. Names are ours (docs/formats/backup.md). Lock keeps a
// second writer out as long as it is held. Any thread, one call at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/env.h"
#include "base/result.h"

namespace tarn::access {

class BackupStore {
  public:
    // A folder; kInvalidArgument for what is none. It is made only by Lock.
    static Result<std::unique_ptr<BackupStore>> Open(Env& env, const std::string& place);
    virtual ~BackupStore() = default;

    virtual const std::string& place() const = 0;
    // Makes the place if it is not there. kUnavailable when another process writes to it.
    virtual Result<std::unique_ptr<FileLock>> Lock() = 0;
    virtual Status Put(const std::string& name, ByteSpan content) = 0;
    virtual Status Sync() = 0;
    // kNotFound; kResourceExhausted beyond `bytes_max`.
    virtual Result<Bytes> Get(const std::string& name, size_t bytes_max) = 0;
    // Names directly below `folder`, in order; none if it is not there.
    virtual Status Scan(const std::string& folder,
                        const std::function<void(const std::string& name, uint64_t bytes)>& found) = 0;
    virtual Status Remove(const std::string& name) = 0;  // fine if it is not there
};

}  // namespace tarn::access

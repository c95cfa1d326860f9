// EnvVfs: SQLite's files through our Env, below the encryption of its pages.
//
// What SQLite does to the disk is then what Env says: a failed fsync poisons the file and is never tried again, and the
// double in base/fault_env.h cuts SQLite's power as it cuts everybody else's. The index of the write-ahead log and all
// locks lie in memory: the connections of one EnvVfs share them, nobody else may open the file (its owner holds
// Files::Lock on it). Threads: any, each connection by one at a time, as SQLite wants it.
// Lives longer than every connection that was opened by its name. Fails: kInternal when SQLite takes no further one.
#pragma once

#include <memory>
#include <string>

#include "base/env.h"
#include "base/result.h"

namespace tarn::metadata {

class EnvVfs {
  public:
    static Result<std::unique_ptr<EnvVfs>> Create(Env& env);
    virtual ~EnvVfs() = default;
    // For sqlite3_open_v2: encrypts what goes through it once the connection has its key.
    virtual const std::string& name() const = 0;
};

}  // namespace tarn::metadata

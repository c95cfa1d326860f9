// Files that the engine writes and that lie nowhere here: their bytes go straight to where a table is delivered.
// app puts it in front of the engine's other files.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/bytes.h"
#include "base/env.h"
#include "engine/files.h"

namespace tarn::destinations {

class OutgoingFiles : public engine::FileStore {
  public:
    OutgoingFiles(Env& env, engine::FileStore& others) : env_(env), others_(others) {}
    // While it lives, the one path whose file goes into `sink`.
    class Way {
      public:
        Way(OutgoingFiles& files, ByteWriter& sink);
        ~Way();
        const std::string& path() const { return path_; }

      private:
        OutgoingFiles& files_;
        std::string path_;
    };

    Result<std::unique_ptr<engine::StoredFile>> Open(const security::Principal& principal,
                                                     const std::string& path) override;
    Result<std::unique_ptr<engine::NewFile>> Create(const security::Principal& principal,
                                                    const std::string& path) override;

  private:
    Env& env_;
    engine::FileStore& others_;
    std::mutex mutex_;  // guards sinks_
    std::map<std::string, ByteWriter*> sinks_;
};

}  // namespace tarn::destinations

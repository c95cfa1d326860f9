#include "processing/destinations/outgoing_files.h"

namespace tarn::destinations {
namespace {

constexpr std::string_view kOutgoing = "outgoing/";  // and an id that nobody guesses; all else is of the others
constexpr size_t kIdBytes = 16;

class OutgoingFile : public engine::NewFile {
  public:
    explicit OutgoingFile(ByteWriter& sink) : sink_(sink) {}
    Status Append(ByteSpan bytes) override { return sink_.Write(bytes); }
    // Whoever opened the way makes it last.
    Status Finish() override { return Ok(); }

  private:
    ByteWriter& sink_;
};

}  // namespace

OutgoingFiles::Way::Way(OutgoingFiles& files, ByteWriter& sink) : files_(files) {
    path_ = std::string(kOutgoing) + files.env_.random().Hex(kIdBytes);
    std::lock_guard lock(files_.mutex_);
    files_.sinks_[path_] = &sink;
}

OutgoingFiles::Way::~Way() {
    std::lock_guard lock(files_.mutex_);
    files_.sinks_.erase(path_);
}

Result<std::unique_ptr<engine::StoredFile>> OutgoingFiles::Open(const security::Principal& principal,
                                                                const std::string& path) {
    return others_.Open(principal, path);
}

Result<std::unique_ptr<engine::NewFile>> OutgoingFiles::Create(const security::Principal& principal,
                                                               const std::string& path) {
    {
        std::lock_guard lock(mutex_);
        auto found = sinks_.find(path);
        if (found != sinks_.end()) {
            return std::unique_ptr<engine::NewFile>(std::make_unique<OutgoingFile>(*found->second));
        }
    }
    return others_.Create(principal, path);
}

}  // namespace tarn::destinations

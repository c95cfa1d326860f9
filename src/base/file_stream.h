// Files as readers and writers: a file of Env read from its start, and one written at its end.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/env.h"

namespace tarn {

class FileReader : public ByteReader {
  public:
    explicit FileReader(std::unique_ptr<File> file) : file_(std::move(file)) {}
    Result<size_t> Read(MutableByteSpan buffer) override {
        size_t count = TRY(file_->ReadAt(offset_, buffer));
        offset_ += count;
        return count;
    }

  private:
    std::unique_ptr<File> file_;
    uint64_t offset_ = 0;
};

// What is written appears under its name when it is whole: until Finish it lies beside, and is removed without it.
class FileReplacement : public ByteWriter {
  public:
    static Result<std::unique_ptr<FileReplacement>> Create(Files& files, const std::string& path, int mode) {
        auto file = TRY(files.Create(path + ".part", {.truncate = true, .mode = mode}));
        return std::unique_ptr<FileReplacement>(new FileReplacement(files, path, std::move(file)));
    }
    ~FileReplacement() override {
        if (!finished_) files_.Remove(path_ + ".part").ok();
    }
    Status Write(ByteSpan bytes) override { return file_->Append(bytes); }
    Status Finish() {
        TRY(file_->Sync());
        TRY(files_.Rename(path_ + ".part", path_));
        finished_ = true;
        return Ok();
    }

  private:
    FileReplacement(Files& files, std::string path, std::unique_ptr<File> file)
        : files_(files), path_(std::move(path)), file_(std::move(file)) {}
    Files& files_;
    std::string path_;
    std::unique_ptr<File> file_;
    bool finished_ = false;
};

}  // namespace tarn

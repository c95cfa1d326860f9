// SealedFile: one stored file's content in encrypted blocks of 64 KiB, each readable alone: docs/formats/lake.md.
//
// Each file has a random data key of its own, wrapped under the bucket's key in the file's header. A block's associated
// data binds it to the file, its place and whether it is the last: cut, swapped or foreign blocks fail to open.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/result.h"
#include "storage/lake/lake.h"

namespace tarn::lake {

inline constexpr size_t kFileIdBytes = 16;
inline constexpr size_t kFileHeaderBytes = 96;

// Where the stored files lie: <directory>/<first two letters>/<32 hex digits>.
class FileRoom {
  public:
    FileRoom(Env& env, std::string directory) : env_(env), directory_(std::move(directory)) {}
    // Makes the 256 folders.
    Status Prepare();
    std::string NewId() const { return env_.random().Hex(kFileIdBytes); }
    std::string FolderOf(std::string_view id) const;
    std::string PathOf(std::string_view id) const;
    Status Remove(const std::string& id) { return env_.files().Remove(PathOf(id)); }
    Env& env() const { return env_; }

  private:
    Env& env_;
    std::string directory_;
};

// Writes one file. Destroyed before Keep, it removes what it wrote.
class SealedFileWriter {
  public:
    static Result<std::unique_ptr<SealedFileWriter>> Create(FileRoom& room, ByteSpan bucket_key);
    ~SealedFileWriter();
    Status Append(ByteSpan plain);
    // Seals the last block; the file and its name are durable when this returns.
    Status Finish();
    // A committed row names the file (or may do so after a failed commit): it stays.
    void Keep() { keep_ = true; }
    const std::string& id() const { return id_; }

  private:
    SealedFileWriter(FileRoom& room, std::string id, Secret data_key);
    void SealBlock(ByteSpan plain, bool last);
    Status Flush();

    FileRoom& room_;
    std::string id_;
    Bytes id_bytes_;
    Secret data_key_;
    std::unique_ptr<File> file_;
    Bytes plain_;  // of the block that is not full, or full but perhaps the last
    Bytes sealed_;  // blocks that wait for one write
    uint64_t next_block_ = 0;
    Status seal_status_;
    bool keep_ = false;
};

// Reads one file. Thread-safe.
class SealedFileReader {
  public:
    // `bytes` is the content's length that the index states; a file of another length is kCorruption.
    static Result<std::unique_ptr<SealedFileReader>> Open(FileRoom& room, const std::string& id, uint64_t bytes,
                                                          ByteSpan bucket_key);
    // Fills the buffer; fewer bytes only at the end. kCorruption names the block.
    Result<size_t> ReadAt(uint64_t offset, MutableByteSpan buffer) const;

  private:
    SealedFileReader(std::unique_ptr<File> file, Bytes id_bytes, uint64_t bytes, Secret data_key);
    Status ReadRun(uint64_t first_block, uint64_t blocks, uint64_t offset, MutableByteSpan target) const;
    Status OpenBlock(uint64_t block, ByteSpan sealed, MutableByteSpan plain) const;
    uint64_t BlockCount() const;
    uint64_t PlainBytesOf(uint64_t block) const;

    std::unique_ptr<File> file_;
    Bytes id_bytes_;
    uint64_t bytes_;
    Secret data_key_;
};

}  // namespace tarn::lake

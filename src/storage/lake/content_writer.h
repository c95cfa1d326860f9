// ContentWriter: takes an object's content as it comes; hashes it, and seals it for the index (small) or into a file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crypto.h"
#include "storage/lake/checksums.h"
#include "storage/lake/index.h"
#include "storage/lake/sealed_file.h"

namespace tarn::lake {

// What was written. Its file is removed again unless Keep is called: rows that name it must be committed first.
struct WrittenContent {
    uint64_t bytes = 0;
    std::string md5_hex;
    std::vector<Checksum> checksums;
    Bytes sealed;  // small content, for the index; then there is no file
    std::vector<Extent> extents;
    std::unique_ptr<SealedFileWriter> file;

    void Keep() {
        if (file) file->Keep();
    }
};

class ContentWriter {
  public:
    struct Options {
        std::string id;                     // of the object: small content is sealed for it
        std::vector<std::string> algorithms;  // checksums besides MD5
        bool always_file = false;           // parts of uploads, so that completing moves no content
    };
    // The room and the key outlive the writer.
    static Result<std::unique_ptr<ContentWriter>> Create(FileRoom& room, ByteSpan bucket_key, Options options);
    Status Append(ByteSpan bytes);
    Result<WrittenContent> Finish();

  private:
    ContentWriter(FileRoom& room, ByteSpan bucket_key, Options options)
        : room_(room), bucket_key_(bucket_key), options_(std::move(options)) {}
    Status StartFile();

    FileRoom& room_;
    ByteSpan bucket_key_;
    Options options_;
    std::unique_ptr<ContentHasher> hasher_;
    Bytes small_;  // the content while it may still go into the index
    uint64_t bytes_ = 0;
    std::unique_ptr<SealedFileWriter> file_;
};

// Whether the content is what the options announce: length, MD5, checksums.
Status CheckContent(const WrittenContent& content, const PutOptions& options);
// Everything that is left in `from`, in pieces.
Status CopyBytes(ByteReader& from, ByteWriter& to);

// Small contents are sealed with a key derived for that one object from its bucket's key.
Result<Bytes> SealSmall(ByteSpan bucket_key, const std::string& object_id, ByteSpan plain);
Result<Bytes> OpenSmall(ByteSpan bucket_key, const std::string& object_id, ByteSpan sealed);

}  // namespace tarn::lake

// Checksums that S3 knows: their names, running hashes over a content, and those of an object made of parts.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/result.h"
#include "storage/lake/lake.h"

namespace tarn::lake {

// "CRC32C" (case does not matter) to its hash; kNotSupported for what S3 or we do not have.
Result<HashKind> HashKindOf(std::string_view algorithm);

// MD5 for the ETag and any checksums asked for, over one stream of bytes.
class ContentHasher {
  public:
    // Every algorithm once, whatever the order and case.
    static Result<std::unique_ptr<ContentHasher>> Create(const std::vector<std::string>& algorithms);
    void Update(ByteSpan bytes);
    struct Hashes {
        std::string md5_hex;
        std::vector<Checksum> checksums;
    };
    Hashes Finish();

  private:
    std::unique_ptr<Hasher> md5_ = Hasher::Create(HashKind::kMd5);
    std::map<std::string, std::unique_ptr<Hasher>> hashers_;  // by upper-case name
};

// kInvalidArgument with detail BadDigest when an expected checksum is not what was computed.
Status CompareChecksums(const std::vector<Checksum>& expected, const std::vector<Checksum>& computed);

struct PartChecksum {
    std::string value;  // base64
    uint64_t bytes = 0;
};
// "<base64 of the hash of the parts' hashes>-<parts>".
Result<std::string> CompositeChecksum(std::string_view algorithm, const std::vector<PartChecksum>& parts);
// The CRC of the whole content from those of its parts; kNotSupported for SHA-1 and SHA-256, which can't be combined.
Result<std::string> FullObjectChecksum(std::string_view algorithm, const std::vector<PartChecksum>& parts);

}  // namespace tarn::lake

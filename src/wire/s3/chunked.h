// The aws-chunked content coding: chunks with or without signatures, and trailers, as S3 clients stream uploads.
//
//   <hex size>[;chunk-signature=<hex>]\r\n <bytes> \r\n ... 0[;chunk-signature=<hex>]\r\n [name:value\r\n ...] \r\n
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/crypto.h"
#include "wire/s3/sigv4.h"

namespace tarn::s3 {

struct ChunkedOptions {
    bool is_signed = false;
    bool has_trailer = false;
    Signature signature;  // of the request: the first chunk's signature builds on it
    Secret signing_key;   // when chunks are signed
    uint64_t decoded_bytes = 0;  // x-amz-decoded-content-length
};

// Decodes while it is read. A chunk's signature is checked when the chunk has ended: nothing read may count before the
// reader has ended without an error. Fails with kPermissionDenied (SignatureDoesNotMatch), kInvalidArgument
// (IncompleteBody, MalformedTrailerError, InvalidRequest). Not thread-safe.
class ChunkedReader : public ByteReader {
  public:
    ChunkedReader(ByteReader& inner, ChunkedOptions options);
    Result<size_t> Read(MutableByteSpan buffer) override;
    // By lower-case name; complete when Read has returned 0.
    const std::map<std::string, std::string>& trailers() const { return trailers_; }

  private:
    Result<bool> Fill();
    Result<std::string> ReadLine();
    Status StartChunk();
    Status EndChunk();
    Status ReadTrailers();
    Status CheckTrailerSignature(const std::string& stated);
    Result<size_t> ReadData(MutableByteSpan buffer);

    ByteReader& inner_;
    ChunkedOptions options_;
    Bytes buffer_;
    size_t begin_ = 0;
    size_t end_ = 0;
    bool in_chunk_ = false;
    bool done_ = false;
    uint64_t chunk_bytes_ = 0;
    uint64_t chunk_left_ = 0;
    uint64_t decoded_ = 0;
    size_t trailer_bytes_ = 0;
    std::string chunk_signature_;
    std::string last_signature_;
    std::unique_ptr<Hasher> chunk_hash_;
    std::map<std::string, std::string> trailers_;
};

}  // namespace tarn::s3

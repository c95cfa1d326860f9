// One bucket of any S3 endpoint, for writing: objects, uploads in parts, listings. Internal to the component.
//
// Addresses are path-style. Answers are limited; no redirect is followed; this machine and private networks only where
// the destination says so. One thread at a time.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "base/http.h"
#include "processing/destinations/target.h"
#include "wire/s3/client.h"

namespace tarn::destinations {

class S3Client {
  public:
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    S3Client(HttpClient& http, Env& env, const Destination& destination, Secret secret);

    // kConflict for what an If-None-Match or If-Match forbids, kNotFound.
    Status Put(const std::string& key, std::string body, HttpHeaders headers = {});
    Result<std::string> Get(const std::string& key);
    // The headers of an object; nothing if there is none.
    Result<std::optional<HttpHeaders>> Head(const std::string& key);
    Status Delete(const std::string& key);
    // Everything that begins with `prefix` and comes after `after`; at most `keys_max`, then kResourceExhausted.
    Result<std::vector<s3::FoundObject>> List(const std::string& prefix, const std::string& after, size_t keys_max);
    // Ends uploads of the key that a program left behind when it was killed.
    Status AbortUploads(const std::string& key);

    const std::string& bucket() const { return destination_.bucket; }

  private:
    friend class S3Upload;
    // The bucket itself: key "".
    Result<HttpClientResponse> Send(const std::string& method, const std::string& key, const Pairs& query,
                                    HttpHeaders headers, std::string body);
    Error Refused(const std::string& key, const HttpClientResponse& answer) const;

    HttpClient& http_;
    Env& env_;
    const Destination& destination_;
    s3::AccessKey key_;
};

// An object of unknown length. It is there, whole, once Finish is done; gone without it, it leaves nothing.
class S3Upload : public ByteWriter {
  public:
    S3Upload(S3Client& client, std::string key, HttpHeaders headers)
        : client_(client), key_(std::move(key)), headers_(std::move(headers)) {}
    ~S3Upload() override;
    Status Write(ByteSpan bytes) override;
    Status Finish();

  private:
    Status SendPart();

    S3Client& client_;
    const std::string key_;
    const HttpHeaders headers_;
    std::string buffer_;
    std::string upload_;  // its id; empty: one PUT will do
    std::vector<std::string> etags_;
};

// Format delta: the table is a folder of the bucket.
Result<Delivered> DeliverDelta(S3Client& client, Delivery& delivery, const DestinationsDependencies& dependencies);

}  // namespace tarn::destinations

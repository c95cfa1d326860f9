// One S3 request on its way: what it names, its body as the client meant it, and the answer that its handler makes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/http.h"
#include "security/operation.h"
#include "storage/lake/lake.h"
#include "wire/s3/chunked.h"
#include "wire/s3/sigv4.h"

namespace tarn::lake {

// S3 may read this bucket, but not write to it: its tables are committed by Tarn alone.
inline constexpr std::string_view kLakehouseBucket = "lakehouse";
inline constexpr std::string_view kRawBucket = "raw";

inline constexpr size_t kObjectTagsMax = 10;
inline constexpr size_t kBucketTagsMax = 50;

// Bucket and key that the request's path (or host) names; both may be empty.
Result<ObjectName> NameOfRequest(const HttpRequest& request);
// The bucket that a virtual-host request names in its Host; empty for others.
std::string BucketOfHost(const HttpRequest& request);

// Who signed the request, and with what.
struct Signer {
    security::Principal principal;
    s3::Signature signature;
    Secret signing_key;
};

// The body without its transfer coding; ends with an error if it is not what was signed.
class S3Body {
  public:
    static Result<std::unique_ptr<S3Body>> Create(HttpRequest& request, Signer& signer);
    ByteReader& reader() { return *reader_; }
    std::optional<uint64_t> bytes() const { return bytes_; }
    // Of chunked bodies, complete at the end; null for others.
    const s3::ChunkedReader* chunked() const { return chunked_; }
    Result<std::string> ReadText(size_t bytes_max);

  private:
    S3Body() = default;
    std::unique_ptr<ByteReader> own_reader_;
    ByteReader* reader_ = nullptr;
    s3::ChunkedReader* chunked_ = nullptr;
    std::optional<uint64_t> bytes_;
};

struct S3Call {
    Env& env;
    Lake& lake;
    HttpRequest& http;
    HttpResponder& responder;
    security::Call& call;  // the dispatcher's
    const ObjectName& name;
    S3Body& body;
    HttpResponse answer;  // sent after the audit's closing record, unless the handler streamed

    const security::Principal& principal() const { return call.principal; }
    std::string Header(std::string_view header) const { return std::string(http.headers.Get(header)); }
    std::string Query(std::string_view parameter) const { return http.Query(parameter).value_or(""); }
    // A parameter that is a number from 0 to `max` (larger ones are cut to it); kInvalidArgument for other texts.
    Result<int> Number(std::string_view parameter, int fallback, int max) const;
    void AnswerXml(std::string xml, int status = 200);
};

// ---- what several handlers read from headers

// A PUT without any length may be one that was cut off.
Status RequireLength(const S3Call& call);
// Content type, metadata, conditions, checksums, length: all that a put takes from its headers.
Result<PutOptions> PutOptionsOf(const S3Call& call);
// x-amz-checksum-<algorithm> headers.
std::vector<Checksum> ChecksumsInHeaders(const HttpHeaders& headers);
void AddChecksumHeaders(HttpHeaders& headers, const std::vector<Checksum>& checksums);
// "FULL_OBJECT", or "COMPOSITE" for a checksum of parts' checksums.
std::string ChecksumTypeOf(const Checksum& checksum);
// The tags of the header x-amz-tagging ("a=b&c=d"); none without it. kInvalidArgument for wrong ones.
Result<Tags> TagsInHeader(const HttpHeaders& headers);
// InvalidTag unless there are at most `tags_max`, each key once, within S3's lengths.
Status CheckTags(const Tags& tags, size_t tags_max);
// kNotSupported for headers that ask for what the lake does not do: better than to ignore them.
Status RefuseUnsupportedHeaders(const HttpHeaders& headers);
// The object that x-amz-copy-source names.
Result<ObjectName> CopySourceOf(const S3Call& call);

}  // namespace tarn::lake

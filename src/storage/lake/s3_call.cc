#include "storage/lake/s3_call.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"
#include "storage/lake/checksums.h"
#include "wire/s3/xml.h"

namespace tarn::lake {
namespace {

constexpr std::string_view kVirtualHostSuffix = ".localhost";
constexpr std::string_view kChecksumPrefix = "x-amz-checksum-";
constexpr size_t kMetadataBytesMax = 8 << 10;
// Standard headers that are stored with an object and given back with it.
constexpr std::string_view kStoredHeaders[] = {"cache-control", "content-disposition", "content-encoding",
                                               "content-language", "expires"};

constexpr size_t kTagKeyLettersMax = 128;
constexpr size_t kTagValueLettersMax = 256;

size_t LettersOf(std::string_view text) {
    return std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; });
}

Error Mismatch() {
    return Error(ErrorCode::kInvalidArgument, "the SHA-256 of the body is not x-amz-content-sha256")
        .WithDetailCode("XAmzContentSHA256Mismatch");
}

// Hashes what passes, and refuses the end if the body is not the one that was signed.
class HashCheckedReader : public ByteReader {
  public:
    HashCheckedReader(ByteReader& inner, std::string expected_hex)
        : inner_(inner), expected_hex_(std::move(expected_hex)), hasher_(Hasher::Create(HashKind::kSha256)) {}

    Result<size_t> Read(MutableByteSpan buffer) override {
        if (buffer.empty() || !hasher_) return size_t{0};
        size_t read = TRY(inner_.Read(buffer));
        if (read > 0) {
            hasher_->Update(buffer.first(read));
            return read;
        }
        std::string found = HexEncode(hasher_->Finish());
        hasher_.reset();
        if (!ConstantTimeEquals(found, expected_hex_)) return Mismatch();
        return size_t{0};
    }

  private:
    ByteReader& inner_;
    std::string expected_hex_;
    std::unique_ptr<Hasher> hasher_;
};

Result<uint64_t> DecodedLength(const HttpHeaders& headers) {
    std::string_view text = headers.Get("x-amz-decoded-content-length");
    uint64_t bytes = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (!text.empty() && error == std::errc() && end == text.data() + text.size()) return bytes;
    return Error(ErrorCode::kInvalidArgument, "an aws-chunked body needs x-amz-decoded-content-length")
        .WithDetailCode("MissingContentLength");
}

// A body that nothing authenticates may not cross a network in the clear.
Status RequireProtected(const HttpRequest& request) {
    if (request.encrypted || request.remote.IsLoopback()) return Ok();
    return Error(ErrorCode::kInvalidArgument, "unsigned payloads are taken over TLS only")
        .WithDetailCode("InvalidRequest");
}

bool IsHexDigest(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "aws-chunked" is of the transfer, the rest of the content.
std::string WithoutChunkedCoding(std::string_view encoding) {
    std::vector<std::string> kept;
    for (const std::string& coding : Split(encoding, ',')) {
        std::string_view word = Trim(coding);
        if (!word.empty() && !EqualsIgnoreCase(word, "aws-chunked")) kept.emplace_back(word);
    }
    return Join(kept, ", ");
}

Result<std::map<std::string, std::string>> MetadataOf(const HttpHeaders& headers) {
    std::map<std::string, std::string> metadata;
    size_t bytes = 0;
    for (const auto& [name, value] : headers.fields()) {
        std::string lower = ToLower(name);
        if (!lower.starts_with("x-amz-meta-")) continue;
        auto [place, fresh] = metadata.emplace(lower, value);
        if (!fresh) place->second += "," + value;
        bytes += lower.size() + value.size();
    }
    if (bytes > kMetadataBytesMax) {
        return Error(ErrorCode::kInvalidArgument, "the metadata has {} bytes, at most {} are kept", bytes,
                     kMetadataBytesMax)
            .WithDetailCode("MetadataTooLarge");
    }
    for (std::string_view name : kStoredHeaders) {
        std::string value(headers.Get(name));
        if (name == "content-encoding") value = WithoutChunkedCoding(value);
        if (!value.empty()) metadata[std::string(name)] = value;
    }
    return metadata;
}

Status ReadContentMd5(const S3Call& call, PutOptions& options) {
    if (!call.http.headers.Has("content-md5")) return Ok();
    auto digest = Base64Decode(call.Header("content-md5"));
    if (!digest.ok() || digest->size() != 16) {
        return Error(ErrorCode::kInvalidArgument, "Content-MD5 is not the base64 of 16 bytes")
            .WithDetailCode("InvalidDigest");
    }
    options.expected_md5 = HexEncode(*digest);
    return Ok();
}

Status ReadChecksums(const S3Call& call, PutOptions& options) {
    options.expected = ChecksumsInHeaders(call.http.headers);
    for (const Checksum& checksum : options.expected) TRY(HashKindOf(checksum.algorithm));
    for (const char* header : {"x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"}) {
        if (call.http.headers.Has(header)) options.compute.push_back(call.Header(header));
    }
    std::vector<std::string> announced;
    for (const std::string& trailer : Split(call.Header("x-amz-trailer"), ',')) {
        std::string name = ToLower(Trim(trailer));
        if (name.starts_with(kChecksumPrefix)) announced.push_back(name.substr(kChecksumPrefix.size()));
    }
    if (announced.empty()) return Ok();
    options.compute.insert(options.compute.end(), announced.begin(), announced.end());
    const s3::ChunkedReader* chunked = call.body.chunked();
    options.expected_at_end = [chunked, announced]() -> Result<std::vector<Checksum>> {
        std::vector<Checksum> checksums;
        for (const std::string& algorithm : announced) {
            std::string name = std::string(kChecksumPrefix) + algorithm;
            if (chunked == nullptr || !chunked->trailers().contains(name)) {
                return Error(ErrorCode::kInvalidArgument, "the announced trailer {} did not come", name)
                    .WithDetailCode("MalformedTrailerError");
            }
            checksums.push_back({algorithm, chunked->trailers().at(name)});
        }
        return checksums;
    };
    return Ok();
}

}  // namespace

// ---- names

std::string BucketOfHost(const HttpRequest& request) {
    std::string host = ToLower(request.headers.Get("host"));
    host = host.substr(0, host.find(':'));
    if (host.size() <= kVirtualHostSuffix.size() || !host.ends_with(kVirtualHostSuffix)) return {};
    return host.substr(0, host.size() - kVirtualHostSuffix.size());
}

Result<ObjectName> NameOfRequest(const HttpRequest& request) {
    std::string_view path = request.path;
    if (path.starts_with('/')) path.remove_prefix(1);
    ObjectName name;
    name.bucket = BucketOfHost(request);
    if (name.bucket.empty()) {
        size_t slash = std::min(path.find('/'), path.size());
        name.bucket = TRY(UrlDecode(path.substr(0, slash)));
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    name.key = TRY(UrlDecode(path));
    return name;
}

Result<ObjectName> CopySourceOf(const S3Call& call) {
    std::string source = call.Header("x-amz-copy-source");
    size_t query = source.find('?');
    std::string_view version = query == std::string::npos ? "" : std::string_view(source).substr(query + 1);
    if (!version.empty() && version != "versionId=null") {
        return Error(ErrorCode::kNotFound, "the lake keeps no versions").WithDetailCode("NoSuchVersion");
    }
    std::string path = TRY(UrlDecode(std::string_view(source).substr(0, query)));
    if (path.starts_with('/')) path.erase(0, 1);
    size_t slash = path.find('/');
    if (slash == std::string::npos || slash + 1 == path.size()) {
        return Error(ErrorCode::kInvalidArgument, "x-amz-copy-source is not /bucket/key")
            .WithDetailCode("InvalidArgument");
    }
    return ObjectName{path.substr(0, slash), path.substr(slash + 1)};
}

// ---- bodies

Result<std::unique_ptr<S3Body>> S3Body::Create(HttpRequest& request, Signer& signer) {
    std::unique_ptr<S3Body> body(new S3Body());
    const std::string& payload = signer.signature.payload_hash;
    body->bytes_ = request.content_length;
    body->reader_ = request.body;
    if (payload == s3::kUnsignedPayload) {
        TRY(RequireProtected(request));
        return body;
    }
    if (IsHexDigest(payload)) {
        body->own_reader_ = std::make_unique<HashCheckedReader>(*request.body, payload);
        body->reader_ = body->own_reader_.get();
        return body;
    }
    bool is_signed = payload == s3::kStreamingPayload || payload == s3::kStreamingPayloadTrailer;
    if (!is_signed && payload != s3::kStreamingUnsignedTrailer) {
        return Error(ErrorCode::kInvalidArgument, "x-amz-content-sha256 is neither a SHA-256 nor a known word")
            .WithDetailCode("InvalidRequest");
    }
    if (!is_signed) TRY(RequireProtected(request));
    s3::ChunkedOptions options{.is_signed = is_signed,
                               .has_trailer = payload != s3::kStreamingPayload,
                               .signature = signer.signature,
                               .signing_key = signer.signing_key.Clone(),
                               .decoded_bytes = TRY(DecodedLength(request.headers))};
    body->bytes_ = options.decoded_bytes;
    auto chunked = std::make_unique<s3::ChunkedReader>(*request.body, std::move(options));
    body->chunked_ = chunked.get();
    body->reader_ = chunked.get();
    body->own_reader_ = std::move(chunked);
    return body;
}

Result<std::string> S3Body::ReadText(size_t bytes_max) {
    auto bytes = ReadAll(*reader_, bytes_max);
    if (!bytes.ok() && bytes.error().code() == ErrorCode::kResourceExhausted) {
        return Error(ErrorCode::kInvalidArgument, "the body has more than {} bytes", bytes_max)
            .WithDetailCode("EntityTooLarge");
    }
    return std::string(AsText(TRY(std::move(bytes))));
}

// ---- parameters, headers, answers

Result<int> S3Call::Number(std::string_view parameter, int fallback, int max) const {
    auto text = http.Query(parameter);
    if (!text || text->empty()) return fallback;
    uint64_t number = 0;
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    bool whole = end == text->data() + text->size();
    if (whole && error == std::errc::result_out_of_range) return max;
    if (whole && error == std::errc()) return static_cast<int>(std::min<uint64_t>(number, max));
    return Error(ErrorCode::kInvalidArgument, "{} must be a number, not \"{}\"", parameter, *text)
        .WithDetailCode("InvalidArgument");
}

void S3Call::AnswerXml(std::string xml, int status) {
    answer.status = status;
    answer.headers.Set("Content-Type", "application/xml");
    answer.body = std::move(xml);
}

std::vector<Checksum> ChecksumsInHeaders(const HttpHeaders& headers) {
    std::vector<Checksum> checksums;
    for (const auto& [name, value] : headers.fields()) {
        std::string lower = ToLower(name);
        if (!lower.starts_with(kChecksumPrefix)) continue;
        std::string algorithm = lower.substr(kChecksumPrefix.size());
        if (algorithm == "mode" || algorithm == "algorithm" || algorithm == "type") continue;
        checksums.push_back({algorithm, value});
    }
    return checksums;
}

void AddChecksumHeaders(HttpHeaders& headers, const std::vector<Checksum>& checksums) {
    for (const Checksum& checksum : checksums) {
        headers.Add(std::string(kChecksumPrefix) + ToLower(checksum.algorithm), checksum.value);
        headers.Set("x-amz-checksum-type", ChecksumTypeOf(checksum));
    }
}

std::string ChecksumTypeOf(const Checksum& checksum) {
    return checksum.value.find('-') == std::string::npos ? "FULL_OBJECT" : "COMPOSITE";
}

Status RequireLength(const S3Call& call) {
    if (call.body.bytes() || call.http.headers.Has("transfer-encoding")) return Ok();
    return Error(ErrorCode::kInvalidArgument, "a PUT needs Content-Length").WithDetailCode("MissingContentLength");
}

Result<PutOptions> PutOptionsOf(const S3Call& call) {
    TRY(RefuseUnsupportedHeaders(call.http.headers));
    PutOptions options;
    options.metadata = TRY(MetadataOf(call.http.headers));
    std::string type = call.Header("content-type");
    options.content_type = type.empty() ? "binary/octet-stream" : type;
    std::string if_none_match = call.Header("if-none-match");
    if (!if_none_match.empty() && if_none_match != "*") {
        return Error(ErrorCode::kNotSupported, "If-None-Match of a write can only be *")
            .WithDetailCode("NotImplemented");
    }
    options.if_absent = if_none_match == "*";
    options.if_match = s3::Unquote(call.Header("if-match"));
    options.expected_bytes = call.body.bytes();
    options.tags = TRY(TagsInHeader(call.http.headers));
    TRY(ReadContentMd5(call, options));
    TRY(ReadChecksums(call, options));
    return options;
}

Status CheckTags(const Tags& tags, size_t tags_max) {
    auto invalid = [](std::string message) {
        return Error(ErrorCode::kInvalidArgument, std::move(message)).WithDetailCode("InvalidTag");
    };
    if (tags.size() > tags_max)
        return invalid(fmt::format("there are {} tags, at most {} are kept", tags.size(), tags_max));
    std::set<std::string_view> keys;
    for (const auto& [key, value] : tags) {
        if (key.empty() || LettersOf(key) > kTagKeyLettersMax) {
            return invalid(fmt::format("a tag's key has 1 to {} characters", kTagKeyLettersMax));
        }
        if (LettersOf(value) > kTagValueLettersMax) {
            return invalid(fmt::format("a tag's value has at most {} characters", kTagValueLettersMax));
        }
        if (!IsUtf8(key) || !IsUtf8(value)) return invalid("tags are UTF-8");
        if (!keys.insert(key).second) return invalid(fmt::format("the tag \"{}\" is there twice", key));
    }
    return Ok();
}

Result<Tags> TagsInHeader(const HttpHeaders& headers) {
    Tags tags;
    for (const std::string& pair : Split(headers.Get("x-amz-tagging"), '&')) {
        if (pair.empty()) continue;
        size_t equals = std::min(pair.find('='), pair.size());
        auto key = UrlDecode(std::string_view(pair).substr(0, equals), true);
        auto value = UrlDecode(std::string_view(pair).substr(std::min(equals + 1, pair.size())), true);
        if (!key.ok() || !value.ok()) {
            return Error(ErrorCode::kInvalidArgument, "x-amz-tagging is not key=value&key=value, URL encoded")
                .WithDetailCode("InvalidArgument");
        }
        tags.emplace_back(std::move(*key), std::move(*value));
    }
    TRY(CheckTags(tags, kObjectTagsMax));
    std::sort(tags.begin(), tags.end());
    return tags;
}

Status RefuseUnsupportedHeaders(const HttpHeaders& headers) {
    for (const auto& [name, value] : headers.fields()) {
        std::string lower = ToLower(name);
        if (!lower.starts_with("x-amz-")) continue;
        bool refused = lower.starts_with("x-amz-grant-") || lower.starts_with("x-amz-object-lock-") ||
                       lower.starts_with("x-amz-server-side-encryption-") ||
                       lower == "x-amz-website-redirect-location" || lower == "x-amz-write-offset-bytes" ||
                       (lower == "x-amz-server-side-encryption" && value != "AES256") ||
                       (lower == "x-amz-acl" && value != "private" && value != "bucket-owner-full-control") ||
                       (lower == "x-amz-storage-class" && value != "STANDARD");
        if (refused) {
            return Error(ErrorCode::kNotSupported, "the lake does not do what \"{}: {}\" asks for", lower,
                         lower.starts_with("x-amz-server-side-encryption-customer") ? "..." : value)
                .WithDetailCode("NotImplemented");
        }
    }
    return Ok();
}

}  // namespace tarn::lake

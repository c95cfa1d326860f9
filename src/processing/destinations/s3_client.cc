#include "processing/destinations/s3_client.h"

#include "base/text.h"

namespace tarn::destinations {
namespace {

constexpr Duration kRequestTime = std::chrono::seconds(120);
constexpr size_t kAnswerBytesMax = 4 << 20;
constexpr size_t kPartBytes = 8 << 20;
constexpr size_t kLargePartBytes = 64 << 20;  // so that what needs more parts than there may be is half a terabyte
constexpr size_t kSmallParts = 1000;
constexpr size_t kPartsMax = 10'000;  // S3's own limit

}  // namespace

S3Client::S3Client(HttpClient& http, Env& env, const Destination& destination, Secret secret)
    : http_(http), env_(env), destination_(destination) {
    key_.id = destination.access_key.id;
    key_.secret = std::move(secret);
    key_.region = destination.region;
}

Error S3Client::Refused(const std::string& key, const HttpClientResponse& answer) const {
    std::string said = s3::DecodeErrorText(answer.body);
    std::string what = fmt::format("{}/{}: the store answers {}{}{}", destination_.bucket, key, answer.status,
                                   said.empty() ? "" : ", ", said);
    if (answer.status == 404) return Error(ErrorCode::kNotFound, "{}", what).WithHint("is there such a bucket?");
    if (answer.status == 409 || answer.status == 412) return Error(ErrorCode::kConflict, "{}", what);
    if (answer.status == 403 || answer.status == 401) {
        return Error(ErrorCode::kPermissionDenied, "{}", what)
            .WithHint("may this key list, read, write and delete there? its secret is set by `tarn secret set NAME`");
    }
    if (answer.status >= 300 && answer.status < 400) {
        return Error(ErrorCode::kInvalidArgument, "{}", what).WithHint("no redirect is followed: see `endpoint`");
    }
    bool later = answer.status == 408 || answer.status == 429 || answer.status >= 500 || answer.status == 200;
    return Error(later ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument, "{}", what);
}

Result<HttpClientResponse> S3Client::Send(const std::string& method, const std::string& key, const Pairs& query,
                                          HttpHeaders headers, std::string body) {
    HttpClientRequest request;
    request.method = method;
    request.url = destination_.endpoint;
    while (request.url.ends_with('/')) request.url.pop_back();
    request.url += "/" + UrlEncode(destination_.bucket);
    if (!key.empty()) request.url += "/" + UrlEncode(key, true);
    for (size_t i = 0; i < query.size(); ++i) {
        request.url +=
            fmt::format("{}{}={}", i == 0 ? "?" : "&", UrlEncode(query[i].first), UrlEncode(query[i].second));
    }
    request.headers = std::move(headers);
    request.body = std::move(body);
    request.timeout = kRequestTime;
    request.redirects_max = 0;
    request.policy = {.allow_loopback = destination_.private_network, .allow_private = destination_.private_network};
    TRY(s3::SignRequest(request, key_, env_.clock().Now()));
    auto answer = http_.Send(request, kAnswerBytesMax);
    bool inward = !answer.ok() && answer.error().code() == ErrorCode::kPermissionDenied;
    if (inward && !destination_.private_network) {
        return Error(answer.error()).WithHint("if that is right, say `private_network: yes`");
    }
    return answer;
}

Status S3Client::Put(const std::string& key, std::string body, HttpHeaders headers) {
    auto answer = TRY(Send("PUT", key, {}, std::move(headers), std::move(body)));
    return answer.status == 200 ? Ok() : Status(Refused(key, answer));
}

Result<std::string> S3Client::Get(const std::string& key) {
    auto answer = TRY(Send("GET", key, {}, {}, ""));
    if (answer.status != 200) return Refused(key, answer);
    return std::move(answer.body);
}

Result<std::optional<HttpHeaders>> S3Client::Head(const std::string& key) {
    auto answer = TRY(Send("HEAD", key, {}, {}, ""));
    if (answer.status == 404) return std::optional<HttpHeaders>();
    if (answer.status != 200) return Refused(key, answer);
    return std::optional(std::move(answer.headers));
}

Status S3Client::Delete(const std::string& key) {
    auto answer = TRY(Send("DELETE", key, {}, {}, ""));
    return answer.status == 204 || answer.status == 200 ? Ok() : Status(Refused(key, answer));
}

Result<std::vector<s3::FoundObject>> S3Client::List(const std::string& prefix, const std::string& after,
                                                    size_t keys_max) {
    std::vector<s3::FoundObject> objects;
    std::string next;
    do {
        Pairs query = {{"list-type", "2"}, {"prefix", prefix}};
        if (!next.empty()) query.emplace_back("continuation-token", next);
        if (next.empty() && !after.empty()) query.emplace_back("start-after", after);
        auto answer = TRY(Send("GET", "", query, {}, ""));
        if (answer.status != 200) return Refused(prefix, answer);
        s3::FoundPage page = TRY(s3::DecodeFoundPage(answer.body));
        if (!page.next.empty() && page.next == next) {
            return Error(ErrorCode::kUnavailable, "the store's listing goes in circles");
        }
        next = page.next;
        for (s3::FoundObject& object : page.objects) objects.push_back(std::move(object));
        if (objects.size() > keys_max) {
            return Error(ErrorCode::kResourceExhausted, "{}/{} holds more than {} objects", destination_.bucket, prefix,
                         keys_max);
        }
    } while (!next.empty());
    return objects;
}

Status S3Client::AbortUploads(const std::string& key) {
    auto answer = TRY(Send("GET", "", {{"uploads", ""}, {"prefix", key}}, {}, ""));
    if (answer.status != 200) return Refused(key, answer);
    for (const s3::FoundUpload& upload : TRY(s3::DecodeFoundUploads(answer.body))) {
        if (upload.key == key) TRY(Send("DELETE", key, {{"uploadId", upload.id}}, {}, ""));
    }
    return Ok();
}

S3Upload::~S3Upload() {
    if (!upload_.empty()) client_.Send("DELETE", key_, {{"uploadId", upload_}}, {}, "").ok();
}

Status S3Upload::Write(ByteSpan bytes) {
    buffer_.append(AsText(bytes));
    size_t part = etags_.size() < kSmallParts ? kPartBytes : kLargePartBytes;
    return buffer_.size() < part ? Ok() : SendPart();
}

Status S3Upload::SendPart() {
    if (upload_.empty()) {
        auto begun = TRY(client_.Send("POST", key_, {{"uploads", ""}}, headers_, ""));
        if (begun.status != 200) return client_.Refused(key_, begun);
        upload_ = TRY(s3::DecodeUploadId(begun.body));
    }
    if (etags_.size() == kPartsMax) {
        return Error(ErrorCode::kInvalidArgument, "{} is too large for one object", key_);
    }
    S3Client::Pairs query = {{"partNumber", std::to_string(etags_.size() + 1)}, {"uploadId", upload_}};
    auto sent = TRY(client_.Send("PUT", key_, query, {}, std::exchange(buffer_, "")));
    std::string etag(sent.headers.Get("ETag"));
    if (sent.status != 200 || etag.empty()) return client_.Refused(key_, sent);
    etags_.push_back(std::move(etag));
    return Ok();
}

Status S3Upload::Finish() {
    if (upload_.empty()) return client_.Put(key_, std::move(buffer_), headers_);
    if (!buffer_.empty()) TRY(SendPart());
    auto done = TRY(client_.Send("POST", key_, {{"uploadId", upload_}}, {}, s3::EncodeComplete(etags_)));
    // A failure that comes late is told under 200.
    if (done.status != 200 || !s3::DecodeErrorText(done.body).empty()) return client_.Refused(key_, done);
    upload_.clear();
    return Ok();
}

}  // namespace tarn::destinations

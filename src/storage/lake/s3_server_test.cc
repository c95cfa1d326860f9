// The S3 server without a network: which row a request finds, what strangers get, what the audit log decides. The rest
// is tested with real clients.
#include "storage/lake/s3_server.h"

#include <gtest/gtest.h>

#include <set>

#include "base/text.h"
#include "storage/lake/lake_for_test.h"
#include "storage/lake/operations.h"
#include "storage/lake/s3_answer.h"
#include "wire/s3/dates.h"
#include "wire/s3/sigv2.h"

namespace tarn::lake {
namespace {

using Query = std::vector<std::pair<std::string, std::string>>;

HttpRequest RequestFor(std::string method, std::string path, Query query = {}) {
    HttpRequest request{.method = std::move(method), .path = std::move(path), .query = std::move(query)};
    request.headers.Set("Host", "127.0.0.1:9000");
    request.remote = {"127.0.0.1", 5000};
    request.content_length = 0;
    return request;
}

std::string RowFor(const HttpRequest& request) {
    auto row = FindS3Operation(request, NameOfRequest(request).value());
    return row.ok() ? std::string((*row)->operation.name) : row.error().detail_code();
}

TEST(S3Operations, EachCallFindsItsRow) {
    EXPECT_EQ(RowFor(RequestFor("GET", "/")), "ListBuckets");
    EXPECT_EQ(RowFor(RequestFor("GET", "/b")), "ListObjects");
    EXPECT_EQ(RowFor(RequestFor("GET", "/b/", {{"list-type", "2"}, {"prefix", "a"}})), "ListObjectsV2");
    EXPECT_EQ(RowFor(RequestFor("PUT", "/b")), "CreateBucket");
    EXPECT_EQ(RowFor(RequestFor("POST", "/b", {{"delete", ""}})), "DeleteObjects");
    EXPECT_EQ(RowFor(RequestFor("GET", "/b/k")), "GetObject");
    EXPECT_EQ(RowFor(RequestFor("GET", "/b/k", {{"tracking", "1"}})), "GetObject");
    EXPECT_EQ(RowFor(RequestFor("PUT", "/b/k", {{"x-id", "PutObject"}})), "PutObject");
    EXPECT_EQ(RowFor(RequestFor("PUT", "/b/k", {{"partNumber", "1"}, {"uploadId", "u"}})), "UploadPart");
    EXPECT_EQ(RowFor(RequestFor("POST", "/b/k", {{"uploads", ""}})), "CreateMultipartUpload");
    EXPECT_EQ(RowFor(RequestFor("DELETE", "/b/k", {{"uploadId", "u"}})), "AbortMultipartUpload");
    EXPECT_EQ(RowFor(RequestFor("GET", "/b", {{"versions", ""}})), "ListObjectVersions");
    EXPECT_EQ(RowFor(RequestFor("PUT", "/b/k", {{"tagging", ""}})), "PutObjectTagging");
    EXPECT_EQ(RowFor(RequestFor("GET", "/b", {{"policy", ""}})), "GetBucketPolicy");
    HttpRequest copy = RequestFor("PUT", "/b/k");
    copy.headers.Set("x-amz-copy-source", "/b/other");
    EXPECT_EQ(RowFor(copy), "CopyObject");
}

TEST(S3Operations, NothingFallsThroughToAnotherCall) {
    for (const char* method : {"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"}) {
        for (const char* path : {"/", "/b", "/b/k"}) {
            for (const char* parameter : {"retention", "legal-hold", "restore", "select", "torrent", "inventory"}) {
                EXPECT_EQ(RowFor(RequestFor(method, path, {{parameter, ""}})), "NotImplemented") << method << parameter;
            }
        }
    }
    // What can be asked about can still not be set.
    for (const char* parameter : {"acl", "policy", "cors", "lifecycle", "website", "encryption", "publicAccessBlock"}) {
        EXPECT_EQ(RowFor(RequestFor("PUT", "/b", {{parameter, ""}})), "NotImplemented") << parameter;
    }
    EXPECT_EQ(RowFor(RequestFor("PUT", "/b/k", {{"newfeature", ""}})), "NotImplemented");
    EXPECT_EQ(RowFor(RequestFor("PUT", "/b/k", {{"partNumber", "1"}})), "NotImplemented");
    EXPECT_EQ(RowFor(RequestFor("DELETE", "/b/k", {{"versionId", "v1"}})), "NoSuchVersion");
    EXPECT_EQ(RowFor(RequestFor("POST", "/b/k", {{"uploads", ""}, {"uploadId", "u"}})), "NotImplemented");
    EXPECT_EQ(RowFor(RequestFor("POST", "/b")), "NotImplemented");  // browser forms
}

TEST(S3Operations, EveryWriteIsMarkedAndAudited) {
    for (const S3Operation& row : S3Operations()) {
        bool reads = row.method == "GET" || row.method == "HEAD";
        EXPECT_EQ(row.writes, !reads) << row.operation.name;
        EXPECT_EQ(row.operation.audit_class == security::AuditClass::kRead, reads) << row.operation.name;
        EXPECT_NE(row.operation.action, security::kPublicAction) << row.operation.name;
    }
}

TEST(S3Names, AreTakenFromPathAndHost) {
    auto name_of = [](std::string path, std::string host = "127.0.0.1:9000") {
        HttpRequest request{.path = std::move(path)};
        request.headers.Set("Host", std::move(host));
        return NameOfRequest(request).value().ToString();
    };
    EXPECT_EQ(name_of("/b/a%20b+c/d"), "b/a b+c/d");
    EXPECT_EQ(name_of("/b//k"), "b//k");
    EXPECT_EQ(name_of("/b/../x"), "b/../x");
    EXPECT_EQ(name_of("/k/x", "bucket.localhost:9000"), "bucket/k/x");
    EXPECT_EQ(name_of("/"), "/");
}

TEST(S3Errors, HaveCodeAndStatus) {
    auto of = [](Error error) {
        S3Error answer = S3ErrorOf(error);
        return fmt::format("{} {}", answer.code, answer.status);
    };
    EXPECT_EQ(of(Error(ErrorCode::kNotFound, "x")), "NoSuchKey 404");
    EXPECT_EQ(of(Error(ErrorCode::kPermissionDenied, "x")), "AccessDenied 403");
    EXPECT_EQ(of(Error(ErrorCode::kResourceExhausted, "x")), "SlowDown 503");
    EXPECT_EQ(of(Error(ErrorCode::kInvalidArgument, "x").WithDetailCode("BadDigest")), "BadDigest 400");
    EXPECT_EQ(of(Error(ErrorCode::kIo, "/secret/path").WithDetailCode("ENOENT")), "InternalError 500");
    EXPECT_EQ(S3ErrorAnswer(Error(ErrorCode::kIo, "/secret/path"), "/", "id").body.find("secret"), std::string::npos);
}

// ---- whole requests

class TestAuthenticator : public security::Authenticator {
  public:
    Result<security::Principal> ByToken(std::string_view) override { return Nobody(); }
    Result<security::Principal> BySession(std::string_view) override { return Nobody(); }
    Result<security::Principal> ByPassword(std::string_view, std::string_view) override { return Nobody(); }
    security::ScramVerifier ScramOf(std::string_view) override { return {}; }
    Result<security::Principal> AfterScram(std::string_view) override { return Nobody(); }
    bool HasPassword(std::string_view) override { return false; }
    Result<security::S3Key> ByS3KeyId(std::string_view id) override {
        if (id != "KEY") return Error(ErrorCode::kUnauthenticated, "unknown");
        return security::S3Key{{.kind = security::PrincipalKind::kUser, .name = "alice"}, Secret("secret")};
    }
    Result<security::Principal> Refresh(const security::Principal& principal) override { return principal; }

  private:
    static Error Nobody() { return Error(ErrorCode::kUnauthenticated, "not here"); }
};

class TestAudit : public security::AuditLog {
  public:
    Status Append(const security::AuditEvent& event, security::AuditDurability) override {
        events.push_back(event);
        if (fails_at_end && event.phase == security::AuditPhase::kEnd) return Error(ErrorCode::kIo, "audit disk");
        return Ok();
    }
    std::vector<security::AuditEvent> events;
    bool fails_at_end = false;
};

class TestResponder : public HttpResponder, public ByteWriter {
  public:
    Status Send(HttpResponse response) override {
        answer = std::move(response);
        return Ok();
    }
    Result<ByteWriter*> Start(int status, HttpHeaders headers, std::optional<uint64_t>) override {
        answer.status = status;
        answer.headers = std::move(headers);
        started_ = true;
        return this;
    }
    Status Write(ByteSpan bytes) override {
        answer.body += AsText(bytes);
        return Ok();
    }
    bool started() const override { return started_; }
    HttpResponse answer;

  private:
    bool started_ = false;
};

class S3ServerTest : public testing::Test {
  protected:
    void SetUp() override {
        server_ = S3Server::Create({SystemEnv(), *lake_, authenticator_, dispatcher_, registry_, metrics_, NullLog()})
                      .value();
        for (const char* bucket : {"mine", "raw", "lakehouse"}) {
            ASSERT_TRUE(lake_->CreateBucket(lake_.alice, bucket).ok());
        }
    }

    // Signs as alice, with the key's secret given.
    HttpResponse Send(HttpRequest request, std::string_view body, std::string_view secret = "secret",
                      Duration clock_error = {}) {
        SpanReader reader(AsBytes(body));
        request.body = &reader;
        request.content_length = body.size();
        if (!secret.empty()) Sign(request, secret, SystemEnv().clock().Now() + clock_error);
        TestResponder responder;
        EXPECT_TRUE(server_->Serve(request, responder).ok());
        return responder.answer;
    }

    static void Sign(HttpRequest& request, std::string_view secret, Timestamp now) {
        s3::Signature signature{.region = "x",
                                .service = "s3",
                                .time = s3::FormatSignatureTime(now),
                                .payload_hash = std::string(s3::kUnsignedPayload)};
        signature.day = signature.time.substr(0, 8);
        request.headers.Set("x-amz-date", signature.time);
        request.headers.Set("x-amz-content-sha256", signature.payload_hash);
        std::set<std::string> names = {"host"};
        for (const auto& [name, value] : request.headers.fields()) {
            if (name.starts_with("x-amz-")) names.insert(name);
        }
        signature.signed_headers.assign(names.begin(), names.end());
        std::string hex = s3::ExpectedSignature(s3::SigningKey(secret, signature), request, signature);
        request.headers.Set("Authorization",
                            fmt::format("AWS4-HMAC-SHA256 Credential=KEY/{}, SignedHeaders={}, Signature={}",
                                        signature.Scope(), Join(signature.signed_headers, ";"), hex));
    }

    TestLake lake_;
    TestAuthenticator authenticator_;
    TestAudit audit_;
    Metrics metrics_;
    security::Dispatcher dispatcher_{SystemEnv(), lake_.gate, audit_, metrics_};
    security::OperationRegistry registry_;
    std::unique_ptr<S3Server> server_;
};

TEST_F(S3ServerTest, WhatIsPutIsGotten) {
    EXPECT_EQ(Send(RequestFor("PUT", "/mine/a"), "hello").status, 200);
    HttpResponse got = Send(RequestFor("GET", "/mine/a"), "");
    EXPECT_EQ(got.body, "hello");
    EXPECT_FALSE(got.headers.Get("x-amz-request-id").empty());
    EXPECT_EQ(audit_.events.back().operation, "GetObject");
    EXPECT_EQ(audit_.events.back().resource, "lake:mine/a");
    EXPECT_EQ(audit_.events.back().bytes, 5);
}

TEST_F(S3ServerTest, StrangersAndForgersGetNothing) {
    EXPECT_EQ(Send(RequestFor("PUT", "/mine/a"), "hello", "").status, 403);
    HttpResponse forged = Send(RequestFor("PUT", "/mine/a"), "hello", "guess");
    EXPECT_NE(forged.body.find("<Code>SignatureDoesNotMatch</Code>"), std::string::npos);
    HttpResponse late = Send(RequestFor("PUT", "/mine/a"), "hello", "secret", -std::chrono::minutes(16));
    EXPECT_NE(late.body.find("<Code>RequestTimeTooSkewed</Code>"), std::string::npos);
    EXPECT_EQ(lake_->Head(lake_.alice, {"mine", "a"}).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(audit_.events.size(), 3u);  // each of them is a denial on record
    HttpRequest remote = RequestFor("PUT", "/mine/a");
    remote.remote = {"192.0.2.1", 5000};  // an unsigned payload over a network without TLS
    EXPECT_EQ(Send(remote, "hello").status, 400);
}

TEST_F(S3ServerTest, WithoutAnAuditRecordThereIsNoGoodAnswer) {
    audit_.fails_at_end = true;
    EXPECT_EQ(Send(RequestFor("PUT", "/mine/a"), "hello").status, 500);
}

TEST_F(S3ServerTest, WhatTarnCommitsIsReadOnly) {
    ASSERT_TRUE(lake_->PutBytes(lake_.alice, {"lakehouse", "t"}, AsBytes("table")).ok());
    EXPECT_EQ(Send(RequestFor("GET", "/lakehouse/t"), "").body, "table");
    for (const char* method : {"PUT", "DELETE"}) {
        EXPECT_EQ(Send(RequestFor(method, "/raw/t"), "").status, 403);
        EXPECT_EQ(Send(RequestFor(method, "/lakehouse/t"), "").status, 403);
        EXPECT_EQ(Send(RequestFor(method, "/lakehouse"), "").status, 403);
    }
    EXPECT_EQ(Send(RequestFor("POST", "/lakehouse/x", {{"uploads", ""}}), "").status, 403);
    EXPECT_EQ(Send(RequestFor("POST", "/lakehouse", {{"delete", ""}}), "<Delete/>").status, 403);
    EXPECT_EQ(audit_.events.back().status, "permission_denied");
}

TEST_F(S3ServerTest, TheGateDecides) {
    ASSERT_EQ(Send(RequestFor("PUT", "/mine/a"), "hello").status, 200);
    lake_.gate.denied = {"lake:GetObject mine/a", "lake:ListBucket mine/a"};
    EXPECT_EQ(Send(RequestFor("GET", "/mine/a"), "").status, 403);
    EXPECT_EQ(Send(RequestFor("GET", "/mine", {{"list-type", "2"}, {"prefix", "a"}}), "").status, 403);
    EXPECT_EQ(Send(RequestFor("GET", "/mine", {{"list-type", "2"}}), "").status, 200);
    HttpRequest copy = RequestFor("PUT", "/mine/b");
    copy.headers.Set("x-amz-copy-source", "/mine/a");
    EXPECT_EQ(Send(copy, "").status, 403);
    EXPECT_NE(audit_.events.back().status, "ok");
    lake_.gate.denied.clear();
    EXPECT_EQ(Send(copy, "").status, 200);
}

std::string CodeIn(const HttpResponse& answer) {
    size_t begin = answer.body.find("<Code>"), end = answer.body.find("</Code>");
    return begin == std::string::npos ? std::to_string(answer.status) : answer.body.substr(begin + 6, end - begin - 6);
}

TEST_F(S3ServerTest, TagsStayWithTheirObject) {
    HttpRequest put = RequestFor("PUT", "/mine/a");
    put.headers.Set("x-amz-tagging", "b=2&a=1");
    ASSERT_EQ(Send(put, "hello").status, 200);
    EXPECT_EQ(Send(RequestFor("GET", "/mine/a"), "").headers.Get("x-amz-tagging-count"), "2");
    EXPECT_NE(Send(RequestFor("GET", "/mine/a", {{"tagging", ""}}), "").body.find("<Key>a</Key><Value>1</Value>"),
              std::string::npos);
    std::string xml = "<Tagging><TagSet><Tag><Key>c</Key><Value/></Tag></TagSet></Tagging>";
    std::string etag(Send(RequestFor("HEAD", "/mine/a"), "").headers.Get("ETag"));
    EXPECT_EQ(Send(RequestFor("PUT", "/mine/a", {{"tagging", ""}}), xml).status, 200);
    EXPECT_EQ(Send(RequestFor("HEAD", "/mine/a"), "").headers.Get("ETag"), etag);
    HttpRequest copy = RequestFor("PUT", "/mine/copied");
    copy.headers.Set("x-amz-copy-source", "/mine/a");
    EXPECT_EQ(Send(copy, "").status, 200);
    EXPECT_NE(Send(RequestFor("GET", "/mine/copied", {{"tagging", ""}}), "").body.find("<Key>c</Key>"),
              std::string::npos);
    EXPECT_EQ(Send(RequestFor("DELETE", "/mine/a", {{"tagging", ""}}), "").status, 204);
    EXPECT_FALSE(Send(RequestFor("GET", "/mine/a"), "").headers.Has("x-amz-tagging-count"));
    EXPECT_EQ(CodeIn(Send(RequestFor("GET", "/mine/none", {{"tagging", ""}}), "")), "NoSuchKey");
}

TEST_F(S3ServerTest, WrongTagsAreRefused) {
    std::string many;
    for (int number = 0; number < 11; ++number) many += fmt::format("{}=x&", number);
    for (const std::string& tags : {many, std::string(129, 'k') + "=v", "k=" + std::string(257, 'v'),
                                    std::string("a=1&a=2"), std::string("=v")}) {
        HttpRequest put = RequestFor("PUT", "/mine/a");
        put.headers.Set("x-amz-tagging", tags);
        EXPECT_EQ(CodeIn(Send(put, "hello")), "InvalidTag") << tags;
    }
    EXPECT_EQ(CodeIn(Send(RequestFor("GET", "/mine/a"), "")), "NoSuchKey");
}

TEST_F(S3ServerTest, BucketsTellHowTheyAreSet) {
    EXPECT_EQ(CodeIn(Send(RequestFor("GET", "/mine", {{"tagging", ""}}), "")), "NoSuchTagSet");
    std::string xml = "<Tagging><TagSet><Tag><Key>c</Key><Value>d</Value></Tag></TagSet></Tagging>";
    EXPECT_EQ(Send(RequestFor("PUT", "/mine", {{"tagging", ""}}), xml).status, 204);
    EXPECT_NE(Send(RequestFor("GET", "/mine", {{"tagging", ""}}), "").body.find("<Value>d</Value>"), std::string::npos);
    EXPECT_EQ(Send(RequestFor("PUT", "/raw", {{"tagging", ""}}), xml).status, 403);
    EXPECT_EQ(CodeIn(Send(RequestFor("GET", "/mine", {{"cors", ""}}), "")), "NoSuchCORSConfiguration");
    EXPECT_NE(Send(RequestFor("GET", "/mine", {{"publicAccessBlock", ""}}), "").body.find("<BlockPublicAcls>true<"),
              std::string::npos);
    EXPECT_EQ(CodeIn(Send(RequestFor("GET", "/nobucket", {{"policy", ""}}), "")), "NoSuchBucket");
    lake_.gate.denied = {"lake:ListBucket mine/"};
    EXPECT_EQ(Send(RequestFor("GET", "/mine", {{"acl", ""}}), "").status, 403);
}

TEST_F(S3ServerTest, ObjectsAreTheirOwnVersions) {
    for (const char* key : {"/mine/a", "/mine/b/1", "/mine/b/2", "/mine/c"}) {
        ASSERT_EQ(Send(RequestFor("PUT", key), "x").status, 200);
    }
    std::string page =
        Send(RequestFor("GET", "/mine", {{"versions", ""}, {"max-keys", "2"}, {"delimiter", "/"}}), "").body;
    EXPECT_NE(page.find("<Version><Key>a</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>"),
              std::string::npos);
    EXPECT_NE(page.find("<NextKeyMarker>b/</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>"),
              std::string::npos);
    std::string rest =
        Send(RequestFor("GET", "/mine",
                        {{"versions", ""}, {"key-marker", "b/"}, {"delimiter", "/"}, {"version-id-marker", "null"}}),
             "")
            .body;
    EXPECT_EQ(rest.find("CommonPrefixes"), std::string::npos);
    EXPECT_NE(rest.find("<Key>c</Key>"), std::string::npos);
}

TEST_F(S3ServerTest, AStoredPageRunsNoScript) {
    ASSERT_EQ(Send(RequestFor("PUT", "/mine/a"), "<script>").status, 200);
    HttpResponse plain = Send(RequestFor("GET", "/mine/a"), "");
    EXPECT_EQ(plain.headers.Get("X-Content-Type-Options"), "nosniff");
    EXPECT_FALSE(plain.headers.Has("Content-Security-Policy"));
    for (const char* type : {"text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/xhtml+xml"}) {
        HttpResponse page = Send(RequestFor("GET", "/mine/a", {{"response-content-type", type}}), "");
        EXPECT_EQ(page.headers.Get("Content-Security-Policy"), "sandbox") << type;
    }
}

TEST_F(S3ServerTest, WhatIsSupportedIsToldToWhomWeKnow) {
    EXPECT_EQ(CodeIn(Send(RequestFor("PUT", "/mine", {{"policy", ""}}), "", "guess")), "SignatureDoesNotMatch");
    EXPECT_EQ(CodeIn(Send(RequestFor("PUT", "/mine", {{"policy", ""}}), "")), "NotImplemented");
}

TEST_F(S3ServerTest, LinksOfVersion2AreTakenUntilTheyExpire) {
    ASSERT_EQ(Send(RequestFor("PUT", "/mine/a"), "hello").status, 200);
    auto link = [&](Duration from_now, std::string_view secret, const char* method = "GET") {
        auto at = std::chrono::floor<std::chrono::seconds>(SystemEnv().clock().Now() + from_now);
        HttpRequest request = RequestFor(method, "/mine/a");
        request.query = {{"AWSAccessKeyId", "KEY"}, {"Expires", std::to_string(at.time_since_epoch().count())}};
        std::string signature = s3::ExpectedLinkSignature(Secret(secret), request, "");
        request.query.emplace_back("Signature", signature);
        return request;
    };
    EXPECT_EQ(Send(link(std::chrono::minutes(1), "secret"), "", "").body, "hello");
    EXPECT_EQ(CodeIn(Send(link(-std::chrono::seconds(2), "secret"), "", "")), "AccessDenied");
    EXPECT_EQ(CodeIn(Send(link(std::chrono::hours(24 * 8), "secret"), "", "")), "AccessDenied");
    EXPECT_EQ(CodeIn(Send(link(std::chrono::minutes(1), "guess"), "", "")), "SignatureDoesNotMatch");
    HttpRequest changed = link(std::chrono::minutes(1), "secret");
    changed.method = "DELETE";
    EXPECT_EQ(CodeIn(Send(changed, "", "")), "SignatureDoesNotMatch");
    EXPECT_EQ(Send(link(std::chrono::minutes(1), "secret", "PUT"), "new", "").status, 200);
    EXPECT_EQ(Send(RequestFor("GET", "/mine/a"), "").body, "new");
}

// A body that makes another call before it ends.
class NestedBody : public ByteReader {
  public:
    explicit NestedBody(std::function<void()> then) : then_(std::move(then)) {}
    Result<size_t> Read(MutableByteSpan) override {
        if (then_) std::exchange(then_, nullptr)();
        return size_t{0};
    }

  private:
    std::function<void()> then_;
};

TEST_F(S3ServerTest, OnePersonDoesNotTakeAllPlaces) {
    std::vector<std::string> codes;
    std::function<void()> call = [&] {
        NestedBody body(call);
        HttpRequest request = RequestFor("PUT", "/mine/a");
        request.body = &body;
        Sign(request, "secret", SystemEnv().clock().Now());
        TestResponder responder;
        EXPECT_TRUE(server_->Serve(request, responder).ok());
        codes.push_back(CodeIn(responder.answer));
    };
    call();
    ASSERT_EQ(codes.size(), kCallsOfOneMax + 1u);
    EXPECT_EQ(codes.front(), "SlowDown");
    EXPECT_EQ(std::count(codes.begin(), codes.end(), "200"), kCallsOfOneMax);
    EXPECT_EQ(Send(RequestFor("GET", "/mine/a"), "").status, 200);  // all places are free again
}

TEST_F(S3ServerTest, APartIsReadWithItsChecksum) {
    HttpRequest start = RequestFor("POST", "/mine/p", {{"uploads", ""}});
    start.headers.Set("x-amz-checksum-algorithm", "SHA256");
    std::string started = Send(start, "").body;
    size_t begin = started.find("<UploadId>") + 10;
    std::string upload = started.substr(begin, started.find("</UploadId>") - begin);
    std::string xml = "<CompleteMultipartUpload>";
    std::vector<std::string> checksums;
    for (int number : {1, 2}) {
        std::string body(number == 1 ? 5 << 20 : 10, 'x');
        HttpResponse part =
            Send(RequestFor("PUT", "/mine/p", {{"partNumber", std::to_string(number)}, {"uploadId", upload}}), body);
        checksums.emplace_back(part.headers.Get("x-amz-checksum-sha256"));
        xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", number, part.headers.Get("ETag"));
    }
    ASSERT_EQ(Send(RequestFor("POST", "/mine/p", {{"uploadId", upload}}), xml + "</CompleteMultipartUpload>").status,
              200);
    for (int number : {1, 2}) {
        HttpRequest get = RequestFor("GET", "/mine/p", {{"partNumber", std::to_string(number)}});
        get.headers.Set("x-amz-checksum-mode", "ENABLED");
        HttpResponse got = Send(get, "");
        EXPECT_EQ(got.status, 206);
        EXPECT_FALSE(checksums[number - 1].empty());
        EXPECT_EQ(got.headers.Get("x-amz-checksum-sha256"), checksums[number - 1]);
        EXPECT_EQ(got.headers.Get("x-amz-checksum-type"), "COMPOSITE");
    }
}

}  // namespace
}  // namespace tarn::lake

// The S3 server without a network: which row a request finds, what strangers get, what the audit log decides. The rest
// is tested with real clients.
#include "storage/lake/s3_server.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "storage/lake/lake_for_test.h"
#include "storage/lake/operations.h"
#include "storage/lake/s3_answer.h"
#include "wire/s3/dates.h"

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
    HttpRequest copy = RequestFor("PUT", "/b/k");
    copy.headers.Set("x-amz-copy-source", "/b/other");
    EXPECT_EQ(RowFor(copy), "CopyObject");
}

TEST(S3Operations, NothingFallsThroughToAnotherCall) {
    for (const char* method : {"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"}) {
        for (const char* path : {"/", "/b", "/b/k"}) {
            for (const char* parameter : {"acl", "tagging", "retention", "legal-hold", "policy", "cors", "lifecycle",
                                          "versions", "restore", "select", "website", "encryption", "torrent"}) {
                EXPECT_EQ(RowFor(RequestFor(method, path, {{parameter, ""}})), "NotImplemented") << method << parameter;
            }
        }
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
                                .signed_headers = {"host", "x-amz-content-sha256", "x-amz-date"},
                                .payload_hash = std::string(s3::kUnsignedPayload)};
        signature.day = signature.time.substr(0, 8);
        request.headers.Set("x-amz-date", signature.time);
        request.headers.Set("x-amz-content-sha256", signature.payload_hash);
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
}

}  // namespace
}  // namespace tarn::lake

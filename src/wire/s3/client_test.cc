#include "wire/s3/client.h"

#include <gtest/gtest.h>

#include "wire/s3/sigv4.h"

namespace tarn::s3 {
namespace {

// What the server side of this component would have it be.
TEST(S3Client, ARequestIsSignedAsServersCheckIt) {
    Secret secret(std::string_view("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
    HttpClientRequest request;
    request.url = "http://127.0.0.1:9000/in?list-type=2&prefix=a%20b%2F&encoding-type=url";
    Timestamp now = ParseTime("2026-11-22T15:04:05Z").value();
    ASSERT_TRUE(SignRequest(request, {"KEY", Secret(secret.text()), "eu-west-1"}, now).ok());
    EXPECT_EQ(request.headers.Get("Host"), "127.0.0.1:9000");
    HttpRequest seen;
    seen.method = "GET";
    seen.target = "/in?list-type=2&prefix=a%20b%2F&encoding-type=url";
    seen.path = "/in";
    seen.query = {{"list-type", "2"}, {"prefix", "a b/"}, {"encoding-type", "url"}};
    seen.headers = request.headers;
    auto signature = ReadSignature(seen);
    ASSERT_TRUE(signature.ok()) << signature.error().ToString();
    ASSERT_TRUE(signature->has_value());
    EXPECT_EQ((*signature)->access_key_id, "KEY");
    EXPECT_EQ((*signature)->Scope(), "20261122/eu-west-1/s3/aws4_request");
    EXPECT_EQ((*signature)->signature, ExpectedSignature(SigningKey(secret.text(), **signature), seen, **signature));
    request.url = "https://s3.eu-west-1.amazonaws.com/in/a";
    request.headers = {};
    ASSERT_TRUE(SignRequest(request, {"KEY", Secret(secret.text()), "eu-west-1"}, now).ok());
    EXPECT_EQ(request.headers.Get("Host"), "s3.eu-west-1.amazonaws.com");
}

TEST(S3Client, ListingsAreRead) {
    auto page = DecodeFoundPage(
        "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><EncodingType>url"
        "</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>t==</NextContinuationToken><Contents>"
        "<Key>a+b/%C3%BC%2B.csv</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag>"
        "<Size>12</Size></Contents></ListBucketResult>");
    ASSERT_TRUE(page.ok()) << page.error().ToString();
    EXPECT_EQ(page->next, "t==");
    ASSERT_EQ(page->objects.size(), 1U);
    EXPECT_EQ(page->objects[0].key, "a b/ü+.csv");
    EXPECT_EQ(page->objects[0].etag, "e");
    EXPECT_EQ(page->objects[0].bytes, 12U);
}

TEST(S3Client, WhatIsNoListingIsRefused) {
    for (const char* text :
         {"", "<html>", "<Error><Code>X</Code></Error>",
          "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
          "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
          "<ListBucketResult><Contents><Key>a</Key><Size>1</Size><LastModified>soon</LastModified></Contents>"
          "</ListBucketResult>"}) {
        EXPECT_FALSE(DecodeFoundPage(text).ok()) << text;
    }
    EXPECT_EQ(DecodeErrorText("<Error><Code>NoSuchBucket</Code><Message>It is gone.</Message></Error>"),
              "NoSuchBucket: It is gone.");
    EXPECT_EQ(DecodeErrorText("<html>"), "");
}

}  // namespace
}  // namespace tarn::s3

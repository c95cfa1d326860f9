// The examples of the S3 API reference (sigv4-header-based-auth, sigv4-query-string-auth, sigv4-streaming and
// sigv4-streaming-trailers), and what must be refused.
#include <gtest/gtest.h>

#include "wire/s3/chunked.h"
#include "wire/s3/dates.h"
#include "wire/s3/sigv2.h"
#include "wire/s3/sigv4.h"
#include "wire/s3/xml.h"

namespace tarn::s3 {
namespace {

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string Authorization(std::string_view signed_headers, std::string_view signature) {
    return fmt::format(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders={},Signature={}",
        signed_headers, signature);
}

std::string ExpectedFor(const HttpRequest& request) {
    auto signature = ReadSignature(request);
    if (!signature.ok()) return signature.error().ToString();
    return ExpectedSignature(SigningKey(kSecret, **signature), request, **signature);
}

HttpRequest GetExample() {
    HttpRequest request{.method = "GET", .target = "/test.txt", .path = "/test.txt"};
    request.headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                       {"Range", "bytes=0-9"},
                       {"x-amz-content-sha256", std::string(kEmptyHash)},
                       {"x-amz-date", "20130524T000000Z"}};
    request.headers.Add("Authorization",
                        Authorization("host;range;x-amz-content-sha256;x-amz-date",
                                      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
    return request;
}

TEST(SigV4, ChecksTheHeaderExamples) {
    EXPECT_EQ(ExpectedFor(GetExample()), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    HttpRequest put{.method = "PUT", .path = "/test$file.text"};
    put.headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                   {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                   {"x-amz-date", "20130524T000000Z"},
                   {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                   {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}};
    std::string wanted = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    put.headers.Add("Authorization",
                    Authorization("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", wanted));
    EXPECT_EQ(ExpectedFor(put), wanted);
    HttpRequest list{.method = "GET", .path = "/", .query = {{"max-keys", "2"}, {"prefix", "J"}}};
    list.headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                    {"x-amz-content-sha256", std::string(kEmptyHash)},
                    {"x-amz-date", "20130524T000000Z"}};
    wanted = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    list.headers.Add("Authorization", Authorization("host;x-amz-content-sha256;x-amz-date", wanted));
    EXPECT_EQ(ExpectedFor(list), wanted);
}

TEST(SigV4, ChecksThePresignedExample) {
    std::string wanted = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    HttpRequest request{.method = "GET", .path = "/test.txt"};
    request.query = {{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
                     {"X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"},
                     {"X-Amz-Date", "20130524T000000Z"},
                     {"X-Amz-Expires", "86400"},
                     {"X-Amz-SignedHeaders", "host"},
                     {"X-Amz-Signature", wanted}};
    request.headers = {{"Host", "examplebucket.s3.amazonaws.com"}};
    EXPECT_EQ(ExpectedFor(request), wanted);
    for (const char* expires : {"0", "604801", "", "x", "-5"}) {
        request.query[3].second = expires;
        EXPECT_EQ(ReadSignature(request).error().detail_code(), "AuthorizationQueryParametersError") << expires;
    }
}

TEST(SigV4, RefusesWhatIsMalformedOrUnsigned) {
    auto code_with = [](std::string_view name, std::string value) {
        HttpRequest request = GetExample();
        request.headers.Set(std::string(name), std::move(value));
        auto signature = ReadSignature(request);
        return signature.ok() ? "" : signature.error().detail_code();
    };
    std::string signature(64, 'a');
    EXPECT_EQ(code_with("Authorization", Authorization("range;x-amz-content-sha256;x-amz-date", signature)),
              "AuthorizationHeaderMalformed");  // no host
    EXPECT_EQ(code_with("Authorization", Authorization("host;range;x-amz-content-sha256", signature)),
              "AuthorizationHeaderMalformed");  // no date
    EXPECT_EQ(code_with("Authorization", Authorization("host;range;x-amz-date", signature)), "AccessDenied");
    EXPECT_EQ(code_with("x-amz-meta-injected", "1"), "AccessDenied");
    EXPECT_EQ(code_with("Authorization", Authorization("host;x-amz-content-sha256;x-amz-date", "abc")),
              "AuthorizationHeaderMalformed");
    EXPECT_EQ(code_with("Authorization", "AWS AKIA:abc"), "AuthorizationHeaderMalformed");
    EXPECT_EQ(code_with("Authorization", "AWS4-HMAC-SHA256 nonsense"), "AuthorizationHeaderMalformed");
    EXPECT_EQ(code_with("Authorization",
                        "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/sqs/aws4_request,"
                        "SignedHeaders=host,Signature=ab"),
              "AuthorizationHeaderMalformed");
    EXPECT_EQ(code_with("x-amz-date", "20130525T000000Z"), "AccessDenied");  // not the credential's day
    EXPECT_EQ(code_with("x-amz-date", "yesterday"), "AccessDenied");
    EXPECT_EQ(code_with("x-amz-content-sha256", ""), "InvalidRequest");
    HttpRequest twice = GetExample();
    twice.headers.Add("Authorization", "Basic YTpi");
    EXPECT_EQ(ReadSignature(twice).error().detail_code(), "AuthorizationHeaderMalformed");
    HttpRequest unsigned_request{.method = "GET", .path = "/"};
    EXPECT_FALSE(ReadSignature(unsigned_request)->has_value());
}

TEST(SigV4, PathsAreMadeCanonical) {
    HttpRequest request = GetExample();
    request.path = "/a%20b+c~d%7Ee/(x)";
    auto signature = ReadSignature(request).value();
    EXPECT_TRUE(CanonicalRequest(request, *signature).starts_with("GET\n/a%20b%2Bc~d~e/%28x%29\n"));
}

// ---- chunks

Signature StreamSignature(std::string seed) {
    return {.day = "20130524",
            .region = "us-east-1",
            .service = "s3",
            .time = "20130524T000000Z",
            .signature = std::move(seed)};
}

// 64 KiB and 1 KiB of 'a', with the signatures of the reference.
std::string StreamBody(const std::vector<std::string>& signatures, std::string_view trailers) {
    return fmt::format(
        "10000;chunk-signature={}\r\n{}\r\n400;chunk-signature={}\r\n{}\r\n0;chunk-signature={}\r\n"
        "{}\r\n",
        signatures[0], std::string(65536, 'a'), signatures[1], std::string(1024, 'a'), signatures[2], trailers);
}

// The content (of the long example its hash), or S3's code of the error.
std::string Decode(std::string_view body, ChunkedOptions options,
                   std::map<std::string, std::string>* trailers = nullptr) {
    SpanReader inner(AsBytes(body));
    ChunkedReader reader(inner, std::move(options));
    auto all = ReadAll(reader, 1 << 20);
    if (!all.ok()) return all.error().detail_code();
    if (trailers) *trailers = reader.trailers();
    return all->size() == 66560 ? Sha256Hex(*all) : std::string(AsText(*all));
}

ChunkedOptions Signed(std::string seed, bool has_trailer) {
    Signature signature = StreamSignature(std::move(seed));
    Secret key = SigningKey(kSecret, signature);
    return {.is_signed = true,
            .has_trailer = has_trailer,
            .signature = signature,
            .signing_key = std::move(key),
            .decoded_bytes = 66560};
}

constexpr const char* kSeed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const std::vector<std::string>& ChunkSignatures() {
    static const std::vector<std::string> signatures = {
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"};
    return signatures;
}

TEST(Chunked, ChecksTheStreamingExample) {
    std::string body = StreamBody(ChunkSignatures(), "");
    EXPECT_EQ(Decode(body, Signed(kSeed, false)), Sha256Hex(Bytes(66560, 'a')));
    std::string changed = body;
    changed[66'000] = 'b';
    EXPECT_EQ(Decode(changed, Signed(kSeed, false)), "SignatureDoesNotMatch");
    EXPECT_EQ(Decode(body.substr(0, 60'000), Signed(kSeed, false)), "IncompleteBody");
    // Cut off after whole chunks: the empty chunk that ends the body is missing.
    EXPECT_EQ(Decode(body.substr(0, body.rfind("0;chunk")), Signed(kSeed, false)), "IncompleteBody");
    EXPECT_EQ(Decode(body, Signed(std::string(64, '0'), false)), "SignatureDoesNotMatch");
    ChunkedOptions shorter = Signed(kSeed, false);
    shorter.decoded_bytes = 66559;
    EXPECT_EQ(Decode(body, std::move(shorter)), "IncompleteBody");
}

TEST(Chunked, ChecksTheTrailerExample) {
    std::string seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    std::vector<std::string> signatures = {"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                                           "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                                           "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"};
    std::string trailers =
        "x-amz-checksum-crc32c:sOO8/Q==\r\n"
        "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";
    std::map<std::string, std::string> found;
    EXPECT_EQ(Decode(StreamBody(signatures, trailers), Signed(seed, true), &found), Sha256Hex(Bytes(66560, 'a')));
    EXPECT_EQ(found.at("x-amz-checksum-crc32c"), "sOO8/Q==");
    trailers[25] = 'X';
    EXPECT_EQ(Decode(StreamBody(signatures, trailers), Signed(seed, true)), "SignatureDoesNotMatch");
    EXPECT_EQ(Decode(StreamBody(signatures, ""), Signed(seed, true)), "SignatureDoesNotMatch");
}

TEST(Chunked, UnsignedChunksWithTrailersAreRead) {
    auto decode = [](std::string_view body, uint64_t bytes) {
        return Decode(body, {.has_trailer = true, .decoded_bytes = bytes});
    };
    EXPECT_EQ(decode("5\r\nhello\r\n3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", 8), "helloabc");
    EXPECT_EQ(decode("0\r\n\r\n", 0), "");
    EXPECT_EQ(decode("5\r\nhello!\r\n0\r\n\r\n", 5), "IncompleteBody");
    EXPECT_EQ(decode("5\r\nhello\r\n0\r\n\r\n", 6), "IncompleteBody");
    EXPECT_EQ(decode("ffffffffffffffff\r\nhello", 5), "IncompleteBody");
    EXPECT_EQ(decode("-5\r\nhello", 5), "IncompleteBody");
    EXPECT_EQ(decode(std::string(5000, '0'), 5), "IncompleteBody");
    EXPECT_EQ(decode("0\r\nno colon\r\n\r\n", 0), "MalformedTrailerError");
    EXPECT_EQ(Decode("0\r\na:b\r\n\r\n", {.has_trailer = false}), "MalformedTrailerError");
}

// ---- XML and dates

TEST(Xml, AnswersAreEscapedAndParseAgain) {
    EXPECT_EQ(EncodeError({"NoSuchKey", "a < b & \"c\"", "/b/k", "ID"}),
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchKey</Code><Message>a &lt; b &amp; \"c\""
              "</Message><Resource>/b/k</Resource><RequestId>ID</RequestId></Error>");
    ObjectListing listing{.bucket = "b", .delimiter = "/", .url_encoded = true, .next = "token"};
    listing.objects.push_back({"a b\x01/ü", FromMicros(1'500'000), "abc", 7});
    listing.common_prefixes.push_back("p&/");
    std::string text = EncodeObjects(listing);
    EXPECT_NE(text.find("<Key>a%20b%01/%C3%BC</Key><LastModified>1970-01-01T00:00:01.500Z</LastModified>"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("<CommonPrefixes><Prefix>p%26/</Prefix></CommonPrefixes>"), std::string::npos);
    EXPECT_NE(text.find("<NextContinuationToken>token</NextContinuationToken>"), std::string::npos);
}

TEST(Xml, RequestsAreRead) {
    auto parts = DecodeComplete(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><ETag>\"ab\"</ETag>"
        "<PartNumber>1</PartNumber><ChecksumCRC32>AAAA</ChecksumCRC32></Part></CompleteMultipartUpload>");
    ASSERT_TRUE(parts.ok());
    EXPECT_EQ(parts->at(0).etag, "ab");
    EXPECT_EQ(parts->at(0).checksums.at(0).algorithm, "CRC32");
    auto request = DecodeDelete(
        "<Delete><Quiet>true</Quiet><Object><Key>a &amp; b</Key></Object>"
        "<Object><Key> </Key></Object></Delete>");
    ASSERT_TRUE(request.ok());
    EXPECT_TRUE(request->quiet);
    EXPECT_EQ(request->keys.at(0).key, "a & b");
    EXPECT_EQ(request->keys.at(1).key, " ");
    EXPECT_EQ(DecodeCreateBucket("").value(), "");
    for (const char* bad : {"", "<", "<Delete/>", "<Other/>", "<Delete><Object/></Delete>",
                            "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///x'>]><Delete><Object>&e;</Object></Delete>"}) {
        EXPECT_EQ(DecodeDelete(bad).error().detail_code(), "MalformedXML") << bad;
    }
    std::string many = "<Delete>";
    for (int key = 0; key < 1001; ++key) many += "<Object><Key>a</Key></Object>";
    EXPECT_FALSE(DecodeDelete(many + "</Delete>").ok());
}

TEST(Dates, OfHttpAreReadAndWritten) {
    EXPECT_EQ(FormatHttpDate(FromMicros(784111777'000'000)), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(ToMicros(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT").value()), 784111777'000'000);
    EXPECT_FALSE(ParseHttpDate("Sun, 06 Foo 1994 08:49:37 GMT").ok());
    EXPECT_FALSE(ParseHttpDate("").ok());
    EXPECT_EQ(FormatSignatureTime(FromMicros(784111777'000'000)), "19941106T084937Z");
}

// ---- links of version 2

// The example of RESTAuthentication, "Query string request authentication alternative".
HttpRequest LinkExample() {
    HttpRequest request{.method = "GET", .path = "/photos/puppy.jpg"};
    request.query = {{"AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE"},
                     {"Signature", "NpgCjnDzrM+WFzoENXmpNDUsSn8="},
                     {"Expires", "1175139620"}};
    request.headers.Set("Host", "johnsmith.s3.amazonaws.com");
    return request;
}

std::string LinkSignatureOf(HttpRequest request, std::string_view bucket_of_host = "johnsmith") {
    auto link = ReadLinkSignature(request);
    if (!link.ok()) return link.error().detail_code();
    return ExpectedLinkSignature(Secret(kSecret), request, bucket_of_host);
}

TEST(SigV2, ChecksTheLinkExample) {
    HttpRequest request = LinkExample();
    EXPECT_TRUE(IsSignedLink(request));
    auto link = ReadLinkSignature(request);
    ASSERT_TRUE(link.ok());
    EXPECT_EQ(link->access_key_id, "AKIAIOSFODNN7EXAMPLE");
    EXPECT_EQ(link->expires_at, Timestamp(std::chrono::seconds(1175139620)));
    EXPECT_EQ(LinkSignatureOf(LinkExample()), link->signature);
    HttpRequest path_style = LinkExample();
    path_style.path = "/johnsmith/photos/puppy.jpg";
    EXPECT_EQ(LinkSignatureOf(path_style, ""), link->signature);
}

TEST(SigV2, EveryChangeOfTheRequestChangesTheSignature) {
    std::string good = LinkSignatureOf(LinkExample());
    HttpRequest changed = LinkExample();
    changed.method = "PUT";
    EXPECT_NE(LinkSignatureOf(changed), good);
    changed = LinkExample();
    changed.path = "/photos/kitten.jpg";
    EXPECT_NE(LinkSignatureOf(changed), good);
    changed = LinkExample();
    changed.query[2].second = "2175139620";
    EXPECT_NE(LinkSignatureOf(changed), good);
    for (const char* parameter : {"acl", "uploadId", "response-content-type", "versionId", "x-amz-copy-source"}) {
        changed = LinkExample();
        changed.query.emplace_back(parameter, "x");
        EXPECT_NE(LinkSignatureOf(changed), good) << parameter;
    }
    changed = LinkExample();
    changed.headers.Set("x-amz-copy-source", "/other/secret");
    EXPECT_NE(LinkSignatureOf(changed), good);
}

TEST(SigV2, WhatItDoesNotCoverIsRefused) {
    for (auto [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
             {"prefix", "a"}, {"list-type", "2"}, {"attributes", ""}, {"Expires", "9"}, {"x-amz-meta-a", "b\n/c"}}) {
        HttpRequest request = LinkExample();
        request.query.emplace_back(name, value);
        EXPECT_EQ(LinkSignatureOf(request), "AccessDenied") << name;
    }
    for (const char* expires : {"", "soon", "-1", "99999999999999999999", "1175139620.5"}) {
        HttpRequest request = LinkExample();
        request.query[2].second = expires;
        EXPECT_EQ(LinkSignatureOf(request), "AccessDenied") << expires;
    }
    HttpRequest both = LinkExample();
    both.headers.Set("Authorization", "AWS4-HMAC-SHA256 x");
    EXPECT_FALSE(IsSignedLink(both));
}

TEST(SigV2, ParametersStandForHeaders) {
    HttpRequest request = LinkExample();
    request.query.emplace_back("x-amz-meta-a", "b");
    ASSERT_TRUE(ReadLinkSignature(request).ok());
    EXPECT_EQ(request.headers.Get("x-amz-meta-a"), "b");
    EXPECT_FALSE(request.Query("x-amz-meta-a").has_value());
}

TEST(Xml, TagsGoBothWays) {
    Tags tags = {{"a", ""}, {"b <&>", "c"}};
    auto decoded = DecodeTags(EncodeTags(tags));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, tags);
    for (const char* text : {"", "<Tagging/>", "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
                             "<!DOCTYPE a [<!ENTITY b \"c\">]><Tagging><TagSet><Tag>&b;</Tag></TagSet></Tagging>"}) {
        EXPECT_EQ(DecodeTags(text).error().detail_code(), "MalformedXML") << text;
    }
}

}  // namespace
}  // namespace tarn::s3

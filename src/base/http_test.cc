#include "base/http.h"

#include <gtest/gtest.h>

#include "base/http_message.h"

namespace tarn {
namespace {

// Decodes in pieces of `step` bytes; "error" if it fails, and the rest that was not consumed after '|'.
std::string DecodeAll(BodyDecoder decoder, std::string_view input, size_t step, size_t room = 7) {
    std::string output;
    Bytes buffer(room);
    size_t at = 0;
    while (!decoder.done() && at < input.size()) {
        Result<BodyDecoder::Step> result = decoder.Decode(AsBytes(input.substr(at, step)), buffer);
        if (!result.ok()) return "error";
        at += result->consumed;
        output.append(AsText(ByteSpan(buffer).first(result->produced)));
    }
    return output + (decoder.done() ? "|" : "...") + std::string(input.substr(at));
}

TEST(HttpHeaders, CompareNamesWithoutCase) {
    HttpHeaders headers{{"Content-Type", "a"}, {"X", "1"}, {"x", "2"}};
    EXPECT_EQ(headers.Get("content-type"), "a");
    EXPECT_EQ(headers.Get("X"), "1");
    EXPECT_EQ(headers.Get("none"), "");
    EXPECT_TRUE(headers.Has("CONTENT-TYPE"));
    headers.Set("x", "3");
    EXPECT_EQ(headers.fields().size(), 2u);
    EXPECT_EQ(headers.Get("X"), "3");
}

TEST(HttpStatus, HasReasonsAndErrors) {
    EXPECT_EQ(HttpReason(200), "OK");
    EXPECT_EQ(HttpReason(507), "Insufficient Storage");
    EXPECT_EQ(HttpReason(299), "Unknown");
    for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); code++) {
        int status = HttpStatusOf(static_cast<ErrorCode>(code));
        EXPECT_GE(status, 400);
        EXPECT_NE(HttpReason(status), "Unknown") << status;
    }
}

TEST(Url, ParsesAndRefuses) {
    Url url = *ParseUrl("HTTPS://Example.com/a/b?c=d#e");
    EXPECT_EQ(url.scheme, "https");
    EXPECT_EQ(url.address.ToString(), "Example.com:443");
    EXPECT_EQ(url.target, "/a/b?c=d");
    EXPECT_EQ(ParseUrl("http://[::1]:81")->address.ToString(), "[::1]:81");
    EXPECT_EQ(ParseUrl("http://h?x")->target, "/?x");
    EXPECT_EQ(ParseUrl("http://h:8080/")->address.port, 8080);
    for (const char* wrong : {"", "h", "ftp://h/", "http://", "http:///x", "http://h:0/", "http://h:99999/",
                              "http://u:p@h/", "http://h/a b", "http://h/\r\nX: y", "http://h /", "//h/"}) {
        EXPECT_FALSE(ParseUrl(wrong).ok()) << wrong;
    }
    EXPECT_EQ(ParseUrl("http://user:hunter2@h/").error().ToString().find("hunter2"), std::string::npos);
}

TEST(BodyDecoder, FindsTheEndWhateverTheSteps) {
    for (size_t step : {1u, 2u, 3u, 5u, 100u}) {
        EXPECT_EQ(DecodeAll(BodyDecoder::Length(5), "hellorest", step), "hello|rest");
        EXPECT_EQ(DecodeAll(BodyDecoder::Chunked(100), "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\nrest", step),
                  "hello0123456789|rest");
        EXPECT_EQ(DecodeAll(BodyDecoder::Chunked(100), "1 \r\nx\r\n000\r\nTrailer: t\r\nU: v\r\n\r\n", step), "x|");
        EXPECT_EQ(DecodeAll(BodyDecoder::Chunked(100), "5\r\nhel", step), "hel...");
        EXPECT_EQ(DecodeAll(BodyDecoder::UntilClose(), "abc", step), "abc...");
    }
    EXPECT_TRUE(BodyDecoder::Length(0).done());
    EXPECT_TRUE(BodyDecoder::Nothing().done());
}

TEST(BodyDecoder, RefusesWhatIsNotChunks) {
    for (const char* wrong : {"\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", "1\nx", "1\r\nxy\r\n", "1\r\nx\n",
                              "10000000000000000\r\n", "1\rx\r\n", ";a\r\n", "0\r\nTrailer\n\r\n", " 1\r\n"}) {
        EXPECT_EQ(DecodeAll(BodyDecoder::Chunked(UINT64_MAX), wrong, 100), "error") << wrong;
    }
    EXPECT_EQ(DecodeAll(BodyDecoder::Chunked(10), "6\r\nabcdef\r\n5\r\n", 100), "error");
    EXPECT_EQ(DecodeAll(BodyDecoder::Chunked(10), "1;" + std::string(5000, 'x') + "\r\n", 1000), "error");
    EXPECT_EQ(DecodeAll(
                  BodyDecoder::Chunked(10),
                  "0\r\n" + std::string(20, 'x') + "\r\n" +
                      [] {
                          std::string lines;
                          for (int i = 0; i < 2000; i++) lines += "Name: 0123456789\r\n";
                          return lines;
                      }(),
                  1000),
              "error");
}

TEST(BodyDecoder, CountsWhatIsReadDirectly) {
    BodyDecoder decoder = BodyDecoder::Length(10);
    EXPECT_EQ(decoder.direct(), 10u);
    decoder.TookDirectly(4);
    EXPECT_EQ(decoder.remaining(), 6u);
    decoder.TookDirectly(6);
    EXPECT_TRUE(decoder.done());
    EXPECT_EQ(BodyDecoder::Chunked(10).direct(), 0u);
    EXPECT_FALSE(BodyDecoder::Chunked(10).remaining());
}

TEST(InputBuffer, KeepsOrderWhileItMoves) {
    InputBuffer input;
    std::string written, read;
    for (int i = 0; i < 2000; i++) {
        std::string piece(static_cast<size_t>(i % 97 + 1), static_cast<char>('a' + i % 26));
        MutableByteSpan space = input.Space(piece.size());
        std::copy(piece.begin(), piece.end(), space.begin());
        input.Filled(piece.size());
        written += piece;
        size_t take = std::min<size_t>(input.unread().size(), static_cast<size_t>(i % 89));
        read += AsText(input.unread().first(take));
        input.Consume(take);
        input.Release();
    }
    read += AsText(input.unread());
    EXPECT_EQ(read, written);
}

TEST(Fields, RefuseSmuggling) {
    EXPECT_TRUE(CheckFields({{"X-A", "v\tw \xc3\xa9"}}).ok());
    EXPECT_FALSE(CheckFields({{"X-A", "v\r\nX-B: w"}}).ok());
    EXPECT_FALSE(CheckFields({{"X-A", std::string("v\0", 2)}}).ok());
    EXPECT_FALSE(CheckFields({{"X A", "v"}}).ok());
    EXPECT_FALSE(CheckFields({{"", "v"}}).ok());
    EXPECT_TRUE(ListHas("keep-alive, Close", "close"));
    EXPECT_FALSE(ListHas("closed", "close"));
}

TEST(ResponseHead, FramesTheMessageItself) {
    Timestamp now = *ParseTime("1994-11-06T08:49:37Z");
    EXPECT_EQ(HttpDate(now), "Sun, 06 Nov 1994 08:49:37 GMT");
    HttpHeaders headers{{"content-length", "9"}, {"X", "y"}, {"connection", "x"}};
    std::string head = ResponseHead(200, headers, {5, false, true, false}, now);
    EXPECT_EQ(head,
              "HTTP/1.1 200 OK\r\nX: y\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n"
              "Connection: close\r\n\r\n");
}

TEST(ResponseHead, IsParsedStrictly) {
    auto head = ParseResponseHead("HTTP/1.1 200 \r\nA: b \r\nC:d\r\n\r\n");
    ASSERT_TRUE(head.ok()) << head.error().ToString();
    EXPECT_EQ(head->headers.Get("a"), "b");
    EXPECT_EQ(head->headers.Get("c"), "d");
    EXPECT_TRUE(ParseResponseHead("HTTP/1.0 404\r\n\r\n")->http_1_0);
    for (const char* wrong : {"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "ICY 200 OK\r\n\r\n", "\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
                              "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n"}) {
        EXPECT_FALSE(ParseResponseHead(wrong).ok()) << wrong;
    }
}

TEST(ResponseBody, FollowsTheRulesOfFraming) {
    auto kind = [](std::string_view text, std::string_view method = "GET") -> std::string {
        auto body = ResponseBody(*ParseResponseHead(text), method);
        if (!body.ok()) return "error";
        if (body->done()) return "none";
        if (body->until_close()) return "close";
        return body->remaining() ? fmt::format("{}", *body->remaining()) : "chunked";
    };
    EXPECT_EQ(kind("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), "5");
    EXPECT_EQ(kind("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD"), "none");
    EXPECT_EQ(kind("HTTP/1.1 204 OK\r\nContent-Length: 5\r\n\r\n"), "none");
    EXPECT_EQ(kind("HTTP/1.1 304 OK\r\nContent-Length: 5\r\n\r\n"), "none");
    EXPECT_EQ(kind("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), "chunked");
    EXPECT_EQ(kind("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), "error");
    EXPECT_EQ(kind("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), "error");
    EXPECT_EQ(kind("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), "error");
    EXPECT_EQ(kind("HTTP/1.1 200 OK\r\n\r\n"), "close");
}

TEST(Target, IsSplitAndDecoded) {
    HttpRequest request;
    request.method = "GET";
    request.target = "http://h:8/a%2Fb?x=%41&&y";
    EXPECT_EQ(**FillTarget(request), "h:8");
    EXPECT_EQ(request.path, "/a%2Fb");
    EXPECT_EQ(request.Query("x"), "A");
    EXPECT_EQ(request.Query("y"), "");
    EXPECT_EQ(request.query.size(), 2u);
}

TEST(ErrorBody, IsJson) {
    EXPECT_EQ(ErrorBody("a", "b \"c\"", ""), R"({"error":{"code":"a","message":"b \"c\""}})");
    EXPECT_EQ(ErrorBody("a", "\xff", "h").find('\xff'), std::string::npos);
}

}  // namespace
}  // namespace tarn

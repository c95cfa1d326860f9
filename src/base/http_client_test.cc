#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "base/http.h"
#include "base/text.h"

namespace tarn {
namespace {

using namespace std::chrono_literals;

class TextSink final : public ByteWriter {
  public:
    Status Write(ByteSpan bytes) override {
        text.append(AsText(bytes));
        return Ok();
    }
    std::string text;
};

// Counts how often the client dials.
class CountingDialer final : public Dialer {
  public:
    Result<std::unique_ptr<Stream>> Dial(const Address& address, const DialOptions& options) override {
        dials++;
        return real_->Dial(address, options);
    }
    Result<std::string> ResolveChecked(const Address& address, const DialPolicy& policy) override {
        return real_->ResolveChecked(address, policy);
    }
    std::atomic<int> dials = 0;

  private:
    std::unique_ptr<Dialer> real_ = Dialer::Create();
};

class HttpClientTest : public ::testing::Test {
  protected:
    // A real server.
    void Serve(HttpServe serve, std::shared_ptr<TlsContext> tls = nullptr) {
        HttpServerConfig config{.listen = {"127.0.0.1", 0}, .tls = std::move(tls)};
        auto server = HttpServer::Create(config, NullLog(), *executor_, std::move(serve));
        ASSERT_TRUE(server.ok()) << server.error().ToString();
        server_ = std::move(*server);
        port_ = server_->address().port;
    }
    // A server that reads one head, then sends the text as it is and closes, for each connection.
    void ServeText(std::string text) {
        auto serve = [text](Stream& stream) {
            stream.Trust();
            std::string head;
            uint8_t byte;
            while (!head.ends_with("\r\n\r\n")) {
                Result<size_t> got = stream.Read(MutableByteSpan(&byte, 1));
                if (!got.ok() || *got == 0) return;
                head += static_cast<char>(byte);
            }
            (void)stream.Write(AsBytes(text));
        };
        auto server = StreamServer::Create({.listen = {"127.0.0.1", 0}}, NullLog(), serve, [](Stream&) {});
        ASSERT_TRUE(server.ok());
        text_server_ = std::move(*server);
        port_ = text_server_->address().port;
    }
    HttpClientRequest To(std::string_view path) {
        return {.url = fmt::format("http://127.0.0.1:{}{}", port_, path), .timeout = 5s};
    }

    std::unique_ptr<Executor> executor_ = Executor::Create({.threads = 4});
    CountingDialer dialer_;
    std::unique_ptr<HttpClient> client_ = HttpClient::Create(dialer_);
    std::unique_ptr<HttpServer> server_;
    std::unique_ptr<StreamServer> text_server_;
    int port_ = 0;
};

Status EchoBody(HttpRequest& request, HttpResponder& responder) {
    std::string body = TRY(request.ReadBody(80 << 20));
    if (request.path != "/chunked") return responder.Send({200, {{"X-Method", request.method}}, body});
    ByteWriter* writer = TRY(responder.Start(200, {}, std::nullopt));
    for (size_t at = 0; at < body.size(); at += 100'000) TRY(writer->Write(AsBytes(body.substr(at, 100'000))));
    return Ok();
}

std::string Pattern(size_t size) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; i++) text[i] = static_cast<char>('a' + (i * 7 + i / 1000) % 26);
    return text;
}

TEST_F(HttpClientTest, SendsAndReusesConnections) {
    Serve(EchoBody);
    for (int i = 0; i < 5; i++) {
        HttpClientRequest request = To("/");
        request.method = "PUT";
        request.body = fmt::format("body {}", i);
        auto response = client_->Send(request);
        ASSERT_TRUE(response.ok()) << response.error().ToString();
        EXPECT_EQ(response->status, 200);
        EXPECT_EQ(response->body, request.body);
        EXPECT_EQ(response->headers.Get("x-method"), "PUT");
    }
    EXPECT_EQ(dialer_.dials, 1);
}

TEST_F(HttpClientTest, MovesLargeBodies) {
    Serve(EchoBody);
    for (const char* path : {"/", "/chunked"}) {
        HttpClientRequest request = To(path);
        request.method = "POST";
        request.body = Pattern(10'000'000);
        auto whole = client_->Send(request);
        ASSERT_TRUE(whole.ok()) << whole.error().ToString();
        EXPECT_TRUE(whole->body == request.body);
        TextSink sink;
        auto streamed = client_->Stream(request, sink);
        ASSERT_TRUE(streamed.ok()) << streamed.error().ToString();
        EXPECT_TRUE(sink.text == request.body);
        EXPECT_EQ(streamed->body, "");
        auto refused = client_->Send(request, 1000);
        EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
    }
}

TEST_F(HttpClientTest, KnowsAnswersWithoutBody) {
    Serve(EchoBody);
    HttpClientRequest request = To("/");
    request.method = "HEAD";
    request.body = "";
    auto response = client_->Send(request);
    ASSERT_TRUE(response.ok()) << response.error().ToString();
    EXPECT_EQ(response->headers.Get("Content-Length"), "0");
    EXPECT_EQ(response->body, "");
}

TEST_F(HttpClientTest, NeverTakesACutBodyForAWhole) {
    for (const char* text :
         {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", "HTTP/1.1 200 OK\r\nContent-Le", "",
          "nonsense\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"}) {
        ServeText(text);
        auto response = client_->Send(To("/"));
        ASSERT_FALSE(response.ok()) << text;
        EXPECT_EQ(response.error().code(), ErrorCode::kUnavailable) << response.error().ToString();
        TextSink sink;
        EXPECT_FALSE(client_->Stream(To("/"), sink).ok()) << text;
    }
    ServeText("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    EXPECT_EQ(client_->Send(To("/"))->body, "until the end");
    ServeText("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_EQ(client_->Send(To("/"))->body, "ok");
}

TEST_F(HttpClientTest, FollowsRedirects) {
    Serve([this](HttpRequest& request, HttpResponder& responder) -> Status {
        std::string body = TRY(request.ReadBody());
        auto redirect = [&](int status, std::string to) {
            return responder.Send({status, {{"Location", std::move(to)}}, "moved"});
        };
        if (request.path == "/relative/a") return redirect(302, "b?x=1");
        if (request.path == "/absolute") return redirect(301, fmt::format("http://127.0.0.1:{}/end", port_));
        if (request.path == "/other") return redirect(307, fmt::format("http://localhost:{}/end", port_));
        if (request.path == "/see") return redirect(303, "/end");
        if (request.path == "/keep") return redirect(307, "//127.0.0.1:" + fmt::format("{}", port_) + "/end");
        if (request.path == "/loop") return redirect(302, "/loop");
        if (request.path == "/metadata") return redirect(302, "http://169.254.169.254/latest/");
        std::string seen = fmt::format("{} {} body={} auth={} key={}", request.method, request.target, body,
                                       request.headers.Get("Authorization"), request.headers.Get("X-Api-Key"));
        return responder.Send({200, {}, seen});
    });
    auto fetch = [&](const char* path, const char* method, int redirects_max = 5) -> std::string {
        HttpClientRequest request = To(path);
        request.method = method;
        request.redirects_max = redirects_max;
        request.headers = {{"Authorization", "secret"}, {"X-Api-Key", "k"}};
        if (request.method == "POST") request.body = "b";
        auto response = client_->Send(request);
        return response.ok() ? fmt::format("{} {}", response->status, response->body) : response.error().ToString();
    };
    EXPECT_EQ(fetch("/relative/a", "GET"), "200 GET /relative/b?x=1 body= auth=secret key=k");
    EXPECT_EQ(fetch("/absolute", "GET"), "200 GET /end body= auth=secret key=k");
    EXPECT_EQ(fetch("/other", "GET"), "200 GET /end body= auth= key=");
    EXPECT_EQ(fetch("/see", "POST"), "200 GET /end body= auth=secret key=k");
    EXPECT_EQ(fetch("/keep", "POST"), "200 POST /end body=b auth=secret key=k");
    EXPECT_EQ(fetch("/see", "GET", 0), "303 moved");
    EXPECT_NE(fetch("/loop", "GET").find("more than 5 redirects"), std::string::npos);
    EXPECT_TRUE(fetch("/metadata", "GET").starts_with("permission_denied")) << fetch("/metadata", "GET");
    HttpClientRequest streamed = To("/see");
    TextSink sink;
    ASSERT_TRUE(client_->Stream(streamed, sink).ok());
    EXPECT_EQ(sink.text, "GET /end body= auth= key=");
}

TEST_F(HttpClientTest, KeepsErrorPagesOutOfTheSink) {
    Serve([](HttpRequest& request, HttpResponder& responder) {
        return responder.Send({404, {}, request.path == "/large" ? std::string(1 << 20, 'x') : "not here"});
    });
    TextSink sink;
    auto response = client_->Stream(To("/"), sink);
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(response->status, 404);
    EXPECT_EQ(response->body, "not here");
    auto large = client_->Stream(To("/large"), sink);
    ASSERT_TRUE(large.ok()) << large.error().ToString();
    EXPECT_EQ(large->body.size(), 64u << 10);
    EXPECT_EQ(sink.text, "");
    EXPECT_EQ(client_->Stream(To("/"), sink)->body, "not here");
}

TEST_F(HttpClientTest, TimesOut) {
    Serve([](HttpRequest& request, HttpResponder& responder) -> Status {
        if (request.path == "/stall") {
            ByteWriter* writer = TRY(responder.Start(200, {}, std::nullopt));
            TRY(writer->Write(AsBytes("x")));
        }
        for (int i = 0; i < 100 && !request.cancelled.cancelled(); i++) SystemEnv().clock().Sleep(10ms);
        return Error(ErrorCode::kCancelled, "gone");
    });
    HttpClientRequest request = To("/");
    request.timeout = 50ms;
    EXPECT_EQ(client_->Send(request).error().code(), ErrorCode::kTimeout);
    request = To("/stall");
    request.timeout = 50ms;
    EXPECT_EQ(client_->Send(request).error().code(), ErrorCode::kTimeout);
    TextSink sink;
    EXPECT_EQ(client_->Stream(request, sink).error().code(), ErrorCode::kTimeout);
}

TEST_F(HttpClientTest, SlowStreamsAreNotTimeouts) {
    Serve([](HttpRequest&, HttpResponder& responder) -> Status {
        ByteWriter* writer = TRY(responder.Start(200, {}, std::nullopt));
        for (int i = 0; i < 40; i++) {
            TRY(writer->Write(AsBytes("x")));
            SystemEnv().clock().Sleep(20ms);
        }
        return Ok();
    });
    HttpClientRequest request = To("/");
    request.timeout = 500ms;
    TextSink sink;
    auto response = client_->Stream(request, sink);
    ASSERT_TRUE(response.ok()) << response.error().ToString();
    EXPECT_EQ(sink.text, std::string(40, 'x'));
}

TEST_F(HttpClientTest, RecoversFromServersThatCloseKeptConnections) {
    HttpServerConfig config{.listen = {"127.0.0.1", 0}, .idle_timeout = 40ms};
    auto server = HttpServer::Create(config, NullLog(), *executor_, EchoBody);
    port_ = (*server)->address().port;
    for (int i = 0; i < 4; i++) {
        EXPECT_TRUE(client_->Send(To("/")).ok());
        SystemEnv().clock().Sleep(35ms + i * 5ms);
    }
}

TEST_F(HttpClientTest, PassesTheSinksErrorOn) {
    class Full final : public ByteWriter {
        Status Write(ByteSpan) override { return Error(ErrorCode::kIo, "disk full"); }
    };
    Serve([](HttpRequest&, HttpResponder& responder) { return responder.Send({.body = "hello"}); });
    Full sink;
    EXPECT_EQ(client_->Stream(To("/"), sink).error().code(), ErrorCode::kIo);
}

TEST_F(HttpClientTest, HearsAnEarlyRefusalOfALargeBody) {
    Serve([](HttpRequest&, HttpResponder&) { return Error(ErrorCode::kPermissionDenied, "no"); });
    HttpClientRequest request = To("/");
    request.method = "PUT";
    request.body = Pattern(20'000'000);
    auto response = client_->Send(request);
    ASSERT_TRUE(response.ok()) << response.error().ToString();
    EXPECT_EQ(response->status, 403);
}

TEST_F(HttpClientTest, RefusesWrongRequests) {
    Serve(EchoBody);
    HttpClientRequest request = To("/");
    request.headers = {{"X", "a\r\nY: b"}};
    EXPECT_EQ(client_->Send(request).error().code(), ErrorCode::kInvalidArgument);
    request = To("/");
    request.method = "GET / HTTP/1.1\r\nX:";
    EXPECT_EQ(client_->Send(request).error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(client_->Send({.url = "file:///etc/passwd"}).error().code(), ErrorCode::kInvalidArgument);
    request = To("/");
    request.policy.allow_loopback = false;
    EXPECT_EQ(client_->Send(request).error().code(), ErrorCode::kPermissionDenied);
}

TEST_F(HttpClientTest, SpeaksTls) {
    auto pair = MakeSelfSignedCertificate({"localhost"});
    Serve(EchoBody, *TlsContext::Server(pair->first, pair->second));
    HttpClientRequest request{.url = fmt::format("https://localhost:{}/", port_), .timeout = 5s};
    EXPECT_EQ(client_->Send(request).error().code(), ErrorCode::kUnavailable);  // the system does not trust it
    request.tls = *TlsContext::Client(pair->first);
    request.method = "POST";
    request.body = Pattern(5'000'000);
    for (int i = 0; i < 3; i++) {
        auto response = client_->Send(request);
        ASSERT_TRUE(response.ok()) << response.error().ToString();
        EXPECT_TRUE(response->body == request.body);
    }
    EXPECT_EQ(dialer_.dials, 2);
}

}  // namespace
}  // namespace tarn

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/env.h"
#include "base/http.h"
#include "base/http_stream.h"
#include "base/text.h"

namespace tarn {
namespace {

using namespace std::chrono_literals;

// A client that sends exactly the bytes it is told to, and shows exactly the bytes that come back.
class RawClient {
  public:
    explicit RawClient(const Address& address, std::shared_ptr<TlsContext> tls = nullptr) {
        auto stream = Dialer::Create()->Dial(address, {.tls = std::move(tls)});
        EXPECT_TRUE(stream.ok()) << stream.error().ToString();
        stream_ = std::move(*stream);
        stream_->SetTimeouts(5s, 5s);
    }
    Status Send(std::string_view text) { return stream_->Write(AsBytes(text)); }
    // Reads until the text ends with `end`, or the connection does.
    std::string ReadUntil(std::string_view end) {
        std::string text;
        uint8_t byte;
        while (!text.ends_with(end)) {
            Result<size_t> got = stream_->Read(MutableByteSpan(&byte, 1));
            if (!got.ok()) return text + "<" + std::string(ErrorCodeName(got.error().code())) + ">";
            if (*got == 0) return text + "<end>";
            text += static_cast<char>(byte);
        }
        return text;
    }
    std::string ReadHead() { return ReadUntil("\r\n\r\n"); }
    std::string ReadBytes(size_t bytes) {
        std::string text;
        while (text.size() < bytes) {
            Bytes buffer(bytes - text.size());
            Result<size_t> got = stream_->Read(buffer);
            if (!got.ok() || *got == 0) return text + "<end>";
            text.append(AsText(ByteSpan(buffer).first(*got)));
        }
        return text;
    }
    // Everything up to the end of the connection.
    std::string ReadAll() { return ReadUntil("\x01 never"); }
    // The status of one answer whose body has a Content-Length, and the body.
    std::pair<int, std::string> ReadAnswer() {
        std::string head = ReadHead();
        size_t at = ToLower(head).find("content-length: ");
        size_t length = at == std::string::npos ? 0 : static_cast<size_t>(*ParseSize(Line(head, at + 16)));
        int status = head.size() > 12 ? static_cast<int>(*ParseSize(head.substr(9, 3))) : 0;
        return {status, ReadBytes(length)};
    }
    Stream& stream() { return *stream_; }
    void Close() { stream_.reset(); }

  private:
    static std::string Line(const std::string& text, size_t at) { return text.substr(at, text.find('\r', at) - at); }
    std::unique_ptr<Stream> stream_;
};

std::string Get(std::string_view path, std::string_view fields = "") {
    return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, fields);
}

std::string Post(std::string_view path, std::string_view body) {
    return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", path, body.size(), body);
}

class HttpServerTest : public ::testing::Test {
  protected:
    void Start(HttpServe serve) {
        config_.listen = {"127.0.0.1", 0};
        auto server = HttpServer::Create(config_, NullLog(), *executor_, std::move(serve));
        ASSERT_TRUE(server.ok()) << server.error().ToString();
        server_ = std::move(*server);
    }
    RawClient Connect() { return RawClient(server_->address()); }

    HttpServerConfig config_;
    std::unique_ptr<Executor> executor_ = Executor::Create({.threads = 4});
    std::unique_ptr<HttpServer> server_;
};

Status Hello(HttpRequest&, HttpResponder& responder) { return responder.Send({.status = 200, .body = "hello"}); }

Status EchoBody(HttpRequest& request, HttpResponder& responder) {
    return responder.Send({.status = 200, .body = TRY(request.ReadBody(8 << 20))});
}

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
    Start([](HttpRequest& request, HttpResponder& responder) {
        EXPECT_EQ(request.method, "GET");
        EXPECT_EQ(request.target, "/a%20b?x=1&y=c+d%21&x=2&flag");
        EXPECT_EQ(request.path, "/a%20b");
        EXPECT_EQ(request.Query("y"), "c d!");
        EXPECT_EQ(request.Query("x"), "1");
        EXPECT_EQ(request.Query("flag"), "");
        EXPECT_FALSE(request.Query("none"));
        EXPECT_EQ(request.query.size(), 4u);
        EXPECT_EQ(request.headers.Get("x-UPPER"), "v");
        EXPECT_EQ(request.remote.host, "127.0.0.1");
        EXPECT_FALSE(request.encrypted);
        return responder.Send({201, {{"X-Answer", "42"}}, "hello"});
    });
    RawClient client = Connect();
    for (int i = 0; i < 3; i++) {
        ASSERT_TRUE(client.Send(Get("/a%20b?x=1&y=c+d%21&x=2&flag", "X-Upper:  v \r\n")).ok());
        std::string head = client.ReadHead();
        EXPECT_TRUE(head.starts_with("HTTP/1.1 201 Created\r\nX-Answer: 42\r\nDate: ")) << head;
        EXPECT_NE(head.find("Content-Length: 5\r\n"), std::string::npos);
        EXPECT_EQ(head.find("Connection"), std::string::npos);
        EXPECT_EQ(client.ReadBytes(5), "hello");
    }
}

TEST_F(HttpServerTest, ReadsBodiesOfEveryKind) {
    Start(EchoBody);
    RawClient client = Connect();
    for (size_t size : {size_t{0}, size_t{1}, size_t{5000}, size_t{65536}, size_t{65537}, size_t{3'000'000}}) {
        std::string body(size, 'b');
        for (size_t i = 0; i < size; i++) body[i] = static_cast<char>('a' + i % 23);
        std::thread writer([&] { EXPECT_TRUE(client.Send(Post("/", body)).ok()); });
        writer.join();
        EXPECT_EQ(client.ReadAnswer(), std::make_pair(200, body)) << size;
    }
    ASSERT_TRUE(client
                    .Send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n1;name=value\r\n \r\n")
                    .ok());
    ASSERT_TRUE(client.Send("00000000000000005\r\nworld\r\n0\r\nTrailer: x\r\n\r\n").ok());
    EXPECT_EQ(client.ReadAnswer(), std::make_pair(200, std::string("hello world")));
    ASSERT_TRUE(client.Send(Post("/", "again")).ok());
    EXPECT_EQ(client.ReadAnswer(), std::make_pair(200, std::string("again")));
}

TEST_F(HttpServerTest, ServesPipelinedRequestsInOrder) {
    Start(EchoBody);
    RawClient client = Connect();
    std::string all;
    for (int i = 0; i < 20; i++) all += Post("/", fmt::format("body {}", i));
    ASSERT_TRUE(client.Send(all).ok());
    for (int i = 0; i < 20; i++) EXPECT_EQ(client.ReadAnswer().second, fmt::format("body {}", i));
}

TEST_F(HttpServerTest, StreamsAnswers) {
    Start([](HttpRequest& request, HttpResponder& responder) -> Status {
        std::optional<uint64_t> length;
        if (request.path == "/length") length = 6;
        ByteWriter* writer = TRY(responder.Start(200, {{"Content-Length", "999"}}, length));
        TRY(writer->Write(AsBytes("abc")));
        TRY(writer->Write({}));
        TRY(writer->Write(AsBytes("def")));
        return Ok();
    });
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Get("/length")).ok());
    EXPECT_EQ(client.ReadAnswer().second, "abcdef");
    ASSERT_TRUE(client.Send(Get("/chunks")).ok());
    EXPECT_NE(client.ReadHead().find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    EXPECT_EQ(client.ReadUntil("0\r\n\r\n"), "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
    ASSERT_TRUE(client.Send("GET /chunks HTTP/1.0\r\n\r\n").ok());
    EXPECT_NE(client.ReadHead().find("Connection: close\r\n"), std::string::npos);
    EXPECT_EQ(client.ReadAll(), "abcdef<end>");
}

TEST_F(HttpServerTest, LeavesTheBodyOutForHead) {
    Start([](HttpRequest& request, HttpResponder& responder) -> Status {
        if (request.path == "/send") return responder.Send({.body = "hello"});
        TRY(responder.Start(200, {}, 12345));
        return Ok();
    });
    RawClient client = Connect();
    ASSERT_TRUE(client.Send("HEAD /send HTTP/1.1\r\nHost: localhost\r\n\r\n").ok());
    EXPECT_NE(client.ReadHead().find("Content-Length: 5\r\n"), std::string::npos);
    ASSERT_TRUE(client.Send("HEAD /start HTTP/1.1\r\nHost: localhost\r\n\r\n").ok());
    EXPECT_NE(client.ReadHead().find("Content-Length: 12345\r\n"), std::string::npos);
    ASSERT_TRUE(client.Send(Get("/send")).ok());
    EXPECT_EQ(client.ReadAnswer().second, "hello");
}

TEST_F(HttpServerTest, AsksForTheBodyOnlyWhenTheHandlerReadsIt) {
    Start([](HttpRequest& request, HttpResponder& responder) -> Status {
        if (request.path == "/refuse") return Error(ErrorCode::kPermissionDenied, "no");
        return EchoBody(request, responder);
    });
    std::string fields = " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    RawClient client = Connect();
    ASSERT_TRUE(client.Send("PUT /" + fields).ok());
    EXPECT_EQ(client.ReadHead(), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(client.Send("hello").ok());
    EXPECT_EQ(client.ReadAnswer().second, "hello");
    ASSERT_TRUE(client.Send("PUT /refuse" + fields).ok());
    std::string head = client.ReadHead();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 403 Forbidden\r\n")) << head;
    EXPECT_NE(head.find("Connection: close"), std::string::npos);
}

TEST_F(HttpServerTest, TurnsErrorsIntoJson) {
    Start([](HttpRequest& request, HttpResponder& responder) -> Status {
        if (request.path == "/nothing") return Ok();
        if (request.path == "/throw") throw std::runtime_error("boom");
        if (request.path == "/split") return responder.Send({200, {{"X", "a\r\nSet-Cookie: b"}}, ""});
        return Error(ErrorCode::kNotFound, "no table \"x\"").WithHint("create it");
    });
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Get("/")).ok());
    auto [status, body] = client.ReadAnswer();
    EXPECT_EQ(status, 404);
    EXPECT_EQ(body, R"({"error":{"code":"not_found","hint":"create it","message":"no table \"x\""}})");
    for (const char* path : {"/nothing", "/throw"}) {
        ASSERT_TRUE(client.Send(Get(path)).ok());
        EXPECT_EQ(client.ReadAnswer().first, 500) << path;
    }
    ASSERT_TRUE(client.Send(Get("/split")).ok());
    EXPECT_EQ(client.ReadHead().find("Set-Cookie"), std::string::npos);
}

TEST_F(HttpServerTest, CutsTheConnectionWhenAnAnswerFailsMidway) {
    Start([](HttpRequest& request, HttpResponder& responder) -> Status {
        std::optional<uint64_t> length;
        if (request.path != "/chunks") length = 100;
        ByteWriter* writer = TRY(responder.Start(200, {}, length));
        TRY(writer->Write(AsBytes("part")));
        if (request.path == "/short") return Ok();
        return Error(ErrorCode::kCorruption, "a block is broken");
    });
    for (const char* path : {"/chunks", "/length", "/short"}) {
        RawClient client = Connect();
        ASSERT_TRUE(client.Send(Get(path)).ok());
        std::string all = client.ReadAll();
        EXPECT_EQ(all.find("\r\n0\r\n\r\n"), std::string::npos) << all;
        EXPECT_TRUE(all.ends_with("<unavailable>")) << all;  // reset
    }
}

TEST_F(HttpServerTest, RefusesAnswersLongerThanDeclared) {
    std::atomic<bool> refused = false;
    Start([&](HttpRequest&, HttpResponder& responder) -> Status {
        ByteWriter* writer = TRY(responder.Start(200, {}, 3));
        refused = !writer->Write(AsBytes("four")).ok();
        return Ok();
    });
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Get("/")).ok());
    EXPECT_TRUE(client.ReadAll().ends_with("<unavailable>"));
    EXPECT_TRUE(refused);
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
    Start(Hello);
    std::pair<std::string, int> cases[] = {
        {"nonsense\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -3\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         501},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         400},
        {"GET / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: localhost\n\n\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nBad Name: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400},
        {"GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 400},
        {"GET relative HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET /?a=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n\r\n", 417},
        {"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
    };
    for (const auto& [text, status] : cases) {
        RawClient client = Connect();
        ASSERT_TRUE(client.Send(text).ok());
        auto [got, body] = client.ReadAnswer();
        EXPECT_EQ(got, status) << text << body;
        EXPECT_EQ(client.ReadAll(), "<end>") << text;
    }
}

TEST_F(HttpServerTest, AnswersMalformedChunksWith400) {
    Start(EchoBody);
    for (const char* chunks : {"x\r\n", "5\r\nhello!\r\n", "5\nhello\r\n", "-1\r\n", "11111111111111111\r\n", "\r\n"}) {
        RawClient client = Connect();
        ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").ok());
        ASSERT_TRUE(client.Send(chunks).ok());
        int status = client.ReadAnswer().first;
        EXPECT_TRUE(status == 400 || status == 413) << chunks << status;
    }
}

TEST_F(HttpServerTest, LimitsHeadsAndBodies) {
    config_.body_bytes_max = 1000;
    Start(EchoBody);
    RawClient head = Connect();
    (void)head.Send(Get("/", "X: " + std::string(70'000, 'x') + "\r\n"));
    EXPECT_EQ(head.ReadAnswer().first, 431);
    RawClient body = Connect();
    ASSERT_TRUE(body.Send(Post("/", std::string(1001, 'x'))).ok());
    EXPECT_EQ(body.ReadAnswer().first, 413);
    RawClient chunked = Connect();
    ASSERT_TRUE(chunked.Send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n").ok());
    EXPECT_EQ(chunked.ReadAnswer().first, 413);
    RawClient fine = Connect();
    ASSERT_TRUE(fine.Send(Post("/", std::string(1000, 'x'))).ok());
    EXPECT_EQ(fine.ReadAnswer().first, 200);
}

TEST_F(HttpServerTest, HandlersOwnLimitIs413Too) {
    Start([](HttpRequest& request, HttpResponder& responder) -> Status {
        return responder.Send({.body = TRY(request.ReadBody(10))});
    });
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Post("/", "12345678901")).ok());
    EXPECT_EQ(client.ReadAnswer().first, 413);
    ASSERT_TRUE(client.Send(Post("/", "1234567890")).ok());  // the rest was read away: the connection lives
    EXPECT_EQ(client.ReadAnswer().first, 200);
}

TEST_F(HttpServerTest, ReadsLeftBodiesAwayUpToALimit) {
    Start(Hello);
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Post("/", std::string(1'000'000, 'x'))).ok());
    EXPECT_EQ(client.ReadAnswer().second, "hello");
    ASSERT_TRUE(client.Send(Get("/")).ok());
    EXPECT_EQ(client.ReadAnswer().second, "hello");
    // Larger ones end the connection, but not before the client has seen the answer.
    ASSERT_TRUE(client.Send(Post("/", std::string(20'000'000, 'x'))).ok());
    EXPECT_NE(client.ReadHead().find("Connection: close"), std::string::npos);
    EXPECT_EQ(client.ReadAll(), "hello<end>");
}

TEST_F(HttpServerTest, AnswersOnlyForItsOwnHosts) {
    config_.hosts = {"tarn.example", "*.s3.example"};
    Start(Hello);
    std::string port = fmt::format(":{}", server_->address().port);
    std::pair<std::string, int> cases[] = {
        {"localhost", 200},          {"localhost" + port, 200}, {"127.0.0.1" + port, 200},       {"LOCALHOST", 200},
        {"a.localhost" + port, 200}, {"[::1]:80", 200},         {"Tarn.Example:1", 200},         {"b.s3.example", 200},
        {"evil.example", 421},       {"10.0.0.1", 421},         {"localhost.evil.example", 421}, {"", 421},
        {"tarn.example.evil", 421},  {"notlocalhost", 421},
    };
    for (const auto& [host, status] : cases) {
        RawClient client = Connect();
        ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n").ok());
        EXPECT_EQ(client.ReadAnswer().first, status) << host;
    }
    RawClient absolute = Connect();
    ASSERT_TRUE(absolute.Send("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n").ok());
    auto [status, body] = absolute.ReadAnswer();
    EXPECT_EQ(status, 421);
    EXPECT_NE(body.find("evil.example"), std::string::npos);
}

TEST_F(HttpServerTest, ClosesSilentAndSlowClients) {
    config_.head_timeout = 100ms;
    config_.idle_timeout = 100ms;
    Start(EchoBody);
    RawClient silent = Connect();
    EXPECT_EQ(silent.ReadAll(), "<end>");
    RawClient slow_head = Connect();
    ASSERT_TRUE(slow_head.Send("GET / HT").ok());
    EXPECT_EQ(slow_head.ReadAnswer().first, 408);
    RawClient slow_body = Connect();
    ASSERT_TRUE(slow_body.Send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\npart").ok());
    EXPECT_EQ(slow_body.ReadAnswer().first, 408);
    RawClient trickling = Connect();
    ASSERT_TRUE(trickling.Send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n").ok());
    for (int sent = 0; sent < 20 && trickling.Send("x").ok(); ++sent) SystemEnv().clock().Sleep(20ms);
    EXPECT_EQ(trickling.ReadAnswer().first, 408);
    RawClient kept = Connect();
    ASSERT_TRUE(kept.Send(Get("/")).ok());
    EXPECT_EQ(kept.ReadAnswer().first, 200);
    EXPECT_EQ(kept.ReadAll(), "<end>");
}

TEST_F(HttpServerTest, DoesNotWaitForClientsThatDoNotRead) {
    config_.write_timeout = 100ms;
    std::promise<ErrorCode> failed;
    Start([&](HttpRequest& request, HttpResponder& responder) -> Status {
        if (request.path == "/whole") return responder.Send({.body = std::string(32 << 20, 'x')});
        ByteWriter* writer = TRY(responder.Start(200, {}, std::nullopt));
        std::string piece(1 << 20, 'x');
        while (true) {
            Status written = writer->Write(AsBytes(piece));
            if (written.ok()) continue;
            failed.set_value(written.error().code());
            return written;
        }
    });
    RawClient stream = Connect();
    ASSERT_TRUE(stream.Send(Get("/stream")).ok());
    EXPECT_EQ(failed.get_future().get(), ErrorCode::kCancelled);
    RawClient whole = Connect();
    ASSERT_TRUE(whole.Send(Get("/whole")).ok());
    SystemEnv().clock().Sleep(1s);
    EXPECT_TRUE(whole.ReadAll().ends_with("<unavailable>"));
}

TEST_F(HttpServerTest, SendsLargeWholeAnswersToPatientReaders) {
    std::string large(32 << 20, 'x');
    for (size_t i = 0; i < large.size(); i += 997) large[i] = static_cast<char>('a' + i % 26);
    Start([&](HttpRequest&, HttpResponder& responder) { return responder.Send({.body = large}); });
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Get("/") + Get("/")).ok());
    SystemEnv().clock().Sleep(50ms);
    EXPECT_TRUE(client.ReadAnswer().second == large);
    EXPECT_TRUE(client.ReadAnswer().second == large);
}

TEST_F(HttpServerTest, TellsHandlersThatTheClientLeft) {
    std::promise<void> started;
    std::promise<bool> told;
    Start([&](HttpRequest& request, HttpResponder&) -> Status {
        started.set_value();
        for (int i = 0; i < 500 && !request.cancelled.cancelled(); i++) SystemEnv().clock().Sleep(10ms);
        told.set_value(request.cancelled.cancelled());
        return Error(ErrorCode::kCancelled, "the client left");
    });
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Get("/")).ok());
    started.get_future().get();
    client.Close();
    EXPECT_TRUE(told.get_future().get());
}

TEST_F(HttpServerTest, TellsReadersOfABodyThatTheClientLeft) {
    std::promise<Error> failed;
    Start([&](HttpRequest& request, HttpResponder&) -> Status {
        Error error = request.ReadBody(1 << 20).error();
        EXPECT_TRUE(request.cancelled.cancelled());
        failed.set_value(error);
        return error;
    });
    RawClient client = Connect();
    ASSERT_TRUE(client.Send("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\npart").ok());
    SystemEnv().clock().Sleep(20ms);
    client.Close();
    EXPECT_EQ(failed.get_future().get().code(), ErrorCode::kCancelled);
}

TEST_F(HttpServerTest, RefusesEarlyWhenTheExecutorIsFull) {
    executor_ = Executor::Create({.threads = 1, .queue_max = 1});
    std::promise<void> go;
    auto gate = go.get_future().share();
    std::atomic<int> running = 0;
    Start([&](HttpRequest&, HttpResponder& responder) {
        running++;
        gate.wait();
        return responder.Send({.body = "done"});
    });
    RawClient first = Connect();
    ASSERT_TRUE(first.Send(Get("/")).ok());
    while (running == 0) SystemEnv().clock().Sleep(1ms);
    RawClient second = Connect();
    ASSERT_TRUE(second.Send(Get("/")).ok());
    while (executor_->queued() == 0) SystemEnv().clock().Sleep(1ms);
    RawClient third = Connect();
    ASSERT_TRUE(third.Send(Get("/")).ok());
    std::string head = third.ReadHead();
    EXPECT_TRUE(head.starts_with("HTTP/1.1 503 ")) << head;
    EXPECT_NE(head.find("Retry-After: 1\r\n"), std::string::npos);
    go.set_value();
    EXPECT_EQ(first.ReadAnswer().second, "done");
    EXPECT_EQ(second.ReadAnswer().second, "done");
    server_.reset();
}

TEST_F(HttpServerTest, LimitsConnections) {
    config_.connections_max = 2;
    Start(Hello);
    RawClient first = Connect();
    RawClient second = Connect();
    for (RawClient* client : {&first, &second}) {
        ASSERT_TRUE(client->Send(Get("/")).ok());
        EXPECT_EQ(client->ReadAnswer().first, 200);
    }
    EXPECT_EQ(Connect().ReadAnswer().first, 503);
    first.Close();
    int status = 0;
    for (int i = 0; i < 100 && status != 200; i++) {
        RawClient client = Connect();
        (void)client.Send(Get("/"));
        status = client.ReadAnswer().first;
        if (status != 200) SystemEnv().clock().Sleep(10ms);
    }
    EXPECT_EQ(status, 200);
}

TEST_F(HttpServerTest, LetsRunningRequestsFinishWhenItStops) {
    std::promise<void> started;
    Start([&](HttpRequest&, HttpResponder& responder) {
        started.set_value();
        SystemEnv().clock().Sleep(100ms);
        return responder.Send({.body = "done"});
    });
    RawClient idle = Connect();
    RawClient client = Connect();
    ASSERT_TRUE(client.Send(Get("/")).ok());
    started.get_future().get();
    Address address = server_->address();
    server_.reset();
    EXPECT_EQ(client.ReadAnswer().second, "done");
    EXPECT_EQ(idle.ReadAll(), "<end>");
    EXPECT_FALSE(Dialer::Create()->Dial(address, {}).ok());
}

TEST_F(HttpServerTest, SpeaksTls) {
    auto pair = MakeSelfSignedCertificate({"localhost"});
    config_.tls = *TlsContext::Server(pair->first, pair->second);
    Start([](HttpRequest& request, HttpResponder& responder) -> Status {
        EXPECT_TRUE(request.encrypted);
        std::string body = TRY(request.ReadBody(8 << 20));
        ByteWriter* writer = TRY(responder.Start(200, {}, body.size()));
        return writer->Write(AsBytes(body));
    });
    auto client_context = *TlsContext::Client(pair->first);
    RawClient client({"localhost", server_->address().port}, client_context);
    std::string body(3'000'000, 'x');
    for (size_t i = 0; i < body.size(); i += 991) body[i] = static_cast<char>('a' + i % 26);
    for (int i = 0; i < 3; i++) {
        ASSERT_TRUE(client.Send(Post("/", body)).ok());
        EXPECT_TRUE(client.ReadAnswer().second == body);
    }
    // Plain text to a TLS port ends, and harms nobody.
    RawClient plain = Connect();
    ASSERT_TRUE(plain.Send(Get("/")).ok());
    std::string answer = plain.ReadAll();
    EXPECT_EQ(answer.find("200"), std::string::npos) << answer;
    ASSERT_TRUE(client.Send(Post("/", "x")).ok());
    EXPECT_EQ(client.ReadAnswer().second, "x");
}

TEST_F(HttpServerTest, ServesManyConnectionsAtOnce) {
    config_.io_threads = 2;
    Start(EchoBody);
    std::vector<std::thread> clients;
    for (int i = 0; i < 16; i++) {
        clients.emplace_back([&, i] {
            RawClient client = Connect();
            for (int j = 0; j < 100; j++) {
                std::string body = fmt::format("{} {}", i, j);
                ASSERT_TRUE(client.Send(Post("/", body)).ok());
                ASSERT_EQ(client.ReadAnswer().second, body);
            }
        });
    }
    for (std::thread& client : clients) client.join();
}

TEST(HttpServer, RefusesOpenDoorsAndTakenPorts) {
    auto executor = Executor::Create({.threads = 1});
    auto open = HttpServer::Create({.listen = {"0.0.0.0", 0}}, NullLog(), *executor, Hello);
    ASSERT_FALSE(open.ok());
    EXPECT_NE(open.error().message().find("without TLS"), std::string::npos);
    auto first = HttpServer::Create({.listen = {"127.0.0.1", 0}}, NullLog(), *executor, Hello);
    ASSERT_TRUE(first.ok());
    auto second = HttpServer::Create({.listen = (*first)->address()}, NullLog(), *executor, Hello);
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().message().find((*first)->address().ToString()), std::string::npos);
}

// Answers with streams and keeps them.
struct Streams {
    std::mutex mutex;
    std::vector<std::shared_ptr<HttpStream>> all;  // shared with their connections
    HttpServe serve() {
        return [this](HttpRequest& request, HttpResponder& responder) -> Status {
            if (request.path == "/hello") return Hello(request, responder);
            auto* streams = dynamic_cast<HttpStreams*>(&responder);
            EXPECT_NE(streams, nullptr);
            auto stream = TRY(streams->StartStream(200, {{"Content-Type", "text/event-stream"}}));
            std::lock_guard lock(mutex);
            all.push_back(std::move(stream));
            return Ok();
        };
    }
    size_t count() {
        std::lock_guard lock(mutex);
        return all.size();
    }
};

TEST_F(HttpServerTest, StreamsThatWaitTakeNoThread) {
    constexpr size_t kListeners = 60;  // of four threads
    Streams streams;
    Start(streams.serve());
    std::vector<RawClient> clients;
    for (size_t i = 0; i < kListeners; ++i) {
        clients.push_back(Connect());
        ASSERT_TRUE(clients.back().Send(Get("/events")).ok());
        std::string head = clients.back().ReadHead();
        EXPECT_TRUE(head.starts_with("HTTP/1.1 200 ")) << head;
        EXPECT_NE(ToLower(head).find("transfer-encoding: chunked"), std::string::npos) << head;
    }
    while (streams.count() < kListeners) SystemEnv().clock().Sleep(1ms);
    RawClient other = Connect();
    ASSERT_TRUE(other.Send(Get("/hello")).ok());
    EXPECT_EQ(other.ReadAnswer(), std::pair(200, std::string("hello")));
    for (auto& stream : streams.all) EXPECT_TRUE(stream->Write("one"));
    for (RawClient& client : clients) EXPECT_EQ(client.ReadBytes(8), "3\r\none\r\n");
    for (auto& stream : streams.all) EXPECT_TRUE(stream->Write("and two"));
    for (RawClient& client : clients) EXPECT_EQ(client.ReadBytes(12), "7\r\nand two\r\n");
    streams.all[0]->End();
    EXPECT_FALSE(streams.all[0]->Write("behind its end"));
}

TEST_F(HttpServerTest, AStreamEndsWithItsListenerItsHolderOrTheServer) {
    Streams streams;
    Start(streams.serve());
    std::vector<RawClient> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(Connect());
        ASSERT_TRUE(clients.back().Send(Get("/events")).ok());
        clients.back().ReadHead();
        while (streams.count() < clients.size()) SystemEnv().clock().Sleep(1ms);
    }
    clients[0].Close();
    for (int i = 0; i < 5000 && streams.all[0]->Write("x"); ++i) SystemEnv().clock().Sleep(1ms);
    EXPECT_FALSE(streams.all[0]->Write("x"));
    streams.all[1]->Write("last");
    streams.all[1]->End();
    EXPECT_EQ(clients[1].ReadAll(), "4\r\nlast\r\n0\r\n\r\n<end>");
    // Who reads nothing is cut off; what waits for it has a limit.
    std::string piece(64 << 10, 'p');
    size_t taken = 0;
    while (streams.all[2]->Write(piece)) ASSERT_LT(taken += piece.size(), size_t{64} << 20);
    server_.reset();
    EXPECT_EQ(clients[3].ReadAll(), "0\r\n\r\n<end>");
    EXPECT_FALSE(streams.all[3]->Write("nobody is there"));
}

TEST_F(HttpServerTest, AStreamForOldClientsIsNotChunked) {
    Streams streams;
    Start(streams.serve());
    RawClient client = Connect();
    ASSERT_TRUE(client.Send("GET /events HTTP/1.0\r\n\r\n").ok());
    client.ReadHead();
    while (streams.count() < 1) SystemEnv().clock().Sleep(1ms);
    streams.all[0]->Write("as it is");
    streams.all[0]->End();
    EXPECT_EQ(client.ReadAll(), "as it is<end>");
}

}  // namespace
}  // namespace tarn

#include "base/net.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/net_address.h"

namespace tarn {
namespace {

using namespace std::chrono_literals;

const Address kAnyPort{"127.0.0.1", 0};

std::string ReadText(Stream& stream, size_t bytes) {
    std::string text;
    while (text.size() < bytes) {
        Bytes buffer(bytes - text.size());
        Result<size_t> got = stream.Read(buffer);
        if (!got.ok()) return "error: " + got.error().ToString();
        if (*got == 0) break;
        text.append(reinterpret_cast<char*>(buffer.data()), *got);
    }
    return text;
}

std::unique_ptr<StreamServer> Serve(std::function<void(Stream&)> serve, int connections_max = 200) {
    StreamServerConfig config{.listen = kAnyPort, .connections_max = connections_max};
    auto refuse = [](Stream& stream) { (void)stream.Write(AsBytes("full")); };
    auto server = StreamServer::Create(config, NullLog(), std::move(serve), refuse);
    EXPECT_TRUE(server.ok()) << server.error().ToString();
    return std::move(*server);
}

void Echo(Stream& stream) {
    stream.Trust();
    Bytes buffer(64 << 10);
    while (true) {
        Result<size_t> got = stream.Read(buffer);
        if (!got.ok() || *got == 0) return;
        if (!stream.Write(ByteSpan(buffer).first(*got)).ok()) return;
    }
}

std::unique_ptr<Stream> Dial(const Address& address, DialOptions options = {}) {
    auto stream = Dialer::Create()->Dial(address, options);
    EXPECT_TRUE(stream.ok()) << stream.error().ToString();
    return std::move(*stream);
}

AddressScope Scope(std::string_view text) { return ScopeOf(*ParseEndpoint(text, 80)); }

TEST(Address, ParsesHostsPortsAndBrackets) {
    EXPECT_EQ(ParseAddress("127.0.0.1:8080")->ToString(), "127.0.0.1:8080");
    EXPECT_EQ(ParseAddress("[::1]:9000")->host, "::1");
    EXPECT_EQ(ParseAddress("[::1]:9000")->ToString(), "[::1]:9000");
    EXPECT_EQ(ParseAddress("db.example.com", 5432)->port, 5432);
    EXPECT_EQ(ParseAddress("::1", 5432)->ToString(), "[::1]:5432");
    EXPECT_EQ(ParseAddress("localhost:0")->port, 0);
    for (const char* wrong : {"", "host", "host:", ":80", "host:99999", "host:8a", "[::1", "[::1]x:1", "[host]:1",
                              "a b:80", "h/x:80", "::1", "1:2:3:80", "host:-1"}) {
        EXPECT_FALSE(ParseAddress(wrong).ok()) << wrong;
    }
}

TEST(Address, KnowsLoopback) {
    for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST", "::ffff:127.0.0.1"}) {
        EXPECT_TRUE((Address{host, 1}.IsLoopback())) << host;
    }
    for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com"}) {
        EXPECT_FALSE((Address{host, 1}.IsLoopback())) << host;
    }
}

TEST(Address, TellsScopesApart) {
    for (const char* text : {"169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "::ffff:169.254.169.254",
                             "fd00:ec2::254", "100.100.100.200", "224.0.0.1", "255.255.255.255", "ff02::1",
                             "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "168.63.129.16"}) {
        EXPECT_EQ(Scope(text), AddressScope::kForbidden) << text;
    }
    for (const char* text : {"127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::127.0.0.1"}) {
        EXPECT_EQ(Scope(text), AddressScope::kLoopback) << text;
    }
    for (const char* text : {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1",
                             "::ffff:10.0.0.1", "2001:0:1::1"}) {
        EXPECT_EQ(Scope(text), AddressScope::kPrivate) << text;
    }
    for (const char* text : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"}) {
        EXPECT_EQ(Scope(text), AddressScope::kPublic) << text;
    }
}

TEST(StreamServer, EchoesOnManyConnections) {
    auto server = Serve(Echo);
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; i++) {
        clients.emplace_back([&, i] {
            auto stream = Dial(server->address());
            std::string text(20'000, static_cast<char>('a' + i));
            for (int round = 0; round < 20; round++) {
                EXPECT_TRUE(stream->Write(AsBytes(text)).ok());
                EXPECT_EQ(ReadText(*stream, text.size()), text);
            }
        });
    }
    for (std::thread& client : clients) client.join();
}

TEST(StreamServer, GivesConnectionsOverTheLimitToRefuse) {
    auto server = Serve(Echo, 1);
    auto first = Dial(server->address());
    ASSERT_TRUE(first->Write(AsBytes("x")).ok());
    EXPECT_EQ(ReadText(*first, 1), "x");
    EXPECT_EQ(ReadText(*Dial(server->address()), 10), "full");
    first.reset();
    // The place becomes free a moment after the client closed.
    std::string answer;
    for (int i = 0; i < 200 && answer != "y"; i++) {
        auto next = Dial(server->address());
        (void)next->Write(AsBytes("y"));
        answer = ReadText(*next, 1);
        if (answer != "y") SystemEnv().clock().Sleep(10ms);
    }
    EXPECT_EQ(answer, "y");
}

TEST(StreamServer, StrangersHaveLimits) {
    std::promise<Error> refused;
    auto server = Serve([&](Stream& stream) {
        Bytes buffer(1 << 20);
        while (true) {
            Result<size_t> got = stream.Read(buffer);
            if (!got.ok()) return refused.set_value(got.error());
        }
    });
    auto stream = Dial(server->address());
    ASSERT_TRUE(stream->Write(AsBytes(std::string(kUntrustedBytesMax + 1, 'x'))).ok());
    EXPECT_EQ(refused.get_future().get().code(), ErrorCode::kResourceExhausted);
}

TEST(StreamServer, ReadTimesOut) {
    auto server = Serve([](Stream& stream) {
        stream.SetTimeouts(30ms, 1s);
        Bytes buffer(10);
        Result<size_t> got = stream.Read(buffer);
        (void)stream.Write(AsBytes(got.ok() ? "data" : std::string(ErrorCodeName(got.error().code()))));
    });
    EXPECT_EQ(ReadText(*Dial(server->address()), 20), "timeout");
}

TEST(StreamServer, WriteTimesOutWhenNobodyReads) {
    std::promise<ErrorCode> failed;
    auto server = Serve([&](Stream& stream) {
        stream.SetTimeouts(1s, 50ms);
        std::string text(1 << 20, 'x');
        while (true) {
            Status sent = stream.Write(AsBytes(text));
            if (!sent.ok()) return failed.set_value(sent.error().code());
        }
    });
    auto stream = Dial(server->address());
    EXPECT_EQ(failed.get_future().get(), ErrorCode::kTimeout);
}

TEST(StreamServer, DestructionEndsBlockedConnections) {
    std::promise<void> reading;
    std::promise<ErrorCode> ended;
    auto server = Serve([&](Stream& stream) {
        stream.Trust();
        stream.SetTimeouts(Duration::zero(), Duration::zero());
        reading.set_value();
        Bytes buffer(10);
        ended.set_value(stream.Read(buffer).error().code());
    });
    auto stream = Dial(server->address());
    reading.get_future().get();
    server.reset();
    EXPECT_EQ(ended.get_future().get(), ErrorCode::kCancelled);
    EXPECT_EQ(ReadText(*stream, 1), "");
}

TEST(StreamServer, ShutdownFromAnotherThreadWakesTheReader) {
    auto server = Serve([](Stream& stream) {
        stream.Trust();
        std::thread other([&] {
            SystemEnv().clock().Sleep(20ms);
            stream.Shutdown();
        });
        Bytes buffer(10);
        Result<size_t> got = stream.Read(buffer);
        EXPECT_EQ(got.ok() ? ErrorCode::kInternal : got.error().code(), ErrorCode::kCancelled);
        EXPECT_EQ(stream.Write(AsBytes("x")).error().code(), ErrorCode::kCancelled);
        other.join();
    });
    EXPECT_EQ(ReadText(*Dial(server->address()), 1), "");
}

TEST(StreamServer, RefusesOpenDoorsAndTakenPorts) {
    auto nothing = [](Stream&) {};
    auto open = StreamServer::Create({.listen = {"0.0.0.0", 0}}, NullLog(), nothing, nothing);
    ASSERT_FALSE(open.ok());
    EXPECT_NE(open.error().message().find("without TLS"), std::string::npos);
    EXPECT_FALSE(open.error().hint().empty());
    auto first = Serve(nothing);
    auto second = StreamServer::Create({.listen = first->address()}, NullLog(), nothing, nothing);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), ErrorCode::kUnavailable);
    EXPECT_NE(second.error().message().find(first->address().ToString()), std::string::npos);
    auto name = StreamServer::Create({.listen = {"example.com", 0}}, NullLog(), nothing, nothing);
    EXPECT_EQ(name.error().code(), ErrorCode::kInvalidArgument);
}

TEST(StreamServer, SurvivesAnExceptionOfServe) {
    auto server = Serve([](Stream&) { throw std::runtime_error("boom"); });
    EXPECT_EQ(ReadText(*Dial(server->address()), 1), "");
    EXPECT_EQ(ReadText(*Dial(server->address()), 1), "");
}

class TlsTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto pair = MakeSelfSignedCertificate({"localhost", "127.0.0.1"});
        ASSERT_TRUE(pair.ok()) << pair.error().ToString();
        certificate_ = pair->first;
        auto server = TlsContext::Server(pair->first, pair->second);
        ASSERT_TRUE(server.ok()) << server.error().ToString();
        server_ = *server;
        client_ = *TlsContext::Client(certificate_);
    }
    // Speaks as PostgreSQL does: one byte in plain text, then TLS on the same connection.
    std::unique_ptr<StreamServer> ServeUpgrading() {
        return Serve([this](Stream& stream) {
            Status started = stream.StartTlsServer(server_);
            if (started.ok()) {
                EXPECT_TRUE(stream.encrypted());
                Echo(stream);
            }
        });
    }

    std::string certificate_;
    std::shared_ptr<TlsContext> server_;
    std::shared_ptr<TlsContext> client_;
};

TEST_F(TlsTest, EncryptsARunningConnection) {
    auto server = ServeUpgrading();
    auto stream = Dial({"localhost", server->address().port}, {.tls = client_});
    EXPECT_TRUE(stream->encrypted());
    std::string text(3 << 20, 'z');
    // One thread at a time is the rule: write in steps that the echo's buffers hold.
    for (size_t at = 0; at < text.size(); at += 100'000) {
        std::string part = text.substr(at, 100'000);
        ASSERT_TRUE(stream->Write(AsBytes(part)).ok());
        ASSERT_EQ(ReadText(*stream, part.size()), part);
    }
    EXPECT_TRUE(stream->Reusable());
    server.reset();
    EXPECT_FALSE(stream->Reusable());
}

TEST_F(TlsTest, ChecksNameAndIssuer) {
    auto server = ServeUpgrading();
    DialOptions options{.tls = client_};
    EXPECT_TRUE(Dialer::Create()->Dial(server->address(), options).ok());  // by address
    auto other_pair = MakeSelfSignedCertificate({"other.example"});
    options.tls = *TlsContext::Client(other_pair->first);
    auto stranger = Dialer::Create()->Dial(server->address(), options);
    ASSERT_FALSE(stranger.ok());
    EXPECT_NE(stranger.error().message().find("not trusted"), std::string::npos) << stranger.error().message();
    // The right issuer, but the certificate names another host.
    auto wrong_name = TlsContext::Server(other_pair->first, other_pair->second);
    auto other_server = Serve([&](Stream& stream) { (void)stream.StartTlsServer(*wrong_name); });
    auto refused = Dialer::Create()->Dial(other_server->address(), options);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message().find("mismatch"), std::string::npos) << refused.error().message();
}

TEST_F(TlsTest, RefusesWrongPem) {
    EXPECT_FALSE(TlsContext::Server("nonsense", "nonsense").ok());
    auto other_pair = MakeSelfSignedCertificate({"x.example"});
    EXPECT_FALSE(TlsContext::Server(certificate_, other_pair->second).ok());
    EXPECT_FALSE(TlsContext::Server(certificate_, "nonsense").ok());
    EXPECT_FALSE(TlsContext::Client("nonsense").ok());
    EXPECT_TRUE(TlsContext::Client().ok());
    EXPECT_FALSE(MakeSelfSignedCertificate({}).ok());
    EXPECT_FALSE(MakeSelfSignedCertificate({"a,IP:1.2.3.4"}).ok());
}

TEST(Dialer, AppliesItsPolicy) {
    auto dialer = Dialer::Create();
    auto server = Serve(Echo);
    EXPECT_TRUE(dialer->Dial(server->address(), {}).ok());
    auto refused = dialer->Dial({"localhost", server->address().port}, {.policy = {.allow_loopback = false}});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_FALSE(dialer->Dial({"::ffff:127.0.0.1", 80}, {.policy = {.allow_loopback = false}}).ok());
    EXPECT_FALSE(dialer->ResolveChecked({"10.0.0.1", 80}, {.allow_private = false}).ok());
    EXPECT_EQ(*dialer->ResolveChecked({"10.0.0.1", 80}, {}), "10.0.0.1");
    EXPECT_EQ(dialer->ResolveChecked({"169.254.169.254", 80}, {}).error().code(), ErrorCode::kPermissionDenied);
    // Spellings that only the resolver knows are checked as what they resolve to.
    EXPECT_FALSE(dialer->ResolveChecked({"2130706433", 80}, {.allow_loopback = false}).ok());
    EXPECT_FALSE(dialer->ResolveChecked({"0x7f.1", 80}, {.allow_loopback = false}).ok());
}

TEST(Dialer, ExplainsFailures) {
    auto dialer = Dialer::Create();
    int closed_port = Serve(Echo)->address().port;
    auto refused = dialer->Dial({"127.0.0.1", closed_port}, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
    EXPECT_NE(refused.error().message().find("refused"), std::string::npos);
    EXPECT_EQ(dialer->Dial({"127.0.0.1", 0}, {}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Dialer, TlsHandshakeHasADeadline) {
    std::promise<void> end;
    auto waiting = end.get_future().share();
    auto server = Serve([waiting](Stream&) { waiting.wait(); });
    auto stream = Dialer::Create()->Dial(server->address(), {.timeout = 60ms, .tls = *TlsContext::Client()});
    ASSERT_FALSE(stream.ok());
    EXPECT_EQ(stream.error().code(), ErrorCode::kTimeout);
    end.set_value();
}

TEST(Stream, IsNotReusableAfterThePeerClosed) {
    auto server = Serve([](Stream&) {});
    auto stream = Dial(server->address());
    EXPECT_EQ(ReadText(*stream, 1), "");
    EXPECT_FALSE(stream->Reusable());
}

}  // namespace
}  // namespace tarn

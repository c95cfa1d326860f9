#include "base/frame_server.h"

#include <gtest/gtest.h>

#include <thread>

namespace tarn {
namespace {

Bytes Framed(std::string_view text) {
    Bytes frame(4 + text.size());
    for (size_t at = 0; at < 4; ++at) frame[at] = static_cast<uint8_t>(text.size() >> (24 - 8 * at));
    std::copy(text.begin(), text.end(), frame.begin() + 4);
    return frame;
}

void SendText(FrameConnection& connection, std::string_view text) {
    auto owned = std::make_shared<const Bytes>(Framed(text));
    connection.Send({{*owned, owned}});
}

constexpr size_t kLarge = 40 << 20;  // more than the buffers of any socket

// "echo ..." is sent back at once, "later ..." from another thread, "close" closes; "trust" lifts the limits; the
// answer to "large" has kLarge bytes.
class Echo final : public FrameHandler {
  public:
    Echo(std::shared_ptr<FrameConnection> connection, std::atomic<int>& open)
        : connection_(std::move(connection)), open_(open) {
        ++open_;
    }
    ~Echo() override {
        if (later_.joinable()) later_.join();
    }
    Next OnFrame(Bytes frame) override {
        std::string text(AsText(frame));
        if (text == "close") return SendText(*connection_, "bye"), Next::kClose;
        if (text == "trust") connection_->Trust();
        if (text == "large") return SendText(*connection_, std::string(kLarge, 'z')), Next::kContinue;
        if (!text.starts_with("later")) return SendText(*connection_, text), Next::kContinue;
        if (later_.joinable()) later_.join();
        later_ = std::thread([connection = connection_, text] {
            SystemEnv().clock().Sleep(std::chrono::milliseconds(20));
            SendText(*connection, text);
            connection->Resume();
        });
        return Next::kWait;
    }
    void OnClosed() override { --open_; }

  private:
    std::shared_ptr<FrameConnection> connection_;  // shared, as the door says
    std::atomic<int>& open_;
    std::thread later_;
};

class FrameServerTest : public testing::Test {
  protected:
    void Start(FrameServerConfig config = {}) {
        config.listen = {"127.0.0.1", 0};
        auto made = FrameServer::Create(std::move(config), NullLog(), [this](auto connection) {
            return std::make_unique<Echo>(std::move(connection), open_);
        });
        ASSERT_TRUE(made.ok()) << made.error().ToString();
        server_ = *std::move(made);
    }
    std::unique_ptr<Stream> Connect(std::shared_ptr<TlsContext> tls = nullptr) {
        auto dialed = dialer_->Dial({"127.0.0.1", server_->address().port}, {.tls = std::move(tls)});
        EXPECT_TRUE(dialed.ok()) << dialed.error().ToString();
        (*dialed)->SetTimeouts(std::chrono::seconds(20), std::chrono::seconds(20));
        return *std::move(dialed);
    }
    static std::string Receive(Stream& stream) {
        Bytes length(4);
        if (!Fill(stream, length)) return "<closed>";
        Bytes body(static_cast<size_t>(length[0]) << 24 | static_cast<size_t>(length[1]) << 16 |
                   static_cast<size_t>(length[2]) << 8 | length[3]);
        if (!Fill(stream, body)) return "<cut>";
        return std::string(AsText(body));
    }
    static bool Fill(Stream& stream, MutableByteSpan target) {
        while (!target.empty()) {
            auto got = stream.Read(target);
            if (!got.ok() || *got == 0) return false;
            target = target.subspan(*got);
        }
        return true;
    }
    void AwaitOpen(int count) {
        for (int i = 0; i < 1000 && open_ != count; ++i) SystemEnv().clock().Sleep(std::chrono::milliseconds(5));
        EXPECT_EQ(open_, count);
    }

    std::unique_ptr<Dialer> dialer_ = Dialer::Create();
    std::atomic<int> open_{0};
    std::unique_ptr<FrameServer> server_;
};

TEST_F(FrameServerTest, FramesComeBackInOrderHoweverTheyAreCut) {
    Start();
    auto stream = Connect();
    Bytes all;
    for (int i = 0; i < 100; ++i) {
        Bytes frame = Framed("frame " + std::to_string(i) + std::string(static_cast<size_t>(i * 7), 'x'));
        all.insert(all.end(), frame.begin(), frame.end());
    }
    for (size_t at = 0; at < all.size(); at += 13) {
        ASSERT_TRUE(stream->Write(ByteSpan(all).subspan(at, std::min<size_t>(13, all.size() - at))).ok());
    }
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(Receive(*stream), "frame " + std::to_string(i) + std::string(static_cast<size_t>(i * 7), 'x'));
    }
}

TEST_F(FrameServerTest, AHandlerThatWaitsKeepsTheOrderOfItsConnectionOnly) {
    Start({.threads = 1});
    auto slow = Connect(), quick = Connect();
    Bytes both = Framed("later 1");
    for (const char* text : {"later 2", "echo 3"}) {
        Bytes frame = Framed(text);
        both.insert(both.end(), frame.begin(), frame.end());
    }
    ASSERT_TRUE(slow->Write(both).ok());
    ASSERT_TRUE(quick->Write(Framed("echo")).ok());
    EXPECT_EQ(Receive(*quick), "echo");
    EXPECT_EQ(Receive(*slow), "later 1");
    EXPECT_EQ(Receive(*slow), "later 2");
    EXPECT_EQ(Receive(*slow), "echo 3");
}

TEST_F(FrameServerTest, AnAnswerLargerThanTheSocketArrivesThoughTheClientOnlyReads) {
    Start();
    auto stream = Connect();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(stream->Write(Framed("large")).ok());
        SystemEnv().clock().Sleep(std::chrono::milliseconds(50));  // the socket is full by now
        EXPECT_EQ(Receive(*stream).size(), kLarge);
    }
}

TEST_F(FrameServerTest, LargeFramesAndSlowReaders) {
    Start({.sending_bytes_max = 1 << 20});
    auto stream = Connect();
    ASSERT_TRUE(stream->Write(Framed("trust")).ok());
    EXPECT_EQ(Receive(*stream), "trust");
    std::string large(5 << 20, 'y');
    std::thread sender([&] {
        for (int i = 0; i < 10; ++i) {
            large[0] = static_cast<char>('0' + i);
            ASSERT_TRUE(stream->Write(Framed(large)).ok());
        }
    });
    SystemEnv().clock().Sleep(std::chrono::milliseconds(100));  // what we do not read stops it from reading
    for (int i = 0; i < 10; ++i) {
        std::string got = Receive(*stream);
        ASSERT_EQ(got.size(), large.size());
        EXPECT_EQ(got[0], static_cast<char>('0' + i));
    }
    sender.join();
}

TEST_F(FrameServerTest, AStrangersFramesAreSmallAndADeclaredLengthAllocatesNothing) {
    Start({.frame_bytes_max = 1 << 20, .receiving_bytes_max = 1 << 20});
    auto stranger = Connect();
    ASSERT_TRUE(stranger->Write(Bytes{0x00, 0x02, 0x00, 0x00}).ok());  // 128 KiB
    EXPECT_EQ(Receive(*stranger), "<closed>");
    auto giant = Connect();
    ASSERT_TRUE(giant->Write(Bytes{0x7F, 0xFF, 0xFF, 0xFF}).ok());
    EXPECT_EQ(Receive(*giant), "<closed>");
    // Many that declare much and send little leave room for who sends.
    std::vector<std::unique_ptr<Stream>> many;
    for (int i = 0; i < 50; ++i) {
        many.push_back(Connect());
        ASSERT_TRUE(many.back()->Write(Framed("trust")).ok());
        EXPECT_EQ(Receive(*many.back()), "trust");
        ASSERT_TRUE(many.back()->Write(Bytes{0x00, 0x0F, 0x00, 0x00, 'a'}).ok());
    }
    auto honest = Connect();
    ASSERT_TRUE(honest->Write(Framed("echo")).ok());
    EXPECT_EQ(Receive(*honest), "echo");
}

TEST_F(FrameServerTest, ClosingTellsTheHandlerAndSendsWhatWaits) {
    Start();
    auto stream = Connect();
    AwaitOpen(1);
    ASSERT_TRUE(stream->Write(Framed("close")).ok());
    EXPECT_EQ(Receive(*stream), "bye");
    EXPECT_EQ(Receive(*stream), "<closed>");
    AwaitOpen(0);
    auto gone = Connect();
    ASSERT_TRUE(gone->Write(Framed("later")).ok());
    gone.reset();
    AwaitOpen(0);
    auto left = Connect();
    AwaitOpen(1);
    server_.reset();  // with a connection that is open
    EXPECT_EQ(open_, 0);
    EXPECT_EQ(Receive(*left), "<closed>");
}

TEST_F(FrameServerTest, IdleConnectionsEndAndManyAreServed) {
    Start({.connections_max = 300, .idle_timeout = std::chrono::milliseconds(1500)});
    std::vector<std::unique_ptr<Stream>> many;
    for (int i = 0; i < 300; ++i) {
        many.push_back(Connect());
        ASSERT_TRUE(many.back()->Write(Framed("echo")).ok());
        EXPECT_EQ(Receive(*many.back()), "echo");
    }
    auto beyond = Connect();
    EXPECT_EQ(Receive(*beyond), "<closed>");
    AwaitOpen(0);
    EXPECT_EQ(Receive(*many[7]), "<closed>");
}

TEST_F(FrameServerTest, OverTls) {
    auto pem = MakeSelfSignedCertificate({"127.0.0.1"});
    ASSERT_TRUE(pem.ok());
    Start({.tls = *TlsContext::Server(pem->first, pem->second)});
    auto stream = Connect(*TlsContext::Client(pem->first));
    ASSERT_TRUE(stream->Write(Framed("trust")).ok());
    EXPECT_EQ(Receive(*stream), "trust");
    std::string large(3 << 20, 'z');
    std::thread sender([&] { ASSERT_TRUE(stream->Write(Framed(large)).ok()); });
    EXPECT_EQ(Receive(*stream), large);
    sender.join();
    auto plain = Connect();  // no handshake: it gets nowhere
    ASSERT_TRUE(plain->Write(Framed("echo")).ok());
    EXPECT_NE(Receive(*plain), "echo");
}

TEST_F(FrameServerTest, OffLoopbackOnlyWithTls) {
    auto made = FrameServer::Create({.listen = {"0.0.0.0", 0}}, NullLog(), [](auto) { return nullptr; });
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.error().message().find("TLS"), std::string::npos) << made.error().message();
}

}  // namespace
}  // namespace tarn

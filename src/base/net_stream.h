// The blocking stream over a channel. Internal to base/net*.cc.
#pragma once

#include <atomic>
#include <memory>

#include "base/net_channel.h"

namespace tarn {

class SocketStream final : public Stream {
  public:
    // A stranger's connection is under the limits of kUntrustedBytesMax and kUntrustedTime until Trust.
    SocketStream(std::unique_ptr<Channel> channel, Address remote, bool stranger);

    Result<size_t> Read(MutableByteSpan buffer) override;
    Status Write(ByteSpan bytes) override;
    void SetTimeouts(Duration read, Duration write) override;
    void Shutdown() override;
    void Trust() override { stranger_ = false; }
    Status StartTlsServer(const std::shared_ptr<TlsContext>& context) override;
    bool Reusable() override;
    bool encrypted() const override { return channel_->encrypted(); }
    const Address& remote() const override { return remote_; }
    int fd() const { return fd_; }

  private:
    Deadline DeadlineFor(Duration timeout) const;
    Error Explain(Error error) const;

    std::unique_ptr<Channel> channel_;
    const Address remote_;
    const int fd_;  // the channel's; fixed, so that Shutdown need not look at the channel, which TLS replaces
    Duration read_timeout_ = std::chrono::seconds(60);
    Duration write_timeout_ = std::chrono::seconds(60);
    bool stranger_;
    size_t stranger_bytes_left_ = kUntrustedBytesMax;
    Deadline stranger_until_;
    std::atomic<bool> shut_down_{false};
};

// As StreamServer::Create, with a socket that listens already.
Result<std::unique_ptr<StreamServer>> ServeListener(Fd listener, StreamServerConfig config, Log& log,
                                                    std::function<void(Stream&)> serve,
                                                    std::function<void(Stream&)> refuse);

}  // namespace tarn

// FrameServer: listens for connections that carry frames, each with its length in front (4 bytes, big-endian, as in
// Kafka), and serves them without a thread for each: ten thousand idle ones cost some memory and nothing else.
//
// A connection's frames are given to its handler one at a time, in order, on an IO thread: it must not block. Who has
// to, answers kWait, works elsewhere and calls Resume. Send may come from any thread; what is sent leaves in the order
// of the calls. Before Trust a connection has kUntrustedTime, and frames of at most kUntrustedBytesMax. A declared
// length allocates nothing: memory grows with what came.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/net.h"
#include "base/shared_bytes.h"

namespace tarn {

class FrameConnection {
  public:
    virtual ~FrameConnection() = default;
    virtual const Address& remote() const = 0;
    virtual bool encrypted() const = 0;
    // Any thread. Pieces of one call stay together. Nothing happens once the connection is closed.
    virtual void Send(std::vector<SharedBytes> pieces) = 0;
    virtual void Resume() = 0;
    virtual void Trust() = 0;
    // Sends what waits, then closes.
    virtual void Close() = 0;
};

class FrameHandler {
  public:
    enum class Next { kContinue, kWait, kClose };
    virtual ~FrameHandler() = default;
    // `frame` without the length.
    virtual Next OnFrame(Bytes frame) = 0;
    // Nothing more will come or be sent. On the IO thread, once, the last call.
    virtual void OnClosed() = 0;
};

struct FrameServerConfig {
    Address listen;
    int threads = 2;
    int connections_max = 20'000;  // further ones are closed at once
    size_t frame_bytes_max = 100 << 20;
    // Of frames that are being received and not yet handled, all connections together; beyond, they wait.
    size_t receiving_bytes_max = 256 << 20;
    size_t sending_bytes_max = 64 << 20;  // of a connection: beyond, nothing more is read from it until they left
    Duration idle_timeout = std::chrono::minutes(10);
    std::shared_ptr<TlsContext> tls;  // set: every connection begins with a handshake
};

class FrameServer {
  public:
    // Makes the handler of a new connection. The connection is shared: answers may come late, from any thread.
    using Accept = std::function<std::unique_ptr<FrameHandler>(std::shared_ptr<FrameConnection>)>;
    // Refuses an address off loopback without TLS.
    static Result<std::unique_ptr<FrameServer>> Create(FrameServerConfig config, Log& log, Accept accept);
    virtual ~FrameServer() = default;  // closes every connection and waits
    virtual Address address() const = 0;
    virtual int connections() const = 0;
};

}  // namespace tarn

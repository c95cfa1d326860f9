// Net: listeners and the one outbound dialer. Sockets appear nowhere else (adapter files: base/net*.cc, base/http*.cc).
//
// Off loopback a listener demands TLS; Create refuses otherwise. Before `Stream::Trust` (the peer proved who it is) a
// connection has kUntrustedBytesMax and kUntrustedTime; after it, the limits that its protocol sets.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/env.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/result.h"

namespace tarn {

inline constexpr size_t kUntrustedBytesMax = 64 << 10;
inline constexpr Duration kUntrustedTime = std::chrono::seconds(10);

struct Address {
    std::string host;
    int port = 0;
    std::string ToString() const;  // "127.0.0.1:8080", "[::1]:8080"
    bool IsLoopback() const;
};
Result<Address> ParseAddress(std::string_view text, int default_port = 0);

// Server side: certificate chain and key as PEM. Client side: nothing, or a CA bundle.
class TlsContext {
  public:
    static Result<std::shared_ptr<TlsContext>> Server(std::string_view certificate_pem, std::string_view key_pem);
    static Result<std::shared_ptr<TlsContext>> Client(std::string_view ca_pem = {});  // empty: the system's roots
    virtual ~TlsContext() = default;
};
// A self-signed certificate for `hosts`, valid for a year, as PEM (certificate, key): development and tests.
Result<std::pair<std::string, std::string>> MakeSelfSignedCertificate(const std::vector<std::string>& hosts);

// A connection, blocking, with a deadline for every call. Shutdown may come from any thread; the rest from one.
// Nothing is buffered: each Read is a system call (and may give less than asked), each Write goes out at once.
class Stream : public ByteReader, public ByteWriter {
  public:
    virtual void SetTimeouts(Duration read, Duration write) = 0;  // 60 s each at first; zero waits for ever
    virtual void Shutdown() = 0;  // both directions; blocked calls return kCancelled
    // The peer proved who it is: lifts the limits for strangers.
    virtual void Trust() = 0;
    virtual Status StartTlsServer(const std::shared_ptr<TlsContext>& context) = 0;
    // False once the peer closed, or sent something while nothing was expected: a pool must not use it again.
    virtual bool Reusable() { return true; }
    virtual bool encrypted() const = 0;
    virtual const Address& remote() const = 0;
};

// Accepts connections and runs `serve` on a thread of its own for each: for session protocols (PostgreSQL wire).
struct StreamServerConfig {
    Address listen;
    int connections_max = 200;  // further ones are given to `refuse`, then closed
    bool tls_possible = false;  // off loopback this must be true and `serve` must demand it
};
class StreamServer {
  public:
    static Result<std::unique_ptr<StreamServer>> Create(StreamServerConfig config, Log& log,
                                                        std::function<void(Stream&)> serve,
                                                        std::function<void(Stream&)> refuse);
    virtual ~StreamServer() = default;  // shuts every connection down and waits
    virtual Address address() const = 0;  // with the real port
};

// The one outbound dialer: resolves once, checks every address, connects to the checked one (no rebinding).
struct DialPolicy {
    bool allow_loopback = true;
    bool allow_private = true;  // RFC 1918, CGNAT, ULA; link-local and metadata addresses never
};
struct DialOptions {
    Duration timeout = std::chrono::seconds(10);
    std::shared_ptr<TlsContext> tls;  // set: TLS with the host's name checked
    DialPolicy policy;
};
class Dialer {
  public:
    static std::unique_ptr<Dialer> Create();
    virtual ~Dialer() = default;
    virtual Result<std::unique_ptr<Stream>> Dial(const Address& address, const DialOptions& options) = 0;
    // The checked numeric address, for libraries that connect themselves (libpq's hostaddr).
    virtual Result<std::string> ResolveChecked(const Address& address, const DialPolicy& policy) = 0;
};

}  // namespace tarn

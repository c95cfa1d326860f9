// Channel: a connected socket that never blocks, plain or through TLS. Internal to base/net*.cc and base/http*.cc.
//
// The blocking streams (net_stream.h) wait for it with poll, the HTTP server's coroutines with Asio; both share this
// one implementation, so TLS is written once and bytes go from the kernel straight into the caller's buffer.
// One thread at a time, except Shutdown, which may come from any thread.
#pragma once

#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/net.h"
#include "base/net_address.h"
#include "base/result.h"

namespace tarn {

// A file descriptor that closes itself.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.Release()) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd() { Close(); }
    int get() const { return fd_; }
    bool valid() const { return fd_ >= 0; }
    int Release() { return std::exchange(fd_, -1); }
    void Close();

  private:
    int fd_ = -1;
};

enum class IoState {
    kDone,
    kWantRead,   // call again once the socket is readable
    kWantWrite,  // call again, with the same bytes, once it is writable
    kEnd,        // the peer has finished sending
    kFailed,     // Channel::failure says why
};
struct IoOutcome {
    IoState state = IoState::kDone;
    size_t bytes = 0;
};

class Channel {
  public:
    static std::unique_ptr<Channel> Plain(Fd fd);

    explicit Channel(Fd fd) : fd_(std::move(fd)) {}
    virtual ~Channel() = default;
    virtual IoOutcome Handshake() = 0;
    virtual IoOutcome Read(MutableByteSpan buffer) = 0;
    // Sends a prefix of the pieces (in order) and tells how many bytes it took.
    virtual IoOutcome Write(std::span<const ByteSpan> pieces) = 0;
    // Says that nothing more will come; the peer may still send.
    virtual void FinishWriting() = 0;
    virtual bool encrypted() const = 0;
    // Bytes that were read from the kernel and not yet taken: polling the socket would not tell of them.
    virtual bool HasPending() const { return false; }

    int fd() const { return fd_.get(); }
    Fd ReleaseFd() { return std::move(fd_); }
    // Ends both directions; waiting readers and writers wake up.
    void Shutdown();
    // Makes the close a reset, so the peer cannot take what it got for the whole.
    void ResetOnClose();
    const Error& failure() const { return failure_; }

  protected:
    IoOutcome Fail(int error_number, std::string_view doing);
    IoOutcome Fail(std::string text);

  private:
    Fd fd_;
    Error failure_{ErrorCode::kUnavailable, "the connection failed"};
};

// Blocking use of a channel. A deadline is a reading of the monotonic clock; kNever does not come.
using Deadline = Duration;
inline constexpr Deadline kNever = Deadline::max();
Duration MonotonicNow();
Deadline After(Duration duration);  // zero or less: never

// Waits for what `want` names: true when it may go on, false at the deadline.
bool WaitFor(int fd, IoState want, Deadline deadline);
bool IsReadable(int fd);  // or at its end, or broken
void ShutdownSocket(int fd);
void ShutdownWriting(int fd);
// As recv and sendmsg, never blocking (errno is EAGAIN then) and without SIGPIPE.
int64_t ReceiveSome(int fd, MutableByteSpan buffer);
int64_t SendSome(int fd, std::span<const ByteSpan> pieces);
// Zero bytes: the peer has finished. kTimeout, kUnavailable.
Result<size_t> ReadBlocking(Channel& channel, MutableByteSpan buffer, Deadline deadline);
Status WriteBlocking(Channel& channel, std::span<const ByteSpan> pieces, Deadline deadline);
Status HandshakeBlocking(Channel& channel, Deadline deadline);
// Drops the first `bytes` of the pieces.
void Advance(std::span<ByteSpan> pieces, size_t bytes);

// A listening socket, non-blocking. A taken port, a privileged one, a strange address: errors that say what to do.
Result<Fd> Listen(const Address& address);
// Refuses a listener off loopback without TLS.
Status CheckListenPolicy(const Address& address, bool tls);
// The next connection, non-blocking, with TCP_NODELAY and keep-alive probes; invalid with errno set when there is none.
Fd AcceptOne(int listener);
Result<Fd> Connect(const Endpoint& endpoint, Deadline deadline);

// Wakes a thread that waits for sockets.
class WakeUp {
  public:
    static Result<WakeUp> Create();
    void Signal();  // any thread
    // Waits for `fd` to be readable or for a signal, which it takes; below zero: for a signal only. True: `fd` is.
    bool Wait(int fd, Deadline deadline);

  private:
    explicit WakeUp(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace tarn

#include "base/net_channel.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace tarn {
namespace {

constexpr size_t kPiecesMax = 8;

class PlainChannel final : public Channel {
  public:
    using Channel::Channel;

    IoOutcome Handshake() override { return {IoState::kDone}; }

    IoOutcome Read(MutableByteSpan buffer) override {
        if (buffer.empty()) return {IoState::kDone, 0};
        int64_t got = ReceiveSome(fd(), buffer);
        if (got > 0) return {IoState::kDone, static_cast<size_t>(got)};
        if (got == 0) return {IoState::kEnd};
        return errno == EAGAIN ? IoOutcome{IoState::kWantRead} : Fail(errno, "receiving");
    }

    IoOutcome Write(std::span<const ByteSpan> pieces) override {
        int64_t sent = SendSome(fd(), pieces);
        if (sent >= 0) return {IoState::kDone, static_cast<size_t>(sent)};
        return errno == EAGAIN ? IoOutcome{IoState::kWantWrite} : Fail(errno, "sending");
    }

    void FinishWriting() override { ShutdownWriting(fd()); }
    bool encrypted() const override { return false; }
};

Status TakenError(const Address& address) {
    return Error(ErrorCode::kUnavailable, "{} is taken by another program", address.ToString())
        .WithHint(fmt::format("see which one with: ss -ltnp 'sport = :{}'; stop it, or listen on another port",
                              address.port));
}

Error ListenError(const Address& address, int error_number) {
    if (error_number == EADDRINUSE) return TakenError(address).error();
    if (error_number == EACCES) {
        return Error(ErrorCode::kPermissionDenied, "not allowed to listen on {}", address.ToString())
            .WithHint("ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a port above 1023");
    }
    if (error_number == EADDRNOTAVAIL) {
        return Error(ErrorCode::kInvalidArgument, "{} is no address of this machine", address.ToString())
            .WithHint("listen on 127.0.0.1, or on an address that `ip address` shows");
    }
    return Error(ErrorCode::kIo, "cannot listen on {}: {}", address.ToString(), std::strerror(error_number));
}

Result<Endpoint> ListenEndpoint(const Address& address) {
    std::string_view host = address.host;
    if (EqualsIgnoreCase(host, "localhost")) host = "127.0.0.1";
    std::optional<Endpoint> endpoint = ParseEndpoint(host, address.port);
    if (endpoint) return *endpoint;
    return Error(ErrorCode::kInvalidArgument, "cannot listen on {}: a numeric address is needed", address.ToString())
        .WithHint("for example 127.0.0.1, ::1, or 0.0.0.0 for every interface");
}

const sockaddr* SockAddr(const Endpoint& endpoint) {
    return reinterpret_cast<const sockaddr*>(endpoint.storage.data());
}

int PollTimeout(Deadline deadline) {
    if (deadline == kNever) return -1;
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - MonotonicNow());
    return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30));
}

void SetOption(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof(value)); }

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        Close();
        fd_ = other.Release();
    }
    return *this;
}

void Fd::Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

std::unique_ptr<Channel> Channel::Plain(Fd fd) { return std::make_unique<PlainChannel>(std::move(fd)); }

void Channel::Shutdown() { ShutdownSocket(fd()); }

void Channel::ResetOnClose() {
    linger option{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &option, sizeof(option));
}

IoOutcome Channel::Fail(int error_number, std::string_view doing) {
    return Fail(fmt::format("{} failed: {}", doing, std::strerror(error_number)));
}

IoOutcome Channel::Fail(std::string text) {
    failure_ = Error(ErrorCode::kUnavailable, std::move(text));
    return {IoState::kFailed};
}

Duration MonotonicNow() { return SystemEnv().clock().Monotonic(); }

Deadline After(Duration duration) {
    if (duration <= Duration::zero()) return kNever;
    return MonotonicNow() + duration;
}

bool WaitFor(int fd, IoState want, Deadline deadline) {
    pollfd poll_fd{fd, static_cast<short>(want == IoState::kWantWrite ? POLLOUT : POLLIN), 0};
    while (true) {
        int ready = ::poll(&poll_fd, 1, PollTimeout(deadline));
        if (ready > 0) return true;
        if (ready == 0) return false;
        if (errno != EINTR) return true;  // the next call on the socket tells what is wrong
    }
}

bool IsReadable(int fd) {
    pollfd poll_fd{fd, POLLIN, 0};
    return ::poll(&poll_fd, 1, 0) != 0;
}

void ShutdownSocket(int fd) { ::shutdown(fd, SHUT_RDWR); }

void ShutdownWriting(int fd) { ::shutdown(fd, SHUT_WR); }

int64_t ReceiveSome(int fd, MutableByteSpan buffer) {
    while (true) {
        ssize_t got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got >= 0 || errno != EINTR) return got;
    }
}

int64_t SendSome(int fd, std::span<const ByteSpan> pieces) {
    std::array<iovec, kPiecesMax> vectors;
    size_t count = 0;
    for (ByteSpan piece : pieces) {
        if (piece.empty()) continue;
        vectors[count++] = {const_cast<uint8_t*>(piece.data()), piece.size()};
        if (count == kPiecesMax) break;
    }
    if (count == 0) return 0;
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    while (true) {
        ssize_t sent = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0 || errno != EINTR) return sent;
    }
}

Result<size_t> ReadBlocking(Channel& channel, MutableByteSpan buffer, Deadline deadline) {
    while (true) {
        IoOutcome outcome = channel.Read(buffer);
        if (outcome.state == IoState::kDone) return outcome.bytes;
        if (outcome.state == IoState::kEnd) return size_t{0};
        if (outcome.state == IoState::kFailed) return channel.failure();
        if (!WaitFor(channel.fd(), outcome.state, deadline)) {
            return Error(ErrorCode::kTimeout, "nothing was received in time");
        }
    }
}

void Advance(std::span<ByteSpan> pieces, size_t bytes) {
    for (ByteSpan& piece : pieces) {
        size_t taken = std::min(bytes, piece.size());
        piece = piece.subspan(taken);
        bytes -= taken;
    }
}

Status WriteBlocking(Channel& channel, std::span<const ByteSpan> pieces, Deadline deadline) {
    TARN_CHECK(pieces.size() <= kPiecesMax);
    std::array<ByteSpan, kPiecesMax> left;
    std::copy(pieces.begin(), pieces.end(), left.begin());
    auto empty = [](ByteSpan piece) { return piece.empty(); };
    std::span<ByteSpan> rest(left.data(), pieces.size());
    while (!std::all_of(rest.begin(), rest.end(), empty)) {
        IoOutcome outcome = channel.Write(rest);
        if (outcome.state == IoState::kDone) {
            Advance(rest, outcome.bytes);
            continue;
        }
        if (outcome.state == IoState::kFailed || outcome.state == IoState::kEnd) return channel.failure();
        if (!WaitFor(channel.fd(), outcome.state, deadline)) {
            return Error(ErrorCode::kTimeout, "the other side did not take the data in time");
        }
    }
    return Ok();
}

Status HandshakeBlocking(Channel& channel, Deadline deadline) {
    while (true) {
        IoOutcome outcome = channel.Handshake();
        if (outcome.state == IoState::kDone) return Ok();
        if (outcome.state == IoState::kFailed || outcome.state == IoState::kEnd) return channel.failure();
        if (!WaitFor(channel.fd(), outcome.state, deadline)) {
            return Error(ErrorCode::kTimeout, "the TLS handshake was not finished in time");
        }
    }
}

Status CheckListenPolicy(const Address& address, bool tls) {
    if (tls || address.IsLoopback()) return Ok();
    return Error(ErrorCode::kInvalidArgument,
                 "refusing to listen on {} without TLS: others could read and change "
                 "everything, passwords too",
                 address.ToString())
        .WithHint(fmt::format("listen on 127.0.0.1:{} instead, or configure a certificate and key", address.port));
}

Result<Fd> Listen(const Address& address) {
    Endpoint endpoint = TRY(ListenEndpoint(address));
    Fd fd(::socket(endpoint.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return ListenError(address, errno);
    SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (endpoint.is_v6()) SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (::bind(fd.get(), SockAddr(endpoint), endpoint.length) != 0) return ListenError(address, errno);
    if (::listen(fd.get(), 1024) != 0) return ListenError(address, errno);
    return fd;
}

Fd AcceptOne(int listener) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return fd;
    SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    // A peer whose machine vanished would otherwise hold its connection for ever.
    SetOption(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
    SetOption(fd.get(), IPPROTO_TCP, TCP_KEEPIDLE, 60);
    SetOption(fd.get(), IPPROTO_TCP, TCP_KEEPINTVL, 15);
    SetOption(fd.get(), IPPROTO_TCP, TCP_KEEPCNT, 4);
    return fd;
}

Result<Fd> Connect(const Endpoint& endpoint, Deadline deadline) {
    Fd fd(::socket(endpoint.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return Error(ErrorCode::kIo, "cannot make a socket: {}", std::strerror(errno));
    SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    SetOption(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
    if (::connect(fd.get(), SockAddr(endpoint), endpoint.length) != 0 && errno != EINPROGRESS) {
        return Error(ErrorCode::kUnavailable, "{}", std::strerror(errno));
    }
    // Writable: it is decided, one way or the other.
    if (!WaitFor(fd.get(), IoState::kWantWrite, deadline)) return Error(ErrorCode::kTimeout, "no answer in time");
    int failure = 0;
    socklen_t length = sizeof(failure);
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &length);
    if (failure != 0) return Error(ErrorCode::kUnavailable, "{}", std::strerror(failure));
    return fd;
}

Result<WakeUp> WakeUp::Create() {
    Fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!fd.valid()) return Error(ErrorCode::kIo, "cannot make an eventfd: {}", std::strerror(errno));
    return WakeUp(std::move(fd));
}

void WakeUp::Signal() {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(fd_.get(), &one, sizeof(one));
}

bool WakeUp::Wait(int fd, Deadline deadline) {
    pollfd waits[2] = {{fd_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
    ::poll(waits, fd >= 0 ? 2 : 1, PollTimeout(deadline));
    if (waits[0].revents != 0) {
        uint64_t count;
        [[maybe_unused]] ssize_t got = ::read(fd_.get(), &count, sizeof(count));
    }
    return waits[1].revents != 0;
}

}  // namespace tarn

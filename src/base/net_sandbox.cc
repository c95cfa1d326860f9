#include "base/net_sandbox.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "base/net_stream.h"

namespace tarn::sandbox {
namespace {

constexpr int kConnectionsMax = 64;  // of one forward at one time
constexpr size_t kPieceBytes = 64 << 10;
constexpr Duration kIdleMax = std::chrono::hours(1);

Error Failed(std::string_view doing) {
    return Error(ErrorCode::kIo, "cannot {}: {}", doing, std::generic_category().message(errno));
}

// Sends all of it; false when the other side takes no more.
bool SendAll(int to, ByteSpan bytes) {
    while (!bytes.empty()) {
        int64_t count = SendSome(to, std::span(&bytes, 1));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
        if (count < 0 && !WaitFor(to, IoState::kWantWrite, After(kIdleMax))) return false;
        if (count > 0) bytes = bytes.subspan(static_cast<size_t>(count));
    }
    return true;
}

// One direction of a connection. Over bare descriptors, as a stream is for one thread and there is one each way.
void Carry(int from, int to) {
    std::vector<uint8_t> buffer(kPieceBytes);
    while (true) {
        int64_t count = ReceiveSome(from, buffer);
        if (count == 0) return ShutdownWriting(to);
        if (count > 0) {
            if (!SendAll(to, ByteSpan(buffer).first(static_cast<size_t>(count)))) break;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) break;
        if (!WaitFor(from, IoState::kWantRead, After(kIdleMax))) break;
    }
    ShutdownSocket(from);
    ShutdownSocket(to);
}

}  // namespace

Status RaiseLoopback() {
    Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return Failed("make a socket");
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    if (::ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) return Failed("bring the loopback interface up");
    return Ok();
}

Status NameLoopback(const std::vector<std::string>& addresses) {
    if (addresses.empty()) return Ok();
    Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return Failed("make a socket");
    for (size_t index = 0; index < addresses.size(); index++) {
        ifreq alias{};
        std::string name = fmt::format("lo:{}", index + 1);
        std::strncpy(alias.ifr_name, name.c_str(), IFNAMSIZ - 1);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        if (::inet_pton(AF_INET, addresses[index].c_str(), &address.sin_addr) != 1) {
            return Error(ErrorCode::kInvalidArgument, "{} is no IPv4 address", addresses[index]);
        }
        std::memcpy(&alias.ifr_addr, &address, sizeof(address));
        if (::ioctl(fd.get(), SIOCSIFADDR, &alias) != 0) return Failed("add an address to the loopback interface");
    }
    return Ok();
}

Result<std::unique_ptr<StreamServer>> ServeForward(Fd listener, const Address& target, Dialer& dialer, Log& log) {
    StreamServerConfig config{.listen = target, .connections_max = kConnectionsMax, .tls_possible = true};
    auto serve = [target, &dialer, &log](Stream& inside) {
        inside.Trust();
        auto outside = dialer.Dial(target, {});
        if (!outside.ok()) {
            log.Warning("a job's connection was not made",
                        {{"target", target.ToString()}, {"error", outside.error().message()}});
            return;
        }
        // Without TLS both the server's and the dialer's streams are sockets and nothing else.
        int near_fd = static_cast<SocketStream&>(inside).fd();
        int far_fd = static_cast<SocketStream&>(**outside).fd();
        std::thread back([=] { Carry(far_fd, near_fd); });
        Carry(near_fd, far_fd);
        back.join();
    };
    return ServeListener(std::move(listener), std::move(config), log, std::move(serve), [](Stream&) {});
}

}  // namespace tarn::sandbox

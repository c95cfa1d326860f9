// Numeric addresses and what they may be used for. Internal to base/net*.cc and base/http*.cc.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/net.h"

namespace tarn {

// An IP address with its port as the kernel takes it: the bytes of a sockaddr_in or sockaddr_in6.
struct Endpoint {
    alignas(8) std::array<uint8_t, 128> storage{};
    uint32_t length = 0;

    bool is_v6() const;
    Address ToAddress() const;  // numeric
};

// Parses a numeric address ("10.0.0.1", "::1", "[::1]"); nothing for a name.
std::optional<Endpoint> ParseEndpoint(std::string_view host, int port);
// The local or remote end of a connected socket.
Endpoint LocalEndpoint(int socket);
Endpoint RemoteEndpoint(int socket);

// All addresses of a name. Asks the system's resolver, which may block for half a minute.
Result<std::vector<Endpoint>> LookUpHost(const std::string& host, int port);

enum class AddressScope {
    kPublic,
    kLoopback,   // 127/8, ::1, and 0.0.0.0 and ::, which the kernel takes for this machine
    kPrivate,    // RFC 1918, CGNAT, ULA and the other ranges that are not routed in public
    kForbidden,  // link-local, cloud metadata services, multicast, reserved: never dialled
};
// Looks through IPv4 addresses embedded in IPv6 ones (mapped, compatible, NAT64, 6to4).
AddressScope ScopeOf(const Endpoint& endpoint);

}  // namespace tarn

#include "base/net_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/text.h"

namespace tarn {
namespace {

using V4 = std::array<uint8_t, 4>;
using V6 = std::array<uint8_t, 16>;

struct RangeV4 {
    V4 prefix;
    int bits;
    AddressScope scope;
};

// The first range that holds an address decides. IANA's special-purpose registry, plus metadata services of clouds.
constexpr RangeV4 kRangesV4[] = {
    {{169, 254, 0, 0}, 16, AddressScope::kForbidden},       // link-local; 169.254.169.254 is most clouds' metadata
    {{100, 100, 100, 200}, 32, AddressScope::kForbidden},   // metadata of Alibaba Cloud
    {{168, 63, 129, 16}, 32, AddressScope::kForbidden},     // Azure's host agent
    {{192, 0, 0, 192}, 32, AddressScope::kForbidden},       // metadata of Oracle Cloud
    {{224, 0, 0, 0}, 4, AddressScope::kForbidden},          // multicast
    {{240, 0, 0, 0}, 4, AddressScope::kForbidden},          // reserved and broadcast
    {{0, 0, 0, 0}, 8, AddressScope::kLoopback},             // "this host": Linux connects 0.0.0.0 to itself
    {{127, 0, 0, 0}, 8, AddressScope::kLoopback},         {{10, 0, 0, 0}, 8, AddressScope::kPrivate},
    {{172, 16, 0, 0}, 12, AddressScope::kPrivate},        {{192, 168, 0, 0}, 16, AddressScope::kPrivate},
    {{100, 64, 0, 0}, 10, AddressScope::kPrivate},          // CGNAT
    {{192, 0, 0, 0}, 24, AddressScope::kPrivate},         {{198, 18, 0, 0}, 15, AddressScope::kPrivate},  // benchmarks
};

struct RangeV6 {
    V6 prefix;
    int bits;
    AddressScope scope;
};

constexpr RangeV6 kRangesV6[] = {
    {{0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54}, 128, AddressScope::kForbidden},  // AWS metadata
    {{0xfd, 0, 0x0e, 0xc2}, 32, AddressScope::kForbidden},  // the rest of AWS's service range
    {{0xfe, 0x80}, 10, AddressScope::kForbidden},  // link-local
    {{0xff}, 8, AddressScope::kForbidden},  // multicast
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, AddressScope::kLoopback},
    {{}, 128, AddressScope::kLoopback},  // ::
    {{0xfc}, 7, AddressScope::kPrivate},  // ULA
    {{0xfe, 0xc0}, 10, AddressScope::kPrivate},  // site-local
    {{0x20, 0x01, 0, 0}, 32, AddressScope::kPrivate},  // Teredo hides an IPv4 address
};

static_assert(sizeof(sockaddr_storage) == sizeof(Endpoint::storage));

sockaddr* SockAddr(Endpoint& endpoint) { return reinterpret_cast<sockaddr*>(endpoint.storage.data()); }
sockaddr_in* AsV4(Endpoint& endpoint) { return reinterpret_cast<sockaddr_in*>(endpoint.storage.data()); }
sockaddr_in6* AsV6(Endpoint& endpoint) { return reinterpret_cast<sockaddr_in6*>(endpoint.storage.data()); }
const sockaddr_in* AsV4(const Endpoint& endpoint) {
    return reinterpret_cast<const sockaddr_in*>(endpoint.storage.data());
}
const sockaddr_in6* AsV6(const Endpoint& endpoint) {
    return reinterpret_cast<const sockaddr_in6*>(endpoint.storage.data());
}

template <size_t kSize>
bool InPrefix(const std::array<uint8_t, kSize>& address, const std::array<uint8_t, kSize>& prefix, int bits) {
    int whole = bits / 8;
    if (!std::equal(address.begin(), address.begin() + whole, prefix.begin())) return false;
    int rest = bits % 8;
    if (rest == 0) return true;
    return ((address[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

AddressScope ScopeOfV4(const V4& address) {
    for (const RangeV4& range : kRangesV4) {
        if (InPrefix(address, range.prefix, range.bits)) return range.scope;
    }
    return AddressScope::kPublic;
}

// Where an IPv4 address lies inside an IPv6 one, if it does.
std::optional<V4> EmbeddedV4(const V6& address) {
    constexpr V6 kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    constexpr V6 kNat64 = {0, 0x64, 0xff, 0x9b};
    constexpr V6 kLocalNat64 = {0, 0x64, 0xff, 0x9b, 0, 1};
    constexpr V6 kSixToFour = {0x20, 0x02};
    auto at = [&](size_t offset) {
        return V4{address[offset], address[offset + 1], address[offset + 2], address[offset + 3]};
    };
    if (InPrefix(address, kMapped, 96) || InPrefix(address, kNat64, 96)) return at(12);
    if (InPrefix(address, kLocalNat64, 48)) return at(12);
    if (InPrefix(address, kSixToFour, 16)) return at(2);
    bool compatible = InPrefix(address, V6{}, 96);
    if (compatible && (address[12] != 0 || address[13] != 0)) return at(12);
    return std::nullopt;
}

AddressScope ScopeOfV6(const V6& address) {
    if (std::optional<V4> embedded = EmbeddedV4(address)) return ScopeOfV4(*embedded);
    for (const RangeV6& range : kRangesV6) {
        if (InPrefix(address, range.prefix, range.bits)) return range.scope;
    }
    return AddressScope::kPublic;
}

Result<int> ParsePort(std::string_view text, std::string_view whole) {
    int port = -1;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || port < 0 || port > 65535) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" has no valid port (0 to 65535)", whole);
    }
    return port;
}

bool IsHostText(std::string_view host) {
    auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
               c == '_';
    };
    return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), allowed);
}

Result<Address> Checked(std::string_view host, int port, std::string_view whole) {
    if (host.find(':') != std::string_view::npos) {
        if (!ParseEndpoint(host, port)) {
            return Error(ErrorCode::kInvalidArgument, "\"{}\" is not an IPv6 address", whole);
        }
    } else if (!IsHostText(host)) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" has no valid host", whole)
            .WithHint("write host:port, for example 127.0.0.1:8080 or [::1]:8080");
    }
    return Address{std::string(host), port};
}

}  // namespace

std::string Address::ToString() const {
    bool is_v6 = host.find(':') != std::string::npos;
    return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

bool Address::IsLoopback() const {
    if (EqualsIgnoreCase(host, "localhost")) return true;
    std::optional<Endpoint> endpoint = ParseEndpoint(host, port);
    if (!endpoint || ScopeOf(*endpoint) != AddressScope::kLoopback) return false;
    // 0.0.0.0 and :: reach this machine when dialled, but listen on every interface.
    Address numeric = endpoint->ToAddress();
    return !numeric.host.starts_with("0.") && numeric.host != "::" && numeric.host != "::ffff:0.0.0.0";
}

Result<Address> ParseAddress(std::string_view text, int default_port) {
    std::string_view host = text;
    std::optional<std::string_view> port;
    if (text.starts_with('[')) {
        size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return Error(ErrorCode::kInvalidArgument, "\"{}\" lacks the closing bracket", text);
        }
        host = text.substr(1, end - 1);
        std::string_view rest = text.substr(end + 1);
        if (!rest.empty() && rest[0] != ':') {
            return Error(ErrorCode::kInvalidArgument, "\"{}\" has text between address and port", text);
        }
        if (!rest.empty()) port = rest.substr(1);
        if (host.find(':') == std::string_view::npos) {
            return Error(ErrorCode::kInvalidArgument, "\"{}\": brackets are for IPv6 addresses", text);
        }
    } else if (std::count(text.begin(), text.end(), ':') == 1) {
        host = text.substr(0, text.find(':'));
        port = text.substr(text.find(':') + 1);
    }
    if (!port && default_port == 0) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" has no port", text)
            .WithHint("write host:port, for example 127.0.0.1:8080 or [::1]:8080");
    }
    int number = port ? TRY(ParsePort(*port, text)) : default_port;
    return Checked(host, number, text);
}

bool Endpoint::is_v6() const { return AsV6(*this)->sin6_family == AF_INET6; }

Address Endpoint::ToAddress() const {
    char text[INET6_ADDRSTRLEN] = {};
    if (!is_v6()) {
        inet_ntop(AF_INET, &AsV4(*this)->sin_addr, text, sizeof(text));
        return {text, ntohs(AsV4(*this)->sin_port)};
    }
    inet_ntop(AF_INET6, &AsV6(*this)->sin6_addr, text, sizeof(text));
    return {text, ntohs(AsV6(*this)->sin6_port)};
}

std::optional<Endpoint> ParseEndpoint(std::string_view host, int port) {
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.size() >= INET6_ADDRSTRLEN) return std::nullopt;
    std::string text(host);
    Endpoint endpoint;
    sockaddr_in* v4 = AsV4(endpoint);
    if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(static_cast<uint16_t>(port));
        endpoint.length = sizeof(sockaddr_in);
        return endpoint;
    }
    sockaddr_in6* v6 = AsV6(endpoint);
    if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(static_cast<uint16_t>(port));
        endpoint.length = sizeof(sockaddr_in6);
        return endpoint;
    }
    return std::nullopt;
}

Endpoint LocalEndpoint(int socket) {
    Endpoint endpoint;
    endpoint.length = sizeof(endpoint.storage);
    getsockname(socket, SockAddr(endpoint), &endpoint.length);
    return endpoint;
}

Endpoint RemoteEndpoint(int socket) {
    Endpoint endpoint;
    endpoint.length = sizeof(endpoint.storage);
    getpeername(socket, SockAddr(endpoint), &endpoint.length);
    return endpoint;
}

Result<std::vector<Endpoint>> LookUpHost(const std::string& host, int port) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    int failure = ::getaddrinfo(host.c_str(), fmt::format("{}", port).c_str(), &hints, &found);
    if (failure == EAI_NONAME || failure == EAI_NODATA) {
        return Error(ErrorCode::kUnavailable, "there is no host \"{}\"", host).WithHint("check the name's spelling");
    }
    if (failure != 0) {
        return Error(ErrorCode::kUnavailable, "cannot look up \"{}\": {}", host, ::gai_strerror(failure));
    }
    std::vector<Endpoint> endpoints;
    for (addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
        bool is_ip = entry->ai_family == AF_INET || entry->ai_family == AF_INET6;
        if (!is_ip || entry->ai_addrlen > sizeof(Endpoint::storage)) continue;
        Endpoint& endpoint = endpoints.emplace_back();
        std::memcpy(endpoint.storage.data(), entry->ai_addr, entry->ai_addrlen);
        endpoint.length = entry->ai_addrlen;
    }
    ::freeaddrinfo(found);
    return endpoints;
}

AddressScope ScopeOf(const Endpoint& endpoint) {
    if (!endpoint.is_v6()) {
        V4 address;
        std::memcpy(address.data(), &AsV4(endpoint)->sin_addr, 4);
        return ScopeOfV4(address);
    }
    V6 address;
    std::memcpy(address.data(), &AsV6(endpoint)->sin6_addr, 16);
    return ScopeOfV6(address);
}

}  // namespace tarn

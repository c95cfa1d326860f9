// The outbound dialer. A name is resolved once; the addresses are checked, and the very ones that passed are dialled.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/net_stream.h"
#include "base/net_tls.h"
#include "base/text.h"

namespace tarn {
namespace {

// A name server that does not answer holds a thread for some 30 s; more of them than this are refused.
constexpr size_t kLookupsMax = 64;

struct Lookup {
    bool Finished() {
        std::lock_guard lock(mutex);
        return done;
    }

    void Finish(Result<std::vector<Endpoint>> found) {
        std::lock_guard lock(mutex);
        endpoints = std::move(found);
        done = true;
        done_changed.notify_all();
    }

    std::mutex mutex;
    std::condition_variable done_changed;
    bool done = false;
    Result<std::vector<Endpoint>> endpoints = std::vector<Endpoint>();
};

const char* WhyRefused(AddressScope scope) {
    switch (scope) {
        case AddressScope::kLoopback:
            return "it is this machine";
        case AddressScope::kPrivate:
            return "it is in a private network";
        case AddressScope::kForbidden:
            return "link-local, metadata and multicast addresses are never dialled";
        case AddressScope::kPublic:
            break;
    }
    return "";
}

bool Allows(const DialPolicy& policy, AddressScope scope) {
    switch (scope) {
        case AddressScope::kPublic:
            return true;
        case AddressScope::kLoopback:
            return policy.allow_loopback;
        case AddressScope::kPrivate:
            return policy.allow_private;
        case AddressScope::kForbidden:
            return false;
    }
    return false;
}

class CheckingDialer final : public Dialer {
  public:
    ~CheckingDialer() override {
        for (auto& [lookup, thread] : lookups_) thread.join();
    }

    Result<std::unique_ptr<tarn::Stream>> Dial(const Address& address, const DialOptions& options) override {
        Deadline deadline = After(options.timeout);
        std::vector<Endpoint> endpoints = TRY(Resolve(address, options.policy, deadline));
        Fd fd = TRY_CONTEXT(ConnectAny(endpoints, deadline), "cannot connect to " + address.ToString());
        Address remote = RemoteEndpoint(fd.get()).ToAddress();
        std::unique_ptr<Channel> channel;
        if (options.tls) {
            channel = TRY(TlsClientChannel(std::move(fd), *options.tls, address.host));
            TRY_CONTEXT(HandshakeBlocking(*channel, deadline), "TLS with " + address.ToString());
        } else {
            channel = Channel::Plain(std::move(fd));
        }
        return std::unique_ptr<tarn::Stream>(
            std::make_unique<SocketStream>(std::move(channel), std::move(remote), false));
    }

    Result<std::string> ResolveChecked(const Address& address, const DialPolicy& policy) override {
        std::vector<Endpoint> endpoints = TRY(Resolve(address, policy, After(std::chrono::seconds(10))));
        return endpoints[0].ToAddress().host;
    }

  private:
    // At least one address, all of them checked.
    Result<std::vector<Endpoint>> Resolve(const Address& address, const DialPolicy& policy, Deadline deadline) {
        std::vector<Endpoint> allowed;
        Error refusal(ErrorCode::kUnavailable, "\"{}\" has no address", address.host);
        for (const Endpoint& endpoint : TRY(LookUp(address, deadline))) {
            AddressScope scope = ScopeOf(endpoint);
            if (Allows(policy, scope)) {
                allowed.push_back(endpoint);
                continue;
            }
            refusal = Error(ErrorCode::kPermissionDenied, "not allowed to connect to {} (address {}): {}",
                            address.ToString(), endpoint.ToAddress().host, WhyRefused(scope));
        }
        if (allowed.empty()) return refusal;
        return allowed;
    }

    Result<std::vector<Endpoint>> LookUp(const Address& address, Deadline deadline) {
        if (address.port <= 0 || address.port > 65535) {
            return Error(ErrorCode::kInvalidArgument, "{} has no port to connect to", address.ToString());
        }
        if (std::optional<Endpoint> numeric = ParseEndpoint(address.host, address.port)) return std::vector{*numeric};
        std::shared_ptr<Lookup> lookup = TRY(StartLookup(address));
        std::unique_lock lock(lookup->mutex);
        auto done = [&] { return lookup->done; };
        if (deadline == kNever) {
            lookup->done_changed.wait(lock, done);
        } else if (!lookup->done_changed.wait_for(lock, deadline - MonotonicNow(), done)) {
            return Error(ErrorCode::kTimeout, "looking up \"{}\" took too long", address.host);
        }
        return lookup->endpoints;
    }

    // getaddrinfo knows no time limit, so each has a thread of its own, which may outlive the call that asked (hence
    // the shared lookup) but not the dialer.
    Result<std::shared_ptr<Lookup>> StartLookup(const Address& address) {
        std::lock_guard lock(mutex_);
        std::erase_if(lookups_, [](auto& entry) { return entry.first->Finished() && (entry.second.join(), true); });
        if (lookups_.size() >= kLookupsMax) {
            return Error(ErrorCode::kUnavailable, "too many names are being looked up; the name server is slow");
        }
        auto lookup = std::make_shared<Lookup>();
        std::thread thread([lookup, address] { lookup->Finish(LookUpHost(address.host, address.port)); });
        lookups_.emplace_back(lookup, std::move(thread));
        return lookup;
    }

    // One after the other, sharing the time that is left fairly.
    static Result<Fd> ConnectAny(const std::vector<Endpoint>& endpoints, Deadline deadline) {
        Error last(ErrorCode::kUnavailable, "no address");
        for (size_t i = 0; i < endpoints.size(); i++) {
            Deadline until = deadline;
            if (deadline != kNever) {
                Duration now = MonotonicNow();
                until = now + (deadline - now) / static_cast<int64_t>(endpoints.size() - i);
            }
            Result<Fd> fd = Connect(endpoints[i], until);
            if (fd.ok()) return fd;
            last = std::move(fd).error();
        }
        return last;
    }

    std::mutex mutex_;
    std::vector<std::pair<std::shared_ptr<Lookup>, std::thread>> lookups_;
};

}  // namespace

std::unique_ptr<Dialer> Dialer::Create() { return std::make_unique<CheckingDialer>(); }

}  // namespace tarn

// Fakes of what the security doors lean on, for the unit tests of every component: time by hand, a gate by list, an
// audit log in memory, an authenticator by list.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "security/audit.h"
#include "security/authenticator.h"
#include "security/gate.h"

namespace tarn::security {

class FakeClock : public Clock {
  public:
    Timestamp Now() override { return FromMicros(1'800'000'000'000'000) + passed; }
    Duration Monotonic() override { return passed; }
    void Sleep(Duration duration) override { passed += duration; }
    Duration passed{0};
};

// A counter spread over the bytes: never the same twice, the same in every run.
class FakeRandom : public Random {
  public:
    void Fill(MutableByteSpan bytes) override {
        for (uint8_t& byte : bytes) {
            state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
            byte = static_cast<uint8_t>(state_ >> 56);
        }
    }

  private:
    uint64_t state_ = 1;
};

// The clock and randomness are fakes, the files are the real ones.
struct FakeEnv {
    FakeClock clock;
    FakeRandom random;
    Env env{clock, SystemEnv().files(), random};
};

// Allows what was put into `allowed` as "user:alice run:Read runs/7", and everything to the system and to admins.
class FakeGate : public Gate {
  public:
    Decision Decide(const Principal& principal, std::string_view action, const Resource& resource) const override {
        ++decisions;
        std::string wanted = principal.Id() + " " + std::string(action) + " " + resource.name;
        bool yes = principal.IsSystem() || principal.HasRole("admin") || allowed.contains(wanted);
        return {.allowed = yes, .reason = yes ? "the test allows it" : "no statement allows it", .epoch = 1};
    }
    uint64_t epoch() const override { return 1; }
    std::set<std::string> allowed;
    mutable int decisions = 0;
};

class FakeAudit : public AuditLog {
  public:
    Status Append(const AuditEvent& event, AuditDurability durability) override {
        if (fails_at == static_cast<int>(events.size())) return Error(ErrorCode::kIo, "the disk is full");
        events.emplace_back(event, durability);
        if (on_append) on_append(event);
        return Ok();
    }
    std::vector<std::pair<AuditEvent, AuditDurability>> events;
    std::function<void(const AuditEvent&)> on_append;
    int fails_at = -1;  // this many records are taken, then none
};

// Tokens "tarn_<user>", cookies "cookie-<user>", passwords "password-<user>", for the users it was given.
class FakeAuthenticator : public Authenticator {
  public:
    explicit FakeAuthenticator(std::map<std::string, std::vector<std::string>> users) : users_(std::move(users)) {}
    Result<Principal> ByToken(std::string_view token) override { return Known(token, "tarn_"); }
    Result<Principal> BySession(std::string_view cookie) override { return Known(cookie, "cookie-"); }
    Result<Principal> ByPassword(std::string_view user, std::string_view password) override {
        if (password != "password-" + std::string(user)) return Known("", "password-");
        return Known(password, "password-");
    }
    ScramVerifier ScramOf(std::string_view) override { return {}; }
    Result<Principal> AfterScram(std::string_view user) override { return Known(user, ""); }
    bool HasPassword(std::string_view) override { return true; }
    Result<S3Key> ByS3KeyId(std::string_view) override { return Error(ErrorCode::kUnauthenticated, "no such key"); }
    Result<Principal> Refresh(const Principal& principal) override { return Known(principal.name, ""); }

  private:
    Result<Principal> Known(std::string_view text, std::string_view prefix) {
        auto found = users_.end();
        if (text.starts_with(prefix)) found = users_.find(std::string(text.substr(prefix.size())));
        if (found == users_.end()) return Error(ErrorCode::kUnauthenticated, "the credential is not valid");
        Principal principal;
        principal.kind = PrincipalKind::kUser;
        principal.name = found->first;
        principal.roles = found->second;
        return principal;
    }
    std::map<std::string, std::vector<std::string>> users_;
};

}  // namespace tarn::security

// What an Identity holds. Internal; shared by identity*.cc.
//
// Two locks. `change_mutex` is held by a change from its checks to its end, so over its write to the disk. `mutex`
// guards the maps below and is held for a look or an update only; a check of a token never waits for the disk.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "access/identity/attempts.h"
#include "access/identity/directory.h"
#include "access/identity/identity.h"
#include "access/identity/metrics.h"
#include "access/identity/password.h"
#include "access/identity/store.h"

namespace tarn::identity {

// A record of which checks only touch the time of last use.
template <typename Record>
struct Used {
    explicit Used(Record record_in, Timestamp used_at)
        : record(std::move(record_in)), used(ToMicros(used_at)), saved(ToMicros(used_at)) {}
    Record record;
    std::atomic<int64_t> used;   // microseconds
    std::atomic<int64_t> saved;  // as written to the disk
};

struct UsedS3Key : Used<S3KeyRecord> {
    UsedS3Key(S3KeyRecord record_in, Timestamp used_at, Secret secret_in)
        : Used(std::move(record_in), used_at), secret(std::move(secret_in)) {}
    Secret secret;
};

// The token of a run: never written.
struct RunToken {
    std::string user;
    std::string run;
    Timestamp expires_at;
};

struct Link {
    std::string hash;
    Timestamp expires_at;
};

struct Identity::State {
    State(IdentityConfig config_in, IdentityDependencies dependencies_in);

    std::shared_ptr<const Directory> Now() const {
        std::shared_lock lock(directory_mutex);
        return directory;
    }
    uint64_t FactsEpoch() const {
        const security::TableFacts* of = facts.load();
        return of ? of->facts_epoch() : 0;
    }
    // Makes these users and policies the ones that hold.
    void Publish(std::vector<UserRecord> users, std::shared_ptr<const Policies> policies);
    Status Write(const std::function<Status(metadata::Transaction&)>& work);
    Result<security::Principal> PrincipalOf(std::string_view user, std::string credential) const;
    Result<UserRecord> UserOf(std::string_view name) const;
    // Writes what was used since the last time, at most once a minute; expired sessions go.
    void SaveUse(bool at_once);
    void CountCredentials();
    Error Refused();  // counted, the same whatever was wrong
    Result<std::string> AddToken(const std::string& user, const std::string& name, Timestamp expires_at, bool minted);
    Result<NewSession> StartSession(const std::string& user, const std::string& method, const std::string& remote);
    Status Rehash(const UserRecord& user, std::string_view password);
    std::vector<std::string> SessionsToEnd(const std::string& user, Timestamp now);
    bool IsOver(const Used<SessionRecord>& session, Timestamp now) const;
    bool CredentialHolds(const security::Principal& principal) const;
    Result<std::string> AdminForLink() const;
    void ForgetSessions(const std::string& user, const std::string& but);
    void ForgetCredentials(const std::string& user);
    // The hash of the session with this id; empty when the user has none such.
    std::string FindSession(std::string_view user, std::string_view id) const;
    Status LoadAll();
    void LoadS3Keys(std::vector<S3KeyRecord> records);

    IdentityConfig config;
    Env& env;
    Log& log;
    metadata::Database& database;
    security::KeyProvider& keys;
    const security::OperationRegistry* operations;
    std::atomic<const security::TableFacts*> facts{nullptr};
    SelectCheck select_check;  // set before the first workspace is read
    IdentityMetrics metrics;
    Attempts attempts;
    PasswordSlots password_slots;
    std::string decoy_hash;
    Secret sealing_key;
    Secret decoy_key;

    std::mutex change_mutex;
    // A shared_ptr as decisions under way keep the directory that they began with.
    // Behind a lock of its own: GCC 12's atomic shared_ptr has a data race in load.
    mutable std::shared_mutex directory_mutex;
    std::shared_ptr<const Directory> directory;

    mutable std::shared_mutex mutex;
    std::map<std::string, std::unique_ptr<Used<TokenRecord>>, std::less<>> tokens;  // by hash
    std::map<std::pair<std::string, std::string>, std::string> token_names;         // (user, name) to hash
    std::map<std::string, RunToken, std::less<>> run_tokens;                          // by hash
    std::map<std::string, std::unique_ptr<Used<SessionRecord>>, std::less<>> sessions;  // by hash
    std::map<std::string, std::unique_ptr<UsedS3Key>, std::less<>> s3_keys;             // by id
    std::map<std::string, Timestamp, std::less<>> last_logins;
    std::optional<Link> link;
    std::atomic<int64_t> use_saved_at{0};
};

// What names a session or a state of a password in Principal::credential and in lists: not enough to find the secret.
inline constexpr size_t kSessionIdLength = 16;
std::string PasswordCredential(const PasswordRecord& password);

}  // namespace tarn::identity

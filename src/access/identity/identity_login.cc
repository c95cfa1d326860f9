// Passwords, browser sessions and the one-time link.
#include <algorithm>

#include "access/identity/credential.h"
#include "access/identity/identity.h"
#include "access/identity/state.h"
#include "base/text.h"

namespace tarn::identity {
namespace {

constexpr std::string_view kLinkPath = "/login#link=";

Error WrongPassword() { return Error(ErrorCode::kUnauthenticated, "the user or the password is wrong"); }

}  // namespace

// ---- passwords

Status Identity::MayAttempt(std::string_view remote, std::string_view user) {
    Status status = state_->attempts.Begin(remote, user);
    if (!status.ok()) state_->metrics.passwords_braked.Add();
    return status;
}

void Identity::NoteAttempt(std::string_view remote, std::string_view user, bool succeeded) {
    if (succeeded) {
        state_->attempts.Succeeded(remote, user);
    } else {
        state_->attempts.Failed(remote, user);
    }
    (succeeded ? state_->metrics.passwords_right : state_->metrics.passwords_wrong).Add();
}

Result<security::Principal> Identity::ByPassword(std::string_view user, std::string_view password) {
    return ByPasswordFrom("", user, password);
}

Result<security::Principal> Identity::ByPasswordFrom(std::string_view remote, std::string_view user,
                                                     std::string_view password) {
    TRY(MayAttempt(remote, user));
    auto now = state_->Now();
    const Account* account = now->Find(user);
    bool has_password = account && account->user.password;
    const std::string& hash = has_password ? account->user.password->hash : state_->decoy_hash;
    Duration started = state_->env.clock().Monotonic();
    bool right = false;
    {
        auto slot = TRY(state_->password_slots.Take());
        right = VerifyPassword(hash, password.substr(0, kPasswordBytesMax + 1)) && has_password;
    }
    Duration took = state_->env.clock().Monotonic() - started;
    state_->metrics.password_seconds.Observe(std::chrono::duration<double>(took).count());
    NoteAttempt(remote, user, right);
    if (!right) return WrongPassword();
    if (NeedsRehash(hash)) {
        Status renewed = state_->Rehash(account->user, password);
        if (!renewed.ok()) state_->log.Warning("a password's hash was not renewed", {{"user", account->user.name}});
    }
    return state_->PrincipalOf(user, PasswordCredential(*account->user.password));
}

// The same password under today's parameters; the SCRAM verifier stays, so nothing that is open is cut.
Status Identity::State::Rehash(const UserRecord& user, std::string_view password) {
    PasswordRecord renewed{.hash = TRY(HashPassword(env.random(), password)), .scram = user.password->scram};
    std::lock_guard change(change_mutex);
    auto now = Now();
    const Account* account = now->Find(user.name);
    bool changed = !account || !account->user.password || account->user.password->hash != user.password->hash;
    if (changed) return Ok();
    TRY(Write([&](metadata::Transaction& transaction) { return store::SetPassword(transaction, user.name, renewed); }));
    std::vector<UserRecord> users = now->Users();
    for (UserRecord& other : users) {
        if (other.name == user.name) other.password = renewed;
    }
    Publish(std::move(users), now->shared_policies());
    return Ok();
}

security::ScramVerifier Identity::ScramOf(std::string_view user) {
    auto now = state_->Now();
    const Account* account = now->Find(user);
    if (account && account->user.password) return account->user.password->scram;
    auto part = [&](std::string_view name) {
        std::string text = fmt::format("{}:{}", name, user);
        return std::string(AsText(HmacSha256(state_->decoy_key.bytes(), AsBytes(text))));
    };
    security::ScramVerifier decoy;
    decoy.salt = part("salt").substr(0, kScramSaltBytes);
    decoy.iterations = kScramIterations;
    decoy.stored_key = part("stored");
    decoy.server_key = part("server");
    return decoy;
}

Result<security::Principal> Identity::AfterScram(std::string_view user) {
    auto now = state_->Now();
    const Account* account = now->Find(user);
    if (!account || !account->user.password) return WrongPassword();
    return state_->PrincipalOf(user, PasswordCredential(*account->user.password));
}

bool Identity::HasPassword(std::string_view user) {
    auto now = state_->Now();
    const Account* account = now->Find(user);
    // Of unknown users too: the exchange with the decoy tells nothing.
    return !account || account->user.password.has_value();
}

// ---- sessions

Result<NewSession> Identity::State::StartSession(const std::string& user, const std::string& method,
                                                 const std::string& remote) {
    std::string cookie = MakeOpaque(env.random());
    Timestamp now = env.clock().Now();
    SessionRecord session{.hash = HashOf(cookie),
                          .user = user,
                          .method = method,
                          .remote = remote,
                          .created_at = now,
                          .seen_at = now,
                          .expires_at = now + config.session_lifetime};
    auto principal = TRY(PrincipalOf(user, "session:" + session.hash.substr(0, kSessionIdLength)));
    std::vector<std::string> ended = SessionsToEnd(user, now);
    TRY(Write([&](metadata::Transaction& transaction) -> Status {
        for (const std::string& hash : ended) TRY(store::DeleteSession(transaction, hash));
        TRY(store::InsertSession(transaction, session));
        return store::TouchUser(transaction, user, now);
    }));
    NewSession made{.cookie = std::move(cookie), .principal = std::move(principal), .expires_at = session.expires_at};
    {
        std::unique_lock lock(mutex);
        for (const std::string& hash : ended) sessions.erase(hash);
        std::string hash = session.hash;
        sessions[hash] = std::make_unique<Used<SessionRecord>>(std::move(session), now);
        last_logins[user] = now;
    }
    CountCredentials();
    return made;
}

// All that are over, and of this user so many that one more fits.
std::vector<std::string> Identity::State::SessionsToEnd(const std::string& user, Timestamp now) {
    std::vector<std::string> ended;
    std::vector<std::pair<int64_t, std::string>> open;
    std::shared_lock lock(mutex);
    for (const auto& [hash, session] : sessions) {
        if (IsOver(*session, now)) {
            ended.push_back(hash);
        } else if (session->record.user == user) {
            open.emplace_back(session->used.load(), hash);
        }
    }
    std::sort(open.begin(), open.end());
    auto most = static_cast<size_t>(std::max(1, config.sessions_per_user_max));
    for (size_t i = 0; i < open.size() && open.size() - i >= most; ++i) ended.push_back(open[i].second);
    return ended;
}

bool Identity::State::IsOver(const Used<SessionRecord>& session, Timestamp now) const {
    return now >= session.record.expires_at || now - FromMicros(session.used.load()) >= config.session_idle;
}

Result<NewSession> Identity::Login(std::string_view user, std::string_view password, const std::string& remote) {
    security::Principal principal = TRY(ByPasswordFrom(remote, user, password));
    std::lock_guard change(state_->change_mutex);
    // The password may have been changed while it was checked.
    TRY(Refresh(principal));
    return state_->StartSession(principal.name, "password", remote);
}

Result<security::Principal> Identity::BySession(std::string_view cookie) {
    std::string hash = HashOf(cookie);
    Timestamp now = state_->env.clock().Now();
    std::string user;
    {
        std::shared_lock lock(state_->mutex);
        auto found = state_->sessions.find(hash);
        if (found == state_->sessions.end() || state_->IsOver(*found->second, now)) return state_->Refused();
        found->second->used.store(ToMicros(now), std::memory_order_relaxed);
        user = found->second->record.user;
    }
    state_->SaveUse(false);
    return state_->PrincipalOf(user, "session:" + hash.substr(0, kSessionIdLength));
}

Status Identity::Logout(std::string_view cookie) {
    std::string hash = HashOf(cookie);
    std::lock_guard change(state_->change_mutex);
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::DeleteSession(transaction, hash); }));
    {
        std::unique_lock lock(state_->mutex);
        state_->sessions.erase(hash);
    }
    state_->CountCredentials();
    return Ok();
}

Status Identity::EndSession(const std::string& user, const std::string& id) {
    std::lock_guard change(state_->change_mutex);
    std::string hash = state_->FindSession(user, id);
    if (hash.empty()) return Error(ErrorCode::kNotFound, "{} has no session {}", user, id);
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::DeleteSession(transaction, hash); }));
    {
        std::unique_lock lock(state_->mutex);
        state_->sessions.erase(hash);
    }
    state_->CountCredentials();
    return Ok();
}

std::vector<SessionInfo> Identity::Sessions(std::string_view user) const {
    Timestamp now = state_->env.clock().Now();
    std::vector<SessionInfo> infos;
    std::shared_lock lock(state_->mutex);
    for (const auto& [hash, session] : state_->sessions) {
        const SessionRecord& record = session->record;
        if ((!user.empty() && record.user != user) || state_->IsOver(*session, now)) continue;
        infos.push_back({.id = hash.substr(0, kSessionIdLength),
                         .user = record.user,
                         .method = record.method,
                         .remote = record.remote,
                         .created_at = record.created_at,
                         .seen_at = FromMicros(session->used.load()),
                         .expires_at = record.expires_at});
    }
    std::sort(infos.begin(), infos.end(),
              [](const auto& left, const auto& right) { return left.seen_at > right.seen_at; });
    return infos;
}

void Identity::State::ForgetSessions(const std::string& user, const std::string& but) {
    {
        std::unique_lock lock(mutex);
        std::erase_if(sessions,
                      [&](const auto& item) { return item.second->record.user == user && item.first != but; });
    }
    CountCredentials();
}

std::string Identity::State::FindSession(std::string_view user, std::string_view id) const {
    if (id.size() != kSessionIdLength) return {};
    std::shared_lock lock(mutex);
    auto found = sessions.lower_bound(id);
    bool is_it = found != sessions.end() && found->first.starts_with(id) && found->second->record.user == user;
    return is_it ? found->first : std::string();
}

// ---- the one-time link

bool Identity::NeedsAdminLink() const {
    auto now = state_->Now();
    Timestamp time = state_->env.clock().Now();
    for (const auto& [name, account] : now->accounts()) {
        if (account.is_admin && account.user.password) return false;
    }
    std::shared_lock lock(state_->mutex);
    return std::none_of(state_->tokens.begin(), state_->tokens.end(), [&](const auto& item) {
        const TokenRecord& token = item.second->record;
        const Account* account = now->Find(token.user);
        return !token.minted && token.expires_at > time && account && account->is_admin;
    });
}

Result<std::string> Identity::AdminLink() {
    std::lock_guard change(state_->change_mutex);
    std::string secret = MakeOpaque(state_->env.random());
    Link link{.hash = HashOf(secret), .expires_at = state_->env.clock().Now() + state_->config.admin_link_lifetime};
    TRY(state_->Write([&](metadata::Transaction& transaction) {
        return store::ReplaceLink(transaction, link.hash, link.expires_at);
    }));
    std::unique_lock lock(state_->mutex);
    state_->link = std::move(link);
    return std::string(kLinkPath) + secret;
}

Result<NewSession> Identity::LoginByLink(std::string_view secret, const std::string& remote) {
    std::string hash = HashOf(secret);
    Timestamp now = state_->env.clock().Now();
    std::lock_guard change(state_->change_mutex);
    {
        // Guesses cost no write. A link does not survive a restart: each start makes its own.
        std::unique_lock lock(state_->mutex);
        if (!state_->link || !ConstantTimeEquals(state_->link->hash, hash)) return state_->Refused();
        state_->link.reset();
    }
    bool taken = false;
    TRY(state_->Write([&](metadata::Transaction& transaction) -> Status {
        taken = TRY(store::TakeLink(transaction, hash, now));
        return Ok();
    }));
    if (!taken) return state_->Refused();
    return state_->StartSession(TRY(state_->AdminForLink()), "link", remote);
}

// The first user if that one still is an admin, else the first admin by name.
Result<std::string> Identity::State::AdminForLink() const {
    auto now = Now();
    const Account* first = now->Find(kFirstUser);
    if (first && first->is_admin) return first->user.name;
    for (const UserRecord& user : now->Users()) {
        if (now->Find(user.name)->is_admin) return user.name;
    }
    return Error(ErrorCode::kFailedPrecondition, "there is no admin");
}

}  // namespace tarn::identity

// Users, the roles they are given, and their passwords.
#include <algorithm>

#include "access/identity/credential.h"
#include "access/identity/identity.h"
#include "access/identity/state.h"

namespace tarn::identity {
namespace {

UserInfo InfoOf(const Account& account, Timestamp last_login_at) {
    return {.name = account.user.name,
            .roles = account.roles,
            .groups = account.groups,
            .has_password = account.user.password.has_value(),
            .created_at = account.user.created_at,
            .last_login_at = last_login_at};
}

Error LastAdmin() {
    return Error(ErrorCode::kFailedPrecondition, "this is the last admin")
        .WithHint("make another user admin first: tarn user grant NAME admin");
}

// The API gives what is its own: the members of a file's role stand in the file.
Status CheckGrantable(const Policies& policies, const std::string& role) {
    if (!policies.Knows(role)) return Error(ErrorCode::kNotFound, "there is no role {}", role);
    std::string file = policies.FileOf(role);
    if (file.empty()) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "role {} is defined in {}: change its members there and apply", role,
                 file);
}

bool Contains(const std::vector<std::string>& list, std::string_view item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

Status Identity::CreateUser(const std::string& name, const std::vector<std::string>& roles) {
    if (!IsUserName(name)) {
        return Error(ErrorCode::kInvalidArgument,
                     "a user's name has 1 to 63 lower-case letters, digits or any of . _ - @ +");
    }
    std::lock_guard change(state_->change_mutex);
    auto now = state_->Now();
    if (now->Find(name)) return Error(ErrorCode::kAlreadyExists, "user {} is there already", name);
    if (now->accounts().size() >= static_cast<size_t>(state_->config.users_max)) {
        return Error(ErrorCode::kResourceExhausted, "there are {} users, the limit", state_->config.users_max);
    }
    UserRecord user{.name = name, .created_at = state_->env.clock().Now()};
    for (const std::string& role : roles) {
        TRY(CheckGrantable(now->policies(), role));
        if (!Contains(user.granted, role)) user.granted.push_back(role);
    }
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::InsertUser(transaction, user); }));
    std::vector<UserRecord> users = now->Users();
    users.push_back(std::move(user));
    state_->Publish(std::move(users), now->shared_policies());
    return Ok();
}

Status Identity::DeleteUser(const std::string& name) {
    std::lock_guard change(state_->change_mutex);
    auto now = state_->Now();
    const Account* account = now->Find(name);
    if (!account) return Error(ErrorCode::kNotFound, "there is no user {}", name);
    if (account->is_admin && now->admins() == 1) return LastAdmin();
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::DeleteUser(transaction, name); }));
    std::vector<UserRecord> users = now->Users();
    std::erase_if(users, [&](const UserRecord& user) { return user.name == name; });
    state_->Publish(std::move(users), now->shared_policies());
    state_->ForgetCredentials(name);
    return Ok();
}

Status Identity::GrantRole(const std::string& user, const std::string& role) {
    std::lock_guard change(state_->change_mutex);
    auto now = state_->Now();
    TRY(state_->UserOf(user));
    TRY(CheckGrantable(now->policies(), role));
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::InsertGrant(transaction, user, role); }));
    std::vector<UserRecord> users = now->Users();
    for (UserRecord& record : users) {
        if (record.name == user && !Contains(record.granted, role)) record.granted.push_back(role);
    }
    state_->Publish(std::move(users), now->shared_policies());
    return Ok();
}

Status Identity::RevokeRole(const std::string& user, const std::string& role) {
    std::lock_guard change(state_->change_mutex);
    auto now = state_->Now();
    UserRecord record = TRY(state_->UserOf(user));
    TRY(CheckGrantable(now->policies(), role));
    if (!Contains(record.granted, role)) return Error(ErrorCode::kNotFound, "{} was not given role {}", user, role);
    if (role == kAdminRole && now->admins() == 1) return LastAdmin();
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::DeleteGrant(transaction, user, role); }));
    std::vector<UserRecord> users = now->Users();
    for (UserRecord& other : users) {
        if (other.name == user) std::erase(other.granted, role);
    }
    state_->Publish(std::move(users), now->shared_policies());
    return Ok();
}

std::vector<UserInfo> Identity::Users() const {
    auto now = state_->Now();
    std::vector<UserInfo> users;
    std::shared_lock lock(state_->mutex);
    for (const auto& [name, account] : now->accounts()) {
        auto login = state_->last_logins.find(name);
        users.push_back(InfoOf(account, login == state_->last_logins.end() ? Timestamp() : login->second));
    }
    std::sort(users.begin(), users.end(), [](const auto& left, const auto& right) { return left.name < right.name; });
    return users;
}

Result<UserInfo> Identity::FindUser(std::string_view name) const {
    auto now = state_->Now();
    const Account* account = now->Find(name);
    if (!account) return Error(ErrorCode::kNotFound, "there is no user {}", name);
    std::shared_lock lock(state_->mutex);
    auto login = state_->last_logins.find(name);
    return InfoOf(*account, login == state_->last_logins.end() ? Timestamp() : login->second);
}

Status Identity::SetPassword(const std::string& user, std::string_view password, const std::string& keep_session) {
    std::optional<PasswordRecord> record;
    if (!password.empty()) {
        TRY(CheckPassword(user, password));
        auto slot = TRY(state_->password_slots.Take());
        // Both at once: an old SCRAM verifier must not outlive the password that it was made of.
        record = PasswordRecord{.hash = TRY(HashPassword(state_->env.random(), password)),
                                .scram = MakeScramVerifier(state_->env.random(), password)};
    }
    std::lock_guard change(state_->change_mutex);
    auto now = state_->Now();
    TRY(state_->UserOf(user));
    std::string keep = keep_session.empty() ? "" : state_->FindSession(user, keep_session);
    TRY(state_->Write([&](metadata::Transaction& transaction) -> Status {
        TRY(store::SetPassword(transaction, user, record));
        return store::DeleteSessionsOf(transaction, user, keep);
    }));
    std::vector<UserRecord> users = now->Users();
    for (UserRecord& other : users) {
        if (other.name == user) other.password = record;
    }
    state_->Publish(std::move(users), now->shared_policies());
    state_->ForgetSessions(user, keep);
    return Ok();
}

void Identity::State::ForgetCredentials(const std::string& user) {
    {
        std::unique_lock lock(mutex);
        std::erase_if(tokens, [&](const auto& item) { return item.second->record.user == user; });
        std::erase_if(token_names, [&](const auto& item) { return item.first.first == user; });
        std::erase_if(run_tokens, [&](const auto& item) { return item.second.user == user; });
        std::erase_if(s3_keys, [&](const auto& item) { return item.second->record.user == user; });
        last_logins.erase(user);
    }
    ForgetSessions(user, "");
}

}  // namespace tarn::identity

// Tokens and S3 keys, and whether an open session's credential still holds.
#include <algorithm>

#include "access/identity/credential.h"
#include "access/identity/identity.h"
#include "access/identity/state.h"
#include "base/text.h"

namespace tarn::identity {

// ---- tokens

Result<std::string> Identity::State::AddToken(const std::string& user, const std::string& name, Timestamp expires_at,
                                              bool minted) {
    if (!IsCredentialName(name)) {
        return Error(ErrorCode::kInvalidArgument, "a token's name has 1 to 63 letters, digits or any of . _ -");
    }
    std::lock_guard change(change_mutex);
    TRY(UserOf(user));
    std::string old_hash;
    int64_t count = 0;
    {
        std::shared_lock lock(mutex);
        auto old = token_names.find({user, name});
        if (old != token_names.end()) old_hash = old->second;
        count = std::count_if(token_names.begin(), token_names.end(),
                              [&](const auto& item) { return item.first.first == user; });
    }
    if (!old_hash.empty() && !minted) {
        return Error(ErrorCode::kAlreadyExists, "{} has a token named {} already", user, name);
    }
    if (old_hash.empty() && count >= config.tokens_per_user_max) {
        return Error(ErrorCode::kResourceExhausted, "{} has {} tokens, the limit", user, count);
    }
    std::string token = MakeToken(env.random());
    TokenRecord record{.hash = HashOf(token),
                       .user = user,
                       .name = name,
                       .minted = minted,
                       .created_at = env.clock().Now(),
                       .expires_at = expires_at};
    TRY(Write([&](metadata::Transaction& transaction) -> Status {
        if (!old_hash.empty()) TRY(store::DeleteToken(transaction, user, name));
        return store::InsertToken(transaction, record);
    }));
    {
        std::unique_lock lock(mutex);
        tokens.erase(old_hash);
        token_names[{user, name}] = record.hash;
        std::string hash = record.hash;
        tokens[hash] = std::make_unique<Used<TokenRecord>>(std::move(record), Timestamp());
    }
    CountCredentials();
    return token;
}

Result<std::string> Identity::CreateToken(const std::string& user, const std::string& name, Duration ttl) {
    if (ttl.count() == 0) ttl = state_->config.token_lifetime;
    if (ttl.count() < 0 || ttl > state_->config.token_lifetime_max) {
        return Error(ErrorCode::kInvalidArgument, "a token lives at most {}, got {}",
                     FormatDuration(state_->config.token_lifetime_max), FormatDuration(ttl));
    }
    return state_->AddToken(user, name, state_->env.clock().Now() + ttl, false);
}

Result<std::string> Identity::MintToken(const std::string& user, const std::string& name, Duration ttl) {
    if (ttl.count() <= 0) ttl = state_->config.token_lifetime;
    return state_->AddToken(user, name, state_->env.clock().Now() + ttl, true);
}

Status Identity::DeleteToken(const std::string& user, const std::string& name) {
    std::lock_guard change(state_->change_mutex);
    {
        std::shared_lock lock(state_->mutex);
        if (!state_->token_names.contains({user, name})) {
            return Error(ErrorCode::kNotFound, "{} has no token named {}", user, name);
        }
    }
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::DeleteToken(transaction, user, name); }));
    {
        std::unique_lock lock(state_->mutex);
        auto found = state_->token_names.find({user, name});
        state_->tokens.erase(found->second);
        state_->token_names.erase(found);
    }
    state_->CountCredentials();
    return Ok();
}

std::vector<TokenInfo> Identity::Tokens(std::string_view user) const {
    std::vector<TokenInfo> infos;
    std::shared_lock lock(state_->mutex);
    for (const auto& [key, hash] : state_->token_names) {
        if (!user.empty() && key.first != user) continue;
        const Used<TokenRecord>& token = *state_->tokens.find(hash)->second;
        infos.push_back({.user = token.record.user,
                         .name = token.record.name,
                         .created_at = token.record.created_at,
                         .expires_at = token.record.expires_at,
                         .last_used_at = FromMicros(token.used.load())});
    }
    return infos;
}

Result<std::string> Identity::StartRun(const std::string& user, const std::string& run, Duration ttl) {
    TRY(state_->UserOf(user));
    std::string token = MakeToken(state_->env.random());
    std::unique_lock lock(state_->mutex);
    std::erase_if(state_->run_tokens, [&](const auto& item) { return item.second.run == run; });
    state_->run_tokens[HashOf(token)] = {user, run, state_->env.clock().Now() + ttl};
    return token;
}

void Identity::EndRun(const std::string& run) {
    std::unique_lock lock(state_->mutex);
    std::erase_if(state_->run_tokens, [&](const auto& item) { return item.second.run == run; });
}

Result<security::Principal> Identity::ByToken(std::string_view token) {
    if (!IsToken(token)) return state_->Refused();
    std::string hash = HashOf(token);
    Timestamp now = state_->env.clock().Now();
    std::string user;
    std::string name;
    {
        std::shared_lock lock(state_->mutex);
        auto run = state_->run_tokens.find(hash);
        if (run != state_->run_tokens.end() && now < run->second.expires_at) {
            RunToken of = run->second;
            lock.unlock();
            return state_->PrincipalOf(of.user, "run:" + of.run);
        }
        auto found = state_->tokens.find(hash);
        if (found == state_->tokens.end()) return state_->Refused();
        Used<TokenRecord>& record = *found->second;
        if (!ConstantTimeEquals(record.record.hash, hash) || now >= record.record.expires_at) return state_->Refused();
        record.used.store(ToMicros(now), std::memory_order_relaxed);
        user = record.record.user;
        name = record.record.name;
    }
    state_->SaveUse(false);
    return state_->PrincipalOf(user, "token:" + name);
}

// ---- S3 keys

Result<NewS3Key> Identity::CreateS3Key(const std::string& user, const std::string& description) {
    if (description.size() > 200 || !IsUtf8(description)) {
        return Error(ErrorCode::kInvalidArgument, "a description has at most 200 bytes of text");
    }
    std::lock_guard change(state_->change_mutex);
    TRY(state_->UserOf(user));
    if (S3Keys(user).size() >= static_cast<size_t>(state_->config.s3_keys_per_user_max)) {
        return Error(ErrorCode::kResourceExhausted, "{} has {} S3 keys, the limit", user,
                     state_->config.s3_keys_per_user_max);
    }
    Random& random = state_->env.random();
    NewS3Key made{.access_key_id = MakeS3KeyId(random), .secret_access_key = Secret(MakeS3Secret(random))};
    S3KeyRecord record{.id = made.access_key_id,
                       .user = user,
                       .description = description,
                       .sealed = Seal(random, state_->sealing_key.bytes(), AsBytes(made.access_key_id),
                                      made.secret_access_key.bytes()),
                       .created_at = state_->env.clock().Now()};
    TRY(state_->Write([&](metadata::Transaction& transaction) { return store::InsertS3Key(transaction, record); }));
    {
        std::unique_lock lock(state_->mutex);
        state_->s3_keys[made.access_key_id] =
            std::make_unique<UsedS3Key>(std::move(record), Timestamp(), made.secret_access_key.Clone());
    }
    state_->CountCredentials();
    return made;
}

Status Identity::DeleteS3Key(const std::string& access_key_id) {
    std::lock_guard change(state_->change_mutex);
    {
        std::shared_lock lock(state_->mutex);
        if (!state_->s3_keys.contains(access_key_id)) {
            return Error(ErrorCode::kNotFound, "there is no S3 key {}", access_key_id);
        }
    }
    TRY(state_->Write(
        [&](metadata::Transaction& transaction) { return store::DeleteS3Key(transaction, access_key_id); }));
    {
        std::unique_lock lock(state_->mutex);
        state_->s3_keys.erase(access_key_id);
    }
    state_->CountCredentials();
    return Ok();
}

std::vector<S3KeyInfo> Identity::S3Keys(std::string_view user) const {
    std::vector<S3KeyInfo> infos;
    std::shared_lock lock(state_->mutex);
    for (const auto& [id, key] : state_->s3_keys) {
        if (!user.empty() && key->record.user != user) continue;
        infos.push_back({.access_key_id = id,
                         .user = key->record.user,
                         .description = key->record.description,
                         .created_at = key->record.created_at,
                         .last_used_at = FromMicros(key->used.load())});
    }
    return infos;
}

Result<security::S3Key> Identity::ByS3KeyId(std::string_view access_key_id) {
    std::string user;
    Secret secret;
    {
        std::shared_lock lock(state_->mutex);
        auto found = state_->s3_keys.find(access_key_id);
        if (found == state_->s3_keys.end()) return state_->Refused();
        // The signature is yet to be checked, so this may be a stranger's try; as a time of use it will do.
        found->second->used.store(ToMicros(state_->env.clock().Now()), std::memory_order_relaxed);
        user = found->second->record.user;
        secret = found->second->secret.Clone();
    }
    state_->SaveUse(false);
    auto principal = TRY(state_->PrincipalOf(user, "s3-key:" + std::string(access_key_id)));
    return security::S3Key{.principal = std::move(principal), .secret_access_key = std::move(secret)};
}

// ---- open sessions of protocols

bool Identity::State::CredentialHolds(const security::Principal& principal) const {
    size_t colon = std::min(principal.credential.find(':'), principal.credential.size() - 1);
    std::string_view kind = std::string_view(principal.credential).substr(0, colon);
    std::string name = principal.credential.substr(colon + 1);
    Timestamp time = env.clock().Now();
    if (kind == "password") {
        auto now = Now();
        const Account* account = now->Find(principal.name);
        return account && account->user.password && PasswordCredential(*account->user.password) == principal.credential;
    }
    if (kind == "session") {
        std::string hash = FindSession(principal.name, name);
        std::shared_lock lock(mutex);
        auto found = sessions.find(hash);
        return found != sessions.end() && !IsOver(*found->second, time);
    }
    std::shared_lock lock(mutex);
    if (kind == "token") {
        auto found = token_names.find({principal.name, name});
        return found != token_names.end() && tokens.find(found->second)->second->record.expires_at > time;
    }
    if (kind == "run") {
        return std::any_of(run_tokens.begin(), run_tokens.end(), [&](const auto& item) {
            return item.second.run == name && item.second.user == principal.name && item.second.expires_at > time;
        });
    }
    if (kind == "s3-key") {
        auto found = s3_keys.find(name);
        return found != s3_keys.end() && found->second->record.user == principal.name;
    }
    return false;
}

Result<security::Principal> Identity::Refresh(const security::Principal& principal) {
    if (principal.IsSystem()) return principal;
    bool holds = principal.kind == security::PrincipalKind::kUser && !principal.credential.empty() &&
                 state_->CredentialHolds(principal);
    if (!holds) return Error(ErrorCode::kUnauthenticated, "the login of {} no longer holds", principal.Id());
    security::Principal fresh = TRY(state_->PrincipalOf(principal.name, principal.credential));
    fresh.on_behalf_of = principal.on_behalf_of;
    return fresh;
}

}  // namespace tarn::identity

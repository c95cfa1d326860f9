// Configuration of identity: how long sessions, tokens and links live, and how many of each there may be.
#pragma once

#include "base/config.h"
#include "base/time.h"

namespace tarn::identity {

struct IdentityConfig {
    Duration session_idle = std::chrono::hours(12);
    Duration session_lifetime = std::chrono::hours(24 * 7);
    Duration token_lifetime = std::chrono::hours(24 * 90);
    Duration token_lifetime_max = std::chrono::hours(24 * 366);
    Duration admin_link_lifetime = std::chrono::hours(1);
    int users_max = 10'000;
    int tokens_per_user_max = 100;
    int s3_keys_per_user_max = 20;
    int sessions_per_user_max = 50;  // a further login ends the one that was idle longest
};

inline void Bind(ConfigBinder& binder, IdentityConfig& config) {
    binder.Key("session_idle", config.session_idle, "A browser session ends after this long without a request.");
    binder.Key("session_lifetime", config.session_lifetime, "A browser session ends after this long in any case.");
    binder.Key("token_lifetime", config.token_lifetime, "How long a token is valid when nothing else is asked for.");
    binder.Key("token_lifetime_max", config.token_lifetime_max, "The longest lifetime that may be asked for.");
    binder.Key("admin_link_lifetime", config.admin_link_lifetime, "How long a one-time login link is valid.");
    binder.Key("users_max", config.users_max, "How many users there may be.");
    binder.Key("tokens_per_user_max", config.tokens_per_user_max, "How many tokens one user may have.");
    binder.Key("s3_keys_per_user_max", config.s3_keys_per_user_max, "How many S3 keys one user may have.");
    binder.Key("sessions_per_user_max", config.sessions_per_user_max, "How many browser sessions one user may have.");
}

}  // namespace tarn::identity

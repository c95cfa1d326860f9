// Metrics of identity.
#pragma once

#include "base/metrics.h"

namespace tarn::identity {

struct IdentityMetrics {
    explicit IdentityMetrics(Metrics& metrics)
        : passwords_right(
              metrics.GetCounter("tarn_identity_passwords_total", "Password checks.", {{"outcome", "right"}})),
          passwords_wrong(
              metrics.GetCounter("tarn_identity_passwords_total", "Password checks.", {{"outcome", "wrong"}})),
          passwords_braked(
              metrics.GetCounter("tarn_identity_passwords_total", "Password checks.", {{"outcome", "braked"}})),
          password_seconds(metrics.GetHistogram("tarn_identity_password_seconds", "Time of a password check.")),
          credentials_refused(metrics.GetCounter("tarn_identity_credentials_refused_total",
                                                 "Tokens, cookies, links and S3 key ids that did not hold.")),
          changes(metrics.GetCounter("tarn_identity_changes_total", "Changes of users, roles, policies, credentials.")),
          users(metrics.GetGauge("tarn_identity_users", "Users.")),
          statements(metrics.GetGauge("tarn_identity_statements", "Statements of all roles.")),
          tokens(metrics.GetGauge("tarn_identity_tokens", "Tokens.")),
          sessions(metrics.GetGauge("tarn_identity_sessions", "Browser sessions.")),
          s3_keys(metrics.GetGauge("tarn_identity_s3_keys", "S3 keys.")) {}

    Counter& passwords_right;
    Counter& passwords_wrong;
    Counter& passwords_braked;
    Histogram& password_seconds;
    Counter& credentials_refused;
    Counter& changes;
    Gauge& users;
    Gauge& statements;
    Gauge& tokens;
    Gauge& sessions;
    Gauge& s3_keys;
};

}  // namespace tarn::identity

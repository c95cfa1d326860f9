#include "app/reload.h"

#include <map>
#include <set>

#include "app/platform_state.h"
#include "base/log_level.h"

namespace tarn::app {
namespace {

const std::set<std::string> kLiveKeys = {"log.level",   "tls.certificate",  "tls.key",
                                         "backup.to",   "backup.every",     "backup.keep",
                                         "budget.disk", "budget.disk_warn", "budget.disk_stop"};

std::string Absolute(const std::string& base, const std::string& path) {
    return path.starts_with("/") ? path : base + "/" + path;
}

// Every key with its value as text.
std::map<std::string, std::string> Flatten(TarnConfig config) {
    std::map<std::string, std::string> values;
    for (ConfigKeyDoc& key : DescribeKeys([&](ConfigBinder& binder) { Bind(binder, config); })) {
        values[key.path] = key.default_value;
    }
    return values;
}

}  // namespace

Reloader::Reloader(Components& parts, Env& env, std::string workspace)
    : parts_(parts), env_(env), workspace_(std::move(workspace)), config_(parts.config) {
    if (!parts_.tls) return;
    seen_ = Look(config_.tls);
    auto pem = ReadFile(env_, Absolute(workspace_, config_.tls.certificate), 1 << 20);
    auto info = pem.ok() ? ReadCertificate(*pem) : Result<CertificateInfo>(pem.error());
    if (info.ok()) Tell(*info);
}

void Reloader::Tell(const CertificateInfo& info) {
    certificate_ = info;
    parts_.metrics
        .GetGauge("tarn_tls_certificate_expires_timestamp_seconds", "Until when the certificate that is shown is valid")
        .Set(static_cast<double>(ToMicros(info.valid_until)) / 1e6);
}

Reloader::Seen Reloader::Look(const TlsConfig& tls) const {
    auto time_of = [&](const std::string& path) {
        auto entry = env_.files().Stat(Absolute(workspace_, path));
        return entry.ok() ? entry->modified_at : Timestamp();
    };
    return {time_of(tls.certificate), time_of(tls.key)};
}

Result<bool> Reloader::TakeCertificate(const TlsConfig& tls) {
    seen_ = Look(tls);  // before reading: what is written meanwhile is looked at again
    std::string certificate = TRY(ReadFile(env_, Absolute(workspace_, tls.certificate), 1 << 20));
    std::string key = TRY(ReadFile(env_, Absolute(workspace_, tls.key), 1 << 20));
    CertificateInfo info = TRY(ReadCertificate(certificate));
    TRY(ReplaceCertificate(*parts_.tls, certificate, key));
    bool other = info.fingerprint != certificate_.fingerprint;
    Tell(info);
    return other;
}

Result<bool> Reloader::TakeNewCertificate() {
    std::lock_guard lock(mutex_);
    if (!parts_.tls || Look(config_.tls) == seen_) return false;
    return TakeCertificate(config_.tls);
}

Result<ReloadReport> Reloader::Reload() {
    std::lock_guard lock(mutex_);
    TarnConfig config = TRY(ReadTarnConfig(env_, workspace_));
    if (config.tls.certificate.empty() != config.tls.key.empty()) {
        return Error(ErrorCode::kInvalidArgument, "tls needs both `certificate` and `key`");
    }
    ReloadReport report;
    // The only part that can fail comes first: all or nothing.
    bool tls_stays = (parts_.tls == nullptr) == config.tls.certificate.empty();
    if (parts_.tls && tls_stays) report.certificate = TRY(TakeCertificate(config.tls));
    std::map<std::string, std::string> old_values = Flatten(config_);
    for (const auto& [key, value] : Flatten(config)) {
        if (old_values[key] == value) continue;
        bool live = kLiveKeys.contains(key) && (tls_stays || !key.starts_with("tls."));
        (live ? report.taken : report.need_restart).push_back(key);
    }
    SetLogLevel(*parts_.log, LogLevelOf(config.log.level));
    access::BackupConfig backup = config.backup;
    if (!backup.to.empty()) backup.to = Absolute(workspace_, backup.to);
    parts_.backup->SetConfig(backup);
    TakeLimits(config, report);
    parts_.budget->SetConfig(config.budget, config_.limits);
    // What needs a restart stays as it runs, so that the next reload says it again.
    config_.log.level = config.log.level;
    config_.backup = config.backup;
    ByteSize memory = config_.budget.memory;
    config_.budget = config.budget;
    config_.budget.memory = memory;
    if (tls_stays) config_.tls = config.tls;
    return report;
}

// Keys of a mapping have no place among those that Flatten knows. The memory of a role is its engine's, made at start.
void Reloader::TakeLimits(const TarnConfig& config, ReloadReport& report) {
    if (config.limits == config_.limits) return;
    access::LimitsConfig taken = config.limits;
    bool restart = false;
    for (auto& [role, limits] : taken) {
        auto before = config_.limits.find(role);
        int64_t memory = before == config_.limits.end() ? 0 : before->second.memory.bytes;
        restart = restart || limits.memory.bytes != memory;
        limits.memory.bytes = memory;
    }
    if (restart) report.need_restart.emplace_back("limits.*.memory");
    if (taken != config_.limits) report.taken.emplace_back("limits");
    config_.limits = std::move(taken);
}

Status Reloader::Health() {
    std::lock_guard lock(mutex_);
    if (!parts_.tls || certificate_.fingerprint.empty()) return Ok();
    if (env_.clock().Now() <= certificate_.valid_until) return Ok();
    return Error(ErrorCode::kFailedPrecondition, "the certificate {} has expired at {}", config_.tls.certificate,
                 FormatTime(certificate_.valid_until))
        .WithHint("renew it: the new files are taken within seconds");
}

Json ReloadJson(const ReloadReport& report) {
    return {{"taken", report.taken}, {"need_restart", report.need_restart}, {"certificate", report.certificate}};
}

}  // namespace tarn::app

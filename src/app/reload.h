// Reloader: takes what changed in tarn.yaml and in the certificate's files into the running program.
//
// What can change while Tarn runs is a list (kLiveKeys in reload.cc); of the rest it says that it needs a restart. A
// file that is wrong changes nothing. New connections get the new certificate, those that are open keep theirs. Any
// thread.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/certificate.h"
#include "base/env.h"
#include "base/json.h"
#include "base/metrics.h"

namespace tarn::app {

struct Components;

struct ReloadReport {
    std::vector<std::string> taken;         // keys that hold from now on
    std::vector<std::string> need_restart;  // keys that changed and do not
    bool certificate = false;               // another one is shown from now on
};

class Reloader {
  public:
    // `parts` and its listeners are there; what runs is what `parts.config` says.
    Reloader(Components& parts, Env& env, std::string workspace);
    Result<ReloadReport> Reload();
    // True when the files of the certificate changed, and their new content was taken.
    Result<bool> TakeNewCertificate();
    // Ok, or: it has expired.
    Status Health();

  private:
    struct Seen {
        Timestamp certificate_at;
        Timestamp key_at;
        bool operator==(const Seen&) const = default;
    };
    Result<bool> TakeCertificate(const TlsConfig& tls);
    void TakeLimits(const TarnConfig& config, ReloadReport& report);
    Seen Look(const TlsConfig& tls) const;
    void Tell(const CertificateInfo& info);

    Components& parts_;
    Env& env_;
    const std::string workspace_;
    std::mutex mutex_;   // of what follows
    TarnConfig config_;  // what was read last
    Seen seen_;
    CertificateInfo certificate_;
};

Json ReloadJson(const ReloadReport& report);

}  // namespace tarn::app
